/* A swarm of keep-alive connections to a proxy, from one thread with one epoll instance.
 *
 *   swarm stampede PROXY_PORT ORIGIN_PORT CONNECTIONS DELAY_MS
 *     Opens all connections, asks for one cold page on each, and is the origin itself: it answers DELAY_MS
 *     after it got the first request. Prints one line of JSON; times are in ms since that first request.
 *   swarm hold PROXY_PORT CONNECTIONS PATH
 *     Opens all connections, gets PATH once on each, prints "ready" and keeps them open until its standard
 *     input ends.
 *
 * Any failure ends it with one line on standard error and status 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  body_length = 1024,
  opening_at_once = 256,          /* below every listen backlog */
  asking_at_once = 64,            /* hold: as much at once as the other scenarios */
  connections_per_source = 16384, /* fewer than the ports of one source address */
  origin_connections_max = 4096,
  patience_ms = 30000,
};

enum phase { opening, open_idle, waiting, answered };

struct client {
  int fd;
  enum phase phase;
  long head_length; /* 0: not complete yet */
  long body_expected, received;
  char head[1024];
};

struct origin_connection {
  int fd; /* -1: unused */
  bool owes_answer;
  size_t received;
  char head[4096];
};

static struct client *clients;
static int client_count, opened, answers, wrong_answers;
static struct origin_connection origin_connections[origin_connections_max];
static int origin_connection_count, fetches;
static int epoll_fd, listener = -1;
static double fetch_began, first_byte_at, last_byte_at;
static char page[body_length];

static void fail(const char *format, ...) {
  va_list values;
  va_start(values, format);
  fputs("swarm: ", stderr);
  vfprintf(stderr, format, values);
  fputc('\n', stderr);
  va_end(values);
  exit(1);
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static struct sockaddr_in loopback(uint32_t last_byte, int port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000000 | last_byte)};
}

static void watch(int fd, uint32_t interest, uint64_t token) {
  struct epoll_event event = {.events = interest, .data.u64 = token};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl: %s", strerror(errno));
}

/* Tokens: clients by their index; the origin's connections above them; the listener last. */
static const uint64_t origin_token = 1u << 24, listener_token = 1u << 30;

static void open_client(int index, int port) {
  int one = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("connection %d: %s (see ulimit -n)", index, strerror(errno));
  struct sockaddr_in source = loopback(1 + index / connections_per_source, 0), proxy = loopback(1, port);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0) fail("bind: %s", strerror(errno));
  if (connect(fd, (struct sockaddr *)&proxy, sizeof proxy) != 0 && errno != EINPROGRESS)
    fail("connect: %s", strerror(errno));
  clients[index] = (struct client){.fd = fd, .phase = opening};
  /* Edge-triggered and for both directions: no further epoll_ctl in the swarm's life. */
  watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, index);
}

static void ask(struct client *client, const char *request, size_t length) {
  client->phase = waiting;
  if (send(client->fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) fail("send: %s", strerror(errno));
}

/* Looks for the end of the head; what follows it in the buffer is the body's beginning. */
static void read_head(struct client *client, long filled) {
  client->head[filled < (long)sizeof client->head ? filled : (long)sizeof client->head - 1] = 0;
  char *end = strstr(client->head, "\r\n\r\n");
  if (!end) {
    if (filled >= (long)sizeof client->head - 1) fail("a head of over %zu bytes", sizeof client->head);
    return;
  }
  client->head_length = end + 4 - client->head;
  char *field = strcasestr(client->head, "\r\ncontent-length:");
  if (!field || field > end) fail("an answer without Content-Length: %.60s", client->head);
  client->body_expected = atol(field + 17);
  if (strncmp(client->head, "HTTP/1.1 200 ", 13) != 0) wrong_answers++;
}

static void check_body(const char *bytes, long count, long offset) {
  if (listener < 0) return; /* hold: any page will do */
  if (offset + count > body_length || memcmp(page + offset, bytes, count) != 0) wrong_answers++;
}

static void read_answer(struct client *client) {
  static char scratch[65536];
  while (client->phase == waiting) {
    bool in_head = client->head_length == 0;
    char *into = in_head ? client->head + client->received : scratch;
    size_t room = in_head ? sizeof client->head - 1 - client->received : sizeof scratch;
    ssize_t count = recv(client->fd, into, room, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count == 0) fail("the proxy closed a waiting connection");
    if (count < 0) fail("a waiting connection: %s", strerror(errno));
    long before = client->received;
    client->received += count;
    if (in_head) {
      read_head(client, client->received);
      if (client->head_length == 0) continue;
      long beginning = client->received - client->head_length;
      check_body(client->head + client->head_length, beginning, 0);
    } else {
      check_body(scratch, count, before - client->head_length);
    }
    if (client->received < client->head_length + client->body_expected) continue;
    client->phase = answered;
    last_byte_at = now_ms();
    if (answers++ == 0) first_byte_at = last_byte_at;
  }
}

static void client_ready(int index, uint32_t ready) {
  struct client *client = &clients[index];
  if (client->phase == opening && (ready & (EPOLLOUT | EPOLLERR | EPOLLHUP))) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) fail("connection %d: %s", index, strerror(error));
    client->phase = open_idle;
    opened++;
  } else if (client->phase == waiting) {
    read_answer(client);
  } else if (ready & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
    fail("the proxy closed connection %d", index);
  }
}

