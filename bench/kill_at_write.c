/* Preloaded into a program: kills it at one of the calls by which it changes files. The file that says
 * which is mapped, so that the count can be set at any time; all numbers are 8-byte integers:
 *
 *   0  calls that are left until the end, 0: it goes on; set by whoever wants it to end
 *   1  where in that call: 0 before it, 1 after half of the bytes, 2 after it
 *   2  microseconds that each file takes which the start-up scan opens
 *   3  calls so far, counted here
 *
 *   KILL_AT_WRITE=FILE LD_PRELOAD=kill_at_write.made PROGRAM
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LEFT, WHERE, SCAN_MICROSECONDS, CALLS, NUMBERS };
enum { BEFORE, HALF, AFTER };

static int64_t none[NUMBERS], *numbers = none;

__attribute__((constructor)) static void map_numbers(void) {
  const char *path = getenv("KILL_AT_WRITE");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) numbers = mapped;
  close(fd);
}

static void end(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Whether the program is to end with this call; if before it, it has ended. */
static int is_last(int has_halves) {
  __atomic_fetch_add(&numbers[CALLS], 1, __ATOMIC_SEQ_CST);
  int64_t left = __atomic_load_n(&numbers[LEFT], __ATOMIC_SEQ_CST);
  while (left > 0 && !__atomic_compare_exchange_n(&numbers[LEFT], &left, left - 1, 0, __ATOMIC_SEQ_CST,
                                                  __ATOMIC_SEQ_CST)) {
  }
  if (left != 1) return 0;
  if (numbers[WHERE] == BEFORE || (numbers[WHERE] == HALF && !has_halves)) end();
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CALL(name, ...)                         \
  static __typeof__(&name) real;                \
  if (!real) real = REAL(name);                 \
  int last = is_last(0);                        \
  int result = real(__VA_ARGS__), code = errno; \
  if (last) end();                              \
  errno = code;                                 \
  return result

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  static __typeof__(&pwrite) real;
  if (!real) real = REAL(pwrite);
  int last = is_last(1);
  ssize_t result = real(fd, bytes, last && numbers[WHERE] == HALF ? count / 2 : count, offset);
  if (last) end();
  return result;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  static __typeof__(&pwritev) real;
  if (!real) real = REAL(pwritev);
  int last = is_last(1);
  ssize_t result = real(fd, parts, last && numbers[WHERE] == HALF ? count / 2 : count, offset);
  if (last) end();
  return result;
}

int renameat(int from, const char *old, int to, const char *new) { CALL(renameat, from, old, to, new); }
int unlinkat(int directory, const char *path, int flags) { CALL(unlinkat, directory, path, flags); }
int mkdirat(int directory, const char *path, mode_t mode) { CALL(mkdirat, directory, path, mode); }
int fsync(int fd) { CALL(fsync, fd); }
int fdatasync(int fd) { CALL(fdatasync, fd); }

int openat(int directory, const char *path, int flags, ...) {
  static __typeof__(&openat) real;
  if (!real) real = REAL(openat);
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (numbers[SCAN_MICROSECONDS] > 0) {
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    if (strcmp(name, "larder-tidy") == 0) usleep(numbers[SCAN_MICROSECONDS]);
  }
  int last = flags & O_CREAT ? is_last(0) : 0;
  int result = real(directory, path, flags, mode), code = errno;
  if (last) end();
  errno = code;
  return result;
}
