// What comes and is kept until somebody asks for it: a listener's connections, datagrams. Host thread only.
#ifndef ASYNCGUEST_INLET_HPP
#define ASYNCGUEST_INLET_HPP

#include "waiter.hpp"

#include <deque>

namespace asyncguest {
namespace detail {

/// A source of T. S: what derives from it; its `ask` is called before somebody waits, lets a source that has stopped go on, and
/// throws if it has ended.
template <class S, class T> class inlet : public shared_state<S> {
public:
    using value = T;
    using shared_state<S>::shared_state;

    slot<waiter<T>> waits;

    bool gone() noexcept { return waits.gone(); }
    void tell_closed() { waits.tell(failed<T>(this->closed())); }

    /// Lets `w` wait. false: for nothing, as there is one, which `came` has.
    bool join(waiter<T> &w, outcome<T> &came) {
        waits.vacant();
        if (!kept_.empty()) {
            came = take();
            return false;
        }
        self().ask();
        waits.join(w);
        return true;
    }

    /// The same for a callable, which is called in a delivery.
    template <class F> void join_callable(F &&f) {
        auto w = std::make_unique<calling<waiter<T>, T, std::decay_t<F>>>(std::forward<F>(f));
        waits.vacant();
        if (kept_.empty())
            self().ask();
        else
            later(*this->home, [held = this->shared_from_this()] { held->serve(); });
        waits.join(*w.release());
    }

protected:
    void arrived(T one) {
        kept_.push_back(std::move(one));
        serve();
    }

    std::size_t kept() const noexcept { return kept_.size(); }

private:
    S &self() noexcept { return static_cast<S &>(*this); }

    void serve() {
        if (waits.get() && !kept_.empty())
            waits.tell(take());
    }

    outcome<T> take() {
        outcome<T> came;
        came.set(std::move(kept_.front()));
        kept_.pop_front();
        return came;
    }

    std::deque<T> kept_;
};

} // namespace detail
} // namespace asyncguest

#endif
