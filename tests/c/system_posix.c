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

pid_t waiting_child(void)
{
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        pause();
        _exit(0);
    }
    return child;
}

void end_child(pid_t child)
{
    MUST(kill(child, SIGKILL));
    MUST(waitpid(child, NULL, 0));
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
