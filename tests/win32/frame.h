/* What the programs for asyncguest_win32.h have in common: a guest with its window, a loop, and the report. Include
 * asyncguest_win32.h before. A test that fails says where; the last line counts. */
#ifndef FRAME_H
#define FRAME_H

#include <stdio.h>

#define CHECK(condition) ((condition) ? (void)0 : fail(__LINE__, #condition))

static int passed, failed, bad;

static void fail(int line, const char *what)
{
    printf("line %d: %s does not hold\n", line, what);
    bad = 1;
}

typedef struct world {
    guest_win32_t win32; /* first: `done` gets it */
    guest_poster_t *poster;
    LONG next[8];
    LONG disorder, posts, painted, over;
} world_t;

static void on_done(void *data, guest_status_t status)
{
    CHECK(status == GUEST_OK);
    ((world_t *)data)->over = 1;
}

static void begin(world_t *world)
{
    ZeroMemory(world, sizeof *world);
    CHECK(guest_win32_init(&world->win32));
    world->win32.host.done = on_done;
    CHECK(guest_start(&world->win32.host, NULL, &world->win32.guest) == GUEST_OK);
    CHECK(guest_poster_new(world->win32.guest, &world->poster) == GUEST_OK);
}

/* Dispatches messages until `*flag` has reached `count`; a minute at most. */
static void run_until(volatile LONG *flag, LONG count)
{
    ULONGLONG until = GetTickCount64() + 60000;
    while (*flag < count && GetTickCount64() < until) {
        MSG message;
        MsgWaitForMultipleObjects(0, NULL, FALSE, 1000, QS_ALLINPUT);
        while (PeekMessageW(&message, NULL, 0, 0, PM_REMOVE))
            DispatchMessageW(&message);
    }
    CHECK(*flag >= count);
}

static void end(world_t *world)
{
    guest_live_t live = {0};
    guest_cancel(world->win32.guest);
    run_until(&world->over, 1);
    guest_free(world->win32.guest);
    guest_poster_free(world->poster);
    guest_win32_clear(&world->win32);
    live.struct_size = sizeof live;
    guest_live(&live);
    CHECK(live.guests + live.sources + live.posts + live.threads + live.posters == 0);
}

static void run(const char *name, void (*test)(void))
{
    bad = 0;
    test();
    printf("%s %s\n", bad ? "FAIL" : "ok  ", name);
    fflush(stdout);
    ++*(bad ? &failed : &passed);
}

#define RUN(test) run(#test, test)

#endif
