// GTK 3 and GTK 4, with a window and a GtkApplication; see scenarios.hpp.
#include <asyncguest/gtk.hpp>

#include "scenarios.hpp"

namespace {

struct gtk {
    using host_type = asyncguest::gtk_host;
    static constexpr const char *name = GTK_MAJOR_VERSION == 3 ? "GTK 3 (C++)" : "GTK 4 (C++)";
    static std::string version() {
        return std::to_string(gtk_get_major_version()) + "." + std::to_string(gtk_get_minor_version()) + "." +
               std::to_string(gtk_get_micro_version());
    }

    asyncguest::drive how;
    host_type *running = nullptr;
    GtkApplication *app = nullptr;
    GtkWidget *window = nullptr, *drawn = nullptr, *dialog = nullptr;
    unsigned tick = 0;
    GMainLoop *dialog_loop = nullptr;
    int painted = 0;

    gtk(int &argc, char **argv, asyncguest::drive how) : how(how) {
        static_cast<void>(argc), static_cast<void>(argv);
#if GTK_MAJOR_VERSION == 3
        gtk_init(&argc, &argv);
        window = gtk_window_new(GTK_WINDOW_TOPLEVEL);
        GtkWidget *area = gtk_drawing_area_new();
        g_signal_connect(area, "draw", G_CALLBACK(+[](GtkWidget *, cairo_t *, gpointer data) -> gboolean {
                             static_cast<gtk *>(data)->painted++;
                             return FALSE;
                         }),
                         this);
        gtk_container_add(GTK_CONTAINER(window), area);
        gtk_widget_show_all(window);
#else
        gtk_init();
        window = gtk_window_new();
        GtkWidget *area = gtk_drawing_area_new();
        gtk_drawing_area_set_draw_func(GTK_DRAWING_AREA(area), [](GtkDrawingArea *, cairo_t *, int, int, gpointer data) { static_cast<gtk *>(data)->painted++; }, this, nullptr);
        gtk_window_set_child(GTK_WINDOW(window), area);
        gtk_window_present(GTK_WINDOW(window));
#endif
        drawn = area;
        animate(true);
    }

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(nullptr, how); }
    void run(host_type &host) {
        running = &host;
        host.run();
        running = nullptr;
    }
    void quit() {
        if (app)
            g_application_quit(G_APPLICATION(app));
        else if (running)
            running->quit();
    }
    void later(int ms, std::function<void()> f) {
        g_timeout_add_full(G_PRIORITY_DEFAULT, unsigned(ms), [](gpointer data) -> gboolean {
            (*static_cast<std::function<void()> *>(data))();
            return G_SOURCE_REMOVE; }, new std::function<void()>(std::move(f)), [](gpointer data) { delete static_cast<std::function<void()> *>(data); });
    }

    const char *no_modal() { return nullptr; }
    void modal() {
#if GTK_MAJOR_VERSION == 3
        dialog = gtk_message_dialog_new(GTK_WINDOW(window), GTK_DIALOG_MODAL, GTK_MESSAGE_QUESTION, GTK_BUTTONS_YES_NO, "?");
        gtk_dialog_run(GTK_DIALOG(dialog));
        gtk_widget_destroy(dialog);
#else // GTK 4 has no gtk_dialog_run: a modal window and a loop
        dialog = gtk_window_new();
        gtk_window_set_modal(GTK_WINDOW(dialog), TRUE);
        gtk_window_set_transient_for(GTK_WINDOW(dialog), GTK_WINDOW(window));
        gtk_window_present(GTK_WINDOW(dialog));
        dialog_loop = g_main_loop_new(nullptr, FALSE);
        g_main_loop_run(dialog_loop);
        g_main_loop_unref(dialog_loop);
        gtk_window_destroy(GTK_WINDOW(dialog));
#endif
    }
    void end_modal() {
#if GTK_MAJOR_VERSION == 3
        gtk_dialog_response(GTK_DIALOG(dialog), GTK_RESPONSE_YES);
#else
        g_main_loop_quit(dialog_loop);
#endif
    }

    /// The program's loop is that of a GtkApplication, which tells when it shuts down.
    std::unique_ptr<host_type> begin_own() {
        app = gtk_application_new(nullptr, G_APPLICATION_NON_UNIQUE);
        g_signal_connect(app, "activate", G_CALLBACK(+[](GApplication *a, gpointer) { g_application_hold(a); }), nullptr);
        auto host = std::make_unique<host_type>(G_APPLICATION(app), how);
        g_object_unref(app); // the host has a reference
        return host;
    }
    void own_loop() {
        g_application_run(G_APPLICATION(app), 0, nullptr);
        app = nullptr;
    }
    bool guest_ends_with_own_loop() { return true; }
    int frames() { return painted; }
    bool animated = false;
    void animate(bool on) {
        if ((animated = on))
            tick = gtk_widget_add_tick_callback(drawn, [](GtkWidget *widget, GdkFrameClock *, gpointer) -> gboolean {
                gtk_widget_queue_draw(widget);
                return G_SOURCE_CONTINUE; }, nullptr, nullptr);
        else
            gtk_widget_remove_tick_callback(drawn, tick);
    }
    bool steps() { return false; }
    const char *lose() { return "GLib keeps no queue of wakes"; }
    void settle() {
        while (g_main_context_iteration(nullptr, FALSE)) {}
    }
};

} // namespace

int main(int argc, char **argv) {
    return run_host<gtk>(argc, argv);
}
