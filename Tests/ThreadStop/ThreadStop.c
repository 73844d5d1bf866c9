#define _GNU_SOURCE
#include "ThreadStop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int thread_stop(int id) {
  if (ptrace(PTRACE_SEIZE, id, NULL, NULL) != 0) return errno;
  if (ptrace(PTRACE_INTERRUPT, id, NULL, NULL) != 0) return errno;
  return waitpid(id, NULL, __WALL) == id ? 0 : errno;
}

void thread_continue(int id) { ptrace(PTRACE_DETACH, id, NULL, NULL); }
