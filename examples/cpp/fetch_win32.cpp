// fetch in a plain Win32 window, with coroutines: downloads side by side, each with a progress bar, and a modal message box that
// does not stop them.
//
//     fetch_win32 [--linger N] [--dialog N] URL...
//
// --dialog opens the box after a second, for N seconds; --linger ends the program N seconds after the last download. Exit status 0:
// every download is complete and has the checksum that its URL names ("#sha256=HEX").
#include "download.hpp"

#include <asyncguest/win32.hpp>

#include <bcrypt.h>
#include <commctrl.h>

#include <cstdio>
#include <cstring>
#include <optional>

using namespace std::chrono_literals;
using asyncguest::guest;
using asyncguest::task;

namespace {

std::wstring wide(const std::string &utf8) {
    const int size = MultiByteToWideChar(CP_UTF8, 0, utf8.data(), int(utf8.size()), nullptr, 0);
    std::wstring text(size_t(size), L'\0');
    MultiByteToWideChar(CP_UTF8, 0, utf8.data(), int(utf8.size()), text.data(), size);
    return text;
}

class sha256 {
public:
    sha256() {
        if (BCryptOpenAlgorithmProvider(&algorithm_, BCRYPT_SHA256_ALGORITHM, nullptr, 0) < 0 ||
            BCryptCreateHash(algorithm_, &hash_, nullptr, 0, nullptr, 0, 0) < 0)
            throw std::runtime_error("this Windows has no SHA-256");
    }
    sha256(const sha256 &) = delete;
    sha256 &operator=(const sha256 &) = delete;
    ~sha256() {
        BCryptDestroyHash(hash_);
        BCryptCloseAlgorithmProvider(algorithm_, 0);
    }
    void add(std::string_view bytes) {
        BCryptHashData(hash_, reinterpret_cast<PUCHAR>(const_cast<char *>(bytes.data())), ULONG(bytes.size()), 0);
    }
    /// Once, after the last byte.
    std::string hex() {
        unsigned char digest[32];
        BCryptFinishHash(hash_, digest, sizeof digest, 0);
        std::string text;
        for (unsigned char byte : digest)
            for (int digit : {byte >> 4, byte & 15})
                text += "0123456789abcdef"[digit];
        return text;
    }

private:
    BCRYPT_ALG_HANDLE algorithm_ = nullptr;
    BCRYPT_HASH_HANDLE hash_ = nullptr;
};

struct settings {
    double linger = -1, dialog = 0;
    std::vector<std::string> urls;
};

class window {
public:
    window(guest &g, asyncguest::win32_host &host, const settings &with)
        : guest_(g), host_(host), settings_(with), font_(message_font()), window_(make_window(int(with.urls.size()))), tasks_(g) {
        SetWindowLongPtrW(window_, GWLP_USERDATA, reinterpret_cast<LONG_PTR>(this));
        summary_ = add(L"STATIC", L"Downloading", 0, 16, 20, 460, 20);
        add(L"BUTTON", L"Cancel …", WS_TABSTOP, width - 126, 14, 110, 30, IDCANCEL);
        for (const std::string &url : with.urls)
            start(url);
        ShowWindow(window_, SW_SHOW);
        tasks_.spawn(show_figures());
        if (with.dialog > 0)
            tasks_.spawn(ask_after_a_second());
    }
    window(const window &) = delete;
    window &operator=(const window &) = delete;
    ~window() {
        SetWindowLongPtrW(window_, GWLP_USERDATA, 0);
        DestroyWindow(window_);
        DeleteObject(font_);
    }

    bool complete() const { return failed_ == 0 && running_ == 0; }

    void print() const {
        std::printf("%llu bytes, %d running, %d failed\n", static_cast<unsigned long long>(received_), running_, failed_);
    }

private:
    static constexpr int width = 640, head = 56, line = 48;

    struct row {
        HWND status, bar;
        uint64_t received = 0, total = 0;
        bool ended = false;
        sha256 hash;
    };

