/* docs/check_snippets.sh builds each host of docs/hosting.md twice: with the page's own ticks.h, and with this in its place.
 * Here the ticks come behind a dialog, a loop that a callback runs, beside a guest that is never idle. A host that does not
 * serve its guest there waits for ever, and the script ends it.
 */
#include <asyncguest.h>
#include <stdio.h>

/* Waits for one event and serves it, as the loop of a dialog does. */
#if defined(NESTED_glib)
#include <glib.h>
static void one_event(guest_t *g)
{
    (void)g;
    g_main_context_iteration(NULL, TRUE);
}
#elif defined(NESTED_qt)
#include <QCoreApplication>
static void one_event(guest_t *)
{
    QCoreApplication::processEvents(QEventLoop::AllEvents | QEventLoop::WaitForMoreEvents);
}
#elif defined(NESTED_tcl)
#include <tcl.h>
static void one_event(guest_t *g)
{
    (void)g;
    Tcl_DoOneEvent(TCL_ALL_EVENTS);
}
#elif defined(NESTED_sdl)
#include <SDL.h>
static void one_event(guest_t *g)
{
    SDL_Event event;
    if (SDL_WaitEvent(&event) && event.type >= SDL_USEREVENT)
        guest_deliver_batch(g, (guest_token_t)(uintptr_t)event.user.data1);
}
#elif defined(NESTED_frames)
static void one_event(guest_t *g)
{
    guest_deliver_batch(g, 0);
}
#elif defined(NESTED_epoll)
#include <sys/epoll.h>
static int set; /* the program's */
static void one_event(guest_t *g)
{
    struct epoll_event event;
    if (epoll_wait(set, &event, 1, -1) == 1)
        guest_deliver_batch(g, 0);
}
#else
#error "no such nested loop"
#endif

static int ticks;

static void on_tick(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)g, (void)id, (void)expirations, (void)user_data;
    if (++ticks <= 3)
        printf("tick\n");
}

static void on_busy(guest_t *g, void *user_data)
{
    if (ticks < 3)
        guest_post(g, on_busy, user_data, NULL);
}

static void on_dialog(guest_t *g, guest_id_t id, uint64_t expirations, void *user_data)
{
    (void)id, (void)expirations, (void)user_data;
    if (guest_timer_add(g, 0, 20 * 1000000ull, on_tick, NULL, NULL, NULL) != GUEST_OK)
        return; /* and nothing ticks, which the script sees */
    guest_post(g, on_busy, NULL, NULL);
    while (ticks < 3)
        one_event(g);
    guest_cancel(g); /* leads to host.done */
}

static guest_status_t start_ticks(guest_t *g)
{
    return guest_timer_add(g, 0, 0, on_dialog, NULL, NULL, NULL);
}
