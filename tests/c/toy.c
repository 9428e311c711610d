#include "toy.h"

#include <time.h>

void loop_open(loop_t *loop)
{
    *loop = (loop_t){.thread = pthread_self(), .wake = -1};
    pthread_mutex_init(&loop->lock, NULL);
    loop->wake = (int)MUST(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void loop_close(loop_t *loop)
{
    close(loop->wake);
    free(loop->items);
    pthread_mutex_destroy(&loop->lock);
}

static void loop_wake(loop_t *loop)
{
    MUST(write(loop->wake, &(uint64_t){1}, 8));
}

static void loop_push(loop_t *loop, item_t item)
{
    pthread_mutex_lock(&loop->lock);
    if (loop->count == loop->capacity) {
        loop->capacity = loop->capacity ? 2 * loop->capacity : 16;
        loop->items = realloc(loop->items, loop->capacity * sizeof item);
        ASSERT(loop->items);
    }
    loop->items[loop->count++] = item;
    pthread_mutex_unlock(&loop->lock);
    loop_wake(loop);
}

static bool loop_pop(loop_t *loop, item_t *item)
{
    pthread_mutex_lock(&loop->lock);
    bool found = loop->count > 0;
    if (found) {
        *item = loop->items[0];
        memmove(&loop->items[0], &loop->items[1], --loop->count * sizeof *item);
    }
    pthread_mutex_unlock(&loop->lock);
    return found;
}

void loop_step(loop_t *loop, uint64_t until)
{
    ASSERT(pthread_equal(loop->thread, pthread_self()));
    uint64_t drained;
    (void)!read(loop->wake, &drained, sizeof drained);
    item_t item = {0};
    bool found = loop_pop(loop, &item);

    struct pollfd fds[64] = {{.fd = loop->wake, .events = POLLIN}};
    toy_t *toys[64];
    nfds_t count = 1;
    for (toy_t *toy = loop->toys; toy && count < COUNT(fds); toy = toy->next) {
        if (!toy->g || toy->drive != GUEST_DRIVE_FD)
            continue;
        guest_os_fd_t fd;
        ASSERT_OK(guest_fd(toy->g, &fd));
        toys[count] = toy;
        fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    uint64_t now = guest_now(), wait = found || until <= now ? 0 : until - now;
    struct timespec timeout = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    if (ppoll(fds, count, &timeout, NULL) < 0)
        ASSERT_EQ_I64(EINTR, errno); /* then revents is as it was: zero */

    if (found)
        toy_deliver(item.toy, item.token);
    for (nfds_t i = 1; i < count; i++)
        if (fds[i].revents)
            toy_deliver(toys[i], 0);
}

void loop_run_for(loop_t *loop, uint64_t nanoseconds)
{
    for (uint64_t stop = guest_now() + nanoseconds; guest_now() < stop;)
        loop_step(loop, stop);
}

void toy_deliver(toy_t *toy, guest_token_t token)
{
    if (!toy->g)
        return;
    toy->deliveries++;
    toy->status = toy->deliver ? toy->deliver(toy, token) : guest_deliver_batch(toy->g, token);
    toy->stale += toy->status == GUEST_ESTALE;
    if (toy->status != GUEST_ESTALE && toy->status != GUEST_ECLOSED && toy->status != GUEST_EHOSTGONE)
        ASSERT_OK(toy->status);
}

static int32_t take(toy_t *toy, guest_token_t token, bool faulty)
{
    int fault = faulty && toy->fault_count ? toy->fault : FAULT_NONE;
    if (fault != FAULT_NONE && toy->fault_count > 0)
        toy->fault_count--;
    if (fault != FAULT_NONE)
        loop_wake(toy->loop); /* the test may wait for the fault itself */
    switch (fault) {
    case FAULT_DROP:
        return 0;
    case FAULT_INLINE:
        toy->inline_status = guest_deliver_batch(toy->g, token);
        return 0;
    case FAULT_FAIL:
        toy->refused++;
        return -1;
    case FAULT_GONE:
        return GUEST_HOST_GONE;
    case FAULT_BLOCK:
        latch_open(&toy->entered);
        latch_wait(&toy->unblock, 1);
        return 0;
    }
    loop_push(toy->loop, (item_t){.toy = toy, .token = token});
    return 0;
}

static int32_t toy_post(void *data, guest_token_t token)
{
    toy_t *toy = data;
    toy->posts++;
    toy->last_token = token;
    return take(toy, token, !toy->has_local);
}

static int32_t toy_post_local(void *data, guest_token_t token)
{
    toy_t *toy = data;
    if (!pthread_equal(pthread_self(), toy->loop->thread))
        FAIL("post_local was called on another thread than the host's");
    toy->locals++;
    toy->last_token = token;
    return take(toy, token, true);
}

static void toy_done(void *data, guest_status_t status)
{
    toy_t *toy = data;
    if (!pthread_equal(pthread_self(), toy->loop->thread))
        FAIL("done was called on another thread than the host's");
    ASSERT_EQ_U64(0, toy->done);
    toy->done++;
    toy->done_status = status;
    if (toy->on_done)
        toy->on_done(toy);
}

static void toy_on_stall(void *data, uint32_t kind, uint64_t nanoseconds)
{
    toy_t *toy = data;
    if (pthread_equal(pthread_self(), toy->loop->thread))
        FAIL("on_stall was called on the host thread, which is the stuck one");
    toy->stall_kind = kind;
    toy->stall_time = nanoseconds;
    latch_open(&toy->stalled);
}

guest_options_t options_for(uint32_t drive)
{
    return (guest_options_t){.struct_size = sizeof(guest_options_t), .drive = drive};
}

guest_options_t patient_options_for(uint32_t drive)
{
    guest_options_t options = options_for(drive);
    options.batch_budget = options.nested_after = options.repost_after = GUEST_FOREVER;
    return options;
}

void toy_start(toy_t *toy, uint32_t drive)
{
    guest_options_t options = options_for(drive);
    toy_start_on(toy, NULL, &options);
}

void toy_start_on(toy_t *toy, loop_t *loop, const guest_options_t *options)
{
    toy->loop = loop ? loop : &toy->own;
    if (!loop)
        loop_open(&toy->own);
    latch_t shut = LATCH;
    toy->entered = toy->unblock = toy->stalled = shut;
    toy->next = toy->loop->toys;
    toy->loop->toys = toy;
    toy->drive = options->drive;
    guest_host_t host = {.struct_size = sizeof host,
                         .data = toy,
                         .post = toy_post,
                         .post_local = toy->has_local ? toy_post_local : NULL,
                         .done = toy_done,
                         .on_stall = toy_on_stall};
    ASSERT_OK(guest_start(&host, options, &toy->g));
    ASSERT_EQ_PTR(toy, guest_host_data(toy->g));
}

void toy_fault(toy_t *toy, fault_t fault, int count)
{
    toy->fault = fault;
    toy->fault_count = count;
}

void toy_free(toy_t *toy)
{
    guest_t *g = toy->g;
    toy->g = NULL;
    guest_free(g);
}

void toy_close(toy_t *toy)
{
    ASSERT_EQ_PTR(NULL, toy->g);
    ASSERT_EQ_U64(1, toy->done);
    for (toy_t **link = &toy->loop->toys; *link; link = &(*link)->next) {
        if (*link == toy) {
            *link = toy->next;
            break;
        }
    }
    if (toy->loop == &toy->own)
        loop_close(toy->loop);
}

void toy_end(toy_t *toy)
{
    ASSERT_OK(guest_cancel(toy->g));
    if (toy->drive == GUEST_DRIVE_RUN)
        ASSERT_OK(guest_run(toy->g, limit(SECONDS(10))));
    else
        RUN_UNTIL(toy, toy->done);
    ASSERT_STATUS(GUEST_OK, toy->done_status);
    toy_free(toy);
    toy_close(toy);
}

guest_stats_t toy_stats(const toy_t *toy)
{
    guest_stats_t stats = {.struct_size = sizeof stats};
    ASSERT_OK(guest_stats(toy->g, &stats));
    return stats;
}

uint32_t toy_state(const toy_t *toy)
{
    uint32_t state;
    ASSERT_OK(guest_state(toy->g, &state));
    return state;
}

void toy_await_polling(toy_t *toy)
{
    for (uint64_t stop = guest_now() + limit(SECONDS(10)); toy_state(toy) != GUEST_STATE_POLLING;) {
        if (guest_now() > stop)
            FAIL("ran in vain until the I/O thread waits; the state is %u", toy_state(toy));
        loop_run_for(toy->loop, MS(1));
    }
}
