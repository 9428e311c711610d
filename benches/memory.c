/* memory.c: bytes of heap and of resident memory for each registered fd and each timer.
 *
 * libuv's figure includes the uv_poll_t or uv_timer_t that its user allocates, here in one array. What the
 * kernel keeps for an fd in an epoll set is the same for both and not counted.
 */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "bench.h"

enum { FDS = 10000 };

struct memory {
    double heap;
    double resident;
};

static struct memory used(void)
{
    struct mallinfo2 heap = mallinfo2();
    char text[64] = {0};
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    SYS(fd);
    SYS(read(fd, text, sizeof text - 1));
    close(fd);
    unsigned long size, resident;
    if (sscanf(text, "%lu %lu", &size, &resident) != 2)
        bench_die("/proc/self/statm", "not read");
    return (struct memory){(double)(heap.uordblks + heap.hblkhd), (double)resident * (double)sysconf(_SC_PAGESIZE)};
}

static void difference(struct memory before, size_t count, double *metrics_out)
{
    struct memory after = used();
    metrics_out[0] = (after.heap - before.heap) / (double)count;
    metrics_out[1] = (after.resident - before.resident) / (double)count;
}

static int *open_fds(size_t count)
{
    int *fds = malloc(count * sizeof *fds);
    if (fds == NULL)
        bench_die("malloc", NULL);
    for (size_t i = 0; i < count; i++)
        SYS(fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    return fds;
}

static void on_uv_poll(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

static void on_uv_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void on_guest_fd(guest_t *g, guest_id_t id, uint32_t events, void *user_data)
{
    (void)g;
    (void)id;
    (void)events;
    (void)user_data;
}

static void on_guest_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)g;
    (void)id;
    (void)expirations;
    (void)user_data;
}

static guest_t *new_guest(void)
{
    guest_t *guest;
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    GUEST(guest_start(NULL, &options, &guest));
    GUEST(guest_deliver_batch(guest, 0));
    return guest;
}

/* The process ends after the sample: nothing is given back, which keeps the figure free of it. */
static void uv_fds(const void *setup, double *metrics_out)
{
    (void)setup;
    size_t count = bench_size(FDS, 100);
    int *fds = open_fds(count);
    uv_loop_t loop;
    UV(uv_loop_init(&loop));
    uv_run(&loop, UV_RUN_NOWAIT);
    struct memory before = used();
    uv_poll_t *polls = malloc(count * sizeof *polls);
    if (polls == NULL)
        bench_die("malloc", NULL);
    for (size_t i = 0; i < count; i++) {
        UV(uv_poll_init(&loop, &polls[i], fds[i]));
        UV(uv_poll_start(&polls[i], UV_READABLE, on_uv_poll));
    }
    uv_run(&loop, UV_RUN_NOWAIT);
    difference(before, count, metrics_out);
}

static void guest_fds(const void *setup, double *metrics_out)
{
    (void)setup;
    size_t count = bench_size(FDS, 100);
    int *fds = open_fds(count);
    guest_t *guest = new_guest();
    struct memory before = used();
    for (size_t i = 0; i < count; i++)
        GUEST(guest_fd_add(guest, fds[i], GUEST_READABLE, on_guest_fd, NULL, NULL, NULL));
    GUEST(guest_deliver_batch(guest, 0));
    difference(before, count, metrics_out);
}

static void uv_timers(const void *setup, double *metrics_out)
{
    size_t count = bench_size(*(const size_t *)setup, 1000);
    uv_loop_t loop;
    UV(uv_loop_init(&loop));
    struct memory before = used();
    uv_timer_t *timers = malloc(count * sizeof *timers);
    if (timers == NULL)
        bench_die("malloc", NULL);
    for (size_t i = 0; i < count; i++) {
        UV(uv_timer_init(&loop, &timers[i]));
        UV(uv_timer_start(&timers[i], on_uv_timer, 3600000 + i, 0));
    }
    uv_run(&loop, UV_RUN_NOWAIT);
    difference(before, count, metrics_out);
}

static void guest_timers(const void *setup, double *metrics_out)
{
    size_t count = bench_size(*(const size_t *)setup, 1000);
    guest_t *guest = new_guest();
    struct memory before = used();
    for (size_t i = 0; i < count; i++)
        GUEST(guest_timer_add(guest, (3600000 + i) * 1000000u, 0, on_guest_timer, NULL, NULL, NULL));
    GUEST(guest_deliver_batch(guest, 0));
    difference(before, count, metrics_out);
}

static void compare(const char *const work[2], const size_t *count, void (*uv)(const void *, double *),
                    void (*guest)(const void *, double *))
{
    const struct bench_side sides[] = {{"libuv", uv, count}, {"guest", guest, count}};
    const struct bench_row rows[] = {
        {work[0], 0, 1, 0, UNIT_BYTES, 1.0, false},
        {work[1], 0, 1, 1, UNIT_BYTES, 1.0, false},
    };
    bench_compare(sides, COUNT_OF(sides), rows, COUNT_OF(rows), 1);
}

void bench_memory(void)
{
    /* Just below a power of two, where a table that doubles is well filled, and just above one. */
    static const size_t full = 1000000, half_empty = 530000;
    compare((const char *const[]){"heap for a registered fd (10 000)", "resident memory for a registered fd (10 000)"},
            NULL, uv_fds, guest_fds);
    compare((const char *const[]){"heap for a timer (1 000 000)", "resident memory for a timer (1 000 000)"}, &full,
            uv_timers, guest_timers);
    compare((const char *const[]){"heap for a timer (530 000, tables half empty)",
                                  "resident memory for a timer (530 000, tables half empty)"},
            &half_empty, uv_timers, guest_timers);
}
