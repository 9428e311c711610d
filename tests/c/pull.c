/* Hazard: the pull form: events as an array, drops at the next call, batches that nest. */
#include "toy.h"

static toy_t toy;

static void start(uint32_t drive)
{
    guest_options_t options = options_for(drive);
    options.flags = GUEST_FLAG_PULL;
    options.batch_budget = GUEST_FOREVER; /* a slow machine must not split the batches */
    toy = (toy_t){0};
    toy_start_on(&toy, NULL, &options);
}

static void end(void)
{
    ASSERT_OK(guest_cancel(toy.g));
    ASSERT_OK(guest_shutdown(toy.g, limit(SECONDS(5))));
    toy_free(&toy);
    toy_close(&toy);
}

static void nothing(void *user_data)
{
    (void)user_data;
}

TEST(pull_every_kind)
{
    enum { KINDS = 8 };
    guest_event_t events[16];
    guest_id_t ids[KINDS] = {0};
    probe_t probes[KINDS];
    channel_t pipe = channel_open();
    for (unsigned i = 0; i < KINDS; i++)
        probes[i] = (probe_t)PROBE(&toy);
    start(GUEST_DRIVE_FD);
    pid_t child = ending_child(7);
    ASSERT_OK(guest_fd_add(toy.g, pipe.out, GUEST_WRITABLE, NULL, &probes[1], on_drop, &ids[1]));
    ASSERT_OK(guest_timer_add(toy.g, 0, 0, NULL, &probes[2], on_drop, &ids[2]));
    ASSERT_OK(guest_post(toy.g, NULL, &probes[3], on_drop));
    ASSERT_OK(guest_signal_add(toy.g, SIGUSR1, NULL, &probes[4], on_drop, &ids[4]));
    ASSERT_OK(guest_child_add(toy.g, child, NULL, &probes[5], on_drop, &ids[5]));
    ASSERT_OK(guest_work(toy.g, nothing, NULL, &probes[6], on_drop, &ids[6]));
    ASSERT_OK(guest_resolve(toy.g, "127.0.0.1", "80", 0, SOCK_STREAM, 0, NULL, &probes[7], on_drop, &ids[7]));
    MUST(raise(SIGUSR1));

    bool seen[KINDS] = {false};
    for (unsigned left = KINDS - 1; left;) {
        size_t count;
        ASSERT_OK(guest_batch_begin(toy.g, 0));
        ASSERT_OK(guest_batch_next(toy.g, events, COUNT(events), &count));
        for (size_t i = 0; i < count; i++) {
            const guest_event_t *e = &events[i];
            ASSERT(e->kind >= 1 && e->kind < KINDS);
            ASSERT_EQ_PTR(&probes[e->kind], e->user_data);
            ASSERT_EQ_U64(ids[e->kind], e->id);
            ASSERT_EQ_U64(0, probes[e->kind].drops);
            if (e->kind == GUEST_EVENT_RESOLVE) {
                const guest_address_t *address = e->data; /* valid until the next call */
                ASSERT_EQ_I64(1, e->value);
                ASSERT_EQ_I64(AF_INET, address->family);
            } else {
                ASSERT_EQ_PTR(NULL, e->data);
            }
            if (e->kind == GUEST_EVENT_FD) {
                ASSERT_EQ_U64(GUEST_WRITABLE, e->flags);
                ASSERT_OK(guest_fd_modify(toy.g, e->id, 0));
            }
            if (e->kind == GUEST_EVENT_TIMER || e->kind == GUEST_EVENT_SIGNAL)
                ASSERT_EQ_I64(1, e->value);
            if (e->kind == GUEST_EVENT_SIGNAL)
                ASSERT_EQ_U64(SIGUSR1, e->flags);
            if (e->kind == GUEST_EVENT_CHILD) {
                ASSERT_EQ_I64(7, e->value);
                ASSERT_EQ_U64(0, e->flags);
            }
            left -= !seen[e->kind];
            seen[e->kind] = true;
        }
        ASSERT_OK(guest_batch_end(toy.g));
    }
    for (unsigned i = GUEST_EVENT_TIMER; i < KINDS; i++)
        if (i != GUEST_EVENT_SIGNAL)
            ASSERT_EQ_U64(1, probes[i].drops);
    end();
    ASSERT_EQ_U64(1, probes[GUEST_EVENT_FD].drops);
    ASSERT_EQ_U64(1, probes[GUEST_EVENT_SIGNAL].drops);
    channel_close(&pipe);
}

