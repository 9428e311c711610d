// GLib without GTK; see scenarios.hpp.
#include <asyncguest/glib.hpp>

#include "scenarios.hpp"

namespace {

struct glib {
    using host_type = asyncguest::glib_host;
    static constexpr const char *name = "GLib (C++)";
    static std::string version() {
        return std::to_string(glib_major_version) + "." + std::to_string(glib_minor_version) + "." +
               std::to_string(glib_micro_version);
    }

    asyncguest::drive how;
    host_type *running = nullptr;
    GMainLoop *own = nullptr, *dialog = nullptr;

    glib(int &, char **, asyncguest::drive how) : how(how) {}

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(how); }
    void run(host_type &host) {
        running = &host;
        host.run();
        running = nullptr;
    }
    void quit() {
        if (own)
            g_main_loop_quit(own);
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
        dialog = g_main_loop_new(nullptr, FALSE);
        g_main_loop_run(dialog);
        g_main_loop_unref(dialog);
    }
    void end_modal() { g_main_loop_quit(dialog); }
    std::unique_ptr<host_type> begin_own() { return make(); }
    void own_loop() {
        own = g_main_loop_new(nullptr, FALSE);
        g_main_loop_run(own);
        g_main_loop_unref(own);
        own = nullptr;
    }
    bool guest_ends_with_own_loop() { return false; }
    int frames() { return -1; }
    bool animated = false;
    void animate(bool) {}
    bool steps() { return false; }
    const char *lose() { return "GLib keeps no queue of wakes"; }
    void settle() {
        while (g_main_context_iteration(nullptr, FALSE)) {}
    }
};

} // namespace

int main(int argc, char **argv) {
    return run_host<glib>(argc, argv);
}
