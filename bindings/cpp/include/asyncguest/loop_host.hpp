// loop_host: what the hosts of toolkits share: exceptions that must not cross a main loop written in C, and a loop that
// ends before its guest does. Host thread only, but for what host.hpp says of post().
#ifndef ASYNCGUEST_LOOP_HOST_HPP
#define ASYNCGUEST_LOOP_HOST_HPP

#include <asyncguest.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <utility>

namespace asyncguest {
namespace detail {

/// How long the guest has had turns with no pause worth the name, for loops that serve a guest before they paint.
class turns_in_a_row {
public:
    void begin() noexcept {
        const auto now = clock::now();
        if (now - ended_ > std::chrono::milliseconds(1))
            began_ = now;
    }

    /// Whether it is time for a rest: another row begins then.
    bool end() noexcept {
        ended_ = clock::now();
        if (ended_ - began_ < std::chrono::milliseconds(4))
            return false;
        began_ = ended_;
        return true;
    }

private:
    using clock = std::chrono::steady_clock;
    clock::time_point began_{}, ended_{};
};

} // namespace detail

/// Base of a host whose loop catches no exceptions, and may be over first.
///
/// What leaves guest::deliver() (without options::on_exception, that is what a callback throws) is caught at the loop's
/// border. The first one is kept, the loop is told to end, and the host's run() throws it; who runs the loop by other
/// means calls rethrow() after it.
class loop_host : public detail::host_of_one {
public:
    ~loop_host() override {
        if (kept_)
            tell();
    }

    /// Throws the exception that was kept, if any, and forgets it.
    void rethrow() {
        if (std::exception_ptr kept = std::exchange(kept_, nullptr))
            std::rethrow_exception(std::move(kept));
    }

    /// How long the guest may wait for work that is running when the loop has ended first. Default: 1 s.
    void set_deadline(std::chrono::nanoseconds deadline) { deadline_ = deadline; }

    void attached(guest &g) override {
        host_of_one::attached(g);
        over_ = false;
    }

protected:
    using host_of_one::host_of_one;

    /// Ends the main loop, and nested ones: there is an exception for run() to throw.
    virtual void leave() noexcept = 0;

    /// Gives the guest its turn. A token of a guest that has ended does nothing. false: a callback has destroyed this
    /// host, together with the guest.
    bool turn(guest_token_t token = 0) noexcept {
        if (!guest_)
            return true;
        const std::weak_ptr<void> alive = alive_;
        std::exception_ptr thrown;
        ++depth_;
        try {
            guest_->deliver(token);
        } catch (...) {
            thrown = std::current_exception();
        }
        if (alive.expired()) {
            if (thrown)
                tell();
            return false;
        }
        if (thrown)
            keep(std::move(thrown));
        if (--depth_ == 0 && over_)
            over(); // the end came inside this turn, which had to return first
        return !alive.expired();
    }

    /// The loop has ended, or is about to, and gives no more turns: so does the guest.
    void over() noexcept {
        over_ = true;
        if (!guest_ || depth_ > 0)
            return;
        try {
            guest_->shutdown(deadline_);
        } catch (...) {
            keep(std::current_exception());
        }
    }

private:
    static void tell() noexcept {
        std::fputs("asyncguest: an exception left a callback, and nobody took it: set options::on_exception, or run "
                   "the loop by the host's run(), or call rethrow() after it\n",
                   stderr);
    }

    void keep(std::exception_ptr exception) noexcept {
        if (!kept_)
            kept_ = std::move(exception);
        leave();
    }

    int depth_ = 0; // turns on the stack
    bool over_ = false;
    std::chrono::nanoseconds deadline_ = std::chrono::seconds(1);
    std::exception_ptr kept_;
    const std::shared_ptr<void> alive_ = std::make_shared<char>(); // expires with the host
};

} // namespace asyncguest

#endif