TEST(pull_small_array_takes_all_in_order)
{
    start(GUEST_DRIVE_FD);
    for (uintptr_t i = 1; i <= 10; i++)
        ASSERT_OK(guest_post(toy.g, NULL, (void *)i, NULL));
    guest_event_t event;
    size_t count;
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    for (uintptr_t i = 1; i <= 10; i++) {
        ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
        ASSERT_EQ_U64(1, count);
        ASSERT_EQ_U64(GUEST_EVENT_POST, event.kind);
        ASSERT_EQ_U64(0, event.id);
        ASSERT_EQ_PTR((void *)i, event.user_data);
    }
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(0, count);
    ASSERT_OK(guest_batch_end(toy.g));
    end();
}

TEST(pull_drops_at_the_next_call)
{
    probe_t first = PROBE(&toy), second = PROBE(&toy);
    guest_event_t event;
    size_t count;
    guest_id_t id;
    start(GUEST_DRIVE_FD);
    ASSERT_OK(guest_timer_add(toy.g, 0, 0, NULL, &first, on_drop, &id));
    ASSERT_OK(guest_timer_add(toy.g, 0, 0, NULL, &second, on_drop, NULL));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(id, event.id);
    ASSERT_STATUS(GUEST_ESTALE, guest_is_open(toy.g, id)); /* closed by its one event, dropped later */
    ASSERT_EQ_U64(0, first.drops);
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(1, count);
    ASSERT_EQ_U64(1, first.drops);
    ASSERT_EQ_U64(0, second.drops);
    ASSERT_OK(guest_batch_end(toy.g));
    ASSERT_EQ_U64(1, second.drops);
    end();
}

TEST(pull_batches_nest)
{
    guest_event_t event;
    size_t count;
    start(GUEST_DRIVE_FD);
    ASSERT_OK(guest_post(toy.g, NULL, (void *)1, NULL));
    ASSERT_OK(guest_post(toy.g, NULL, (void *)2, NULL));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_PTR((void *)1, event.user_data);

    ASSERT_OK(guest_batch_begin(toy.g, 0)); /* the handling of 1 runs a nested main loop */
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(1, count);
    ASSERT_EQ_PTR((void *)2, event.user_data);
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(0, count);
    ASSERT_OK(guest_batch_end(toy.g));

    ASSERT_OK(guest_post(toy.g, NULL, (void *)3, NULL));
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_PTR((void *)3, event.user_data);
    ASSERT_OK(guest_batch_end(toy.g));
    ASSERT_STATUS(GUEST_EORDER, guest_batch_end(toy.g));
    ASSERT_EQ_U64(1, toy_stats(&toy).nested);
    end();
}

TEST(pull_calls_in_the_wrong_order)
{
    guest_event_t event;
    size_t count = 77;
    start(GUEST_DRIVE_FD);
    ASSERT_STATUS(GUEST_EORDER, guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_STATUS(GUEST_EORDER, guest_batch_end(toy.g));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_STATUS(GUEST_EINVAL, guest_batch_next(toy.g, &event, 0, &count));
    ASSERT_EQ_U64(77, count);
    ASSERT_OK(guest_batch_end(toy.g));
    ASSERT_STATUS(GUEST_EORDER, guest_batch_end(toy.g));
    end();
}

TEST(pull_needs_its_flag)
{
    toy_t callbacks = {0};
    guest_event_t event;
    size_t count;
    toy_start(&callbacks, GUEST_DRIVE_FD);
    ASSERT_STATUS(GUEST_EDRIVE, guest_batch_begin(callbacks.g, 0));
    guest_status_t status = guest_batch_next(callbacks.g, &event, 1, &count);
    ASSERT(status == GUEST_EORDER || status == GUEST_EDRIVE); /* both are true */
    toy_end(&callbacks);

    start(GUEST_DRIVE_FD);
    ASSERT_STATUS(GUEST_EDRIVE, guest_deliver_batch(toy.g, 0));
    ASSERT_STATUS(GUEST_EDRIVE, guest_deliver_batch_for(toy.g, 0, MS(1)));
    end();
}

TEST(pull_free_in_an_open_batch)
{
    probe_t probe = PROBE(&toy);
    guest_event_t event;
    size_t count;
    start(GUEST_DRIVE_THREAD);
    ASSERT_OK(guest_post(toy.g, NULL, &probe, on_drop));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, &event, 1, &count));
    ASSERT_EQ_U64(1, count);
    guest_t *g = toy.g;
    toy_free(&toy);
    ASSERT_EQ_U64(0, probe.drops); /* the event is still being handled */
    guest_batch_end(g);
    ASSERT_EQ_U64(1, probe.drops);
    ASSERT_EQ_U64(1, toy.done);
    toy_close(&toy);
}

