#define _GNU_SOURCE
#include "CLinux.h"

#include <linux/futex.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

_Static_assert(sizeof(struct linux_event) == sizeof(struct epoll_event), "epoll_event layout");
_Static_assert(offsetof(struct linux_event, token) == offsetof(struct epoll_event, data),
               "epoll_event layout");

int linux_usable_processors(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

int linux_unsent(int socket) {
  int bytes = 0;
  return ioctl(socket, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

void linux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int linux_pin_thread(int n) {
  cpu_set_t set, one;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return -1;
  for (int processor = 0; processor < CPU_SETSIZE; processor++) {
    if (!CPU_ISSET(processor, &set) || n-- > 0) continue;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    return sched_setaffinity(0, sizeof one, &one);
  }
  return -1;
}

int linux_await_signals(int with_children) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  if (with_children) sigaddset(&set, SIGCHLD);
  if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) return -1;
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

const char *linux_signal_name(int number) { return sigabbrev_np(number); }

int linux_end_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }

int linux_spawn(pid_t *process, const char *path, char *const *arguments, const int *kept, int count) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return code;
  /* A descriptor copied onto itself loses its close-on-exec mark, in the child only. */
  for (int i = 0; i < count && code == 0; i++)
    code = posix_spawn_file_actions_adddup2(&actions, kept[i], kept[i]);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  if (code == 0) code = posix_spawn(process, path, &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

unsigned long linux_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

int linux_random(void *bytes, size_t count) {
  return getrandom(bytes, count, 0) == (ssize_t)count ? 0 : -1;
}

void linux_futex_wait(const uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void linux_futex_wake(const uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void *linux_reserve(size_t bytes, int *file) {
  int fd = memfd_create("larder-memory", MFD_CLOEXEC);
  if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0) {
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (start != MAP_FAILED) {
      /* Taking 64 KiB out of a huge page that a socket holds would zero them there (shmem_enabled=always). */
      madvise(start, bytes, MADV_NOHUGEPAGE);
      *file = fd;
      return start;
    }
  }
  if (fd >= 0) close(fd);
  *file = -1;
  int kind = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, kind, -1, 0);
  return start == MAP_FAILED ? NULL : start;
}

void linux_release_pages(void *start, size_t bytes) {
  if (madvise(start, bytes, MADV_REMOVE) != 0) madvise(start, bytes, MADV_DONTNEED);
}

ssize_t linux_read_no_wait(int file, void *memory, size_t count, int64_t offset) {
  struct iovec part = {.iov_base = memory, .iov_len = count};
  return preadv2(file, &part, 1, offset, RWF_NOWAIT);
}

ssize_t linux_list(int directory, void *memory, size_t count) {
  return syscall(SYS_getdents64, directory, memory, count);
}

int linux_lock(int file) { return flock(file, LOCK_EX | LOCK_NB); }

int linux_unlock(int file) { return flock(file, LOCK_UN); }

int linux_replace_descriptor(int file, int other) { return dup3(other, file, O_CLOEXEC); }

int linux_sync_file_system(int file) { return syncfs(file); }

/* The polynomial 0x1EDC6F41 with its bits reversed. */
static uint32_t crc_of_byte(uint32_t byte) {
  for (int bit = 0; bit < 8; bit++) byte = byte & 1 ? byte >> 1 ^ 0x82F63B78 : byte >> 1;
  return byte;
}

static uint32_t crc_table[256];

__attribute__((constructor)) static void fill_crc_table(void) {
  for (uint32_t i = 0; i < 256; i++) crc_table[i] = crc_of_byte(i);
}

uint32_t linux_crc32c_by_table(uint32_t sum, const void *bytes, size_t count) {
  const uint8_t *at = bytes;
  uint32_t crc = ~sum;
  for (; count > 0; count--) crc = crc >> 8 ^ crc_table[(crc ^ *at++) & 255];
  return ~crc;
}

#if defined(__x86_64__)
#define CRC_TARGET __attribute__((target("sse4.2")))
#define CRC_WORD(crc, word) __builtin_ia32_crc32di(crc, word)
#define CRC_BYTE(crc, byte) __builtin_ia32_crc32qi((uint32_t)(crc), byte)

static int has_crc_instruction(void) {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) != 0;
}
#elif defined(__aarch64__)
#define CRC_TARGET __attribute__((target("crc")))
#define CRC_WORD(crc, word) __builtin_arm_crc32cd((uint32_t)(crc), word)
#define CRC_BYTE(crc, byte) __builtin_arm_crc32cb((uint32_t)(crc), byte)

static int has_crc_instruction(void) { return (getauxval(AT_HWCAP) & 1 << 7) != 0; /* HWCAP_CRC32 */ }
#endif

#ifdef CRC_TARGET
CRC_TARGET static uint32_t crc_by_instruction(uint32_t sum, const void *bytes, size_t count) {
  const uint8_t *at = bytes;
  uint64_t crc = (uint32_t)~sum;
  for (; count >= 8; count -= 8, at += 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    crc = CRC_WORD(crc, word);
  }
  for (; count > 0; count--) crc = CRC_BYTE(crc, *at++);
  return ~(uint32_t)crc;
}
#endif

uint32_t linux_crc32c(uint32_t sum, const void *bytes, size_t count) {
#ifdef CRC_TARGET
  static int known; /* 0: not asked yet, 1: no, 2: yes. Threads that ask at once find the same. */
  int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (answer == 0) {
    answer = has_crc_instruction() ? 2 : 1;
    __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
  }
  if (answer == 2) return crc_by_instruction(sum, bytes, count);
#endif
  return linux_crc32c_by_table(sum, bytes, count);
}
