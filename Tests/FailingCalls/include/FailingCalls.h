/* A library to be preloaded into a process under test: system calls of its disk tier fail as a file says that
 * both processes map.
 *
 * LARDER_FAULTS names that file: numbers of 32 bits, one for each `call`, the errno that it is to fail with;
 * 0: it is carried out. DELAY is how many milliseconds fsync and its like take longer. Only calls relative to
 * a directory, and those at an offset, are the disk tier's; no others are touched. */
#ifndef FAILING_CALLS_H
#define FAILING_CALLS_H

enum call { READ, READ_NO_WAIT, WRITE, OPEN, SYNC, RENAME, UNLINK, MAKE_DIRECTORY, DELAY, CALLS };

#endif
