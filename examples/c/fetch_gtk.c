/* fetch in a GTK 4 window: how a guest lives in the GLib main loop (drive THREAD).
 *
 * The guest's turn is one GSource, made once. `post` stores the token and makes the source ready, which GLib allows from any
 * thread and which costs no allocation; the source's dispatch delivers the token. Three choices matter:
 *
 * - Priority. GTK handles input at 0 (G_PRIORITY_DEFAULT), lays out at 110 and paints at 120 (GDK_PRIORITY_REDRAW). GLib runs
 *   only the most urgent sources that are ready, so a guest at 0 with much to do would keep the window from painting,
 *   and an ordinary idle source (200) would wait for every animation. At the priority of painting the two
 *   take turns: input first, then one batch (4 ms at most), then one frame.
 * - Recursion. A callback may open a modal dialog with a nested main loop. Without g_source_set_can_recurse, GLib would
 *   keep the source blocked until that callback returns, and the downloads would stand still.
 * - The order in dispatch: first "not ready", then read the token. The other way round a token that is posted in between
 *   would be switched off again. (The guest would post it once more after 250 ms; better not to need that.)
 */
#include "app.h"
#include "gtk_window.h"

#include <stdatomic.h>
#include <stdio.h>

typedef struct host {
    app app;
    view *view;
    guest_t *guest;
    GMainLoop *loop;
    GSource *turn;
    _Atomic guest_token_t token;
} host;

/* The source carries its host behind GLib's own part. */
typedef struct turn_source {
    GSource source;
    host *host;
} turn_source;

static gboolean turn_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    host *h = ((turn_source *)source)->host;
    guest_status_t status;
    (void)callback, (void)data;
    g_source_set_ready_time(source, -1);
    status = guest_deliver_batch(h->guest, atomic_load(&h->token));
    if (status != GUEST_OK && status != GUEST_ESTALE && status != GUEST_ECLOSED) {
        cli_guest_failed(&h->app.cli, "guest_deliver_batch");
        g_main_loop_quit(h->loop);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs TURN = {.dispatch = turn_dispatch};

static void start_turns(host *h)
{
    h->turn = g_source_new(&TURN, sizeof(turn_source));
    ((turn_source *)h->turn)->host = h;
    g_source_set_name(h->turn, "asyncguest");
    g_source_set_priority(h->turn, GDK_PRIORITY_REDRAW);
    g_source_set_can_recurse(h->turn, TRUE);
    g_source_attach(h->turn, NULL);
}

static int32_t post(void *data, guest_token_t token)
{
    host *h = data;
    atomic_store(&h->token, token);
    g_source_set_ready_time(h->turn, 0);
    return 0;
}

static void done(void *data, guest_status_t status)
{
    host *h = data;
    (void)status;
    g_main_loop_quit(h->loop);
}

/* The picture is taken on this thread, and coded and written on the guest's pool: that takes tens of milliseconds, and the
 * animation must not notice. */
typedef struct picture {
    host *host;
    GdkTexture *texture;
    const char *path;
    gboolean saved;
} picture;

static void save_picture(void *data)
{
    picture *p = data;
    p->saved = gdk_texture_save_to_png(p->texture, p->path);
}

static void picture_saved(guest_t *g, guest_id_t id, void *data)
{
    picture *p = data;
    (void)g, (void)id;
    app_screenshot_saved(&p->host->app, p->saved ? p->path : NULL, "the file cannot be written");
}

static void drop_picture(void *data)
{
    picture *p = data;
    g_object_unref(p->texture);
    g_free(p);
}

static void screenshot(void *data, const char *path)
{
    host *h = data;
    GdkTexture *texture = view_picture(h->view);
    picture *p;
    if (!texture) {
        app_screenshot_saved(&h->app, NULL, "the window is not on the screen");
        return;
    }
    p = g_new0(picture, 1);
    *p = (picture){.host = h, .texture = texture, .path = path};
    if (guest_work(h->guest, save_picture, picture_saved, p, drop_picture, NULL) != GUEST_OK) {
        drop_picture(p);
        app_screenshot_saved(&h->app, NULL, "the guest takes no work");
    }
}

static void progress(void *data, const fetch_item *item)
{
    view_progress(((host *)data)->view, item);
}
static void finished(void *data, const fetch_item *item)
{
    view_finished(((host *)data)->view, item);
}
static void summary(void *data, const char *text, size_t running)
{
    view_summary(((host *)data)->view, text, running);
}
static int ask(void *data, const char *title, const char *text)
{
    return view_ask(((host *)data)->view, title, text);
}
static void answer(void *data, int yes)
{
    view_answer(((host *)data)->view, yes);
}

static const app_window WINDOW = {progress, finished, summary, ask, answer, screenshot};

static void cancel_clicked(void *data)
{
    app_cancel_clicked(&((host *)data)->app);
}
static void closed(void *data)
{
    app_close(&((host *)data)->app);
}

int main(int argc, char **argv)
{
    host h = {0};
    guest_host_t guest_host = {.struct_size = sizeof guest_host, .data = &h, .post = post, .done = done};
    view_actions actions = {&h, cancel_clicked, closed};
    unsigned frames;
    double gap;
    int code;
    if (cli_parse(&h.app.cli, argc, argv, 1, &code) < 0)
        return code;
    if (!gtk_init_check()) {
        fprintf(stderr, "%s: there is no display\n", h.app.cli.program);
        return 2;
    }
    h.loop = g_main_loop_new(NULL, FALSE);
    start_turns(&h);
    h.view = view_new(h.app.cli.urls, h.app.cli.count, &actions);
    if (guest_start(&guest_host, NULL, &h.guest) != GUEST_OK)
        code = cli_guest_failed(&h.app.cli, "guest_start");
    else if ((code = app_start(&h.app, h.guest, &WINDOW, &h)) == 0)
        g_main_loop_run(h.loop);
    if (h.guest) {
        code |= app_finish(&h.app);
        gap = view_longest_gap(h.view, &frames);
        printf("longest gap between two animation frames: %.1f ms (%u frames)\n", gap, frames);
    }
    guest_free(h.guest); /* from here on nobody posts, so the source may go */
    g_source_destroy(h.turn);
    g_source_unref(h.turn);
    view_free(h.view);
    g_main_loop_unref(h.loop);
    return code | cli_check_leaks(&h.app.cli);
}
