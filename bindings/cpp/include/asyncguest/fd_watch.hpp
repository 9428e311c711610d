// The fds that tasks wait for: one registration per fd, however many tasks read and write it. Host thread only.
#ifndef ASYNCGUEST_FD_WATCH_HPP
#define ASYNCGUEST_FD_WATCH_HPP

#include "error.hpp"
#include "events.hpp"

#include <unordered_map>
#include <utility>

namespace asyncguest {
namespace detail {

struct fd_watch;

/// One task that waits for an fd.
struct fd_waiter {
    fd_watch *watch = nullptr; // null unless it waits
    fd_waiter *next = nullptr;
    events interest = events::none, got = events::none;
    void (*ready)(fd_waiter &) = nullptr; // what it may throw passes out of the delivery
};

class fd_watches;

/// One fd with those who wait for it, first come first; it is gone when the last has left.
struct fd_watch {
    fd_watches *all;
    guest_os_fd_t fd;
    guest_id_t id = 0;
    fd_waiter *first = nullptr;

    events interest() const {
        events sum = events::none;
        for (fd_waiter *w = first; w; w = w->next)
            sum = sum | w->interest;
        return sum;
    }
};

class fd_watches {
public:
    /// Lets `w` wait until `fd` is ready; throws, and it does not wait, if the fd cannot be watched.
    void join(guest_t *g, guest_os_fd_t fd, fd_waiter &w) {
        fd_watch &watch = map_.try_emplace(fd, fd_watch{this, fd}).first->second;
        fd_waiter **end = &watch.first;
        while (*end)
            end = &(*end)->next;
        *end = &w;
        w.watch = &watch;
        guest_status_t status = update(g, watch);
        if (status == GUEST_OK)
            return;
        error failed = error::last(status);
        leave(g, w);
        throw failed;
    }

    /// Lets it wait no more. `g`: NULL when the guest has ended.
    void leave(guest_t *g, fd_waiter &w) noexcept {
        if (!w.watch)
            return;
        fd_watch &watch = *std::exchange(w.watch, nullptr);
        fd_waiter **at = &watch.first;
        while (*at != &w)
            at = &(*at)->next;
        *at = std::exchange(w.next, nullptr);
        if (watch.first) {
            if (g) // it fails only if the fd was closed too early; what that leads to is at worst a needless turn
                update(g, watch);
            return;
        }
        if (g && watch.id)
            guest_close(g, watch.id);
        map_.erase(watch.fd);
    }

private:
    static guest_status_t update(guest_t *g, fd_watch &watch) {
        uint32_t interest = static_cast<uint32_t>(watch.interest());
        if (watch.id) {
            if (guest_fd_modify(g, watch.id, interest) == GUEST_OK)
                return GUEST_OK;
            guest_close(g, watch.id); // the fd was closed meanwhile and is a new one
        }
        watch.id = 0;
        return guest_fd_add(g, watch.fd, interest, &on_ready, &watch, nullptr, &watch.id);
    }

    /// One waiter goes on per call, so that an exception keeps none of the others; the rest is called for again.
    static void on_ready(guest_t *g, guest_id_t, uint32_t got, void *data) {
        fd_watch &watch = *static_cast<fd_watch *>(data);
        events come = static_cast<events>(got);
        fd_waiter *chosen = watch.first;
        while (chosen && !any(come & (chosen->interest | events::error | events::hangup)))
            chosen = chosen->next;
        if (!chosen)
            chosen = watch.first;
        chosen->got = come;
        watch.all->leave(g, *chosen);
        chosen->ready(*chosen);
    }

    std::unordered_map<guest_os_fd_t, fd_watch> map_;
};

} // namespace detail
} // namespace asyncguest

#endif
