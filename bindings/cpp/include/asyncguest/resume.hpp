// How a task goes on: the loop in which its coroutines hand over to each other. C++20. Host thread only.
//
// Nobody else resumes one of them: what a guest reports arrives here, and an awaitable of somebody else's is given
// a stand-in (foreign.hpp) that does. So it is always known which task is on the stack.
#ifndef ASYNCGUEST_RESUME_HPP
#define ASYNCGUEST_RESUME_HPP

#include "guest.hpp"

#include <concepts>
#include <coroutine>

namespace asyncguest {
namespace detail {

/// What the promise of a coroutine derives from that can be a part of a spawned task.
struct part_of {
    root *spawned = nullptr;
};

/// What an awaiter derives from that goes on by resume() below.
struct native {};

/// The spawned task that a coroutine belongs to; null for a coroutine type of somebody else's.
template <class P> root *root_of(std::coroutine_handle<P> h) noexcept {
    if constexpr (std::derived_from<P, part_of>)
        return h.promise().spawned;
    else
        return nullptr;
}

/// Goes on with `h`, a part of `r`, and with what that hands over to. Throws what ends `r`. `r` and whoever calls may
/// be gone afterwards. A loop, as compilers make tail calls between coroutines only when they optimise: a debug build
/// would overflow the stack.
inline void resume(root *r, std::coroutine_handle<> h) {
    if (!r)
        return h.resume();
    if (r->doomed) // in a nested main loop of its own, or being destroyed: what it waits for is no use any more
        return;
    r->enter();
    while (h) {
        h.resume(); // throws nothing: promises keep exceptions
        h = std::coroutine_handle<>::from_address(std::exchange(r->next_part, nullptr));
        if (void *ended = std::exchange(r->ended_part, nullptr))
            std::coroutine_handle<>::from_address(ended).destroy(); // its parameters, before its awaiter goes on
    }
    r->leave();
}

/// Owns a coroutine's frame.
template <class P> class frame {
public:
    frame() = default;
    explicit frame(std::coroutine_handle<P> h) noexcept : h_(h) {}
    frame(frame &&other) noexcept : h_(other.release()) {}
    frame &operator=(frame &&other) noexcept {
        std::swap(h_, other.h_);
        return *this;
    }
    ~frame() {
        if (h_)
            h_.destroy();
    }
    std::coroutine_handle<P> handle() const noexcept { return h_; }
    std::coroutine_handle<P> release() noexcept { return std::exchange(h_, nullptr); }

private:
    std::coroutine_handle<P> h_;
};

} // namespace detail
} // namespace asyncguest

#endif
