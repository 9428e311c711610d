// What a guest's parts share: it outlives the guest object for as long as a handle, a poster's call or a task
// refers to it. Host thread only, but for `call_guard`.
#ifndef ASYNCGUEST_CORE_HPP
#define ASYNCGUEST_CORE_HPP

#include "error.hpp"
#include "fd_watch.hpp"
#include "host.hpp"
#include "poster.hpp"
#include "tasks.hpp"
#include "time.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#if defined(__cpp_impl_coroutine) && defined(__cpp_concepts) // -std=c++17 -fcoroutines has no concepts
#define ASYNCGUEST_HAS_COROUTINES 1
#else
#define ASYNCGUEST_HAS_COROUTINES 0
#endif

namespace asyncguest {

enum class stall : unsigned {
    undelivered = GUEST_STALL_UNDELIVERED, ///< the loop does not run
    delivering = GUEST_STALL_DELIVERING    ///< a callback does not return
};

/// How a guest shall behave; zero means the library's default. Each function may also be one without arguments.
struct options {
    /// What one delivery may last before the host gets its turn; default 4 ms.
    std::chrono::nanoseconds batch_budget{};
    /// After which a delivery that has not returned is taken for a nested loop, such as a dialog; default 10 ms.
    std::chrono::nanoseconds nested_after{};
    /// After which an undelivered token is posted again; default 250 ms.
    std::chrono::nanoseconds repost_after{};
    /// After which on_stall reports a host that is stuck; default never.
    std::chrono::nanoseconds stall_after{};
    /// Threads for work() and resolve(); default 4.
    unsigned work_threads = 0;
    /// The guest has ended. Host thread, once; must not throw. May destroy the guest, unless it is the destructor that
    /// calls this. If the guest was destroyed inside a callback, this comes after that: what went with it is gone.
    callback<status> on_done{};
    /// The host has been stuck for that long. On the thread that watches; must not throw.
    callback<stall, std::chrono::nanoseconds> on_stall{};
    /// Takes what callbacks, and tasks that nobody awaits, throw. Without it, that leaves deliver(), run(),
    /// shutdown() or spawn(), whichever was running them. What this function throws does so too.
    callback<std::exception_ptr> on_exception{};
};

namespace detail {

/// What threads of the library call the host by, and keep while they do: it lets no call through after the host's end.
class call_guard {
public:
    call_guard(host *h, callback<stall, std::chrono::nanoseconds> f) : on_stall(std::move(f)), host_(h) {}

    const callback<stall, std::chrono::nanoseconds> on_stall;

    template <class F> int32_t with(F f) noexcept {
        std::lock_guard<std::timed_mutex> lock(mutex_);
        host *h = host_;
        return h ? f(*h) : GUEST_HOST_GONE;
    }

    /// No call of the host begins from here on. One that hangs is waited for like guest_free does: for a second.
    void shut() noexcept {
        host_ = nullptr;
        std::unique_lock<std::timed_mutex> lock(mutex_, std::chrono::seconds(1));
    }

private:
    std::timed_mutex mutex_;
    std::atomic<host *> host_;
};

struct core : std::enable_shared_from_this<core> {
    guest_t *g = nullptr;    // null once it is freed
    guest *owner = nullptr;  // null once the guest object is destroyed
    host *loop = nullptr;
    bool attached = false, watched = false, ended = false;
    unsigned frames = 0;     // calls of ours on the stack that run callbacks
    std::shared_ptr<core> self; // guest_t's reference: until nothing of the library points here any more
    std::shared_ptr<call_guard> guard;
    callback<status> on_done;
    callback<std::exception_ptr> on_exception;
    fd_watches fds;         // that tasks wait for
    task_list tasks;        // the guest's own, and behind it those of its scopes
    guest_id_t keeper = 0;  // the source whose drop function ends them; from the first task on
    poster hopper;          // for tasks that are resumed on other threads; from the first that may be

    /// The guest as long as it can be asked for something, else null.
    guest_t *live() const noexcept { return ended ? nullptr : g; }

    /// The right to post to this guest, if it has not ended.
    const poster &hop() {
        if (live() && !hopper.handle_)
            hopper = poster(g);
        return hopper;
    }

    void close(guest_id_t id) noexcept {
        if (id && live())
            guest_close(g, id); // GUEST_ESTALE: it has finished, which is as well
    }

    /// Runs `f`, which runs callbacks. Their exceptions go to on_exception, if there is one.
    template <class F> guest_status_t run(F f) {
        auto keep = shared_from_this();
        struct frame {
            core &c;
            stay apart{nullptr}; // a task that has opened a nested loop has no part in what that delivers
            explicit frame(core &of) : c(of) { c.frames++; }
            ~frame() {
                if (--c.frames == 0 && c.ended && !c.owner)
                    c.let_go();
            }
        } entered(*this);
        if (!on_exception)
            return f();
        try {
            return f();
        } catch (...) {
            on_exception(std::current_exception());
            return GUEST_OK;
        }
    }

    /// Nothing of the library points here any more; handles may.
    void let_go() noexcept {
        on_exception = nullptr;
        guard.reset();
        self.reset();
    }

    /// Before the guest ends, or its object does.
    void leave_host() noexcept {
        guest_os_fd_t fd;
        if (std::exchange(watched, false) && guest_fd(g, &fd) == GUEST_OK)
            loop->unwatch(fd);
        if (std::exchange(attached, false))
            loop->detached(*owner);
    }

    static int32_t post(void *data, guest_token_t token) noexcept {
        auto guard = static_cast<core *>(data)->guard;
        return guard->with([&](host &h) { return h.post(token); });
    }

    static int32_t post_local(void *data, guest_token_t token) noexcept {
        auto guard = static_cast<core *>(data)->guard;
        return guard->with([&](host &h) { return h.post_local(token); });
    }

    static void done(void *data, guest_status_t how) noexcept {
        auto keep = static_cast<core *>(data)->shared_from_this();
        keep->leave_host();
        keep->ended = true;
        keep->hopper = poster();
        if (!keep->owner)
            keep->g = nullptr; // guest_free was called in a callback, and happens now
        if (auto last = std::exchange(keep->on_done, nullptr))
            last(static_cast<status>(how));
    }

    static void stalled(void *data, uint32_t kind, uint64_t nanoseconds) noexcept {
        auto guard = static_cast<core *>(data)->guard;
        guard->on_stall(static_cast<stall>(kind), std::chrono::nanoseconds(nanoseconds));
    }
};

} // namespace detail
} // namespace asyncguest

#endif
