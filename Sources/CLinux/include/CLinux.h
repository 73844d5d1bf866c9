/* What Glibc's Swift module lacks. _GNU_SOURCE is defined only in CLinux.c: here it would change headers
   that other modules import. GNU prototypes are repeated; what needs a GNU struct or a cast macro is a
   function. */
#ifndef CLINUX_H
#define CLINUX_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

extern int accept4(int, struct sockaddr *, socklen_t *, int);

/* epoll_event without the union: safe in Swift. The layout is asserted in CLinux.c. */
struct linux_event {
  uint32_t ready;
  uint64_t token;
} __attribute__((packed));

/* The three calls of a cache hit, past Glibc's wrappers: those are cancellation points, which costs each call
   two atomic instructions once there are threads. */
static inline int linux_epoll_wait(int epoll, struct linux_event *events, int capacity, int milliseconds) {
  return (int)syscall(SYS_epoll_pwait, epoll, events, capacity, milliseconds, NULL, 0);
}

/* For sockets the calls of their own are shorter ways through the kernel than read and writev. */
static inline ssize_t linux_receive(int socket, void *memory, size_t count) {
  return syscall(SYS_recvfrom, socket, memory, count, 0, NULL, NULL);
}

static inline ssize_t linux_send(int socket, const struct iovec *parts, int count) {
  if (count == 1) return syscall(SYS_sendto, socket, parts->iov_base, parts->iov_len, MSG_NOSIGNAL, NULL, 0);
  struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
  return syscall(SYS_sendmsg, socket, &message, MSG_NOSIGNAL);
}

static inline ssize_t linux_sendfile(int socket, int file, int64_t offset, size_t count) {
  return syscall(SYS_sendfile, socket, file, &offset, count);
}

static inline int linux_epoll_set(int epoll, int operation, int fd, uint32_t interest, uint64_t token) {
  struct epoll_event e = {.events = interest, .data = {.u64 = token}};
  return epoll_ctl(epoll, operation, fd, &e);
}

/* Bytes in a socket's send buffer that the peer has not acknowledged; -1 on failure. */
int linux_unsent(int socket);

/* Number of processors this process may run on. */
int linux_usable_processors(void);

/* Names the calling thread, at most 15 bytes, for ps and perf. */
void linux_name_thread(const char *name);

/* Keeps the calling thread on the n-th processor that it may use; 0 on success. */
int linux_pin_thread(int n);

/* Blocks SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 in the calling thread (and those it starts), on demand SIGCHLD
   too, and returns a non-blocking signalfd for them; -1 on failure. */
int linux_await_signals(int with_children);

/* "SEGV" for SIGSEGV; NULL for a number that is no signal. */
const char *linux_signal_name(int number);

/* The kernel kills this process when the thread that started it ends; 0 on success. */
int linux_end_with_parent(void);

/* Runs `path` with this process's environment, in a process group of its own, where the `count` descriptors
   of `kept` stay open under their numbers. `arguments` ends with NULL. Returns 0 or an errno. */
int linux_spawn(pid_t *process, const char *path, char *const *arguments, const int *kept, int count);

/* Lets the process have as many descriptors as the system allows it; returns how many that is. */
unsigned long linux_raise_descriptor_limit(void);

/* Random bytes from the kernel; 0 on success. */
int linux_random(void *bytes, size_t count);

/* CRC-32C (Castagnoli) of `count` bytes that follow those whose sum is `sum`; 0 begins. By the processor's
   instruction where it has one. */
uint32_t linux_crc32c(uint32_t sum, const void *bytes, size_t count);

/* The same without the instruction. */
uint32_t linux_crc32c_by_table(uint32_t sum, const void *bytes, size_t count);

/* Reads what is in the page cache already; -1 with EAGAIN when the disk would have to be asked, with
   EOPNOTSUPP where the file system cannot tell. */
ssize_t linux_read_no_wait(int file, void *memory, size_t count, int64_t offset);

/* Entries of a directory as the kernel lays them out (getdents64); 0 at the end. */
ssize_t linux_list(int directory, void *memory, size_t count);

/* Takes the only lock of an open file (flock); -1 with EWOULDBLOCK when another has it. */
int linux_lock(int file);
int linux_unlock(int file);

/* dup3(2): `file` becomes another descriptor of what `other` is one of; -1 and errno. */
int linux_replace_descriptor(int file, int other);

/* Writes everything of the file system that holds `file` to its device. */
int linux_sync_file_system(int file);

/* Tells the processor that this is a loop that waits. */
static inline void linux_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

/* Sleeps while `*word` is `expected`, until woken; may return early. Only threads of this process. */
void linux_futex_wait(const uint32_t *word, uint32_t expected);

/* Wakes one thread that sleeps on `word`. */
void linux_futex_wake(const uint32_t *word);

/* Maps `bytes` of zeroed memory that counts only when touched; NULL on failure. It is the memory of `*file`,
   so that sendfile can send from it; where there can be no such file that is -1 and the memory private. */
void *linux_reserve(size_t bytes, int *file);

/* Takes the pages out of the mapping; it reads as zero afterwards. Pages that sockets still hold stay as they
   are, and come back to nobody. */
void linux_release_pages(void *start, size_t bytes);

#endif
