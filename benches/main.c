/* main.c: bench [--quick] [--rounds N] [COMPARISON...]; prints one Markdown table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <uv.h>

#include "bench.h"

static const struct {
    const char *name;
    void (*run)(void);
} comparisons[] = {
    {"wakes", bench_wakes},     {"latency", bench_latency}, {"timers", bench_timers}, {"fds", bench_fds},
    {"memory", bench_memory},   {"idle", bench_idle},       {"chain", bench_chain},   {"streams", bench_streams},
    {"sockets", bench_sockets}, {"away", bench_away},
};

static void print_load(const char *when)
{
    double load[3];
    if (getloadavg(load, 3) == 3)
        printf("Load average %s: %.2f %.2f %.2f\n", when, load[0], load[1], load[2]);
}

static void print_machine(void)
{
    struct utsname system;
    SYS(uname(&system));
    printf("%s %s, %s, %ld processors, libuv %s, libasyncguest %s%s\n\n", system.sysname, system.release,
           system.machine, sysconf(_SC_NPROCESSORS_ONLN), uv_version_string(), guest_version_string(),
           bench_options.quick ? ", smoke run: figures mean nothing" : "");
    print_load("before");
}

int main(int argc, char **argv)
{
    bool chosen[COUNT_OF(comparisons)] = {false};
    bool all = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            bench_options.quick = true;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            bench_options.rounds = (unsigned)atoi(argv[++i]);
        } else {
            size_t known = 0;
            while (known < COUNT_OF(comparisons) && strcmp(argv[i], comparisons[known].name) != 0)
                known++;
            if (known == COUNT_OF(comparisons)) {
                fprintf(stderr, "usage: bench [--quick] [--rounds N] [COMPARISON...]\nwith:");
                for (known = 0; known < COUNT_OF(comparisons); known++)
                    fprintf(stderr, " %s", comparisons[known].name);
                fprintf(stderr, "\n");
                return 2;
            }
            chosen[known] = true;
            all = false;
        }
    }

    /* Ten thousand fds, and whatever else is open. */
    struct rlimit files;
    SYS(getrlimit(RLIMIT_NOFILE, &files));
    files.rlim_cur = files.rlim_max;
    SYS(setrlimit(RLIMIT_NOFILE, &files));

    print_machine();
    printf("\n| work | peer | asyncguest | ratio (less is better) | goal | met |\n");
    printf("|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNT_OF(comparisons); i++)
        if (all || chosen[i])
            comparisons[i].run();
    printf("\n");
    print_load("after");
    return 0;
}
