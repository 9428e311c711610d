/* idle.c: what a process does while nothing is due, with 1000 fds and 1000 timers far away.
 *
 * Watched from outside, so that the watching itself is not counted: the context switches and the time on
 * a processor of all threads of the process, from the kernel's own accounts.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "loop.h"

enum { SOURCES = 1000, FAR = 3600 * 1000 };

struct account {
    double switches;
    double nanoseconds;
};

static void never(void *data)
{
    (void)data;
    bench_die("idle", "a callback ran");
}

static void sleep_with_many_sources(const void *argument, int pipe_fd)
{
    const struct loop_ops *ops = argument;
    static struct loop_call call = {never, NULL};
    struct loop *loop = ops->open();
    for (size_t i = 0; i < SOURCES; i++) {
        int fd;
        SYS(fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        ops->watch(loop, fd, &call);
        ops->timer(loop, FAR + i, &call);
    }
    bench_write(pipe_fd, "r", 1);
    ops->run(loop); /* the parent ends it */
}

static void read_line(const char *path, const char *format, double *value_out)
{
    char line[256];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        bench_die(path, NULL);
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, format, value_out) == 1;
    fclose(file);
    if (!found)
        bench_die(path, "does not say what it should");
}

static struct account read_account(pid_t pid)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (threads == NULL)
        bench_die(path, NULL);
    struct account sum = {0, 0};
    for (struct dirent *entry = readdir(threads); entry != NULL; entry = readdir(threads)) {
        if (entry->d_name[0] == '.')
            continue;
        double value;
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", pid, entry->d_name);
        read_line(path, "voluntary_ctxt_switches: %lf", &value);
        sum.switches += value;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
        read_line(path, "%lf", &value);
        sum.nanoseconds += value;
    }
    closedir(threads);
    return sum;
}

static void watch_idle(const void *setup, double *metrics_out)
{
    int ready;
    pid_t pid = bench_fork(sleep_with_many_sources, setup, &ready);
    char byte;
    bench_read(ready, &byte, 1);
    close(ready);
    struct timespec settle = {0, 300000000}, pause = {(time_t)bench_size(5, 1), 0};
    nanosleep(&settle, NULL);
    struct account before = read_account(pid);
    nanosleep(&pause, NULL);
    struct account after = read_account(pid);
    SYS(kill(pid, SIGKILL));
    bench_reap(pid);
    metrics_out[0] = (after.switches - before.switches) / (double)pause.tv_sec;
    metrics_out[1] = (after.nanoseconds - before.nanoseconds) / 1e3 / (double)pause.tv_sec;
}

void bench_idle(void)
{
    enum { UV, UV_CONDVAR, FD, CONDVAR };
    const struct bench_side sides[] = {
        [UV] = {"libuv", watch_idle, &loop_uv},
        [UV_CONDVAR] = {"libuv on a thread", watch_idle, &loop_uv_condvar},
        [FD] = {"guest", watch_idle, &loop_guest_poll},
        [CONDVAR] = {"guest", watch_idle, &loop_guest_condvar},
    };
    const struct bench_row rows[] = {
        {"idle wake-ups in a second, drive FD", UV, FD, 0, UNIT_PLAIN, 0, true},
        {"idle wake-ups in a second, drive THREAD", UV_CONDVAR, CONDVAR, 0, UNIT_PLAIN, 0, true},
        {"idle processor time in a second, us, drive FD", UV, FD, 1, UNIT_PLAIN, 0, true},
        {"idle processor time in a second, us, drive THREAD", UV_CONDVAR, CONDVAR, 1, UNIT_PLAIN, 0, true},
    };
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 1);
}
