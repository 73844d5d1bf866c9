#define _GNU_SOURCE
#include "FailingCalls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const volatile int32_t *faults;

__attribute__((constructor)) static void find(void) {
  const char *path = getenv("LARDER_FAULTS");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *memory = mmap(0, CALLS * sizeof *faults, PROT_READ, MAP_SHARED, fd, 0);
  if (memory != MAP_FAILED) faults = memory;
  close(fd);
}

static int fails(enum call call) {
  int code = faults ? faults[call] : 0;
  if (code) errno = code;
  return code;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t pread(int fd, void *memory, size_t count, off_t offset) {
  REAL(pread);
  return fails(READ) ? -1 : real(fd, memory, count, offset);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  REAL(preadv2);
  return fails(READ_NO_WAIT) ? -1 : real(fd, parts, count, offset, flags);
}

ssize_t pwrite(int fd, const void *memory, size_t count, off_t offset) {
  REAL(pwrite);
  return fails(WRITE) ? -1 : real(fd, memory, count, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  REAL(pwritev);
  return fails(WRITE) ? -1 : real(fd, parts, count, offset);
}

int openat(int directory, const char *path, int flags, ...) {
  REAL(openat);
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (directory != AT_FDCWD && fails(OPEN)) return -1;
  return real(directory, path, flags, mode);
}

int renameat(int from, const char *path, int to, const char *new_path) {
  REAL(renameat);
  return fails(RENAME) ? -1 : real(from, path, to, new_path);
}

int unlinkat(int directory, const char *path, int flags) {
  REAL(unlinkat);
  return fails(UNLINK) ? -1 : real(directory, path, flags);
}

int mkdirat(int directory, const char *path, mode_t mode) {
  REAL(mkdirat);
  if (directory != AT_FDCWD && fails(MAKE_DIRECTORY)) return -1;
  return real(directory, path, mode);
}

static void delay(void) {
  long milliseconds = faults ? faults[DELAY] : 0;
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  if (milliseconds) nanosleep(&time, 0);
}

int fsync(int fd) {
  REAL(fsync);
  delay();
  return fails(SYNC) ? -1 : real(fd);
}

int fdatasync(int fd) {
  REAL(fdatasync);
  delay();
  return fails(SYNC) ? -1 : real(fd);
}
