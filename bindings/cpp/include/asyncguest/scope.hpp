// spawn and scope: tasks that run by themselves, and who ends them. C++20. Host thread only.
#ifndef ASYNCGUEST_SCOPE_HPP
#define ASYNCGUEST_SCOPE_HPP

#include "task.hpp"

namespace asyncguest {
namespace detail {

/// The coroutine around a spawned task.
struct runner {
    struct promise_type : root, part_of {
        promise_type() {
            spawned = this;
            end = [](root &r) {
                std::coroutine_handle<promise_type>::from_promise(static_cast<promise_type &>(r)).destroy();
            };
        }
        runner get_return_object() noexcept {
            return {this, std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() noexcept {
            finished = true;
            return {};
        }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept { thrown = std::current_exception(); }
    };

    root *spawned;
    std::coroutine_handle<> handle;
};

/// `co_await doomed{}`: whether the task has been cancelled while it was running.
struct doomed {
    bool answer = false;

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<runner::promise_type> h) noexcept {
        answer = h.promise().doomed;
        return false;
    }
    bool await_resume() const noexcept { return answer; }
};

template <class T> runner run_task(task<T> work) {
    co_await std::move(work);
}

template <class T, class F> runner run_task_then(task<T> work, F on_end) {
    outcome<T> came;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(work);
            came.set();
        } else {
            came.set(co_await std::move(work));
        }
    } catch (...) {
        came.fail(std::current_exception());
    }
    if (!co_await doomed{})
        call(on_end, std::move(came));
}

/// Sees to it that the guest's end ends the tasks: a timer that never fires, whose drop function does that. Throws
/// if the guest takes nothing new.
inline void keep(core &c) {
    if (!c.live())
        throw error(status::closed, "the guest has ended: it runs no tasks any more");
    if (c.keeper)
        return demand(guest_timer_modify(c.g, c.keeper, GUEST_FOREVER, 0));
    auto nothing = [](guest_t *, guest_id_t, uint64_t, void *) {};
    auto end = [](void *data) noexcept {
        auto held = static_cast<core *>(data)->shared_from_this();
        held->keeper = 0;
        held->tasks.end_all();
    };
    demand(guest_timer_add(c.g, GUEST_FOREVER, 0, nothing, &c, end, &c.keeper));
}

/// Starts a runner, made by `make`, in `list`.
template <class M> void spawn(core &c, task_list &list, M make) {
    keep(c);
    runner made = make();
    made.spawned->home = &c;
    made.spawned->link(list);
    c.run([&] {
        resume(made.spawned, made.handle);
        return GUEST_OK;
    });
}

} // namespace detail

/// Tasks that end with their owner, such as a window: destroying the scope destroys those that still run. Neither
/// copied nor moved. May outlive the guest.
class scope {
public:
    explicit scope(guest &g) : core_(g.core()) { list_.link_behind(core_->tasks); }
    ~scope() {
        cancel();
        list_.unlink();
    }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;

    /// Starts a task: now, up to the first co_await that has to wait. An exception that leaves the task goes to the
    /// guest's on_exception, or else leaves the delivery (or this call) that was running it.
    template <class T> void spawn(task<T> work) {
        detail::spawn(*core_, list_, [&] { return detail::run_task(std::move(work)); });
    }

    /// The same, then `on_end(outcome<T>)` or `on_end()`: once, when the task has returned or thrown; not when it is
    /// cancelled. `on_end` is destroyed with the task in any case.
    template <class T, class F, class = detail::enable_callback<F, outcome<T>>> void spawn(task<T> work, F &&on_end) {
        detail::spawn(*core_, list_, [&] {
            return detail::run_task_then<T, std::decay_t<F>>(std::move(work), std::forward<F>(on_end));
        });
    }

    /// Destroys the tasks: each at the co_await where it waits, inner frames first, as if an exception that nobody
    /// can catch came out of it. One that is running, because it calls this itself or waits in a nested main loop, goes
    /// on to its next co_await that has to wait, and is destroyed there. So does a coroutine type of somebody else's that
    /// one of them awaits, unless something else than this library has resumed it: that would be destroyed while it runs.
    void cancel() noexcept { list_.end(); }

    /// Whether no task is left.
    bool empty() const noexcept { return !list_.first; }

private:
    std::shared_ptr<detail::core> core_;
    detail::task_list list_;
};

template <class T> void guest::spawn(task<T> work) {
    auto core = core_;
    detail::spawn(*core, core->tasks, [&] { return detail::run_task(std::move(work)); });
}

template <class T, class F, class> void guest::spawn(task<T> work, F &&on_end) {
    auto core = core_;
    detail::spawn(*core, core->tasks, [&] {
        return detail::run_task_then<T, std::decay_t<F>>(std::move(work), std::forward<F>(on_end));
    });
}

} // namespace asyncguest

#endif
