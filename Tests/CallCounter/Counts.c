#define _GNU_SOURCE
#include "CallCounter.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static _Atomic pid_t watched;
static __thread pid_t this_thread;

/* Only the watched thread writes these; the reader waits until it is quiet. */
static long allocations;
enum { place_count = 512 };
static struct counted_place places[place_count];

static int is_watched(void) {
  pid_t thread = atomic_load_explicit(&watched, memory_order_relaxed);
  if (thread == 0) return 0;
  if (this_thread == 0) this_thread = (pid_t)syscall(SYS_gettid);
  return thread == this_thread;
}

static void note_place(const void *address) {
  for (int i = 0; i < place_count; i++) {
    if (places[i].address == NULL) places[i].address = address;
    if (places[i].address != address) continue;
    places[i].count++;
    return;
  }
}

static void note_allocation(void) {
  /* backtrace() may allocate at its first call. */
  static __thread int is_noting;
  if (!is_watched() || is_noting) return;
  allocations++;
  is_noting = 1;
  void *frames[12];
  int depth = backtrace(frames, 12);
  /* Frame 0 is here, 1 is malloc; the functions of the Swift runtime and of malloc's kin say nothing. */
  const void *place = NULL;
  for (int i = 2; i < depth && place == NULL; i++) {
    char *name = call_counter_name(frames[i]);
    int says_nothing = name == NULL || strncmp(name, "swift_", 6) == 0 || strncmp(name, "_swift_", 7) == 0 ||
                       strncmp(name, "swift::", 7) == 0 || strncmp(name, "count_", 6) == 0;
    free(name);
    if (!says_nothing) place = frames[i];
  }
  note_place(place != NULL ? place : frames[2]);
  is_noting = 0;
}

void *malloc(size_t size) {
  note_allocation();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note_allocation();
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  note_allocation();
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  note_allocation();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note_allocation();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  note_allocation();
  *memory = __libc_memalign(alignment, size);
  return *memory == NULL ? ENOMEM : 0;
}

void call_counter_prepare(void) {
  void *frames[4];
  backtrace(frames, 4);
  free(call_counter_name((const void *)call_counter_prepare));
  /* A parent may have handed its mask down. */
  sigset_t steps;
  sigemptyset(&steps);
  sigaddset(&steps, SIGTRAP);
  sigaddset(&steps, SIGPROF);
  pthread_sigmask(SIG_UNBLOCK, &steps, NULL);
}

pid_t call_counter_thread(const char *name) {
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return -1;
  pid_t found = -1;
  for (struct dirent *task; found < 0 && (task = readdir(tasks)) != NULL;) {
    char path[64], comm[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", task->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    if (fgets(comm, sizeof comm, file) != NULL) comm[strcspn(comm, "\n")] = 0;
    fclose(file);
    if (strcmp(comm, name) == 0) found = (pid_t)atoi(task->d_name);
  }
  closedir(tasks);
  return found;
}

int call_counter_sleeps(pid_t thread) {
  char path[64], line[256] = "";
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
  FILE *file = fopen(path, "r");
  if (file == NULL) return 0;
  size_t count = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[count] = 0;
  /* The state follows the name, which stands in parentheses. */
  const char *name_end = strrchr(line, ')');
  return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'S';
}

void call_counter_watch(pid_t thread) { atomic_store(&watched, thread); }
long call_counter_allocations(void) { return allocations; }

struct counted_place call_counter_allocation(int n) {
  return n < place_count ? places[n] : (struct counted_place){NULL, 0};
}
