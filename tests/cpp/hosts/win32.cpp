// Win32, with a window; see scenarios.hpp. Run by scripts/portability.sh.
#include "system.h" // before everything: it renames what it has for POSIX

#include <asyncguest/win32.hpp>

#include "scenarios.hpp"

#include <map>

namespace {

struct win32 {
    using host_type = asyncguest::win32_host;
    static constexpr const char *name = "Win32 (C++)";
    static std::string version() {
        using wine_version = const char *(*)();
        FARPROC found = GetProcAddress(GetModuleHandleW(L"ntdll"), "wine_get_version");
        return found ? std::string("wine ") + reinterpret_cast<wine_version>(reinterpret_cast<void (*)()>(found))() : "Windows";
    }

    HWND window;
    int painted = 0;

    win32(int &, char **, asyncguest::drive how) {
        if (how != asyncguest::drive::thread)
            throw std::runtime_error("a Win32 host has drive::thread alone");
        WNDCLASSW made{};
        made.lpfnWndProc = [](HWND window, UINT message, WPARAM w, LPARAM l) -> LRESULT {
            auto *f = reinterpret_cast<win32 *>(GetWindowLongPtrW(window, GWLP_USERDATA));
            if (f && message == WM_PAINT) {
                f->painted++;
                ValidateRect(window, nullptr);
                return 0;
            }
            if (message == WM_TIMER)
                InvalidateRect(window, nullptr, FALSE);
            return DefWindowProcW(window, message, w, l);
        };
        made.lpszClassName = L"hosts";
        RegisterClassW(&made);
        window = CreateWindowW(L"hosts", L"hosts", WS_OVERLAPPEDWINDOW | WS_VISIBLE, 0, 0, 200, 200, nullptr, nullptr, nullptr, nullptr);
        if (!window)
            throw std::runtime_error("there is no window");
        SetWindowLongPtrW(window, GWLP_USERDATA, reinterpret_cast<LONG_PTR>(this));
        animate(true);
    }
    ~win32() { DestroyWindow(window); }

    static std::map<UINT_PTR, std::function<void()>> &timers() {
        static std::map<UINT_PTR, std::function<void()>> running;
        return running;
    }

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(); }
    host_type *running = nullptr;
    void run(host_type &host) {
        running = &host;
        host.run();
        running = nullptr;
    }
    void quit() { running ? running->quit() : PostQuitMessage(0); }
    void later(int ms, std::function<void()> f) {
        const UINT_PTR id = SetTimer(nullptr, 0, static_cast<UINT>(ms), [](HWND, UINT, UINT_PTR due, DWORD) {
            KillTimer(nullptr, due);
            if (auto found = timers().extract(due))
                found.mapped()();
        });
        timers()[id] = std::move(f);
    }
    const char *no_modal() { return nullptr; }
    void modal() { MessageBoxW(window, L"Really?", L"asyncguest", MB_YESNO); }
    void end_modal() { EndDialog(FindWindowW(L"#32770", L"asyncguest"), IDYES); }
    std::unique_ptr<host_type> begin_own() { return make(); }
    void own_loop() {
        MSG message;
        while (GetMessageW(&message, nullptr, 0, 0) > 0)
            DispatchMessageW(&message);
    }
    bool guest_ends_with_own_loop() { return false; }
    int frames() { return painted; }
    bool animated = true;
    void animate(bool on) { (animated = on) ? void(SetTimer(window, 1, 16, nullptr)) : void(KillTimer(window, 1)); }
    bool steps() { return false; }
    const char *lose() {
        MSG message;
        while (PeekMessageW(&message, nullptr, WM_APP, WM_APP, PM_REMOVE)) {}
        return nullptr;
    }
    void settle() {
        MSG message;
        while (PeekMessageW(&message, nullptr, 0, 0, PM_REMOVE))
            DispatchMessageW(&message);
    }
};

} // namespace

int main(int argc, char **argv) {
    return run_host<win32>(argc, argv);
}
