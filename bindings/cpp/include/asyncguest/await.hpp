// What co_await takes from a guest: time, fds, names, children, work. C++20. Host thread only.
//
// An awaitable lives in the frame of the coroutine that waits; it is the registration's user data, so that waiting
// allocates nothing (work excepted). Destroying the frame closes the registration.
#ifndef ASYNCGUEST_AWAIT_HPP
#define ASYNCGUEST_AWAIT_HPP

#include "task.hpp"

namespace asyncguest {
namespace detail {

/// One coroutine that waits for one registration.
class waiting : public native {
public:
    waiting(const waiting &) = delete;
    waiting &operator=(const waiting &) = delete;
    bool await_ready() const noexcept { return false; }

protected:
    explicit waiting(std::shared_ptr<core> c) : core_(std::move(c)) {}
    ~waiting() { core_->close(id_); }

    template <class P> void suspend(std::coroutine_handle<P> h) {
        handle_ = h;
        root_ = root_of(h);
        if (!root_)
            around_ = surroundings();
    }

    guest_t *live() const {
        if (!core_->live())
            throw error(status::closed, "the guest has ended: nothing can be awaited on it any more");
        return core_->g;
    }

    /// The last thing that a callback does; it may throw what ends the task.
    void go_on() {
        id_ = 0; // a one-shot: it closes itself
        if (root_)
            return resume(root_, handle_);
        visit there(around_);
        handle_.resume();
    }

    std::shared_ptr<core> core_;
    guest_id_t id_ = 0;

private:
    root *root_ = nullptr;           // null: a coroutine type of somebody else's waits
    std::shared_ptr<root *> around_; // inside which task that does
    std::coroutine_handle<> handle_;
};

} // namespace detail

/// `co_await g.sleep(duration)`: never early. A duration of 0 lets the host and the others have their turn.
class [[nodiscard]] sleeping : public detail::waiting {
public:
    sleeping(std::shared_ptr<detail::core> c, uint64_t delay) : waiting(std::move(c)), delay_(delay) {}

    template <class P> void await_suspend(std::coroutine_handle<P> h) {
        suspend(h);
        auto expired = [](guest_t *, guest_id_t, uint64_t, void *self) { static_cast<sleeping *>(self)->go_on(); };
        detail::demand(guest_timer_add(live(), delay_, 0, expired, this, nullptr, &id_));
    }
    void await_resume() const noexcept {}

private:
    uint64_t delay_;
};

/// `co_await g.readable(fd)`, `g.writable(fd)`: gives what the fd is ready for; errors and hang-ups count. Any number
/// of tasks may wait for one fd; each time that it is ready one of them goes on.
class [[nodiscard]] fd_waiting : public detail::waiting, private detail::fd_waiter {
public:
    fd_waiting(std::shared_ptr<detail::core> c, guest_os_fd_t fd, events what) : waiting(std::move(c)), fd_(fd) {
        interest = what;
    }
    ~fd_waiting() { core_->fds.leave(core_->live(), *this); }

    template <class P> void await_suspend(std::coroutine_handle<P> h) {
        suspend(h);
        fd_waiter::ready = [](fd_waiter &self) { static_cast<fd_waiting &>(self).go_on(); };
        core_->fds.join(live(), fd_, *this);
    }
    events await_resume() const noexcept { return fd_waiter::got; }

private:
    guest_os_fd_t fd_;
};

/// `co_await g.resolve(name, port)`: a vector<address>, or a resolve_error is thrown.
class [[nodiscard]] resolving : public detail::waiting {
public:
    resolving(std::shared_ptr<detail::core> c, std::string node, service port, resolve_hints hints)
        : waiting(std::move(c)), node_(std::move(node)), port_(std::move(port)), hints_(hints) {}

