/* See gtk_window.h. */
#include "gtk_window.h"

#include "cli.h"

#include <math.h>

typedef struct row {
    GtkWidget *name, *status, *bar;
} row;

struct view {
    view_actions actions;
    GtkWidget *window, *title, *summary, *cancel, *animation;
    row *rows;
    GdkPaintable *drawn; /* the window's last frame; asked only at need, it would be empty while a new one is due */
    GtkWidget *dialog;
    GMainLoop *dialog_loop; /* runs while the dialog is open */
    int dialog_answer;
    gboolean running; /* downloads run: the animation turns and its gaps count */
    gint64 last_frame, longest_gap; /* microseconds */
    unsigned frames;
};

static const char STYLE[] = ".page { padding: 18px; }"
                            ".headline { font-size: 15pt; font-weight: bold; }"
                            ".name { font-weight: bold; }"
                            ".status, .summary { color: alpha(currentColor, 0.72); font-feature-settings: 'tnum'; }"
                            ".good { color: #1a7f4b; } .bad { color: #c01c28; }"
                            "progressbar trough, progressbar progress { min-height: 8px; border-radius: 4px; }"
                            "progressbar.good progress { background: #2ec27e; border-color: #26a269; }"
                            "progressbar.bad progress { background: #e01b24; border-color: #c01c28; }";

/* A ring of dots that turns once in 1.2 s. Its frames are the proof that the host's loop is never held up. */
static void draw_animation(GtkDrawingArea *area, cairo_t *cairo, int width, int height, gpointer data)
{
    enum { DOTS = 12 };
    view *v = data;
    gint64 now = g_get_monotonic_time();
    double turn = v->running ? (double)(now % 1200000) / 1200000 : 0;
    double radius = (width < height ? width : height) / 2.0;
    (void)area;
    if (v->running) {
        if (v->last_frame && now - v->last_frame > v->longest_gap)
            v->longest_gap = now - v->last_frame;
        v->last_frame = now;
        v->frames++;
    }
    for (int i = 0; i < DOTS; i++) {
        double place = (double)i / DOTS, age = fmod(turn - place + 1, 1);
        double angle = 2 * G_PI * place, strength = v->running ? 1 - age : 0.9;
        cairo_set_source_rgba(cairo, 0.21, 0.52, 0.89, 0.12 + 0.88 * strength * strength);
        cairo_arc(cairo, width / 2.0 + 0.76 * radius * sin(angle), height / 2.0 - 0.76 * radius * cos(angle),
                  0.13 * radius, 0, 2 * G_PI);
        cairo_fill(cairo);
    }
}

static gboolean next_frame(GtkWidget *area, GdkFrameClock *clock, gpointer data)
{
    view *v = data;
    (void)clock;
    gtk_widget_queue_draw(area);
    return v->running ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static GtkWidget *label(const char *text, const char *style, PangoEllipsizeMode ellipsize)
{
    GtkWidget *widget = gtk_label_new(text);
    gtk_label_set_xalign(GTK_LABEL(widget), 0);
    gtk_label_set_ellipsize(GTK_LABEL(widget), ellipsize);
    gtk_widget_add_css_class(widget, style);
    return widget;
}

static GtkWidget *make_row(row *r, const char *url)
{
    GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 5);
    GtkWidget *line = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 18);
    char *shown = g_strndup(url, strcspn(url, "#"));
    r->name = label(shown, "name", PANGO_ELLIPSIZE_MIDDLE);
    r->status = label("waiting for the server", "status", PANGO_ELLIPSIZE_MIDDLE);
    gtk_label_set_xalign(GTK_LABEL(r->status), 1);
    gtk_widget_set_hexpand(r->status, TRUE);
    r->bar = gtk_progress_bar_new();
    gtk_box_append(GTK_BOX(line), r->name);
    gtk_box_append(GTK_BOX(line), r->status);
    gtk_box_append(GTK_BOX(box), line);
    gtk_box_append(GTK_BOX(box), r->bar);
    g_free(shown);
    return box;
}

static void on_cancel(GtkButton *button, gpointer data)
{
    view *v = data;
    (void)button;
    v->actions.cancel(v->actions.data);
}

static gboolean on_close(GtkWindow *window, gpointer data)
{
    view *v = data;
    (void)window;
    v->actions.close(v->actions.data);
    return TRUE;
}