    static HFONT message_font() {
        NONCLIENTMETRICSW metrics{};
        metrics.cbSize = sizeof metrics;
        SystemParametersInfoW(SPI_GETNONCLIENTMETRICS, sizeof metrics, &metrics, 0);
        return CreateFontIndirectW(&metrics.lfMessageFont);
    }

    static HWND make_window(int rows) {
        WNDCLASSW made{};
        made.lpfnWndProc = &procedure;
        made.hInstance = GetModuleHandleW(nullptr);
        made.hCursor = LoadCursorW(nullptr, MAKEINTRESOURCEW(32512)); // IDC_ARROW
        made.hbrBackground = GetSysColorBrush(COLOR_BTNFACE);
        made.lpszClassName = L"fetch";
        RegisterClassW(&made);
        const DWORD style = WS_OVERLAPPEDWINDOW | WS_CLIPCHILDREN;
        RECT size{0, 0, width, head + rows * line + 14}, screen{};
        AdjustWindowRect(&size, style, FALSE);
        SystemParametersInfoW(SPI_GETWORKAREA, 0, &screen, 0);
        const int w = size.right - size.left, h = size.bottom - size.top;
        HWND window = CreateWindowW(L"fetch", L"fetch: downloads in a Win32 message loop", style, (screen.right - w) / 2,
                                    (screen.bottom - h) / 2, w, h, nullptr, nullptr, made.hInstance, nullptr);
        if (!window)
            throw std::runtime_error("no window can be made");
        return window;
    }

    static LRESULT CALLBACK procedure(HWND window, UINT message, WPARAM w, LPARAM l) {
        auto *self = reinterpret_cast<class window *>(GetWindowLongPtrW(window, GWLP_USERDATA));
        if (self && message == WM_COMMAND && LOWORD(w) == IDCANCEL) {
            self->ask();
            return 0;
        }
        if (self && message == WM_CLOSE) { // the window stays until its owner goes
            self->host_.quit();
            return 0;
        }
        return DefWindowProcW(window, message, w, l);
    }

    HWND add(const wchar_t *kind, const std::wstring &text, DWORD style, int x, int y, int w, int h, int id = 0) {
        HWND control = CreateWindowW(kind, text.c_str(), style | WS_CHILD | WS_VISIBLE, x, y, w, h, window_,
                                     reinterpret_cast<HMENU>(INT_PTR(id)), nullptr, nullptr);
        SendMessageW(control, WM_SETFONT, reinterpret_cast<WPARAM>(font_), FALSE);
        return control;
    }

    void start(const std::string &url) {
        auto r = std::make_shared<row>();
        const location from(url);
        const int y = head + int(rows_.size()) * line;
        add(L"STATIC", wide(from.name), 0, 16, y, 200, 18);
        r->status = add(L"STATIC", L"waiting for the server", SS_RIGHT, 216, y, width - 232, 18);
        r->bar = add(PROGRESS_CLASSW, L"", PBS_SMOOTH, 16, y + 20, width - 32, 14);
        SendMessageW(r->bar, PBM_SETRANGE32, 0, 1000);
        rows_.push_back(r);
        running_++;
        tasks_.spawn(fetch(r, from), [this, r](asyncguest::outcome<void> how) { ended(*r, std::move(how)); });
    }

    task<> fetch(std::shared_ptr<row> r, location from) {
        std::function<void(std::string_view, uint64_t)> piece = [this, r](std::string_view bytes, uint64_t total) {
            r->hash.add(bytes);
            r->received += bytes.size();
            r->total = total;
            received_ += bytes.size();
        };
        co_await download(guest_, from, 3s, std::move(piece));
        if (!from.sha256.empty() && r->hash.hex() != from.sha256)
            throw std::runtime_error("the checksum differs");
    }

