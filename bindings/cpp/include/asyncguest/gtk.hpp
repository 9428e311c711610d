// gtk_host: a guest in a GTK program, GTK 3 or GTK 4. Needs gtk+-3.0 or gtk4. See docs/hosts/cpp-gtk.md.
#ifndef ASYNCGUEST_GTK_HPP
#define ASYNCGUEST_GTK_HPP

#include <asyncguest/glib.hpp>

#include <gtk/gtk.h>

namespace asyncguest {

/// The main context of a GTK program. Priorities and nested loops are those of glib_host.
///
///     GtkApplication *app = gtk_application_new("org.example.app", G_APPLICATION_DEFAULT_FLAGS);
///     asyncguest::gtk_host host(G_APPLICATION(app));
///     asyncguest::guest guest(host);
///     return host.run(argc, argv);
///
/// When the application shuts down (the signal "shutdown"), the guest does, before the application's own handlers that
/// were connected later. A guest does not keep an application alive: that is what its windows do, or g_application_hold.
class gtk_host final : public glib_host {
public:
    /// `app`: kept with a reference; NULL in a program that runs gtk_main() or a GMainLoop (glib_host::run) by itself.
    explicit gtk_host(GApplication *app = nullptr, drive how = drive::fd) : glib_host(how), app_(app) {
        if (!app_)
            return;
        g_object_ref(app_);
        shutdown_ = g_signal_connect(app_, "shutdown", G_CALLBACK(+[](GApplication *, gpointer data) {
                                         static_cast<gtk_host *>(data)->over();
                                     }),
                                     this);
    }

    ~gtk_host() override {
        if (!app_)
            return;
        g_signal_handler_disconnect(app_, shutdown_);
        g_object_unref(app_);
    }

    using glib_host::run;

    /// g_application_run, and throws what a callback has thrown. Returns the application's exit status.
    int run(int argc, char **argv) {
        rethrow();
        if (!app_)
            throw error(status::order, "this gtk_host was made without a GApplication: call run() instead");
        const int code = g_application_run(app_, argc, argv);
        over();
        rethrow();
        return code;
    }

protected:
    void leave() noexcept override {
        if (app_)
            g_application_quit(app_);
#if GTK_MAJOR_VERSION == 3
        if (gtk_main_level() > 0)
            gtk_main_quit();
#endif
        glib_host::leave();
    }

private:
    GApplication *app_;
    gulong shutdown_ = 0;
};

} // namespace asyncguest

#endif
