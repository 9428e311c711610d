// uv_host: a guest in a libuv loop. Needs libuv. See docs/hosts/cpp-uv.md.
#ifndef ASYNCGUEST_UV_HPP
#define ASYNCGUEST_UV_HPP

#include <asyncguest/loop_host.hpp>

#include <uv.h>

#include <mutex>
#include <string>

namespace asyncguest {

/// A libuv loop, run by the thread that makes the host.
///
///     uv_loop_t *loop = uv_default_loop();
///     asyncguest::uv_host host(loop);
///     asyncguest::guest guest(host);
///     host.run();
///
/// One handle stands for the guest, and keeps the loop alive for as long as the guest lives: cancel() the guest when its
/// work is over, or unref() it. libuv frees a handle only in a further iteration of its loop: run() sees to that; else
/// run the loop once more (UV_RUN_NOWAIT) before uv_loop_close.
class uv_host final : public loop_host {
public:
    /// `how`: drive::fd has the loop poll the guest's fd; drive::thread has a thread of the library use uv_async_send.
    explicit uv_host(uv_loop_t *loop, drive how = drive::fd) : loop_host(how), loop_(loop) {}

    /// Runs the loop until it has nothing left to do, or uv_stop, or until a callback has thrown: that is thrown here. The
    /// guest is shut down then.
    void run() {
        rethrow();
        uv_run(loop_, UV_RUN_DEFAULT);
        over();
        uv_run(loop_, UV_RUN_NOWAIT);
        rethrow();
    }

    /// Whether the guest keeps the loop alive; at first it does. Thread: host.
    void ref() noexcept { set_ref(true); }
    void unref() noexcept { set_ref(false); }

    void attached(guest &g) override {
        loop_host::attached(g);
        if (watches_fd())
            return;
        auto *made = new uv_async_t;
        if (int code = uv_async_init(loop_, made, [](uv_async_t *a) {
                if (auto *h = static_cast<uv_host *>(a->data))
                    h->turn(h->next_token());
            })) {
            delete made;
            loop_host::detached(g);
            fail("uv_async_init", code);
        }
        made->data = this;
        show(reinterpret_cast<uv_handle_t *>(made));
        std::lock_guard<std::mutex> lock(mutex_);
        async_ = made;
    }

    void detached(guest &g) noexcept override {
        loop_host::detached(g);
        std::lock_guard<std::mutex> lock(mutex_);
        if (async_)
            close<uv_async_t>(reinterpret_cast<uv_handle_t *>(std::exchange(async_, nullptr)));
    }

    int post(guest_token_t token) noexcept override {
        std::lock_guard<std::mutex> lock(mutex_); // a handle that is being closed must not be sent to
        token_ = token;
        if (!async_)
            return GUEST_HOST_GONE;
        return uv_async_send(async_) == 0 ? 0 : -1;
    }

    void watch(guest_os_fd_t fd) override {
        auto *made = new uv_poll_t;
        if (int code = uv_poll_init(loop_, made, fd)) {
            delete made;
            fail("uv_poll_init", code);
        }
        made->data = this;
        show(reinterpret_cast<uv_handle_t *>(made));
        if (int code = uv_poll_start(made, UV_READABLE, [](uv_poll_t *p, int, int) {
                if (auto *h = static_cast<uv_host *>(p->data))
                    h->turn();
            })) {
            unwatch(fd);
            fail("uv_poll_start", code);
        }
    }

    void unwatch(guest_os_fd_t) noexcept override { close<uv_poll_t>(handle_); }

private:
    [[noreturn]] static void fail(const char *call, int code) {
        throw error(status::os, std::string(call) + ": " + uv_strerror(code), -code);
    }

    void show(uv_handle_t *handle) {
        handle_ = handle;
        set_ref(referenced_);
    }

    /// Its memory is libuv's until the close callback.
    template <class Handle> void close(uv_handle_t *handle) noexcept {
        handle_ = nullptr;
        handle->data = nullptr;
        uv_close(handle, [](uv_handle_t *closed) { delete reinterpret_cast<Handle *>(closed); });
    }

    void set_ref(bool referenced) noexcept {
        referenced_ = referenced;
        if (handle_)
            referenced ? uv_ref(handle_) : uv_unref(handle_);
    }

    guest_token_t next_token() noexcept {
        std::lock_guard<std::mutex> lock(mutex_);
        return token_;
    }

    void leave() noexcept override { uv_stop(loop_); }

    uv_loop_t *loop_;
    uv_handle_t *handle_ = nullptr;
    bool referenced_ = true;
    std::mutex mutex_; // for async_ and token_
    uv_async_t *async_ = nullptr;
    guest_token_t token_ = 0;
};

} // namespace asyncguest

#endif
