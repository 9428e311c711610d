/* What the C tests need of the system: the headers, and a few words for what the systems have by different names. */
#ifndef SYSTEM_H
#define SYSTEM_H

#ifdef _WIN32
#include "system_windows.h"
#else
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The errors of an fd that is not open, of a file's, and of a child that there is not. */
#define NO_SUCH_FD EBADF
#define CANNOT_BE_WATCHED EPERM
#define NO_SUCH_CHILD ESRCH

/* How a child that `kill_child` has ended looks. */
#define KILLED_CODE (-1)
#define KILLED_SIGNAL SIGKILL
#endif

#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A child process that has ended with `code`, and that nobody has reaped. */
pid_t ending_child(int code);
/* A child process that ends with `code` after `child_go`. */
pid_t child_for_later(int code);
void child_go(pid_t child);
/* A child process that lives until `kill_child`, or `end_child`, which reaps it too. */
pid_t waiting_child(void);
void kill_child(pid_t child);
void end_child(pid_t child);
/* Fails if somebody has still to reap it. */
void assert_reaped(pid_t child);
/* The number of none. */
pid_t no_child(void);

/* Runs `run` in a process of its own; the exit code, which is 0 when `run` returns. Once in a test: where there are no forks,
 * that process is the test begun anew. */
int in_process(void (*run)(void));
/* Ends this process without the functions that were registered for the exit. */
__attribute__((noreturn)) void end_process(int code);

/* Runs `handler` as the handler of a signal that comes now. */
void in_signal_handler(void (*handler)(int));

/* Of this process. */
uint64_t open_fds(void);
uint64_t running_threads(void);

#ifdef __cplusplus
}
#endif
#endif
