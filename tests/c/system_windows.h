/* As much of POSIX as the C tests use, for Windows. An fd is a SOCKET or an event, whose numbers are small. */
#ifndef SYSTEM_WINDOWS_H
#define SYSTEM_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <ws2tcpip.h>

#include <windows.h>

#include <fcntl.h>
#include <process.h>
#include <signal.h>
#include <unistd.h>

#define NO_SUCH_FD WSAENOTSOCK
#define CANNOT_BE_WATCHED WSAENOTSOCK
#define NO_SUCH_CHILD ERROR_INVALID_PARAMETER

#define KILLED_CODE 1
#define KILLED_SIGNAL 0

#define SHUT_WR SD_SEND
#define SOCK_CLOEXEC 0
#define SOCK_NONBLOCK 0

/* The console's Ctrl-C, which can be raised, and a number that the console does not send. */
#define SIGUSR1 SIGINT
#define SIGKILL 9

#define O_CLOEXEC 0
#define O_NONBLOCK 0
#define EFD_CLOEXEC 0
#define EFD_NONBLOCK 0
typedef ULONG nfds_t;

#ifdef __cplusplus
extern "C" {
#endif

int eventfd(unsigned count, int flags);
/* Ends of a connection that do not block; what was written can be read when `write` returns. */
int pipe2(int fds[2], int flags);
int socketpair(int family, int type, int protocol, int fds[2]);
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const void *mask);
int poll(struct pollfd *fds, nfds_t count, int milliseconds);
long long system_read(int fd, void *bytes, size_t count);
long long system_write(int fd, const void *bytes, size_t count);
int system_close(int fd);
int system_raise(int signum);

#ifdef __cplusplus
}
#endif

#define read system_read
#define write system_write
#define close system_close
#define raise system_raise
#endif
