// poster: the right to post to a guest from any thread, also when the guest is gone. Any thread; copies share one.
#ifndef ASYNCGUEST_POSTER_HPP
#define ASYNCGUEST_POSTER_HPP

#include "callable.hpp"

namespace asyncguest {

class guest;

namespace detail {

struct core;

template <class F> void run_post(guest_t *, void *data) {
    box<F>::of(data)();
}

} // namespace detail

class poster {
public:
    poster() = default;

    /// Runs `f` on the host thread, soon. Posts of one thread keep their order. false: the guest has ended, and `f`
    /// was destroyed here and now. If the guest ends before `f` has run, `f` is destroyed on the host thread.
    template <class F, class = detail::enable_callback<F>> bool post(F &&f) const {
        auto owned = detail::boxed(std::forward<F>(f));
        using box = typename decltype(owned)::element_type;
        guest_status_t status =
            guest_poster_post(handle_.get(), &detail::run_post<std::decay_t<F>>, owned.get(), &box::drop);
        if (status == GUEST_ECLOSED)
            return false;
        detail::demand(status);
        static_cast<void>(owned.release()); // the guest's from now on
        return true;
    }

    /// Asks for a delivery. false: the guest has ended. Also for signal handlers, if it does not throw there: it
    /// does so only for a poster of no guest and in a forked child.
    bool wake() const {
        guest_status_t status = guest_poster_wake(handle_.get());
        if (status == GUEST_ECLOSED)
            return false;
        detail::demand(status);
        return true;
    }

    /// Asks the guest to end; harmless when it has.
    void cancel() const { detail::demand(guest_poster_cancel(handle_.get())); }

private:
    friend class guest;
    friend struct detail::core;
    explicit poster(guest_t *g) {
        guest_poster_t *made = nullptr;
        detail::demand(guest_poster_new(g, &made));
        handle_.reset(made, &guest_poster_free);
    }

    std::shared_ptr<guest_poster_t> handle_;
};

} // namespace asyncguest

#endif
