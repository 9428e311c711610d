/* Hazard: callbacks that run a nested GMainLoop, on GLib itself, by way of asyncguest_glib.h and of g_unix_fd_add. */
#include "harness.h"

#include <asyncguest_glib.h>
#include <glib-unix.h>

typedef struct world {
    guest_glib_t glib; /* first: `done` gets it */
    guest_t *g;
    GMainLoop *outer, *inner;
    GThread *host;
    unsigned ticks, posts, done;
} world;

/* Its fd is there for good, and so must be before the frame counts. */
__attribute__((constructor)) static void make_default_context(void)
{
    g_main_context_default();
}

static gboolean too_late(gpointer what)
{
    FAIL("waited in vain for ten seconds: %s", (const char *)what);
}

/* Runs the main loop; whoever has what it waits for quits it. */
static void run(GMainLoop *loop, const char *what)
{
    GSource *patience = g_timeout_source_new(10000);
    g_source_set_callback(patience, too_late, (gpointer)what, NULL);
    g_source_attach(patience, g_main_loop_get_context(loop));
    g_main_loop_run(loop);
    g_source_destroy(patience);
    g_source_unref(patience);
}

static void on_done(void *data, guest_status_t status)
{
    world *w = data;
    ASSERT_OK(status);
    ASSERT_EQ_PTR(w->host, g_thread_self());
    w->done++;
    g_main_loop_quit(w->outer);
}

static void leave_if_complete(world *w)
{
    if (w->inner && w->ticks >= 3 && w->posts == 1)
        g_main_loop_quit(w->inner);
}

static void on_tick(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    (void)g, (void)id, (void)expirations;
    ((world *)data)->ticks++;
    leave_if_complete(data);
}

static void on_post(guest_t *g, void *data)
{
    (void)g;
    ((world *)data)->posts++;
    leave_if_complete(data);
}

static gpointer post_from_a_thread(gpointer data)
{
    ASSERT_OK(guest_post(((world *)data)->g, on_post, data, NULL));
    return NULL;
}

/* A modal dialog: a timer and a post of another thread come behind it. */
static void dialog(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    world *w = data;
    GThread *thread;
    (void)g, (void)id, (void)expirations;
    w->ticks = 0;
    w->inner = g_main_loop_new(g_main_loop_get_context(w->outer), FALSE);
    thread = g_thread_new("poster", post_from_a_thread, w);
    run(w->inner, "three ticks and a post behind a dialog");
    g_thread_join(thread);
    g_main_loop_unref(w->inner);
    w->inner = NULL;
    guest_cancel(w->g);
}

/* Opens the dialog, and runs the main loop until the guest, which it cancels, has ended. */
static void open_dialog(world *w)
{
    ASSERT_OK(guest_timer_add(w->g, MS(1), MS(1), on_tick, w, NULL, NULL));
    ASSERT_OK(guest_timer_add(w->g, 0, 0, dialog, w, NULL, NULL));
    run(w->outer, "the end of the guest");
    ASSERT_EQ_U64(1, w->posts);
    ASSERT_EQ_U64(1, w->done);
}

static void nested(uint32_t drive, GMainContext *context)
{
    guest_options_t options = {.struct_size = sizeof options, .drive = drive};
    world w = {.host = g_thread_self()};
    guest_glib_init(&w.glib, context);
    w.glib.host.done = on_done;
    w.outer = g_main_loop_new(g_source_get_context(w.glib.source), FALSE);
    ASSERT_OK(guest_start(&w.glib.host, &options, &w.g));
    ASSERT_OK(guest_glib_attach(&w.glib, w.g));
    open_dialog(&w);
    guest_free(w.g);
    guest_glib_clear(&w.glib);
    ASSERT(!g_main_context_pending(g_main_loop_get_context(w.outer)));
    g_main_loop_unref(w.outer);
}

TEST(glib_nested_loop_fd)
{
    nested(GUEST_DRIVE_FD, NULL);
}

TEST(glib_nested_loop_thread)
{
    nested(GUEST_DRIVE_THREAD, NULL);
}

TEST(glib_in_a_context_of_ones_own)
{
    GMainContext *context = g_main_context_new();
    nested(GUEST_DRIVE_FD, context);
    nested(GUEST_DRIVE_THREAD, context);
    g_main_context_push_thread_default(context); /* now NULL means this one */
    nested(GUEST_DRIVE_FD, NULL);
    nested(GUEST_DRIVE_THREAD, NULL);
    g_main_context_pop_thread_default(context);
    g_main_context_unref(context);
}

TEST(glib_attach_refuses_no_guest)
{
    guest_glib_t glib;
    guest_glib_init(&glib, NULL);
    ASSERT_STATUS(GUEST_ENULL, guest_glib_attach(&glib, NULL));
    guest_glib_clear(&glib);
}

/* Its tokens go elsewhere: a loop that waited for them here would wait for ever. */
TEST(glib_attach_refuses_a_guest_of_another_host)
{
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_THREAD};
    guest_glib_t mine, other;
    guest_t *g;
    guest_glib_init(&mine, NULL);
    guest_glib_init(&other, NULL);
    ASSERT_OK(guest_start(&mine.host, &options, &g));
    ASSERT_STATUS(GUEST_EDRIVE, guest_glib_attach(&other, g));
    ASSERT_EQ_PTR(NULL, other.guest);
    ASSERT_OK(guest_glib_attach(&mine, g));
    guest_free(g);
    guest_glib_clear(&mine);
    guest_glib_clear(&other);
}

static gboolean readable(gint fd, GIOCondition condition, gpointer guest)
{
    (void)fd, (void)condition;
    guest_deliver_batch(guest, 0);
    return G_SOURCE_CONTINUE;
}

static gboolean channel_readable(GIOChannel *channel, GIOCondition condition, gpointer guest)
{
    return readable(g_io_channel_unix_get_fd(channel), condition, guest);
}

static guint watch_channel(guest_os_fd_t fd, guest_t *g)
{
    GIOChannel *channel = g_io_channel_unix_new(fd);
    guint tag = g_io_add_watch(channel, G_IO_IN, channel_readable, g);
    g_io_channel_unref(channel); /* the source has it */
    return tag;
}

static guint watch_fd(guest_os_fd_t fd, guest_t *g)
{
    return g_unix_fd_add(fd, G_IO_IN, readable, g);
}

/* As docs/hosting.md says under "GLib, GTK". */
static void recurse(guint (*watch)(guest_os_fd_t fd, guest_t *g))
{
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    world w = {.host = g_thread_self(), .outer = g_main_loop_new(NULL, FALSE)};
    guest_host_t host = {.struct_size = sizeof host, .data = &w, .done = on_done};
    guest_os_fd_t fd;
    guint tag;
    ASSERT_OK(guest_start(&host, &options, &w.g));
    ASSERT_OK(guest_fd(w.g, &fd));
    tag = watch(fd, w.g);
    g_source_set_can_recurse(g_main_context_find_source_by_id(NULL, tag), TRUE);
    open_dialog(&w);
    g_source_remove(tag);
    guest_free(w.g);
    g_main_loop_unref(w.outer);
}

TEST(glib_unix_fd_add_that_can_recurse)
{
    recurse(watch_fd);
}

TEST(glib_io_add_watch_that_can_recurse)
{
    recurse(watch_channel);
}
