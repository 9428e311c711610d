// host: how a guest reaches the program's main loop. Derive from it to embed a new one; asyncguest/qt.hpp
// and its sisters do.
#ifndef ASYNCGUEST_HOST_HPP
#define ASYNCGUEST_HOST_HPP

#include "error.hpp"

namespace asyncguest {

class guest;

/// How a guest waits.
enum class drive : unsigned {
    thread = GUEST_DRIVE_THREAD, ///< on a thread of its own; it posts tokens to the host
    fd = GUEST_DRIVE_FD,         ///< not at all: the host watches one fd
    run = GUEST_DRIVE_RUN        ///< in guest::run(), or in a deliver() per frame
};

/// One main loop and its thread, for one guest. Must outlive the guest.
class host {
public:
    host() = default;
    host(const host &) = delete;
    host &operator=(const host &) = delete;
    virtual ~host() = default;

    /// Whether the loop can watch an fd: drive::fd, and watch() is called. Else drive::thread, and post().
    virtual bool watches_fd() const noexcept = 0;

    /// Makes the host thread call guest::deliver(token) soon. Thread: any. Must not block, nor call the guest.
    /// Returns 0; negative to be asked again later; GUEST_HOST_GONE if the loop is gone for good.
    virtual int post(guest_token_t) noexcept { return GUEST_HOST_GONE; }

    /// The same on the host thread, where it may be cheaper.
    virtual int post_local(guest_token_t token) noexcept { return post(token); }

    /// Calls guest::deliver() on the host thread whenever `fd` is readable, until unwatch(). Called once, by the
    /// guest's constructor, after attached(). What it throws leaves the constructor.
    virtual void watch(guest_os_fd_t /*fd*/) {}
    virtual void unwatch(guest_os_fd_t /*fd*/) noexcept {}

    /// The guest has started: remember it, and hook the loop's own end, which should lead to guest::shutdown().
    virtual void attached(guest &) {}

    /// The guest ends, and nothing of it must be called any more: forget it. Once, on the host thread, by the end
    /// itself or by the guest's destructor, whichever comes first.
    virtual void detached(guest &) noexcept {}
};

namespace detail {

/// Base of the ready hosts: for one guest at a time, in drive::fd or drive::thread.
class host_of_one : public host {
public:
    bool watches_fd() const noexcept final { return drive_ == drive::fd; }

    void attached(guest &g) override {
        if (guest_)
            throw error(status::exists, "this host has a guest already: make one host for each guest");
        guest_ = &g;
    }

    void detached(guest &) noexcept override { guest_ = nullptr; }

protected:
    explicit host_of_one(drive how) : drive_(how) {
        if (how == drive::run)
            throw error(status::drive, "a host has drive::fd or drive::thread; drive::run has no host");
    }

    guest *guest_ = nullptr;

private:
    const drive drive_;
};

} // namespace detail

} // namespace asyncguest

#endif
