/* Hazard: guest_free when ExitProcess has ended all threads but the one that called it, as a library does that is detached
 * then. The I/O thread is gone, wherever it was. */
#include "events.h"

enum { CODE = 7 };

static toy_t toy;
static probe_t parked, watched, timer;

/* Says by the exit code that it has run. */
static void WINAPI on_detach(void *value)
{
    (void)value;
    toy_free(&toy);
    bool is_whole = toy.done == 1 && parked.drops == 1 && watched.drops == 1 && timer.drops == 1;
    TerminateProcess(GetCurrentProcess(), is_whole ? CODE : 1);
}

static void leave(void)
{
    parked.toy = watched.toy = timer.toy = &toy;
    toy_start(&toy, GUEST_DRIVE_THREAD);
    add_fd(&toy, channel_open().in, GUEST_READABLE, &parked);
    add_handle(&toy, new_event(), &watched);
    add_timer(&toy, SECONDS(3600), 0, &timer);
    toy_await_polling(&toy);
    ASSERT(FlsSetValue(FlsAlloc(on_detach), &toy));
    ExitProcess(0);
}

TEST(exit_process_then_free)
{
    ASSERT_EQ_I64(CODE, in_process(leave));
}
