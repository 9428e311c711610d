// source and its kinds: move-only handles that close what they name when they are destroyed. Host thread only,
// also their destruction; they may outlive the guest.
#ifndef ASYNCGUEST_SOURCE_HPP
#define ASYNCGUEST_SOURCE_HPP

#include "core.hpp"
#include "events.hpp"

namespace asyncguest {

/// How a child process ended.
struct exit_status {
    int code;   ///< 0 to 255; -1 if a signal killed it; GUEST_EXIT_UNKNOWN if somebody else reaped it
    int signal; ///< the signal that killed it, or 0
};

/// One registration. Destroying the handle closes it: the callback is not called any more, and is destroyed on the
/// host thread, in the current or the next delivery.
class source {
public:
    source() = default;
    source(std::shared_ptr<detail::core> core, guest_id_t id) : core_(std::move(core)), id_(id) {}
    source(source &&other) noexcept : core_(std::move(other.core_)), id_(std::exchange(other.id_, 0)) {}
    source &operator=(source &&other) noexcept {
        if (this != &other) {
            close();
            core_ = std::move(other.core_);
            id_ = std::exchange(other.id_, 0);
        }
        return *this;
    }
    ~source() { close(); }

    /// Closes it now. Harmless when it has closed itself, or its guest has ended.
    void close() noexcept {
        if (core_)
            core_->close(std::exchange(id_, 0));
        core_.reset();
    }

    /// Lets it live without the handle: until it finishes or the guest ends.
    guest_id_t release() noexcept {
        core_.reset();
        return std::exchange(id_, 0);
    }

    /// Whether it is open: not closed, not finished, its guest not ended.
    bool is_open() const noexcept {
        return core_ && core_->live() && guest_is_open(core_->g, id_) == GUEST_OK;
    }

    guest_id_t id() const noexcept { return id_; }

protected:
    /// The guest, for a call that needs it.
    guest_t *live() const {
        if (!core_ || !core_->live())
            throw error(status::stale, "this handle names no source: it was closed, moved from or released, or its "
                                       "guest has ended");
        return core_->g;
    }

private:
    std::shared_ptr<detail::core> core_;
    guest_id_t id_ = 0;
};

class fd_source : public source {
public:
    using source::source;

    /// Watches for something else from now on; events::none pauses it, also for errors and hang-ups.
    void watch(events interest) { detail::demand(guest_fd_modify(live(), id(), static_cast<uint32_t>(interest))); }
};

class timer : public source {
public:
    using source::source;

    /// Fires once after `delay`, whether it was armed or not.
    template <class Rep, class Period> void arm(std::chrono::duration<Rep, Period> delay) {
        detail::demand(guest_timer_modify(live(), id(), detail::nanoseconds(delay), 0));
    }

    /// Fires after `delay` and then every `period`.
    template <class R1, class P1, class R2, class P2>
    void arm(std::chrono::duration<R1, P1> delay, std::chrono::duration<R2, P2> period) {
        detail::demand(guest_timer_modify(live(), id(), detail::nanoseconds(delay), detail::nanoseconds(period)));
    }

    /// Stops it, without closing it.
    void stop() { detail::demand(guest_timer_modify(live(), id(), GUEST_FOREVER, 0)); }
};

} // namespace asyncguest

#endif