    template <class P> void await_suspend(std::coroutine_handle<P> h) {
        suspend(h);
        auto found = [](guest_t *, guest_id_t, guest_status_t status, int32_t gai_error, const guest_address_t *first,
                        size_t count, void *data) {
            auto *self = static_cast<resolving *>(data);
            self->result_ = detail::resolved(status, gai_error, first, count);
            self->go_on();
        };
        detail::demand(guest_resolve(live(), detail::text_or_null(node_), detail::text_or_null(port_.name), hints_.family,
                                     hints_.socktype, hints_.flags, found, this, nullptr, &id_));
    }
    std::vector<address> await_resume() { return result_.get(); }

private:
    std::string node_;
    service port_;
    resolve_hints hints_;
    addresses result_;
};

/// `co_await g.child(pid)`: waits for a child of this process and reaps it.
class [[nodiscard]] child_waiting : public detail::waiting {
public:
    child_waiting(std::shared_ptr<detail::core> c, int pid) : waiting(std::move(c)), pid_(pid) {}

    template <class P> void await_suspend(std::coroutine_handle<P> h) {
        suspend(h);
        auto ended = [](guest_t *, guest_id_t, int32_t code, int32_t signal, void *data) {
            auto *self = static_cast<child_waiting *>(data);
            self->status_ = {code, signal};
            self->go_on();
        };
        detail::demand(guest_child_add(live(), pid_, ended, this, nullptr, &id_));
    }
    exit_status await_resume() const noexcept { return status_; }

private:
    int pid_;
    exit_status status_{};
};

/// `co_await g.work(job)`: runs `job()` on a thread of the pool; gives what it returns, or throws what it throws. If
/// the task is destroyed meanwhile, a job that runs finishes, and then it and its result are destroyed on the host
/// thread. In two steps it compiles everywhere:
///     auto hashing = g.work([text = std::move(text)] { return hash(text); });
///     auto h = co_await hashing;
template <class F> class [[nodiscard]] working : public detail::waiting {
    using result = std::invoke_result_t<F &>;

    struct piece { // shared with the pool's thread, hence not in the frame
        F job;
        working *waiter;
        outcome<result> came{};

        static void drop(void *data) noexcept { delete static_cast<piece *>(data); }
    };

public:
    template <class G>
    working(std::shared_ptr<detail::core> c, G &&job)
        : waiting(std::move(c)), piece_(new piece{std::forward<G>(job), this}) {}

    struct awaiter : detail::native {
        working *self;

        explicit awaiter(working *w) noexcept : self(w) {}

        bool await_ready() const noexcept { return false; }
        template <class P> void await_suspend(std::coroutine_handle<P> h) { self->start(h); }
        result await_resume() { return self->came_.get(); }
    };

    awaiter operator co_await() & noexcept { return awaiter(this); }
    awaiter operator co_await() && noexcept {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13 // gcc.gnu.org/PR98401
        static_assert(std::is_trivially_copyable_v<F>,
                      "GCC before 13 destroys the captures of a callable made inside a co_await expression twice; take "
                      "two steps instead: auto w = g.work(...); co_await w;");
#endif
        return awaiter(this);
    }

private:
    template <class P> void start(std::coroutine_handle<P> h) {
        suspend(h);
        auto body = [](void *data) noexcept {
            auto *p = static_cast<piece *>(data);
            p->came.run(p->job);
        };
        auto finished = [](guest_t *, guest_id_t, void *data) {
            auto *p = static_cast<piece *>(data);
            p->waiter->came_ = std::move(p->came);
            p->waiter->go_on();
        };
        if (!piece_)
            throw error(status::order, "this work was awaited before");
        id_ = detail::enrol(std::move(piece_), [&](void *data, guest_drop_fn drop, guest_id_t *id) {
            return guest_work(live(), body, finished, data, drop, id);
        });
    }

    std::unique_ptr<piece> piece_;
    outcome<result> came_;
};

template <class Rep, class Period> sleeping guest::sleep(std::chrono::duration<Rep, Period> delay) {
    return sleeping(core_, detail::nanoseconds(delay));
}

inline fd_waiting guest::readable(guest_os_fd_t fd) {
    return fd_waiting(core_, fd, events::readable);
}

inline fd_waiting guest::writable(guest_os_fd_t fd) {
    return fd_waiting(core_, fd, events::writable);
}

inline resolving guest::resolve(std::string node, service port, resolve_hints hints) {
    return resolving(core_, std::move(node), std::move(port), hints);
}

inline child_waiting guest::child(int pid) {
    return child_waiting(core_, pid);
}

template <class F> working<std::decay_t<F>> guest::work(F &&job) {
    return working<std::decay_t<F>>(core_, std::forward<F>(job));
}

} // namespace asyncguest

#endif
