/* Calls that a careful caller does not make. Each has its status and changes nothing. */
#include "model.h"

#define NEVER ((void *)1) /* user_data of what is refused: to touch it is a crash */

static void never(void *user_data)
{
    (void)user_data;
    FAIL("a drop function ran, and the call was refused");
}

static void start_without(const guest_host_t *host, const guest_options_t *options, uint32_t allowed)
{
    guest_t *g = NULL;
    EXPECT(guest_start(host, options, &g), allowed);
    ASSERT_EQ_PTR(NULL, g);
}

void misuse_nulls(subject_t *s, random_t *r)
{
    guest_t *g = s->g, *none = NULL;
    guest_id_t id = 0;
    guest_event_t event;
    uint32_t state;
    size_t count;
    guest_stats_t stats = {.struct_size = sizeof stats};
    const uint32_t null = STATUS(ENULL);
    switch (below(r, 3)) {
    case 0:
        EXPECT(guest_deliver_batch(none, 0), null);
        EXPECT(guest_run(none, 0), null);
        EXPECT(guest_shutdown(none, 0), null);
        EXPECT(guest_cancel(none), null);
        EXPECT(guest_wake(none), null);
        EXPECT(guest_adopt(none), null);
        EXPECT(guest_close(none, 1), null);
        EXPECT(guest_deadline(none, 0), null);
        EXPECT(guest_batch_begin(none, 0), null);
        EXPECT(guest_batch_next(none, &event, 1, &count), null);
        EXPECT(guest_batch_end(none), null);
        EXPECT(guest_stats(none, &stats), null);
        EXPECT(guest_state(none, &state), null);
        guest_free(none);
        guest_poster_free(NULL);
        ASSERT_EQ_PTR(NULL, guest_host_data(none));
        break;
    case 1:
        EXPECT(guest_state(g, NULL), null);
        EXPECT(guest_stats(g, NULL), null);
        EXPECT(guest_poster_new(g, NULL), null);
        EXPECT(guest_batch_next(g, NULL, 1, &count), null);
        EXPECT(guest_batch_next(g, &event, 1, NULL), null);
        EXPECT(guest_batch_next(g, &event, 0, &count), STATUS(EINVAL));
        EXPECT(guest_work(g, NULL, NULL, NEVER, never, &id), null);
        EXPECT(guest_poster_post(NULL, on_post, NEVER, never), null);
        EXPECT(guest_poster_wake(NULL), null);
        EXPECT(guest_poster_cancel(NULL), null);
        break;
    default:
        if (s->pull)
            break;
        EXPECT(guest_timer_add(g, 0, 0, NULL, NEVER, never, &id), null);
        EXPECT(guest_fd_add(g, world.wake, GUEST_READABLE, NULL, NEVER, never, &id), null);
        EXPECT(guest_signal_add(g, 1, NULL, NEVER, never, &id), null);
        EXPECT(guest_child_add(g, 1, NULL, NEVER, never, &id), null);
        EXPECT(guest_resolve(g, "::1", NULL, 0, 0, 0, NULL, NEVER, never, &id), null);
        EXPECT(guest_post(g, NULL, NEVER, never), null);
    }
    ASSERT_EQ_U64(0, id);
}

/* Of a struct that the library fills, what lies beyond its size stays. */
static void cut_off(const subject_t *s, random_t *r)
{
    union {
        guest_stats_t stats;
        unsigned char bytes[sizeof(guest_stats_t)];
    } cut;
    size_t size = below(r, sizeof cut + 1);
    memset(&cut, 0xa5, sizeof cut);
    cut.stats.struct_size = size;
    EXPECT(guest_stats(s->g, &cut.stats), size > sizeof size ? STATUS(OK) : STATUS(ESIZE));
    ASSERT_EQ_U64(size, cut.stats.struct_size);
    for (size_t i = size > sizeof size ? size : sizeof size; i < sizeof cut; i++)
        if (cut.bytes[i] != 0xa5)
            FAIL("guest_stats wrote byte %zu of a struct of %zu", i, size);
}

void misuse_sizes(subject_t *s, random_t *r)
{
    guest_stats_t stats = {.struct_size = 4097};
    guest_live_t live = {.struct_size = below(r, sizeof(size_t) + 1)};
    EXPECT(guest_stats(s->g, &stats), STATUS(ESIZE));
    EXPECT(guest_live(&live), STATUS(ESIZE));
    EXPECT(guest_live(NULL), STATUS(ENULL));
    cut_off(s, r);
    uint64_t timeout = below(r, 2);
    guest_event_t event;
    size_t count = 7;
    if (!s->batches) {
        EXPECT(guest_batch_wait(s->g, timeout, &event, 1, &count), STATUS(EORDER));
        EXPECT(guest_batch_end(s->g), STATUS(EORDER));
        ASSERT_EQ_U64(7, count);
    }
    guest_os_fd_t fd = -7;
    EXPECT(guest_fd(s->g, &fd), s->options.drive == GUEST_DRIVE_THREAD ? STATUS(EDRIVE) : STATUS(OK));
    ASSERT_EQ_I64(s->options.drive == GUEST_DRIVE_THREAD, fd == -7);
}

