// What tasks have to get on with: awaitables and coroutine types that know nothing of the library.
#ifndef STRANGERS_HPP
#define STRANGERS_HPP

#include <asyncguest.hpp>

#include <coroutine>
#include <exception>
#include <functional>
#include <utility>

// The textbook's event for one waiter. It never learns that the waiter is gone.
struct event {
    std::coroutine_handle<> waiter;
    bool is_set = false;
    std::function<void()> on_suspend; // called when somebody begins to wait

    bool await_ready() const noexcept { return is_set; }
    void await_suspend(std::coroutine_handle<> h) {
        waiter = h;
        if (on_suspend)
            std::exchange(on_suspend, nullptr)();
    }
    void await_resume() const noexcept {}
    void set() {
        is_set = true;
        if (auto h = std::exchange(waiter, nullptr))
            h.resume();
    }
};

// A coroutine that belongs to nobody.
struct detached {
    struct promise_type {
        detached get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
};

// A task as most libraries have one: it goes on with its awaiter by symmetric transfer. `Start`: whether it waits to be
// awaited, or runs from the call on, as Qt's slots want it.
template <class Start> struct continued {
    struct promise_type {
        std::coroutine_handle<> then = std::noop_coroutine();

        struct ending {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
                return h.promise().then;
            }
            void await_resume() const noexcept {}
        };
        continued get_return_object() noexcept { return continued(std::coroutine_handle<promise_type>::from_promise(*this)); }
        Start initial_suspend() const noexcept { return {}; }
        ending final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const { throw; }
    };
    struct awaiter {
        std::coroutine_handle<promise_type> h;

        bool await_ready() const noexcept { return h.done(); }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> then) const noexcept {
            h.promise().then = then;
            if constexpr (std::is_same_v<Start, std::suspend_always>)
                return h;
            else
                return std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };

    std::coroutine_handle<promise_type> h;

    explicit continued(std::coroutine_handle<promise_type> mine) noexcept : h(mine) {}
    continued(continued &&other) noexcept : h(std::exchange(other.h, nullptr)) {}
    ~continued() {
        if (h)
            h.destroy();
    }
    awaiter operator co_await() const noexcept { return {h}; }
};

using lazy = continued<std::suspend_always>;
using eager = continued<std::suspend_never>;

// In the tests it is its awaiter's own, and ends with it.
template <> inline constexpr bool asyncguest::deregisters<lazy::awaiter> = true;
template <> inline constexpr bool asyncguest::deregisters<eager::awaiter> = true;

// An awaiter that is a good citizen: nothing of a wait that was cancelled is left.
struct tidy {
    event &e;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const noexcept { e.waiter = h; }
    void await_resume() const noexcept {}
    ~tidy() { e.waiter = nullptr; }
};

template <> inline constexpr bool asyncguest::deregisters<tidy> = true;

#endif
