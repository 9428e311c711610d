/* Hazard: the pull form: events as an array, drops at the next call, batches that nest. */
#include "toy.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static toy_t toy;

static void start_with_budget(uint32_t drive, uint64_t budget)
{
    guest_options_t options = options_for(drive);
    options.flags = GUEST_FLAG_PULL;
    options.batch_budget = budget;
    toy_start_on(&toy, NULL, &options);
}

static void start(uint32_t drive)
{
    start_with_budget(drive, GUEST_FOREVER); /* a slow machine must not split the batches */
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
    pid_t child = (pid_t)MUST(fork());
    if (child == 0)
        _exit(7);
    siginfo_t ended;
    MUST(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT));
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

TEST(pull_event_closed_by_the_one_before)
{
    guest_event_t events[4];
    channel_t pipes[2] = {channel_open(), channel_open()};
    probe_t probe = {.toy = &toy, .shared = true};
    start(GUEST_DRIVE_FD);
    for (unsigned i = 0; i < 2; i++) {
        ASSERT_OK(guest_fd_add(toy.g, pipes[i].in, GUEST_READABLE, NULL, &probe, on_drop, NULL));
        channel_write(&pipes[i], 1);
    }
    size_t count;
    ASSERT_OK(guest_batch_begin(toy.g, 0));
    ASSERT_OK(guest_batch_next(toy.g, events, COUNT(events), &count));
    ASSERT_EQ_U64(2, count);
    ASSERT_OK(guest_close(toy.g, events[1].id));
    ASSERT_OK(guest_is_open(toy.g, events[0].id));
    ASSERT_STATUS(GUEST_ESTALE, guest_is_open(toy.g, events[1].id));
    ASSERT_OK(guest_batch_end(toy.g));
    end();
    ASSERT_EQ_U64(2, probe.drops);
    channel_close(&pipes[0]);
    channel_close(&pipes[1]);
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

static guest_status_t deliver_by_pull(toy_t *t, guest_token_t token)
{
    guest_event_t events[8];
    size_t count;
    guest_status_t status = guest_batch_begin(t->g, token);
    if (status != GUEST_OK)
        return status;
    do {
        ASSERT_OK(guest_batch_next(t->g, events, COUNT(events), &count));
        for (size_t i = 0; i < count; i++)
            on_post(t->g, events[i].user_data);
    } while (count);
    return guest_batch_end(t->g);
}

TEST(pull_with_tokens)
{
    probe_t probe = {.toy = &toy, .shared = true};
    toy.deliver = deliver_by_pull;
    start(GUEST_DRIVE_THREAD);
    for (unsigned i = 1; i <= 100; i++) {
        ASSERT_OK(guest_post(toy.g, NULL, &probe, on_drop));
        RUN_UNTIL(&toy, probe.drops == i);
    }
    ASSERT_EQ_U64(100, probe.calls);
    ASSERT_OK(guest_timer_add(toy.g, MS(1), MS(1), NULL, &probe, on_drop, NULL));
    RUN_UNTIL(&toy, probe.calls >= 105);
    end();
}

TEST(pull_budget)
{
    guest_event_t events[4];
    size_t count, total = 0, in_batch;
    start_with_budget(GUEST_DRIVE_FD, MS(4));
    for (uintptr_t i = 0; i < 100; i++)
        ASSERT_OK(guest_post(toy.g, NULL, (void *)i, NULL));
    for (unsigned batches = 0; total < 100; batches++) {
        ASSERT(batches < 100);
        ASSERT_OK(guest_batch_begin(toy.g, 0));
        for (in_batch = 0;; in_batch += count) {
            ASSERT_OK(guest_batch_next(toy.g, events, COUNT(events), &count));
            if (!count)
                break;
            for (size_t i = 0; i < count; i++)
                ASSERT_EQ_U64(total + in_batch + i, (uintptr_t)events[i].user_data);
            spin(MS(2));
        }
        ASSERT_OK(guest_batch_end(toy.g));
        ASSERT(in_batch >= 1 && in_batch <= 4 * 3); /* 4 ms of budget, 2 ms for each array */
        total += in_batch;
    }
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
