#include "harness.h"

#include <dirent.h>

pid_t ending_child(int code)
{
    pid_t child = (pid_t)MUST(fork());
    if (child == 0)
        _exit(code);
    siginfo_t ended;
    MUST(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT));
    return child;
}

/* By the child's number, and as long as it waits: what it reads from. */
static struct {
    pid_t child;
    int go;
} waiting[16];

pid_t child_for_later(int code)
{
    int fds[2];
    MUST(pipe2(fds, O_CLOEXEC));
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        char byte;
        close(fds[1]);
        _exit(read(fds[0], &byte, 1) < 0 ? 99 : code);
    }
    close(fds[0]);
    for (size_t i = 0; i < COUNT(waiting); i++) {
        if (waiting[i].child == 0) {
            waiting[i].child = child;
            waiting[i].go = fds[1];
            return child;
        }
    }
    FAIL("more than %u children wait", (unsigned)COUNT(waiting));
}

void child_go(pid_t child)
{
    for (size_t i = 0; i < COUNT(waiting); i++) {
        if (waiting[i].child == child) {
            waiting[i].child = 0;
            MUST(close(waiting[i].go));
        }
    }
}

pid_t waiting_child(void)
{
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        pause();
        _exit(0);
    }
    return child;
}

void kill_child(pid_t child)
{
    MUST(kill(child, SIGKILL));
}

void end_child(pid_t child)
{
    kill_child(child);
    MUST(waitpid(child, NULL, 0));
}

void assert_reaped(pid_t child)
{
    ASSERT_EQ_I64(-1, waitpid(child, NULL, WNOHANG));
    ASSERT_EQ_I64(ECHILD, errno);
}

pid_t no_child(void)
{
    pid_t child = ending_child(0);
    MUST(waitpid(child, NULL, 0));
    return child;
}

static void call(void *run)
{
    (*(void (**)(void))run)();
}

int in_process(void (*run)(void))
{
    int status = in_fork(call, &run);
    if (!WIFEXITED(status))
        FAIL("the process has ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

void end_process(int code)
{
    _exit(code);
}

void in_signal_handler(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    MUST(sigaction(SIGUSR1, &action, NULL));
    MUST(raise(SIGUSR1));
}

static uint64_t entries_of(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        FAIL("%s: %s", path, strerror(errno));
    uint64_t count = 0;
    for (struct dirent *e; (e = readdir(directory));)
        count += e->d_name[0] != '.';
    closedir(directory);
    return count;
}

uint64_t open_fds(void)
{
    return entries_of("/proc/self/fd");
}

uint64_t running_threads(void)
{
    return entries_of("/proc/self/task");
}
