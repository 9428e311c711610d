// glib_host: a guest in a GLib main loop. Needs glib-2.0; GTK programs take asyncguest/gtk.hpp. See docs/hosts/cpp-glib.md.
#ifndef ASYNCGUEST_GLIB_HPP
#define ASYNCGUEST_GLIB_HPP

#include <asyncguest/loop_host.hpp>

#include <glib.h>

#include <atomic>

namespace asyncguest {

/// A GMainContext, iterated by the thread that makes the host. Nested loops serve the guest, too.
///
///     asyncguest::glib_host host;
///     asyncguest::guest guest(host);
///     host.run();
///
/// GLib runs only the most urgent sources that are ready. GTK handles input at 0, lays out at 110 and paints at 120. The
/// guest takes its turns at 120: input first, then guest and painting in turn. A loop whose urgent sources are always
/// ready does not starve it: a guest that has had no turn for 20 ms is at 0, with the others, for one turn.
class glib_host : public loop_host {
public:
    /// `how`: drive::fd has the context watch the guest's fd; drive::thread has a thread of the library wake it.
    /// `context`: NULL for the thread's default one. Kept with a reference.
    explicit glib_host(drive how = drive::fd, GMainContext *context = nullptr)
        : loop_host(how), context_(context ? g_main_context_ref(context) : g_main_context_ref_thread_default()) {
        turns_ = make_source(turn_functions(), patient, "asyncguest");
        g_source_set_can_recurse(turns_, TRUE); // or a dialog opened by a callback blocks the guest
        patience_ = make_source(patience_functions(), G_PRIORITY_HIGH, "asyncguest: patience");
        g_source_set_can_recurse(patience_, TRUE);
    }

    ~glib_host() override {
        for (GSource *made : {turns_, patience_}) {
            g_source_destroy(made);
            g_source_unref(made);
        }
        g_main_context_unref(context_);
    }

    /// Runs a GMainLoop until quit() or an exception, which is thrown here. The guest is shut down then.
    void run() {
        rethrow();
        GMainLoop *outer = loop_;
        loop_ = g_main_loop_new(context_, FALSE);
        g_main_loop_run(loop_);
        g_main_loop_unref(loop_);
        loop_ = outer;
        over();
        rethrow();
    }

    /// Makes run() return. Thread: host.
    void quit() noexcept {
        if (loop_)
            g_main_loop_quit(loop_);
    }

    int post(guest_token_t token) noexcept override {
        token_.store(token);
        g_source_set_ready_time(turns_, 0);
        return 0;
    }

    void watch(guest_os_fd_t fd) override { tag_ = g_source_add_unix_fd(turns_, fd, G_IO_IN); }

    void unwatch(guest_os_fd_t) noexcept override {
        if (tag_)
            g_source_remove_unix_fd(turns_, tag_);
        tag_ = nullptr;
    }

protected:
    void leave() noexcept override { quit(); }

private:
    static constexpr int patient = G_PRIORITY_HIGH_IDLE + 20; // GDK_PRIORITY_REDRAW
    static constexpr gint64 patience = 20 * G_TIME_SPAN_MILLISECOND;

    struct source {
        GSource base; // GLib's part comes first
        glib_host *host;
    };

    static glib_host &host_of(GSource *s) { return *reinterpret_cast<source *>(s)->host; }

    GSource *make_source(GSourceFuncs *functions, int priority, const char *name) {
        GSource *made = g_source_new(functions, sizeof(source));
        reinterpret_cast<source *>(made)->host = this;
        g_source_set_name(made, name);
        g_source_set_priority(made, priority);
        g_source_attach(made, context_);
        return made;
    }

    static GSourceFuncs *turn_functions() {
        static GSourceFuncs functions = {nullptr, nullptr, [](GSource *s, GSourceFunc, gpointer) -> gboolean {
                                             glib_host &h = host_of(s);
                                             h.had_turn(g_source_get_time(s));
                                             g_source_set_ready_time(s, -1); // first "not ready", then read the token: a later one counts
                                             h.turn(h.token_.load());
                                             return G_SOURCE_CONTINUE;
                                         },
                                         nullptr, nullptr, nullptr};
        return &functions;
    }

    /// Never ready: it only looks at the clock that GLib has read for this iteration anyway.
    static GSourceFuncs *patience_functions() {
        static GSourceFuncs functions = {[](GSource *s, gint *timeout) -> gboolean {
                                             glib_host &h = host_of(s);
                                             *timeout = -1;
                                             if (!h.urgent_ && g_source_get_time(s) - h.last_turn_ > patience) {
                                                 h.urgent_ = true;
                                                 g_source_set_priority(h.turns_, G_PRIORITY_DEFAULT);
                                             }
                                             return FALSE;
                                         },
                                         nullptr, nullptr, nullptr, nullptr, nullptr};
        return &functions;
    }

    void had_turn(gint64 now) {
        last_turn_ = now;
        if (urgent_) {
            urgent_ = false;
            g_source_set_priority(turns_, patient);
        }
    }

    GMainContext *context_;
    GSource *turns_ = nullptr;
    GSource *patience_ = nullptr;
    GMainLoop *loop_ = nullptr;
    gpointer tag_ = nullptr;
    gint64 last_turn_ = 0;
    bool urgent_ = false;
    std::atomic<guest_token_t> token_{0};
};

} // namespace asyncguest

#endif
