/* timers.c: a million timers, started and stopped, and started and fired; in processor time.
 *
 * libuv's deadlines are whole milliseconds, so ours are too. libuv's user owns the uv_timer_t; here they
 * lie in one array, the cheapest that can be done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "bench.h"

enum { HOUR = 3600 * 1000, MILLISECOND = 1000000 };
enum order { EQUAL, INCREASING, DECREASING, RANDOM };

struct plan {
    enum order order;
    uint64_t first; /* milliseconds */
    uint64_t range; /* milliseconds */
};

static size_t timer_count(void)
{
    return bench_size(1000000, 10000);
}

/* The delays of all timers in milliseconds. */
static uint64_t *make_delays(const struct plan *plan)
{
    size_t count = timer_count();
    uint64_t *delays = malloc(count * sizeof *delays);
    if (delays == NULL)
        bench_die("malloc", NULL);
    uint32_t random = 1;
    for (size_t i = 0; i < count; i++) {
        uint64_t step = 0;
        switch (plan->order) {
        case EQUAL:
            break;
        case INCREASING:
            step = plan->range * i / count;
            break;
        case DECREASING:
            step = plan->range * (count - i) / count;
            break;
        case RANDOM:
            step = bench_random(&random) % plan->range;
            break;
        }
        delays[i] = plan->first + step;
    }
    return delays;
}

static double per_timer(uint64_t began)
{
    return (double)(bench_spent() - began) / (double)timer_count();
}

static void until_all_are_due(const struct plan *plan)
{
    struct timespec pause = {0, (long)(plan->first + plan->range + 5) * MILLISECOND};
    nanosleep(&pause, NULL);
}

static size_t fired;

static void on_uv_timer(uv_timer_t *timer)
{
    (void)timer;
    fired++;
}

static void on_guest_timer(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)g;
    (void)id;
    (void)expirations;
    (void)user_data;
    fired++;
}

static guest_t *new_guest(void)
{
    guest_t *guest;
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    GUEST(guest_start(NULL, &options, &guest));
    return guest;
}

