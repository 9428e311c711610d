// tk_host: a guest in the event loop of Tcl and Tk. Needs tcl and tk (8.6). See docs/hosts/cpp-tk.md.
#ifndef ASYNCGUEST_TK_HPP
#define ASYNCGUEST_TK_HPP

#include <asyncguest/loop_host.hpp>

#include <tk.h>

namespace asyncguest {

/// The event loop of the thread that makes the host. Nested loops (vwait, tkwait, dialogs) serve the guest, too.
///
///     asyncguest::tk_host host(interp);
///     asyncguest::guest guest(host);
///     host.run();
///
/// Tcl serves its queue before it looks at timers and X events, and these before what waits for an idle moment, which
/// is where Tk redraws. So after a turn that has used up its time, or many short ones in a row, the guest rests until
/// Tk has been idle, but for 10 ms at most: a program that is never idle does not starve it. The idle moment only ends
/// the rest: a turn in it would run callbacks inside any `update idletasks`.
class tk_host final : public loop_host {
public:
    /// `interp`: the one with the main window; when that window is destroyed, the guest is shut down there and then. NULL
    /// for a program without Tk. Tcl's `exit` shuts the guest down in either case.
    /// `how`: drive::fd has Tcl's notifier watch the guest's fd; drive::thread has a thread of the library wake it.
    explicit tk_host(Tcl_Interp *interp = nullptr, drive how = drive::fd)
        : loop_host(how), thread_(Tcl_GetCurrentThread()), window_(interp ? Tk_MainWindow(interp) : nullptr) {
        if (interp && !window_)
            throw error(status::order, "this interpreter has no main window: call Tk_Init first, or pass NULL");
        if (window_)
            Tk_CreateEventHandler(window_, StructureNotifyMask, &window_event, this);
        Tcl_CreateExitHandler(&exiting, this);
    }

    ~tk_host() override {
        Tcl_DeleteExitHandler(&exiting, this);
        if (window_)
            Tk_DeleteEventHandler(window_, StructureNotifyMask, &window_event, this);
        end_rest();
        Tcl_DeleteEvents(&is_ours, this);
    }

    /// Serves events until no main window is left (without Tk: until quit()), or a callback has thrown: that is thrown
    /// here. The guest is shut down then.
    void run() {
        rethrow();
        quit_ = false;
        const bool has_window = window_ != nullptr;
        while (!quit_ && !(has_window && Tk_GetNumMainWindows() == 0))
            Tcl_DoOneEvent(TCL_ALL_EVENTS);
        over();
        rethrow();
    }

    /// Makes run() return. Thread: host.
    void quit() noexcept { quit_ = true; }

    int post(guest_token_t token) noexcept override {
        Tcl_ThreadQueueEvent(thread_, new_event(token), TCL_QUEUE_TAIL);
        Tcl_ThreadAlert(thread_);
        return 0;
    }

    void watch(guest_os_fd_t fd) override {
        fd_ = fd;
        if (!resting_)
            listen();
    }

    void unwatch(guest_os_fd_t fd) noexcept override {
        Tcl_DeleteFileHandler(fd);
        fd_ = -1;
    }

private:
    static constexpr int longest_rest = 10; // milliseconds

    struct token_event {
        Tcl_Event event; // Tcl's part comes first
        tk_host *host;
        guest_token_t token;
    };

    Tcl_Event *new_event(guest_token_t token) noexcept {
        auto *e = reinterpret_cast<token_event *>(ckalloc(sizeof(token_event))); // Tcl frees it
        *e = {{&token_due, nullptr}, this, token};
        return &e->event;
    }

    static tk_host &self(ClientData data) { return *static_cast<tk_host *>(data); }

    static int is_ours(Tcl_Event *event, ClientData data) {
        return event->proc == &token_due && reinterpret_cast<token_event *>(event)->host == data;
    }

    static int token_due(Tcl_Event *event, int flags) {
        auto *e = reinterpret_cast<token_event *>(event);
        if (!(flags & TCL_FILE_EVENTS))
            return 0; // somebody waits for other kinds only, such as window events: stay in the queue
        if (e->host->resting_)
            e->host->put_by_ = e->token;
        else
            e->host->serve(e->token);
        return 1;
    }

    static void readable(ClientData data, int) { self(data).serve(0); }

    void listen() { Tcl_CreateFileHandler(fd_, TCL_READABLE, &readable, this); }

    void serve(guest_token_t token) noexcept {
        row_.begin();
        if (turn(token) && row_.end())
            rest();
    }

    void rest() noexcept {
        if (resting_)
            return;
        resting_ = true;
        if (fd_ >= 0)
            Tcl_DeleteFileHandler(fd_);
        Tcl_DoWhenIdle(&rested, this);
        alarm_ = Tcl_CreateTimerHandler(longest_rest, &rested, this);
    }

    static void rested(ClientData data) {
        tk_host &h = self(data);
        h.end_rest();
        if (h.fd_ >= 0)
            h.listen();
        if (guest_token_t token = std::exchange(h.put_by_, 0))
            Tcl_QueueEvent(h.new_event(token), TCL_QUEUE_TAIL);
    }

    void end_rest() noexcept {
        if (!std::exchange(resting_, false))
            return;
        Tcl_CancelIdleCall(&rested, this);
        Tcl_DeleteTimerHandler(alarm_);
    }

    static void window_event(ClientData data, XEvent *event) {
        if (event->type == DestroyNotify) { // Tk forgets the handler
            self(data).window_ = nullptr;
            self(data).over();
        }
    }

    static void exiting(ClientData data) { self(data).over(); }

    void leave() noexcept override { quit(); }

    const Tcl_ThreadId thread_;
    Tk_Window window_;
    guest_os_fd_t fd_ = -1;
    bool quit_ = false;
    bool resting_ = false;
    guest_token_t put_by_ = 0; // what arrived during the rest
    Tcl_TimerToken alarm_ = nullptr;
    detail::turns_in_a_row row_;
};

} // namespace asyncguest

#endif
