// win32_host: a guest in a Win32 message loop. Needs user32. See docs/hosts/cpp-win32.md.
//
// Include it before <windows.h>, or define WIN32_LEAN_AND_MEAN: <winsock2.h> wants to be first.
#ifndef ASYNCGUEST_WIN32_HPP
#define ASYNCGUEST_WIN32_HPP

#include <asyncguest/loop_host.hpp>

#include <asyncguest_win32.h>

namespace asyncguest {

/// The messages of the thread that makes the host. Whoever dispatches them serves the guest: run(), a loop of your own, message
/// boxes, menus, dialogs, and the loops in which a window is moved and sized.
///
///     asyncguest::win32_host host;
///     asyncguest::guest guest(host);
///     return host.run();
///
/// drive::thread alone: a thread of the library posts to a message-only window, since modal loops wait for nothing but
/// messages. It is asyncguest_win32.h with exceptions and an owner.
class win32_host final : public loop_host {
public:
    /// Throws error (status::os, `os_error()` is GetLastError's) if there can be no window.
    win32_host() : loop_host(drive::thread) {
        if (!guest_win32_init(&win32_)) {
            const int why = static_cast<int>(GetLastError());
            throw error(status::os, "a message-only window cannot be made: " + std::system_category().message(why), why);
        }
        win32_.user_data = this;
        win32_.turn = [](guest_win32_t *w, guest_token_t token) { static_cast<win32_host *>(w->user_data)->turn(token); };
    }

    ~win32_host() override { guest_win32_clear(&win32_); }

    /// Dispatches messages until WM_QUIT, and throws what a callback has thrown. The guest is shut down then. Returns what
    /// PostQuitMessage was given. For dialogs without a modal loop and for accelerators have a loop of your own.
    int run() {
        rethrow();
        MSG message{};
        while (GetMessageW(&message, nullptr, 0, 0) > 0) {
            TranslateMessage(&message);
            DispatchMessageW(&message);
        }
        ending_ = true;
        over();
        ending_ = false;
        rethrow();
        return static_cast<int>(message.wParam);
    }

    /// Makes run(), or a loop of your own, return, and the modal loops inside it. Thread: host. When run() is over already, it does
    /// nothing: a WM_QUIT that is left over would end the thread's next loop, such as a message box.
    void quit(int code = 0) noexcept {
        if (!ending_)
            PostQuitMessage(code);
    }

    int post(guest_token_t token) noexcept override { return guest_win32_post(&win32_, token); }
    int post_local(guest_token_t token) noexcept override { return guest_win32_post_local(&win32_, token); }

private:
    void leave() noexcept override { quit(1); }

    bool ending_ = false; // run() is about to return
    guest_win32_t win32_;
};

} // namespace asyncguest

#endif
