/* A fork: the child uses the guests, starts its own, frees them, or goes back through the callbacks on the stack. None of
 * it may touch the parent's, and none may hang. */
#include "model.h"

#include <sys/wait.h>

static void use(guest_t *g)
{
    const uint32_t forked = STATUS(EFORKED);
    guest_id_t id = 0;
    guest_poster_t *poster;
    EXPECT(guest_deliver_batch(g, 0), forked);
    EXPECT(guest_run(g, 0), forked);
    EXPECT(guest_shutdown(g, 0), forked);
    EXPECT(guest_cancel(g), forked);
    EXPECT(guest_wake(g), forked);
    EXPECT(guest_timer_add(g, 0, 0, on_timer, NULL, NULL, &id), forked);
    EXPECT(guest_post(g, on_post, NULL, NULL), forked);
    EXPECT(guest_poster_new(g, &poster), forked);
    EXPECT(guest_batch_begin(g, 0), forked);
    EXPECT(guest_close(g, 1), forked);
}

static void count_one(guest_t *g, void *count)
{
    (void)g;
    ++*(unsigned *)count;
}

static void start_own(void)
{
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    guest_t *g;
    unsigned count = 0;
    EXPECT(guest_start(NULL, &options, &g), STATUS(OK));
    EXPECT(guest_post(g, count_one, &count, NULL), STATUS(OK));
    EXPECT(guest_run(g, 0), STATUS(ETIMEDOUT));
    ASSERT_EQ_U64(1, count);
    guest_free(g);
}

static void in_child(random_t *r)
{
    world.forked = true;
    alarm(30);
    for (unsigned i = 0; i < SUBJECTS; i++)
        if (world.subjects[i] && world.subjects[i]->g)
            use(world.subjects[i]->g);
    uint64_t way = below(r, 4);
    if (way == 0)
        return; /* through all that is on the stack */
    if (way == 1)
        start_own();
    for (unsigned i = 0; way == 2 && i < SUBJECTS; i++)
        if (world.subjects[i] && world.subjects[i]->g)
            guest_free(world.subjects[i]->g);
    _exit(0);
}

void fork_here(subject_t *s, random_t *r)
{
    (void)s;
    fflush(NULL);
    pid_t pid = (pid_t)MUST(fork());
    if (pid == 0) {
        in_child(r);
        return;
    }
    int status;
    MUST(waitpid(pid, &status, 0));
    if (status != 0)
        FAIL("a forked child ended with wait status %#x", status);
}