static GtkWidget *make_head(view *v, size_t count)
{
    GtkWidget *head = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 16);
    GtkWidget *words = gtk_box_new(GTK_ORIENTATION_VERTICAL, 2);
    char *text = g_strdup_printf("Downloading %zu file%s", count, count == 1 ? "" : "s");
    v->animation = gtk_drawing_area_new();
    gtk_widget_set_size_request(v->animation, 48, 48);
    gtk_widget_set_valign(v->animation, GTK_ALIGN_CENTER);
    gtk_drawing_area_set_draw_func(GTK_DRAWING_AREA(v->animation), draw_animation, v, NULL);
    gtk_widget_add_tick_callback(v->animation, next_frame, v, NULL);
    v->title = label(text, "headline", PANGO_ELLIPSIZE_END);
    v->summary = label("", "summary", PANGO_ELLIPSIZE_END);
    gtk_box_append(GTK_BOX(words), v->title);
    gtk_box_append(GTK_BOX(words), v->summary);
    gtk_widget_set_hexpand(words, TRUE);
    gtk_widget_set_valign(words, GTK_ALIGN_CENTER);
    v->cancel = gtk_button_new_with_label("Cancel …");
    gtk_widget_set_valign(v->cancel, GTK_ALIGN_CENTER);
    g_signal_connect(v->cancel, "clicked", G_CALLBACK(on_cancel), v);
    gtk_box_append(GTK_BOX(head), v->animation);
    gtk_box_append(GTK_BOX(head), words);
    gtk_box_append(GTK_BOX(head), v->cancel);
    g_free(text);
    return head;
}