/* Metric 0: a timer's whole life, made, started, closed, gone. */
static void uv_lives(const void *setup, double *metrics_out)
{
    uint64_t *delays = make_delays(setup);
    size_t count = timer_count();
    uv_timer_t *timers = malloc(count * sizeof *timers);
    if (timers == NULL)
        bench_die("malloc", NULL);
    uv_loop_t loop;
    UV(uv_loop_init(&loop));
    uint64_t began = bench_spent();
    for (size_t i = 0; i < count; i++) {
        UV(uv_timer_init(&loop, &timers[i]));
        UV(uv_timer_start(&timers[i], on_uv_timer, delays[i], 0));
    }
    for (size_t i = 0; i < count; i++)
        uv_close((uv_handle_t *)&timers[i], NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    metrics_out[0] = per_timer(began);
    UV(uv_loop_close(&loop));
    free(timers);
    free(delays);
}

static void guest_lives(const void *setup, double *metrics_out)
{
    uint64_t *delays = make_delays(setup);
    size_t count = timer_count();
    guest_id_t *ids = malloc(count * sizeof *ids);
    if (ids == NULL)
        bench_die("malloc", NULL);
    guest_t *guest = new_guest();
    uint64_t began = bench_spent();
    for (size_t i = 0; i < count; i++)
        GUEST(guest_timer_add(guest, delays[i] * MILLISECOND, 0, on_guest_timer, NULL, NULL, &ids[i]));
    for (size_t i = 0; i < count; i++)
        GUEST(guest_close(guest, ids[i]));
    GUEST(guest_deliver_batch_for(guest, 0, GUEST_FOREVER));
    metrics_out[0] = per_timer(began);
    guest_free(guest);
    free(ids);
    free(delays);
}

/* Metric 0: a timer that exists is started and stopped. */
static void uv_restarts(const void *setup, double *metrics_out)
{
    uint64_t *delays = make_delays(setup);
    size_t count = timer_count();
    uv_timer_t *timers = malloc(count * sizeof *timers);
    if (timers == NULL)
        bench_die("malloc", NULL);
    uv_loop_t loop;
    UV(uv_loop_init(&loop));
    for (size_t i = 0; i < count; i++)
        UV(uv_timer_init(&loop, &timers[i]));
    uint64_t began = bench_spent();
    for (size_t i = 0; i < count; i++)
        UV(uv_timer_start(&timers[i], on_uv_timer, delays[i], 0));
    for (size_t i = 0; i < count; i++)
        UV(uv_timer_stop(&timers[i]));
    metrics_out[0] = per_timer(began);
    for (size_t i = 0; i < count; i++)
        uv_close((uv_handle_t *)&timers[i], NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    UV(uv_loop_close(&loop));
    free(timers);
    free(delays);
}

static void guest_restarts(const void *setup, double *metrics_out)
{
    uint64_t *delays = make_delays(setup);
    size_t count = timer_count();
    guest_id_t *ids = malloc(count * sizeof *ids);
    if (ids == NULL)
        bench_die("malloc", NULL);
    guest_t *guest = new_guest();
    for (size_t i = 0; i < count; i++)
        GUEST(guest_timer_add(guest, GUEST_FOREVER, 0, on_guest_timer, NULL, NULL, &ids[i]));
    uint64_t began = bench_spent();
    for (size_t i = 0; i < count; i++)
        GUEST(guest_timer_modify(guest, ids[i], delays[i] * MILLISECOND, 0));
    for (size_t i = 0; i < count; i++)
        GUEST(guest_timer_modify(guest, ids[i], GUEST_FOREVER, 0));
    metrics_out[0] = per_timer(began);
    guest_free(guest);
    free(ids);
    free(delays);
}

/* Metric 0: a timer is made, started and fired; the wait in between is not counted. */
static void uv_fires(const void *setup, double *metrics_out)
{
    uint64_t *delays = make_delays(setup);
    size_t count = timer_count();
    uv_timer_t *timers = malloc(count * sizeof *timers);
    if (timers == NULL)
        bench_die("malloc", NULL);
    uv_loop_t loop;
    UV(uv_loop_init(&loop));
    uint64_t began = bench_spent();
    for (size_t i = 0; i < count; i++) {
        UV(uv_timer_init(&loop, &timers[i]));
        UV(uv_timer_start(&timers[i], on_uv_timer, delays[i], 0));
    }
    metrics_out[0] = per_timer(began);
    until_all_are_due(setup);
    began = bench_spent();
    uv_run(&loop, UV_RUN_NOWAIT);
    metrics_out[0] += per_timer(began);
    if (fired != count)
        bench_die("uv_run", "a timer did not fire");
    for (size_t i = 0; i < count; i++)
        uv_close((uv_handle_t *)&timers[i], NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    UV(uv_loop_close(&loop));
    free(timers);
    free(delays);
}

static void guest_fires(const void *setup, double *metrics_out)
{
    uint64_t *delays = make_delays(setup);
    size_t count = timer_count();
    guest_t *guest = new_guest();
    uint64_t began = bench_spent();
    for (size_t i = 0; i < count; i++)
        GUEST(guest_timer_add(guest, delays[i] * MILLISECOND, 0, on_guest_timer, NULL, NULL, NULL));
    metrics_out[0] = per_timer(began);
    until_all_are_due(setup);
    began = bench_spent();
    GUEST(guest_deliver_batch_for(guest, 0, GUEST_FOREVER));
    metrics_out[0] += per_timer(began);
    if (fired != count)
        bench_die("guest_deliver_batch_for", "a timer did not fire");
    guest_free(guest);
    free(delays);
}

static void compare(const char *what, const char *deadlines, const struct plan *plan,
                    void (*uv)(const void *, double *), void (*guest)(const void *, double *))
{
    char work[96];
    snprintf(work, sizeof work, "%s, %s deadlines", what, deadlines);
    const struct bench_side sides[] = {{"libuv", uv, plan}, {"guest", guest, plan}};
    const struct bench_row row = {work, 0, 1, 0, UNIT_EACH, 1.0, false};
    bench_compare(sides, COUNT_OF(sides), &row, 1, 3);
}

void bench_timers(void)
{
    static const struct plan far[] = {
        [EQUAL] = {EQUAL, HOUR, HOUR},
        [INCREASING] = {INCREASING, HOUR, HOUR},
        [DECREASING] = {DECREASING, HOUR, HOUR},
        [RANDOM] = {RANDOM, HOUR, HOUR},
    };
    static const struct plan near[] = {
        [EQUAL] = {EQUAL, 1, 20},
        [INCREASING] = {INCREASING, 1, 20},
        [DECREASING] = {DECREASING, 1, 20},
        [RANDOM] = {RANDOM, 1, 20},
    };
    static const char *const names[] = {"equal", "increasing", "decreasing", "random"};
    for (enum order order = EQUAL; order <= RANDOM; order++)
        compare("timer made, started, closed", names[order], &far[order], uv_lives, guest_lives);
    for (enum order order = EQUAL; order <= RANDOM; order++)
        compare("timer started and stopped", names[order], &far[order], uv_restarts, guest_restarts);
    for (enum order order = EQUAL; order <= RANDOM; order++)
        compare("timer started and fired", names[order], &near[order], uv_fires, guest_fires);
}
