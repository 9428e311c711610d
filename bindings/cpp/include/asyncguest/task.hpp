// task<T>: a coroutine that starts when it is awaited or spawned, and gives a T. C++20. Host thread only.
#ifndef ASYNCGUEST_TASK_HPP
#define ASYNCGUEST_TASK_HPP

#include "guest.hpp"

#include <concepts>
#include <coroutine>

namespace asyncguest {

template <class T> class task;

namespace detail {

/// Goes on with `h`, a part of `r`, and with what that hands over to. Throws what ends `r`. `r` and whoever calls may
/// be gone afterwards.
inline void resume(root *r, std::coroutine_handle<> h) {
    if (!r)
        return h.resume();
    if (r->doomed) // in a nested main loop of its own: what it waits for is no use any more
        return;
    r->enter();
    while (h) {
        h.resume(); // throws nothing: promises keep exceptions
        h = std::coroutine_handle<>::from_address(std::exchange(r->next_part, nullptr));
    }
    r->leave();
}

/// What an await_suspend returns to hand over to `h`. Within a spawned task the loop above does it, because compilers
/// make a tail call of it only when they optimise: a debug build would overflow the stack.
inline std::coroutine_handle<> hand_over(root *r, std::coroutine_handle<> h) noexcept {
    if (!r)
        return h;
    r->next_part = h.address();
    return std::noop_coroutine();
}

/// The end of a task: on to who awaits it.
struct handing_back {
    bool await_ready() const noexcept { return false; }
    template <class P> std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) const noexcept {
        return h.promise().finish();
    }
    void await_resume() const noexcept {}
};

/// What a promise knows whatever its T.
struct promise_base {
    root *spawned = nullptr;      // the task that this one is a part of
    std::coroutine_handle<> then; // who awaits it
    unsigned *left = nullptr;     // `then` awaits so many at once

    std::coroutine_handle<> finish() const noexcept {
        return left && --*left ? std::noop_coroutine() : hand_over(spawned, then);
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    handing_back final_suspend() const noexcept { return {}; }
};

/// The spawned task that a coroutine belongs to; null for a coroutine type of the user's own.
template <class P> root *root_of(std::coroutine_handle<P> h) noexcept {
    if constexpr (std::is_void_v<P>)
        return nullptr;
    else if constexpr (std::derived_from<P, root>)
        return &h.promise();
    else if constexpr (std::derived_from<P, promise_base>)
        return h.promise().spawned;
    else
        return nullptr;
}

template <class T> struct promise : promise_base {
    outcome<T> result;

    task<T> get_return_object() noexcept;
    void unhandled_exception() noexcept { result.fail(std::current_exception()); }
    template <class V = T> requires std::convertible_to<V &&, T> void return_value(V &&value) {
        result.set(std::forward<V>(value));
    }
};

template <> struct promise<void> : promise_base {
    outcome<void> result;

    task<void> get_return_object() noexcept;
    void unhandled_exception() noexcept { result.fail(std::current_exception()); }
    void return_void() noexcept { result.set(); }
};

/// Owns a coroutine's frame.
template <class P> class frame {
public:
    frame() = default;
    explicit frame(std::coroutine_handle<P> h) noexcept : h_(h) {}
    frame(frame &&other) noexcept : h_(std::exchange(other.h_, nullptr)) {}
    frame &operator=(frame &&other) noexcept {
        std::swap(h_, other.h_);
        return *this;
    }
    ~frame() {
        if (h_)
            h_.destroy();
    }
    std::coroutine_handle<P> handle() const noexcept { return h_; }

private:
    std::coroutine_handle<P> h_;
};

/// What `co_await some_task` waits in.
template <class T> class joining {
public:
    explicit joining(frame<promise<T>> child) noexcept : child_(std::move(child)) {}
    bool await_ready() const noexcept { return false; }
    template <class P> std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept {
        auto &p = child_.handle().promise();
        p.spawned = root_of(h);
        p.then = h;
        return hand_over(p.spawned, child_.handle());
    }
    T await_resume() { return child_.handle().promise().result.get(); }

private:
    frame<promise<T>> child_;
};

} // namespace detail

/// Owns its coroutine: destroying the task destroys the frame, and with it whatever it waits for. Move-only.
///     asyncguest::task<std::string> greet(asyncguest::guest &g) { co_await g.sleep(1s); co_return "hello"; }
///     std::string text = co_await greet(g);    // in another task; or: g.spawn(greet(g));
/// What the coroutine throws comes out of the co_await. Parameters that are references must outlive it; a lambda
/// that is a coroutine must outlive it too, captures and all.
template <class T> class [[nodiscard]] task {
public:
    using promise_type = detail::promise<T>;

    task() = default;

    detail::joining<T> operator co_await() && { return detail::joining<T>(taken()); }

    bool empty() const noexcept { return !frame_.handle(); }

    /// For the parts of this library: the frame, which this task gives up.
    detail::frame<promise_type> taken() {
        if (empty())
            throw error(status::order, "this task is empty: it was moved from, spawned or awaited before");
        return std::move(frame_);
    }

private:
    friend promise_type;
    explicit task(std::coroutine_handle<promise_type> h) noexcept : frame_(h) {}

    detail::frame<promise_type> frame_;
};

namespace detail {

template <class T> task<T> promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<promise>::from_promise(*this));
}

inline task<void> promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<promise>::from_promise(*this));
}

} // namespace detail
} // namespace asyncguest

#endif
