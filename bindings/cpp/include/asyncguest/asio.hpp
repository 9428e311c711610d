// asio_host: a guest in an io_context of Asio, standalone or Boost's. See docs/hosts/cpp-asio.md.
//
// Takes the standalone library if <asio.hpp> is there, else Boost's; define ASYNCGUEST_BOOST_ASIO to have Boost's anyway.
#ifndef ASYNCGUEST_ASIO_HPP
#define ASYNCGUEST_ASIO_HPP

#include <asyncguest.hpp>

#if !defined(ASYNCGUEST_BOOST_ASIO) && __has_include(<asio.hpp>)
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#else
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#define ASYNCGUEST_ASIO_IS_BOOST 1
#endif

#include <chrono>
#include <memory>
#include <optional>

namespace asyncguest {

// Two kinds of one name: a program that has both in different files does not mix them up.
#ifdef ASYNCGUEST_ASIO_IS_BOOST
inline namespace with_boost {
namespace asio = ::boost::asio;
using asio_error = ::boost::system::error_code;
#else
inline namespace with_asio {
namespace asio = ::asio;
using asio_error = std::error_code;
#endif

/// An io_context, run by one thread only: the one that makes the host. (A strand on several threads is not enough: the
/// guest's callbacks belong to one thread, not to one thread at a time.) The host must go before the io_context.
///
///     asio::io_context io(1);
///     asyncguest::asio_host host(io);
///     asyncguest::guest guest(host);
///     host.run();
///
/// The guest counts as work: run() returns when it has ended and nothing else is left. What a callback throws leaves
/// run(), as Asio has it; run it again and the guest goes on.
class asio_host final : public detail::host_of_one {
public:
    /// `how`: drive::fd has the io_context wait for the guest's fd; drive::thread has a thread of the library post to it.
    explicit asio_host(asio::io_context &io, drive how = drive::fd) : host_of_one(how), io_(io) {}

    /// io_context::run(), after which the guest is shut down if it has not ended: somebody has called stop(). When a
    /// callback has thrown, it is not: the exception leaves, and the io_context may be run again.
    template <class Rep = std::chrono::nanoseconds::rep, class Period = std::nano>
    void run(std::chrono::duration<Rep, Period> deadline = std::chrono::seconds(1)) {
        io_.run();
        if (guest_)
            guest_->shutdown(deadline);
    }

    void attached(guest &g) override {
        host_of_one::attached(g);
        work_.emplace(io_.get_executor());
    }

    void detached(guest &g) noexcept override {
        host_of_one::detached(g);
        work_.reset();
    }

    int post(guest_token_t token) noexcept override {
        try {
            asio::post(io_, [alive = std::weak_ptr<asio_host *>(alive_), token] {
                if (auto self = alive.lock())
                    (*self)->turn(token);
            });
            return 0;
        } catch (...) {
            return -1; // no memory
        }
    }

    void watch(guest_os_fd_t fd) override {
        descriptor_.emplace(io_, fd);
        wait();
    }

    void unwatch(guest_os_fd_t) noexcept override {
        descriptor_->release(); // the fd is the guest's
        descriptor_.reset();
    }

private:
    void wait() {
        using descriptor = asio::posix::stream_descriptor;
        descriptor_->async_wait(descriptor::wait_read, [alive = std::weak_ptr<asio_host *>(alive_)](asio_error failed) {
            auto self = alive.lock();
            if (!self || failed || !(*self)->descriptor_) // cancelled by unwatch()
                return;
            (*self)->wait(); // first: a nested run() needs it, and an exception must not prevent it
            (*self)->turn(0);
        });
    }

    void turn(guest_token_t token) {
        if (guest_)
            guest_->deliver(token);
    }

    asio::io_context &io_;
    const std::shared_ptr<asio_host *> alive_ = std::make_shared<asio_host *>(this); // for handlers that come later
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
    std::optional<asio::posix::stream_descriptor> descriptor_;
};

} // inline namespace
} // namespace asyncguest

#endif
