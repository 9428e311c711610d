// Awaitables of the user's own and of other libraries, inside a task. C++20.
//
//   co_await event;    the task gives the event a handle: not its own but that of a stand-in, a small coroutine
//   handle.resume()    the stand-in lets the task go on, on the host thread; elsewhere it posts that to the guest
//   the task is gone   the stand-in has outlived it, and does nothing
#ifndef ASYNCGUEST_FOREIGN_HPP
#define ASYNCGUEST_FOREIGN_HPP

#include "resume.hpp"

#include <atomic>

namespace asyncguest {

/// Say so of an awaiter type whose destructor sees to it that the handle which it was given is never used again:
///     template <> inline constexpr bool asyncguest::deregisters<my_awaiter> = true;
/// It must be resumed on the host thread alone. What stands in for a task that is cancelled is freed at once then.
/// Without it, that is freed when it is resumed: some 160 bytes remain of each wait that was cancelled and is never
/// resumed.
template <class Awaiter> inline constexpr bool deregisters = false;

/// It does not even keep the handle.
template <> inline constexpr bool deregisters<std::suspend_always> = true;

namespace detail {

/// Names the calling thread. <thread> includes too much.
inline const void *this_thread() noexcept {
    static thread_local const char here = 0;
    return &here;
}

/// Between a coroutine that waits and the stand-in, whichever lives longer.
class link {
public:
    link(root *spawned, std::coroutine_handle<> part) : spawned_(spawned), part_(part) {
        if (home_)
            hop_ = home_->hop();
    }

    /// The handle was resumed. Thread: any. Throws what a coroutine type of somebody else's throws, and if there is no
    /// way to the right thread or no memory for it; a coroutine that has thrown cannot be resumed again.
    static void resumed(const std::shared_ptr<link> &l) {
        const bool here = this_thread() == l->thread_;
        if (!here && !l->home_ && !l->used_)
            throw error(status::thread, "a task was resumed on another thread than that on which it waits, and belongs to "
                                        "no guest that could see to it, so it now waits for ever: await it in a task that "
                                        "was spawned, or resume it on its own thread");
        if (l->used_.exchange(true)) // nobody waits any more
            return;
        if (!here)
            return hop(l);
        if (!l->home_ || !l->part_)
            return l->go_on();
        run_apart(*l->home_, [&] { l->go_on(); });
    }

    /// Nobody waits any more. false: the handle was resumed before. Host thread.
    bool abandon() noexcept {
        part_ = nullptr;
        if (used_.exchange(true))
            return false;
        hop_ = poster();
        return true;
    }

    /// The awaitable has its handle. false: it has resumed it meanwhile. Host thread.
    bool waits() noexcept {
        suspending_ = false;
        return part_ != nullptr;
    }

private:
    static void hop(const std::shared_ptr<link> &l) {
        poster way = std::move(l->hop_);
        try {
            static_cast<void>(way.post([l] { l->go_on(); })); // false: the end of the guest destroys the task
        } catch (const error &e) {
            if (e.code() == status::no_memory) { // as if it had not been resumed: the task still waits
                l->hop_ = std::move(way);
                l->used_ = false;
                throw;
            }
            // it had ended before, or this is a forked child: so it did, or nothing runs
        }
    }

    void go_on() {
        auto part = std::exchange(part_, nullptr);
        if (part && !suspending_)
            resume(spawned_, part);
    }

    root *const spawned_;
    core *const home_ = spawned_ ? spawned_->home : nullptr;
    const void *const thread_ = this_thread();
    std::atomic<bool> used_{false};  // who sets it has `hop_`
    poster hop_;
    std::coroutine_handle<> part_;   // host thread only, as what follows
    bool suspending_ = true;
};

/// The coroutine whose handle an awaitable is given. Frees itself when it is resumed.
struct stand_in {
    struct promise_type {
        stand_in get_return_object() noexcept {
            return {frame<promise_type>(std::coroutine_handle<promise_type>::from_promise(*this))};
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const { throw; }
    };

    frame<promise_type> held;

    static stand_in for_link(std::shared_ptr<link> l) {
        link::resumed(l);
        co_return;
    }
};

/// What `co_await a` waits in.
template <class A> decltype(auto) awaiter_of(A &&a) {
    if constexpr (requires { static_cast<A &&>(a).operator co_await(); })
        return static_cast<A &&>(a).operator co_await();
    else if constexpr (requires { operator co_await(static_cast<A &&>(a)); })
        return operator co_await(static_cast<A &&>(a));
    else
        return static_cast<A &&>(a);
}

template <class A> using awaiter_type = decltype(awaiter_of(std::declval<A>()));

template <class W>
concept awaiter = requires(std::remove_reference_t<W> &w) {
    w.await_ready() ? 1 : 0;
    w.await_resume();
};

/// The awaiter of `co_await a` for an A that knows nothing of this library.
template <class A> class foreign_waiting {
    using awaiter = awaiter_type<A>;

public:
    explicit foreign_waiting(A &&a) : awaiter_(awaiter_of(static_cast<A &&>(a))) {}
    foreign_waiting(const foreign_waiting &) = delete;
    foreign_waiting &operator=(const foreign_waiting &) = delete;
    ~foreign_waiting() {
        bool unused = link_ && link_->abandon();
        if (!unused || !forgotten)
            static_cast<void>(stand_in_.release());
    }

    bool await_ready() { return awaiter_.await_ready() ? true : false; }

    template <class P> bool await_suspend(std::coroutine_handle<P> h) {
        link_ = std::make_shared<link>(root_of(h), h);
        stand_in_ = stand_in::for_link(link_).held;
        std::coroutine_handle<> given = stand_in_.handle();
        bool waits = true;
        try {
            using next = decltype(awaiter_.await_suspend(given));
            if constexpr (std::is_void_v<next>)
                awaiter_.await_suspend(given);
            else if constexpr (std::convertible_to<next, std::coroutine_handle<>>)
                awaiter_.await_suspend(given).resume(); // a loop of such that never wait does not make the stack grow
            else
                waits = awaiter_.await_suspend(given);
        } catch (...) {
            unused();
            throw;
        }
        if (!waits)
            unused();
        return waits && link_->waits();
    }

    decltype(auto) await_resume() { return awaiter_.await_resume(); }

private:
    static constexpr bool forgotten = !std::is_lvalue_reference_v<awaiter> && deregisters<std::remove_cvref_t<awaiter>>;

    /// The coroutine goes on by itself, and so the awaitable has not kept the handle.
    void unused() noexcept {
        if (link_->abandon())
            stand_in_ = frame<stand_in::promise_type>();
    }

    std::shared_ptr<link> link_;
    frame<stand_in::promise_type> stand_in_; // the awaitable's as soon as that has it; destroyed after the awaiter
    awaiter awaiter_;
};

} // namespace detail
} // namespace asyncguest

#endif
