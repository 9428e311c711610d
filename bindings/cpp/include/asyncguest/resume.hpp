// How a task goes on: the loop in which its coroutines hand over to each other and are destroyed when they have ended;
// who awaits how many of them. C++20. Host thread only.
//
// Nobody else resumes one of them: what a guest reports arrives here, and an awaitable of somebody else's is given
// a stand-in (foreign.hpp) that does. So it is always known which task is on the stack. Of a coroutine type of somebody
// else's it is known in which task it began to wait here, unless others have resumed it before.
#ifndef ASYNCGUEST_RESUME_HPP
#define ASYNCGUEST_RESUME_HPP

#include "guest.hpp"

#include <concepts>
#include <coroutine>
#include <cstdio>

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

inline void resume(root *r, std::coroutine_handle<> h);

/// Hands what a task has thrown to the next delivery: it must not pass through the code that resumed the task.
inline void throw_later(core &c, std::exception_ptr thrown) noexcept {
    try {
        later(c, [thrown = std::move(thrown)] { std::rethrow_exception(thrown); });
    } catch (...) { // no guest, or it takes nothing new
        std::fputs("asyncguest: an exception left a task after the end of its guest, and nobody took it: set "
                   "options::on_exception\n",
                   stderr);
    }
}

/// Runs `f`, which may throw what a task of `home` has thrown, where somebody else's code has called.
template <class F> void run_apart(core &home, F f) noexcept {
    auto held = home.shared_from_this();
    try {
        held->run([&] { return f(), GUEST_OK; });
    } catch (...) {
        throw_later(*held, std::current_exception());
    }
}

/// The task inside which a coroutine type of somebody else's begins to wait: its owner, perhaps.
inline std::shared_ptr<root *> surroundings() {
    return inside() ? inside()->known() : nullptr;
}

/// As long as this is on the stack, where a coroutine type of somebody else's runs, the task inside which that has
/// waited is not destroyed.
class visit {
public:
    explicit visit(const std::shared_ptr<root *> &around) noexcept
        : task_(around ? *around : nullptr), home_(task_ ? task_->home->shared_from_this() : nullptr), here_(task_) {
        if (task_)
            task_->enter();
    }
    visit(const visit &) = delete;
    visit &operator=(const visit &) = delete;
    ~visit() {
        if (task_)
            run_apart(*home_, [this] { task_->leave(); });
    }

private:
    root *task_;
    std::shared_ptr<core> home_;
    stay here_;
};

/// The root of tasks that a coroutine type of somebody else's awaits: it ends by going on with that.
struct foreign_root : root {
    std::coroutine_handle<> then;
    std::shared_ptr<root *> around = surroundings();

    explicit foreign_root(std::coroutine_handle<> h) : then(h) {
        end = [](root &r) { static_cast<foreign_root &>(r).then.resume(); };
    }
};

/// A coroutine that awaits tasks: counts them down and goes on after the last.
class awaiting : public native {
public:
    /// Called for each task when it has ended and its frame is destroyed.
    void part_ended() noexcept {
        if (--left_ != 0)
            return;
        if (foreign_)
            spawned_->finished = true;
        else
            spawned_->next_part = then_.address();
    }

protected:
    template <class P> void begin(std::coroutine_handle<P> h) {
        if (then_)
            throw error(status::order, "this was awaited before, and what it gave is gone");
        spawned_ = root_of(h);
        if (!spawned_) {
            foreign_ = std::make_unique<foreign_root>(h);
            spawned_ = foreign_.get();
        }
        then_ = h;
    }

    template <class Place> void adopt(Place &place) noexcept {
        auto &p = place.child.handle().promise();
        p.spawned = spawned_;
        p.whom = this;
        p.to = &place;
        left_++;
    }

    template <class Place> void start(Place &place) {
        adopt(place);
        resume(spawned_, place.child.handle());
    }

    /// Starts tasks by `f`; gives whether there is still something to wait for.
    template <class F> bool start_by(F f) {
        left_ = 1; // nobody goes on before all have started
        f();
        return --left_ != 0;
    }

    /// Starts just one.
    template <class Place> bool hand_over(Place &place) {
        if (foreign_)
            return start_by([&] { start(place); });
        adopt(place);
        spawned_->next_part = place.child.handle().address();
        return true;
    }

private:
    root *spawned_ = nullptr;
    std::coroutine_handle<> then_;
    unsigned left_ = 0;
    std::unique_ptr<foreign_root> foreign_;
};

/// Goes on with `h`, a part of `r`, and with what that hands over to. A loop, as compilers make tail calls between
/// coroutines only when they optimise: a debug build would overflow the stack.
inline void run_parts(root *r, std::coroutine_handle<> h) {
    r->enter();
    while (h) {
        h.resume(); // throws nothing: promises keep exceptions
        if (awaiting *whom = std::exchange(r->ended_for, nullptr)) {
            std::coroutine_handle<>::from_address(std::exchange(r->ended_part, nullptr)).destroy();
            whom->part_ended();
        }
        h = std::coroutine_handle<>::from_address(std::exchange(r->next_part, nullptr));
    }
}

/// Goes on with `h`, a part of `r`. Throws what ends `r`. `r` and whoever calls may be gone afterwards.
inline void resume(root *r, std::coroutine_handle<> h) {
    if (r->doomed) // in a nested main loop of its own, or being destroyed: what it waits for is no use any more
        return;
    if (!r->home) {
        visit there(static_cast<foreign_root *>(r)->around);
        run_parts(r, h);
        return r->leave();
    }
    {
        stay here(r);
        run_parts(r, h);
    }
    r->leave();
}

} // namespace detail
} // namespace asyncguest

#endif