static void accept_fetches(void) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (origin_connection_count == origin_connections_max) fail("over %d fetches", origin_connections_max);
    origin_connections[origin_connection_count] = (struct origin_connection){.fd = fd};
    watch(fd, EPOLLIN, origin_token + origin_connection_count++);
  }
}

static void read_fetch(struct origin_connection *connection) {
  char *into = connection->head + connection->received;
  ssize_t count = recv(connection->fd, into, sizeof connection->head - 1 - connection->received, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    close(connection->fd);
    connection->fd = -1;
    return;
  }
  connection->received += count;
  connection->head[connection->received] = 0;
  if (!strstr(connection->head, "\r\n\r\n")) return;
  connection->received = 0;
  connection->owes_answer = true;
  if (fetches++ == 0) fetch_began = now_ms();
}

static void answer_fetches(void) {
  char answer[256 + body_length];
  int length = snprintf(answer, sizeof answer,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=60\r\n"
                        "Content-Length: %d\r\n\r\n%.*s",
                        body_length, body_length, page);
  for (int i = 0; i < origin_connection_count; i++) {
    struct origin_connection *connection = &origin_connections[i];
    if (connection->fd < 0 || !connection->owes_answer) continue;
    connection->owes_answer = false;
    if (send(connection->fd, answer, length, MSG_NOSIGNAL) != length) fail("origin: %s", strerror(errno));
  }
}

static void turn(int wait_ms) {
  struct epoll_event events[512];
  int count = epoll_wait(epoll_fd, events, 512, wait_ms);
  for (int i = 0; i < count; i++) {
    uint64_t token = events[i].data.u64;
    if (token == listener_token)
      accept_fetches();
    else if (token >= origin_token)
      read_fetch(&origin_connections[token - origin_token]);
    else
      client_ready((int)token, events[i].events);
  }
}

static void open_all(int port) {
  double deadline = now_ms() + patience_ms;
  for (int index = 0; opened < client_count;) {
    while (index < client_count && index - opened < opening_at_once) open_client(index++, port);
    turn(100);
    if (now_ms() > deadline) fail("only %d of %d connections opened", opened, client_count);
  }
}

static void listen_as_origin(int port) {
  int one = 1;
  struct sockaddr_in address = loopback(1, port);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0)
    fail("origin on port %d: %s", port, strerror(errno));
  watch(listener, EPOLLIN, listener_token);
  for (int i = 0; i < body_length; i++) page[i] = "abcdefghijklmnopqrstuvwxyz012345"[(i * 7 + i / 32) & 31];
}

static void stampede(int proxy_port, int origin_port, double delay_ms) {
  static const char request[] =
      "GET /stampede HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: swarm\r\nAccept: */*\r\n\r\n";
  listen_as_origin(origin_port);
  open_all(proxy_port);
  /* Opened by the kernel is not yet accepted by the proxy: give it the time to. */
  for (double until = now_ms() + 500; now_ms() < until;) turn(20);

  double deadline = now_ms() + patience_ms;
  ask(&clients[0], request, sizeof request - 1);
  while (fetches == 0 && now_ms() < deadline) turn(10);
  if (fetches == 0) fail("no fetch came to the origin");
  for (int i = 1; i < client_count; i++) {
    ask(&clients[i], request, sizeof request - 1);
    if (i % 64 == 0) turn(0);
  }
  double all_sent_at = now_ms();
  while (now_ms() < fetch_began + delay_ms) turn((int)(fetch_began + delay_ms - now_ms()) + 1);
  double answered_at = now_ms();
  answer_fetches();
  while (answers < client_count && now_ms() < deadline) {
    turn(10);
    answer_fetches(); /* any further fetch is answered at once, and counted */
  }
  printf("{\"connections\": %d, \"fetches\": %d, \"answers\": %d, \"wrong_answers\": %d, "
         "\"all_sent_ms\": %.1f, \"origin_answered_ms\": %.1f, \"first_answer_ms\": %.1f, "
         "\"last_byte_ms\": %.1f}\n",
         client_count, fetches, answers, wrong_answers, all_sent_at - fetch_began, answered_at - fetch_began,
         first_byte_at - fetch_began, last_byte_at - fetch_began);
}

static void hold(int proxy_port, const char *path) {
  char request[512];
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", path,
                        proxy_port);
  open_all(proxy_port);
  double deadline = now_ms() + patience_ms;
  for (int asked = 0; answers < client_count && now_ms() < deadline;) {
    while (asked < client_count && asked - answers < asking_at_once) ask(&clients[asked++], request, length);
    turn(100);
  }
  if (answers < client_count || wrong_answers)
    fail("%d of %d answers, %d wrong", answers, client_count, wrong_answers);
  puts("ready");
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) {}
}

int main(int count, char **words) {
  bool is_stampede = count == 6 && strcmp(words[1], "stampede") == 0;
  bool is_hold = count == 5 && strcmp(words[1], "hold") == 0;
  if (!is_stampede && !is_hold)
    fail("expected: stampede PROXY ORIGIN CONNECTIONS DELAY_MS | hold PROXY CONNECTIONS PATH");
  client_count = atoi(words[is_stampede ? 4 : 3]);
  clients = calloc(client_count, sizeof *clients);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (client_count < 1 || !clients || epoll_fd < 0) fail("cannot start with %d connections", client_count);
  if (is_stampede)
    stampede(atoi(words[2]), atoi(words[3]), atof(words[5]));
  else
    hold(atoi(words[2]), words[4]);
  return 0;
}
