#define _GNU_SOURCE
#include "CallCounter.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* The processor's trap flag makes the kernel send SIGTRAP after every instruction; the handler looks at the
   one that comes next. Handlers themselves run without the flag. Only on x86-64. */

static struct step_counts counts;
enum { place_count = 1024 };
static struct counted_place atomics[place_count];
static struct counted_place types[place_count];
static struct counted_place callers[place_count];
/* Every instruction's address, by hash. */
enum { step_count = 1 << 16 };
static struct counted_place steps[step_count];
static atomic_int is_stepping;

struct step_counts call_counter_steps(void) { return counts; }

struct counted_place call_counter_atomic(int n) {
  return n < place_count ? atomics[n] : (struct counted_place){NULL, 0};
}

struct counted_place call_counter_type(int n) {
  return n < place_count ? types[n] : (struct counted_place){NULL, 0};
}

struct counted_place call_counter_caller(int n) {
  return n < place_count ? callers[n] : (struct counted_place){NULL, 0};
}

struct counted_place call_counter_instruction(int n) {
  return n < step_count ? steps[n] : (struct counted_place){NULL, 0};
}

#if defined(__x86_64__)

enum { trap_flag = 0x100 };

static void note(struct counted_place *places, const void *address) {
  for (int i = 0; i < place_count; i++) {
    if (places[i].address == NULL) places[i].address = address;
    if (places[i].address != address) continue;
    places[i].count++;
    return;
  }
}

static void note_step(const void *address) {
  uint32_t place = (uint32_t)(uintptr_t)address * 2654435761u >> 16;
  for (int tries = 0; tries < 64; tries++, place = (place + 1) % step_count) {
    if (steps[place].address == NULL) steps[place].address = address;
    if (steps[place].address != address) continue;
    steps[place].count++;
    return;
  }
}

static void note_atomic(const void *address) {
  counts.atomics++;
  note(atomics, address);
}

extern void swift_retain(void), swift_retain_n(void), swift_release(void), swift_release_n(void);

/* At the first instruction of a function of the Swift runtime its argument is still where the caller put it.
   What is not positive is no object: short strings and constants pass here too. The hooks that the runtime
   has for this crash on them. */
static void look_at_call(const void *code, greg_t argument, const void **stack) {
  int is_retain = code == (void *)swift_retain || code == (void *)swift_retain_n;
  if (!is_retain && code != (void *)swift_release && code != (void *)swift_release_n) return;
  if (argument <= 0) return;
  if (is_retain) counts.retains++; else counts.releases++;
  note(types, *(const void **)(argument & 0x00fffffffffffff8));
  note(callers, *stack);
}

/* Legacy prefixes, REX, opcode: enough to know a locked instruction, an exchange with memory (which locks
   unasked) and a system call. Intel SDM volume 2, section 2.1 and LOCK, XCHG, SYSCALL. */
static void look_at(const uint8_t *code) {
  const uint8_t *at = code;
  for (;; at++) {
    if (*at == 0xf0) {
      note_atomic(code);
      return;
    }
    int is_prefix = *at == 0x66 || *at == 0x67 || *at == 0xf2 || *at == 0xf3 || *at == 0x2e || *at == 0x36 ||
                    *at == 0x3e || *at == 0x26 || *at == 0x64 || *at == 0x65;
    if (!is_prefix) break;
  }
  if ((*at & 0xf0) == 0x40) at++;
  if ((*at == 0x86 || *at == 0x87) && (at[1] & 0xc0) != 0xc0) note_atomic(code);
  if (at[0] == 0x0f && at[1] == 0x05) counts.system_calls++;
}

static void stepped(int number, siginfo_t *info, void *opaque) {
  (void)number;
  (void)info;
  ucontext_t *context = opaque;
  if (!atomic_load_explicit(&is_stepping, memory_order_relaxed)) {
    context->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)trap_flag;
    return;
  }
  const uint8_t *next = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP];
  /* An instruction with a repeat prefix traps at each of its rounds. */
  static const uint8_t *last;
  if (next == last && (*next == 0xf2 || *next == 0xf3)) return;
  last = next;
  counts.instructions++;
  note_step(next);
  look_at(next);
  look_at_call(
      next, context->uc_mcontext.gregs[REG_RDI], (const void **)context->uc_mcontext.gregs[REG_RSP]);
}

static void begin(int number, siginfo_t *info, void *opaque) {
  (void)number;
  (void)info;
  ((ucontext_t *)opaque)->uc_mcontext.gregs[REG_EFL] |= trap_flag;
}

int call_counter_step(pid_t thread) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  action.sa_sigaction = stepped;
  if (sigaction(SIGTRAP, &action, NULL) != 0) return -1;
  action.sa_sigaction = begin;
  /* One that the service does not block. */
  if (sigaction(SIGPROF, &action, NULL) != 0) return -1;
  atomic_store(&is_stepping, 1);
  return (int)syscall(SYS_tgkill, getpid(), thread, SIGPROF);
}

#else

int call_counter_step(pid_t thread) {
  (void)thread;
  return -1;
}

#endif

void call_counter_stop(void) { atomic_store(&is_stepping, 0); }