/* ---- waiting inside an open batch ------------------------------------------------------------- */

#define EACH_DRIVE(drive)                                                                                              \
    uint32_t drive = GUEST_DRIVE_THREAD;                                                                               \
    drive <= GUEST_DRIVE_RUN;                                                                                          \
    drive++

static guest_event_t events[8];

static size_t wait_for(uint64_t timeout)
{
    size_t count = 77;
    ASSERT_OK(guest_batch_wait(toy.g, timeout, events, COUNT(events), &count));
    return count;
}

/* A batch of one wait. */
static size_t batch(uint64_t timeout)
{
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    size_t count = wait_for(timeout);
    ASSERT_OK(guest_batch_end(toy.g));
    return count;
}

TEST(wait_tells_what_is_due_at_once)
{
    for (EACH_DRIVE(drive)) {
        start(drive);
        ASSERT_OK(guest_post(toy.g, NULL, &toy, NULL));
        ASSERT_EQ_U64(1, batch(GUEST_FOREVER));
        ASSERT_EQ_U64(GUEST_EVENT_POST, events[0].kind);
        ASSERT_EQ_PTR(&toy, events[0].user_data);
        end();
    }
}

/* Nobody wakes the thread that sleeps in its own batch: it must not fall asleep. */
TEST(wait_tells_what_the_batch_has_posted)
{
    for (EACH_DRIVE(drive)) {
        start(drive);
        ASSERT_OK(guest_batch_begin(toy.g, 0));
        ASSERT_EQ_U64(0, wait_for(0));
        ASSERT_OK(guest_post(toy.g, NULL, &toy, NULL));
        ASSERT_EQ_U64(1, wait_for(GUEST_FOREVER));
        ASSERT_EQ_PTR(&toy, events[0].user_data);
        ASSERT_EQ_U64(0, wait_for(1));
        ASSERT_OK(guest_post(toy.g, NULL, &toy, NULL));
        ASSERT_OK(guest_batch_end(toy.g));
        ASSERT_EQ_U64(1, batch(GUEST_FOREVER));
        ASSERT_EQ_U64(0, toy_stats(&toy).live_posts);
        end();
    }
}

TEST(wait_ends_with_the_time)
{
    for (EACH_DRIVE(drive)) {
        start(drive);
        ASSERT_OK(guest_timer_add(toy.g, SECONDS(3600), 0, NULL, NULL, NULL, NULL));
        uint64_t began = guest_now();
        ASSERT_EQ_U64(0, batch(2300000));
        ASSERT_AT_LEAST(guest_now() - began, 2300000);
        end();
    }
}

TEST(wait_without_time_is_next)
{
    size_t count = 77;
    start(GUEST_DRIVE_FD);
    ASSERT_STATUS(GUEST_EORDER, guest_batch_wait(toy.g, 0, events, 1, &count));
    ASSERT_STATUS(GUEST_EORDER, guest_batch_wait(toy.g, 1, events, 1, &count));
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_STATUS(GUEST_EINVAL, guest_batch_wait(toy.g, 1, events, 0, &count));
    ASSERT_EQ_U64(77, count);
    ASSERT_EQ_U64(0, wait_for(0));
    ASSERT_OK(guest_post(toy.g, NULL, NULL, NULL));
    ASSERT_EQ_U64(1, wait_for(0));
    ASSERT_OK(guest_batch_end(toy.g));
    end();
}
