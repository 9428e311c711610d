// How a guest gets its turns from Node's loop. One Drive per guest; JavaScript thread only, but for post().
//
//   FdDrive      libuv watches the guest's fd (uv_poll_t). No thread, no call of Node's per wake. POSIX
//   ThreadDrive  the guest's I/O thread calls a thread-safe function of Node-API. Everywhere
//
// In both, microtasks and nextTicks run after each callback: an FdDrive's callbacks are the outermost frames of
// JavaScript; a ThreadDrive delivers one callback per call of the thread-safe function, see thread_drive.cpp.
#pragma once

#include "js.h"

#include <memory>

namespace agn {

class Guest;

class Drive {
public:
    virtual ~Drive() = default;
    // Whether close() needs another turn of the loop: the environment must then wait for it at its end.
    virtual bool closes_later() const { return false; }
    // Before guest_start: what post() needs. After it: begin to watch. Both throw and return false on failure.
    virtual bool prepare() { return true; }
    virtual bool open(guest_t *) { return true; }
    // Whether an otherwise empty loop goes on for this guest.
    virtual void keep_alive(bool yes) = 0;
    // The guest asks for its turn. Thread: any; post_local: JavaScript.
    virtual int32_t post(guest_token_t) { return GUEST_HOST_GONE; }
    virtual int32_t post_local(guest_token_t token) { return post(token); }
    // The process is about to exit inside a delivery: Node is not to be called any more.
    virtual void leave() {}
    // The environment ends inside a delivery: give Node back what is its own; no close() follows.
    virtual void abandon() = 0;
    // Before guest_free: the fd is about to be closed. After it: nobody posts any more; ends in
    // Guest::drive_closed, at once or in a later turn of the loop.
    virtual void stop() {}
    virtual void close() = 0;
};

// NULL if this system has no fds that libuv could watch.
std::unique_ptr<Drive> make_fd_drive(Guest &guest);
// `set_immediate`: JavaScript's function of that name.
std::unique_ptr<Drive> make_thread_drive(Guest &guest, napi_value set_immediate);

} // namespace agn
