/* One seed: so many operations, then the end of every guest, and nothing of the library's may be left. */
#include "model.h"

#include <sys/eventfd.h>

world_t world;

void expect_at(const char *file, int line, const char *what, guest_status_t got, uint32_t allowed)
{
    if (got <= 0 && got > -32 && (allowed & (1u << -got)))
        return;
    char names[256] = "";
    for (int32_t status = 0; status > -32; status--)
        if (allowed & (1u << -status)) {
            strncat(names, " ", sizeof names - strlen(names) - 1);
            strncat(names, guest_status_name(status), sizeof names - strlen(names) - 1);
        }
    test_fail(file, line, "%s: the model allows%s, got %s (%d)", what, names, guest_status_name(got), got);
}

static void end_all(void)
{
    world.fuel = 0;
    random_t r = random_of(world.seed, ~0u);
    for (unsigned i = 0; i < SUBJECTS; i++)
        if (world.subjects[i])
            subject_end(world.subjects[i], &r);
    for (unsigned i = 0; i < SUBJECTS; i++)
        if (world.subjects[i])
            subject_forget(world.subjects[i]);
}

void episode(uint64_t seed, unsigned ops)
{
    traces_t before = traces_look();
    world = (world_t){.seed = seed, .host = pthread_self(), .wake = -1};
    world.wake = (int)MUST(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    signals_open();
    for (unsigned op = 0; op < ops; op++) {
        progress_begin(op);
        world.op = op;
        world.fuel = 16;
        random_t r = random_of(seed, op);
        play(&r);
        if (world.forked)
            _exit(0);
    }
    end_all();
    MUST(close(world.wake));
    signals_check();
    traces_check(&before);
}
