/* Counts what one thread of this process does: memory it takes, and, by single steps, every atomic
   instruction, system call and counted reference, with the function that makes it. Only for measuring
   programs: linking this replaces malloc. */
#ifndef CALLCOUNTER_H
#define CALLCOUNTER_H

#include <stdint.h>
#include <sys/types.h>

/* Loads what is needed to name functions, and unblocks the signals of single steps; to be called before the
   first thread is there. */
void call_counter_prepare(void);

/* The thread of this name, as ps shows it; -1 when there is none. */
pid_t call_counter_thread(const char *name);

/* Whether the thread waits for something to happen, and not for a processor. */
int call_counter_sleeps(pid_t thread);

/* From now on the allocations of this thread are counted; 0 ends that. */
void call_counter_watch(pid_t thread);

long call_counter_allocations(void);

/* An address with how often something happened there. */
struct counted_place {
  const void *address;
  long count;
};

/* The n-th place where memory was taken, a return address in the function; NULL behind the last. */
struct counted_place call_counter_allocation(int n);

/* Makes the thread run step by step; 0 on success, -1 where that is not possible. */
int call_counter_step(pid_t thread);

/* Ends that. */
void call_counter_stop(void);

struct step_counts {
  long instructions;
  long atomics;
  long system_calls;
  /* Calls of swift_retain and swift_release for real objects. */
  long retains;
  long releases;
};

struct step_counts call_counter_steps(void);

/* The n-th atomic instruction; NULL behind the last. */
struct counted_place call_counter_atomic(int n);

/* The n-th of 65,536 places for instructions, in no order; address is NULL where none is. */
struct counted_place call_counter_instruction(int n);

/* The n-th class whose objects were retained or released: its metadata; NULL behind the last. */
struct counted_place call_counter_type(int n);

/* The n-th place from which objects were retained or released; NULL behind the last. */
struct counted_place call_counter_caller(int n);

/* The demangled name of the function that holds an address; the caller frees it. */
char *call_counter_name(const void *address);

#endif
