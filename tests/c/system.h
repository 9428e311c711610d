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

/* The error of an fd that is not open. */
#define NO_SUCH_FD EBADF
#endif

#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A child process that has ended with `code`, and that nobody has reaped. */
pid_t ending_child(int code);
/* A child process that lives until `end_child`, which reaps it. */
pid_t waiting_child(void);
void end_child(pid_t child);

/* Of this process. */
uint64_t open_fds(void);
uint64_t running_threads(void);

#ifdef __cplusplus
}
#endif
#endif
