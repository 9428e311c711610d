// Who waits for one thing that a stream, a listener or a socket for datagrams tells: a callable, or a coroutine
// (socket_await.hpp). What their handles and their registrations share. Host thread only.
#ifndef ASYNCGUEST_WAITER_HPP
#define ASYNCGUEST_WAITER_HPP

#include "callable.hpp"
#include "core.hpp"
#include "outcome.hpp"

namespace asyncguest {
namespace detail {

/// Runs `f` in a later delivery. If the guest ends first it is destroyed; if it takes nothing new, that is thrown.
template <class F> void later(core &c, F &&f) {
    using fn = std::decay_t<F>;
    if (!c.live())
        throw error(status::closed, "the guest has ended: it runs nothing any more");
    enrol(boxed(std::forward<F>(f)), [&](void *data, guest_drop_fn drop, guest_id_t *) {
        return guest_post(c.g, &run_post<fn>, data, drop);
    });
}

template <class T> outcome<T> failed(std::exception_ptr why) {
    outcome<T> came;
    came.fail(std::move(why));
    return came;
}

/// Someone who waits for a T.
template <class T> class waiter {
public:
    virtual ~waiter() = default;
    /// It has come, or an error in its place. Called once; may throw what a callback throws.
    virtual void tell(outcome<T> came) = 0;
    /// Its source was closed, or its guest ends. true: that was all. false: it is still to be told, in a delivery.
    virtual bool gone() noexcept = 0;
};

/// A callable that waits; it frees itself. Base: the waiter.
template <class Base, class T, class F> class calling final : public Base {
public:
    template <class G, class... A>
    explicit calling(G &&f, A &&...a) : Base(std::forward<A>(a)...), f_(std::forward<G>(f)) {}

    void tell(outcome<T> came) override {
        std::unique_ptr<calling> self(this);
        call(f_, std::move(came));
    }
    bool gone() noexcept override {
        delete this;
        return true;
    }

private:
    F f_;
};

/// Place for one who waits.
template <class W> class slot {
public:
    slot() = default;
    slot(const slot &) = delete;
    slot &operator=(const slot &) = delete;
    ~slot() { gone(); }

    W *get() const noexcept { return waits_; }

    /// Throws if somebody waits.
    void vacant() const {
        if (waits_)
            throw error(status::order, "somebody waits for this already: one read, accept or receive at a time");
    }

    /// Lets `w` wait; to be asked first: vacant().
    void join(W &w) noexcept { waits_ = &w; }

    /// Whether it was the one.
    bool leave(const W &w) noexcept {
        bool was = waits_ == &w;
        if (was)
            waits_ = nullptr;
        return was;
    }

    template <class V> void tell(V &&came) {
        if (W *w = std::exchange(waits_, nullptr))
            w->tell(std::forward<V>(came));
    }

    /// Whether somebody is still to be told that it is gone.
    bool gone() noexcept {
        W *w = std::exchange(waits_, nullptr);
        if (w && !w->gone())
            waits_ = w;
        return waits_;
    }

private:
    W *waits_ = nullptr;
};

/// What a handle and its registration share; S: what derives from it.
template <class S> struct shared_state : std::enable_shared_from_this<S> {
    const std::shared_ptr<core> home;
    guest_id_t id = 0; // 0 when it is closed

    explicit shared_state(std::shared_ptr<core> c) : home(std::move(c)) {}

    /// Registers it: `call(data, drop, id_out)`.
    template <class Call> void enrol_by(Call call) {
        id = enrol(std::make_unique<registration>(registration{this->shared_from_this()}), call);
    }

    /// Of the user data of a callback, which may end whatever it likes.
    static std::shared_ptr<S> of(void *data) noexcept { return static_cast<registration *>(data)->held; }

    bool is_open() const noexcept { return home->live() && guest_is_open(home->g, id) == GUEST_OK; }

    /// The guest, for a call that needs the source.
    guest_t *live() const {
        if (!home->live())
            throw error(status::closed, "the guest has ended, and its sockets with it");
        if (!id)
            throw error(status::closed, "this was closed, or has ended");
        return home->g;
    }

    /// By its owner. Callables that wait are destroyed now, coroutines are told in a delivery.
    void close() noexcept {
        auto held = this->shared_from_this();
        home->close(std::exchange(id, 0));
        if (!held->gone() || !home->live())
            return;
        try {
            later(*home, [held] { held->tell_closed(); });
        } catch (...) { // no memory, or the end of the guest, which ends its tasks
        }
    }

    static std::exception_ptr closed() {
        return std::make_exception_ptr(error(status::closed, "it was closed while this waited for it"));
    }

private:
    struct registration {
        std::shared_ptr<S> held;

        static void drop(void *data) noexcept {
            std::unique_ptr<registration> last(static_cast<registration *>(data));
            if (last->held->id) { // its guest ends
                last->held->id = 0;
                last->held->gone();
            }
        }
    };
};

/// A handle: owns the source, and closes it.
template <class S> class handle {
public:
    handle() = default;
    explicit handle(std::shared_ptr<S> state) : state_(std::move(state)) {}
    handle(handle &&) noexcept = default;
    handle &operator=(handle &&other) noexcept {
        if (this != &other) {
            close();
            state_ = std::move(other.state_);
        }
        return *this;
    }
    ~handle() { close(); }

    /// Closes it now. Harmless when it has ended. Callables that wait for it are destroyed; coroutines go on in a
    /// later delivery, with an error of status::closed.
    void close() noexcept {
        if (auto last = std::move(state_))
            last->close();
    }

    /// Whether it is open: not closed, not ended, its guest not ended.
    bool is_open() const noexcept { return state_ && state_->is_open(); }

    /// For calls of asyncguest.h; 0 when it has ended.
    guest_id_t id() const noexcept { return state_ ? state_->id : 0; }

protected:
    const std::shared_ptr<S> &state() const {
        if (!state_)
            throw error(status::stale, "this handle names nothing: it was closed, finished or moved from");
        return state_;
    }

    std::shared_ptr<S> state_;
};

} // namespace detail
} // namespace asyncguest

#endif