view *view_new(const char *const *urls, size_t count, const view_actions *actions)
{
    view *v = g_new0(view, 1);
    GtkWidget *page = gtk_box_new(GTK_ORIENTATION_VERTICAL, 18);
    GtkWidget *list = gtk_box_new(GTK_ORIENTATION_VERTICAL, 14);
    GtkWidget *scrolled = gtk_scrolled_window_new();
    GtkCssProvider *style = gtk_css_provider_new();
    gtk_css_provider_load_from_data(style, STYLE, -1);
    gtk_style_context_add_provider_for_display(gdk_display_get_default(), GTK_STYLE_PROVIDER(style),
                                               GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
    g_object_unref(style);
    v->actions = *actions;
    v->running = TRUE;
    v->rows = g_new0(row, count);
    for (size_t i = 0; i < count; i++)
        gtk_box_append(GTK_BOX(list), make_row(&v->rows[i], urls[i]));
    gtk_scrolled_window_set_policy(GTK_SCROLLED_WINDOW(scrolled), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
    gtk_scrolled_window_set_propagate_natural_height(GTK_SCROLLED_WINDOW(scrolled), TRUE);
    gtk_scrolled_window_set_max_content_height(GTK_SCROLLED_WINDOW(scrolled), 480);
    gtk_scrolled_window_set_child(GTK_SCROLLED_WINDOW(scrolled), list);
    gtk_widget_set_vexpand(scrolled, TRUE);
    gtk_widget_add_css_class(page, "page");
    gtk_box_append(GTK_BOX(page), make_head(v, count));
    gtk_box_append(GTK_BOX(page), scrolled);
    v->window = gtk_window_new();
    gtk_window_set_titlebar(GTK_WINDOW(v->window), gtk_header_bar_new());
    gtk_window_set_title(GTK_WINDOW(v->window), "fetch: downloads in a GTK main loop");
    gtk_window_set_default_size(GTK_WINDOW(v->window), 720, -1);
    gtk_window_set_child(GTK_WINDOW(v->window), page);
    g_signal_connect(v->window, "close-request", G_CALLBACK(on_close), v);
    v->drawn = gtk_widget_paintable_new(v->window);
    gtk_window_present(GTK_WINDOW(v->window));
    return v;
}

void view_free(view *v)
{
    g_object_unref(v->drawn);
    gtk_window_destroy(GTK_WINDOW(v->window));
    g_free(v->rows);
    g_free(v);
}

void view_progress(view *v, const fetch_item *item)
{
    row *r = &v->rows[item->index];
    double share = cli_item_share(item);
    char text[448];
    gtk_label_set_text(GTK_LABEL(r->status), cli_item_text(text, sizeof text, item));
    if (share >= 0)
        gtk_progress_bar_set_fraction(GTK_PROGRESS_BAR(r->bar), share);
    else
        gtk_progress_bar_pulse(GTK_PROGRESS_BAR(r->bar));
}

void view_finished(view *v, const fetch_item *item)
{
    row *r = &v->rows[item->index];
    const char *style = item->state == FETCH_OK ? "good" : "bad";
    view_progress(v, item);
    gtk_widget_set_tooltip_text(r->status, *item->sha256 ? item->sha256 : NULL);
    gtk_widget_add_css_class(r->status, style);
    gtk_widget_add_css_class(r->bar, style);
}

void view_summary(view *v, const char *text, size_t running)
{
    gtk_label_set_text(GTK_LABEL(v->summary), text);
    if (running || !v->running)
        return;
    v->running = FALSE;
    gtk_label_set_text(GTK_LABEL(v->title), "Finished");
    gtk_widget_set_sensitive(v->cancel, FALSE);
}

static void on_no(GtkButton *button, gpointer data)
{
    (void)button;
    view_answer(data, 0);
}

static void on_yes(GtkButton *button, gpointer data)
{
    (void)button;
    view_answer(data, 1);
}

static gboolean on_dialog_close(GtkWindow *dialog, gpointer data)
{
    (void)dialog;
    view_answer(data, 0);
    return TRUE;
}

int view_ask(view *v, const char *title, const char *text)
{
    GtkWidget *page = gtk_box_new(GTK_ORIENTATION_VERTICAL, 18);
    GtkWidget *buttons = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 12);
    GtkWidget *no = gtk_button_new_with_label("Keep downloading"), *yes = gtk_button_new_with_label("Cancel downloads");
    v->dialog = gtk_window_new();
    gtk_window_set_titlebar(GTK_WINDOW(v->dialog), gtk_header_bar_new());
    gtk_window_set_title(GTK_WINDOW(v->dialog), title);
    gtk_window_set_transient_for(GTK_WINDOW(v->dialog), GTK_WINDOW(v->window));
    gtk_window_set_modal(GTK_WINDOW(v->dialog), TRUE);
    gtk_window_set_resizable(GTK_WINDOW(v->dialog), FALSE);
    gtk_widget_add_css_class(page, "page");
    gtk_widget_add_css_class(yes, "destructive-action");
    gtk_widget_set_halign(buttons, GTK_ALIGN_END);
    gtk_box_append(GTK_BOX(buttons), no);
    gtk_box_append(GTK_BOX(buttons), yes);
    gtk_box_append(GTK_BOX(page), gtk_label_new(text));
    gtk_box_append(GTK_BOX(page), buttons);
    gtk_window_set_child(GTK_WINDOW(v->dialog), page);
    gtk_window_set_focus(GTK_WINDOW(v->dialog), no);
    g_signal_connect(no, "clicked", G_CALLBACK(on_no), v);
    g_signal_connect(yes, "clicked", G_CALLBACK(on_yes), v);
    g_signal_connect(v->dialog, "close-request", G_CALLBACK(on_dialog_close), v);
    v->dialog_answer = 0;
    v->dialog_loop = g_main_loop_new(NULL, FALSE);
    gtk_window_present(GTK_WINDOW(v->dialog));
    g_main_loop_run(v->dialog_loop);
    g_main_loop_unref(v->dialog_loop);
    v->dialog_loop = NULL;
    gtk_window_destroy(GTK_WINDOW(v->dialog));
    v->dialog = NULL;
    return v->dialog_answer;
}

void view_answer(view *v, int yes)
{
    if (!v->dialog_loop)
        return;
    v->dialog_answer = yes;
    g_main_loop_quit(v->dialog_loop);
}

GdkTexture *view_picture(view *v)
{
    GskRenderer *renderer = gtk_native_get_renderer(GTK_NATIVE(v->window));
    GtkSnapshot *snapshot = gtk_snapshot_new();
    int width = gdk_paintable_get_intrinsic_width(v->drawn), height = gdk_paintable_get_intrinsic_height(v->drawn);
    GskRenderNode *node;
    GdkTexture *texture, *picture;
    gsize stride, size;
    guchar *pixels;
    GBytes *bytes;
    gdk_paintable_snapshot(v->drawn, GDK_SNAPSHOT(snapshot), width, height);
    node = gtk_snapshot_free_to_node(snapshot);
    if (!node || !renderer)
        return NULL;
    texture = gsk_renderer_render_texture(renderer, node, &GRAPHENE_RECT_INIT(0, 0, (float)width, (float)height));
    gsk_render_node_unref(node);
    /* The renderer's texture may live on the graphics card and belong to this thread; its pixels do not. */
    stride = 4 * (gsize)gdk_texture_get_width(texture);
    size = stride * (gsize)gdk_texture_get_height(texture);
    pixels = g_malloc(size);
    gdk_texture_download(texture, pixels, stride);
    bytes = g_bytes_new_take(pixels, size);
    picture = gdk_memory_texture_new(gdk_texture_get_width(texture), gdk_texture_get_height(texture),
                                     GDK_MEMORY_DEFAULT, bytes, stride);
    g_bytes_unref(bytes);
    g_object_unref(texture);
    return picture;
}

double view_longest_gap(const view *v, unsigned *frames)
{
    *frames = v->frames;
    return (double)v->longest_gap / 1000;
}
