// task<T>: a coroutine that starts when it is awaited or spawned, and gives a T. C++20. Host thread only.
#ifndef ASYNCGUEST_TASK_HPP
#define ASYNCGUEST_TASK_HPP

#include "foreign.hpp"

namespace asyncguest {

template <class T> class task;

namespace detail {

template <class T> struct promise;

/// A task's place in who awaits it: its frame until it ends, and then what it came to.
template <class T> struct place {
    frame<promise<T>> child;
    outcome<T> came;

    place(frame<promise<T>> f) noexcept : child(std::move(f)) {}
};

/// The end of a task: the loop in resume() destroys the frame, and then tells who awaits it.
struct ending {
    bool await_ready() const noexcept { return false; }
    template <class P> void await_suspend(std::coroutine_handle<P> h) const noexcept {
        P &p = h.promise();
        p.spawned->ended_part = p.to->child.release().address();
        p.spawned->ended_for = p.whom;
    }
    void await_resume() const noexcept {}
};

/// An awaiter that lives elsewhere in the expression; GCC 12 makes a copy of what is given as a reference.
template <class W> struct by_reference {
    W &w;

    bool await_ready() const { return w.await_ready(); }
    template <class P> decltype(auto) await_suspend(std::coroutine_handle<P> h) const { return w.await_suspend(h); }
    decltype(auto) await_resume() const { return w.await_resume(); }
};

/// What a promise knows whatever its T.
struct promise_base : part_of {
    awaiting *whom = nullptr;

    std::suspend_always initial_suspend() const noexcept { return {}; }
    ending final_suspend() const noexcept { return {}; }

    template <class A> decltype(auto) await_transform(A &&a) {
        using given = awaiter_type<A>;
        static_assert(awaiter<given>, "this cannot be awaited: it has neither operator co_await nor await_ready, "
                                      "await_suspend and await_resume. A task is moved: co_await std::move(work)");
        if constexpr (!std::derived_from<std::remove_cvref_t<given>, native>)
            return foreign_waiting<A>(std::forward<A>(a));
        else if constexpr (!std::is_reference_v<given>)
            return awaiter_of(std::forward<A>(a));
        else {
            auto &&w = awaiter_of(std::forward<A>(a));
            return by_reference<std::remove_reference_t<given>>{w};
        }
    }
};

template <class T> struct promise_of : promise_base {
    place<T> *to = nullptr;

    task<T> get_return_object() noexcept;
    void unhandled_exception() noexcept { to->came.fail(std::current_exception()); }
};

template <class T> struct promise : promise_of<T> {
    template <class V = T> requires std::convertible_to<V &&, T> void return_value(V &&value) {
        this->to->came.set(std::forward<V>(value));
    }
};

template <> struct promise<void> : promise_of<void> {
    void return_void() noexcept { to->came.set(); }
};

/// What `co_await some_task` waits in.
template <class T> class joining : public awaiting {
public:
    explicit joining(frame<promise<T>> child) noexcept : place_(std::move(child)) {}
    bool await_ready() const noexcept { return false; }
    template <class P> bool await_suspend(std::coroutine_handle<P> h) {
        begin(h);
        return hand_over(place_);
    }
    T await_resume() { return place_.came.get(); }

private:
    place<T> place_;
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
    friend detail::promise_of<T>;
    explicit task(std::coroutine_handle<promise_type> h) noexcept : frame_(h) {}

    detail::frame<promise_type> frame_;
};

namespace detail {

template <class T> task<T> promise_of<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<promise<T>>::from_promise(static_cast<promise<T> &>(*this)));
}

} // namespace detail
} // namespace asyncguest

#endif