    void ended(row &r, asyncguest::outcome<void> how) {
        running_--;
        std::string text = size_text(r.received) + " · complete, checksum as promised";
        try {
            how.get();
            SendMessageW(r.bar, PBM_SETPOS, 1000, 0);
        } catch (const std::exception &e) {
            failed_++;
            text = e.what();
            std::printf("failed: %s\n", e.what());
        }
        r.ended = true;
        SetWindowTextW(r.status, wide(text).c_str());
        if (running_ > 0)
            return;
        answer_no(); // there is nothing left to cancel
        if (settings_.linger >= 0)
            tasks_.spawn(leave());
    }

    static void show_progress(const row &r) {
        if (r.total == 0 || r.ended)
            return;
        SendMessageW(r.bar, PBM_SETPOS, WPARAM(1000 * r.received / r.total), 0);
        SetWindowTextW(r.status, wide(size_text(r.received) + " of " + size_text(r.total)).c_str());
    }

    task<> show_figures() {
        for (;;) {
            co_await guest_.sleep(50ms);
            for (const auto &r : rows_)
                show_progress(*r);
            const std::string text = size_text(received_) + " received · " + std::to_string(running_) + " running" +
                                     (box_is_open_ ? " · the box is open, and they go on" : "");
            SetWindowTextW(summary_, wide(text).c_str());
        }
    }

    /// The Cancel button. MessageBox runs a message loop, in which the guest goes on.
    void ask() {
        if (box_is_open_)
            return;
        const std::wstring text = std::to_wstring(running_) + L" downloads are not finished; they go on while you think.";
        const uint64_t before = received_;
        box_is_open_ = true;
        const int answer = MessageBoxW(window_, text.c_str(), L"Really cancel?", MB_YESNO | MB_ICONQUESTION);
        box_is_open_ = false;
        std::printf("dialog: %llu bytes arrived while it was open\n", static_cast<unsigned long long>(received_ - before));
        if (answer == IDYES)
            host_.quit();
    }

    void answer_no() {
        if (box_is_open_)
            PostMessageW(GetLastActivePopup(window_), WM_COMMAND, IDNO, 0);
    }

    task<> ask_after_a_second() {
        co_await guest_.sleep(1s);
        tasks_.spawn(answer());
        ask(); // inside a callback of the guest
    }

    task<> answer() {
        co_await guest_.sleep(std::chrono::duration<double>(settings_.dialog));
        answer_no();
    }

    task<> leave() {
        co_await guest_.sleep(std::chrono::duration<double>(settings_.linger));
        host_.quit();
    }

    guest &guest_;
    asyncguest::win32_host &host_;
    settings settings_;
    HFONT font_;
    HWND window_, summary_ = nullptr;
    std::vector<std::shared_ptr<row>> rows_;
    uint64_t received_ = 0;
    int running_ = 0, failed_ = 0;
    bool box_is_open_ = false;
    asyncguest::scope tasks_; // everything that runs for this window; the last member, so that it goes first
};

} // namespace

int main(int argc, char **argv) {
    settings with;
    for (int i = 1; i < argc; i++) {
        if (std::strcmp(argv[i], "--linger") == 0 && i + 1 < argc)
            with.linger = std::atof(argv[++i]);
        else if (std::strcmp(argv[i], "--dialog") == 0 && i + 1 < argc)
            with.dialog = std::atof(argv[++i]);
        else
            with.urls.push_back(argv[i]);
    }
    if (with.urls.empty() || with.urls[0][0] == '-') {
        std::fprintf(stderr, "usage: fetch_win32 [--linger N] [--dialog N] URL...\n");
        return 2;
    }
    const INITCOMMONCONTROLSEX bars{sizeof bars, ICC_PROGRESS_CLASS};
    InitCommonControlsEx(&bars);
    try {
        asyncguest::win32_host host;
        guest g(host);
        window w(g, host, with);
        host.run();
        w.print();
        return w.complete() ? 0 : 1;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "fetch_win32: %s\n", e.what());
        return 2;
    }
}
