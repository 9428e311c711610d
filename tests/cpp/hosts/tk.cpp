// Tk, with a window; see scenarios.hpp.
#include <asyncguest/tk.hpp>

#include "scenarios.hpp"

namespace {

struct tk {
    using host_type = asyncguest::tk_host;
    static constexpr const char *name = "Tk (C++)";
    static std::string version() { return TK_PATCH_LEVEL; }

    asyncguest::drive how;
    Tcl_Interp *interp;
    host_type *running = nullptr;

    tk(int &, char **argv, asyncguest::drive how) : how(how) {
        Tcl_FindExecutable(argv[0]);
        interp = Tcl_CreateInterp();
        if (Tcl_Init(interp) != TCL_OK || Tk_Init(interp) != TCL_OK)
            throw std::runtime_error(Tcl_GetStringResult(interp));
        eval("set frames 0; pack [canvas .c]; .c create oval 5 5 50 50 -tags o\n"
             "bind .c <Expose> {incr frames}\n"
             "proc animate {} {.c move o 0 [expr {$::frames % 2 ? 3 : -3}]; incr ::frames; after 16 {after idle animate}}\n"
             "animate; update");
    }
    ~tk() { Tcl_DeleteInterp(interp); }

    std::string eval(const char *script) {
        if (Tcl_Eval(interp, script) != TCL_OK)
            throw std::runtime_error(Tcl_GetStringResult(interp));
        return Tcl_GetStringResult(interp);
    }

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(interp, how); }
    void run(host_type &host) {
        running = &host;
        host.run();
        running = nullptr;
    }
    void quit() {
        if (running)
            running->quit();
        else
            eval("destroy .");
    }
    void later(int ms, std::function<void()> f) {
        Tcl_CreateTimerHandler(ms, [](ClientData data) {
            std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()> *>(data));
            (*owned)(); }, new std::function<void()>(std::move(f)));
    }
    const char *no_modal() { return nullptr; }
    void modal() { eval("tk_messageBox -message {Really?} -type yesno"); }
    void end_modal() { eval("set ::tk::Priv(button) yes"); }

    /// The program's loop is Tk_MainLoop, on a window of its own: it ends when that is destroyed.
    std::unique_ptr<host_type> begin_own() {
        outer = interp;
        interp = Tcl_CreateInterp();
        if (Tcl_Init(interp) != TCL_OK || Tk_Init(interp) != TCL_OK)
            throw std::runtime_error(Tcl_GetStringResult(interp));
        return make();
    }
    void own_loop() {
        while (Tk_MainWindow(interp)) // Tk_MainLoop would wait for the first window, too
            Tcl_DoOneEvent(0);
        Tcl_DeleteInterp(interp);
        interp = outer;
    }
    bool guest_ends_with_own_loop() { return true; }
    int frames() { return std::stoi(eval("set frames")); }
    bool animated = true;
    void animate(bool on) { eval((animated = on) ? "animate" : "foreach a [after info] {after cancel $a}"); }
    bool steps() { return false; }
    const char *lose() {
        Tcl_DeleteEvents([](Tcl_Event *, ClientData) { return 1; }, nullptr);
        return nullptr;
    }
    void settle() { Tcl_DoOneEvent(TCL_DONT_WAIT); }

    Tcl_Interp *outer = nullptr;
};

/// Tcl's `exit` shuts the guest down: the status is that of on_done, and not what `exit` says.
int exit_ends_the_guest(char **argv) {
    int none = 0;
    tk f(none, argv, asyncguest::drive::fd);
    asyncguest::tk_host host(f.interp);
    asyncguest::options o;
    o.on_done = [](asyncguest::status) {
        std::puts("ok      exit");
        std::fflush(stdout);
        _exit(0);
    };
    asyncguest::guest g(host, std::move(o));
    f.eval("after 5 {exit 7}");
    host.run();
    return 8;
}

} // namespace

int main(int argc, char **argv) {
    if (argc > 1 && std::string(argv[1]) == "exit")
        return exit_ends_the_guest(argv);
    return run_host<tk>(argc, argv);
}
