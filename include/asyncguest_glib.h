/* asyncguest_glib.h: a guest in a GLib main loop, in drive FD or THREAD. C99 and C++; needs glib-2.0 and nothing to link
 * but it and libasyncguest. Written by hand: asyncguest.h knows no toolkit.
 *
 *     guest_glib_t glib;
 *     guest_glib_init(&glib, NULL);
 *     glib.host.done = on_done;                       gets &glib; so does on_stall
 *     guest_start(&glib.host, &options, &g);          drive FD needs no host: NULL will do
 *     guest_glib_attach(&glib, g);
 *     g_main_loop_run(loop);
 *     guest_free(g);
 *     guest_glib_clear(&glib);
 *
 * The guest gets its turns from one GSource, which may recurse: a modal dialog that a callback opens does not stop it.
 */
#ifndef ASYNCGUEST_GLIB_H
#define ASYNCGUEST_GLIB_H

#include <asyncguest.h>
#include <glib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* That of GTK's painting (GDK_PRIORITY_REDRAW): input comes first, then guest and painting take turns. */
#define GUEST_GLIB_PRIORITY (G_PRIORITY_HIGH_IDLE + 20)

/* A guest's place in a GMainContext. Put it where it stays until guest_glib_clear; it may be the first member of a struct
 * of yours, which `done` and `on_stall` then get. */
typedef struct guest_glib_t {
    /* For guest_start. guest_glib_init has set struct_size, data (this struct) and post; the rest is yours. */
    guest_host_t host;
    /* Yours. guest_glib_init sets it to NULL. */
    void *user_data;
    /* Set by guest_glib_attach. */
    guest_t *guest;
    /* For g_source_set_priority and g_source_set_name; kept with a reference. */
    GSource *source;
    /* The token that was posted last. */
    gpointer token;
} guest_glib_t;

G_STATIC_ASSERT(sizeof(guest_token_t) <= sizeof(gpointer));

/* Behind GLib's own part of the source. */
struct guest_glib_source {
    GSource source;
    guest_glib_t *glib;
};

static inline gboolean guest_glib_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    guest_glib_t *glib = ((struct guest_glib_source *)(void *)source)->glib;
    (void)callback, (void)data;
    g_source_set_ready_time(source, -1); /* first "not ready", then read the token: a later one counts */
    guest_deliver_batch(glib->guest, (guest_token_t)(gsize)g_atomic_pointer_get(&glib->token));
    return G_SOURCE_CONTINUE;
}

static inline int32_t guest_glib_post(void *data, guest_token_t token)
{
    guest_glib_t *glib = (guest_glib_t *)data;
    g_atomic_pointer_set(&glib->token, (gpointer)(gsize)token);
    g_source_set_ready_time(glib->source, 0);
    return 0;
}

/* Makes the source and attaches it to `context`, which the calling thread iterates. NULL: this thread's default one, which
 * is GTK's on the main thread. Ends the process, as GLib does, if there is no memory.
 * Thread: that which will be the host's. */
static inline void guest_glib_init(guest_glib_t *glib, GMainContext *context)
{
    static GSourceFuncs functions = {NULL, NULL, guest_glib_dispatch, NULL, NULL, NULL};
    GMainContext *own = context ? g_main_context_ref(context) : g_main_context_ref_thread_default();
    guest_glib_t empty = {{0, NULL, NULL, NULL, NULL, NULL}, NULL, NULL, NULL, NULL};
    *glib = empty;
    glib->host.struct_size = sizeof glib->host;
    glib->host.data = glib;
    glib->host.post = guest_glib_post;
    glib->source = g_source_new(&functions, sizeof(struct guest_glib_source));
    ((struct guest_glib_source *)(void *)glib->source)->glib = glib;
    g_source_set_name(glib->source, "asyncguest");
    g_source_set_priority(glib->source, GUEST_GLIB_PRIORITY);
    g_source_set_can_recurse(glib->source, TRUE); /* or a dialog opened by a callback stops the guest */
    g_source_attach(glib->source, own);
    g_main_context_unref(own);
}

/* Gives `g` its turns from now on: in drive FD its fd is watched, in drive THREAD it was started with `glib->host`, whose
 * tokens are delivered. One guest for each guest_glib_t. Thread: host.
 *
 * Errors: those of guest_fd; of these GUEST_EDRIVE for a guest that was started with another host, and posts there. */
static inline guest_status_t guest_glib_attach(guest_glib_t *glib, guest_t *g)
{
    guest_os_fd_t fd;
    guest_status_t status = guest_fd(g, &fd);
    if (status == GUEST_OK)
        g_source_add_unix_fd(glib->source, (gint)fd, G_IO_IN);
    else if (status != GUEST_EDRIVE || guest_host_data(g) != glib) /* drive THREAD has no fd to watch, and posts */
        return status;
    glib->guest = g;
    return GUEST_OK;
}

/* Takes the source away. Call it after guest_free, and where no delivery is on the stack: in a callback and in `done` leave
 * the main loop instead, since a guest that is freed there posts until its delivery is over. A loop that goes on without
 * the guest does both in a source of its own, such as g_idle_add's. Thread: host. */
static inline void guest_glib_clear(guest_glib_t *glib)
{
    g_source_destroy(glib->source);
    g_source_unref(glib->source);
    glib->source = NULL;
}

#ifdef __cplusplus
}
#endif

#endif