void misuse_start(random_t *r)
{
    guest_host_t host = {.struct_size = sizeof host};
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    struct {
        guest_options_t options;
        uint64_t unknown;
    } newer = {{.struct_size = sizeof newer, .drive = GUEST_DRIVE_FD}, 1};
    EXPECT(guest_start(&host, &options, NULL), STATUS(ENULL));
    switch (below(r, 8)) {
    case 0:
        start_without(NULL, NULL, STATUS(ENULL)); /* drive THREAD posts */
        break;
    case 1:
        options.struct_size = below(r, sizeof options);
        start_without(&host, &options, STATUS(ESIZE));
        break;
    case 2:
        host.struct_size = chance(r, 50) ? below(r, sizeof host) : 4097;
        start_without(&host, &options, STATUS(ESIZE));
        break;
    case 3:
        options.drive = 3 + (uint32_t)below(r, 1000);
        start_without(&host, &options, STATUS(EFLAGS));
        break;
    case 4:
        options.flags = 4u << below(r, 30);
        start_without(&host, &options, STATUS(EFLAGS));
        break;
    case 5:
        options.work_threads = 1025 + (uint32_t)below(r, 1000);
        start_without(&host, &options, STATUS(EINVAL));
        break;
    case 6:
        options.drive = GUEST_DRIVE_RUN;
        options.stall_after = 1;
        start_without(&host, &options, STATUS(EDRIVE));
        break;
    default:
        start_without(&host, &newer.options, STATUS(ESIZE));
    }
}

static uint32_t if_it_ends(const subject_t *s)
{
    return s->may_end ? STATUS(ECLOSED) | STATUS(ESTALE) : 0;
}

/* Ids that were closed, that another guest has, or that nobody has ever had; and some that are open. */
void misuse_ids(subject_t *s, random_t *r)
{
    subject_t *other = world.subjects[below(r, SUBJECTS)];
    item_t *item = NULL;
    for (item = (other ? other : s)->items; item && chance(r, 80);)
        item = item->next;
    guest_id_t id = item ? item->id : random_next(r);
    bool open = item && item->subject == s && item_is_open(item);
    uint32_t stale = STATUS(ESTALE);
    if (open && item_is_certain(item)) {
        EXPECT(guest_is_open(s->g, id), STATUS(OK) | if_it_ends(s));
        if (item->kind != KIND_TIMER)
            EXPECT(guest_timer_modify(s->g, id, 0, 0), stale | if_it_ends(s));
        if (item->kind != KIND_FD)
            EXPECT(guest_fd_modify(s->g, id, 0), stale | if_it_ends(s));
        else
            EXPECT(guest_fd_modify(s->g, id, 1u << (3 + below(r, 29))), STATUS(EFLAGS));
    } else if (!open) {
        EXPECT(guest_is_open(s->g, id), stale);
        EXPECT(guest_close(s->g, id), stale);
        EXPECT(guest_timer_modify(s->g, id, 0, 0), stale | if_it_ends(s));
        EXPECT(guest_fd_modify(s->g, id, GUEST_READABLE), stale | if_it_ends(s));
    }
}

static void *on_another_thread(void *subject)
{
    guest_t *g = ((subject_t *)subject)->g;
    const uint32_t thread = STATUS(ETHREAD);
    guest_id_t id = 0;
    guest_event_t event;
    size_t count;
    guest_status_t status = GUEST_OK;
    EXPECT(guest_run(g, 0), thread);
    EXPECT(guest_shutdown(g, 0), thread);
    EXPECT(guest_close(g, 1), thread);
    EXPECT(guest_is_open(g, 1), thread);
    EXPECT(guest_deadline(g, 0), thread);
    EXPECT(guest_batch_next(g, &event, 1, &count), thread);
    EXPECT(guest_batch_end(g), thread);
    EXPECT(guest_timer_add(g, 0, 0, on_timer, NEVER, never, &id), thread);
    EXPECT(guest_fd_add(g, world.wake, GUEST_READABLE, on_fd, NEVER, never, &id), thread);
    EXPECT(guest_work(g, never, NULL, NEVER, never, &id), thread);
    guest_free(g);
    EXPECT(guest_last_error(&status, NULL, NULL, 0, NULL), STATUS(OK));
    EXPECT(status, thread);
    ASSERT_EQ_U64(0, id);
    return NULL;
}

void misuse_thread(subject_t *s, random_t *r)
{
    (void)r;
    join(spawn(on_another_thread, s));
}
