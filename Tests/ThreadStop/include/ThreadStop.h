/* Holds one thread of another process, as if it hung. */
#ifndef THREAD_STOP_H
#define THREAD_STOP_H

/* Stops thread `id` of a process begun by this one; 0 or an errno. Only the calling thread can let it go
   on. */
int thread_stop(int id);

void thread_continue(int id);

#endif
