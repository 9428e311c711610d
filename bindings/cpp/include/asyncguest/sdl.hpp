// sdl_host: a guest in an SDL 2 program. Needs sdl2. See docs/hosts/cpp-sdl.md.
#ifndef ASYNCGUEST_SDL_HPP
#define ASYNCGUEST_SDL_HPP

#include <asyncguest.hpp>

#include <SDL.h>

#include <atomic>
#include <chrono>

namespace asyncguest {

/// The event loop that an SDL program writes itself. A game that draws all the time steps the guest once per frame, and
/// has no thread for it (drive::fd):
///
///     asyncguest::sdl_host host;
///     asyncguest::guest guest(host);
///     while (playing) {
///         while (SDL_PollEvent(&event)) ...;
///         host.frame(2ms);
///         draw();
///     }
///
/// A program that sleeps in SDL_WaitEvent takes drive::thread, and gives every event to handle(). What a callback throws
/// leaves frame() or handle(), which are called by nobody but the program.
class sdl_host : public detail::host_of_one {
public:
    explicit sdl_host(drive how = drive::fd) : host_of_one(how) {
        if (how == drive::thread && turn_type() == static_cast<Uint32>(-1))
            throw error(status::host_gone, "SDL has no event type left to register");
    }

    ~sdl_host() override {
        SDL_RemoveTimer(timer_); // one that is just firing pushes an event, and touches nothing of this object
        SDL_FilterEvents(&is_foreign, this);
    }

    /// Runs what is due for at most `budget` (at least one callback), in either drive. Once per frame.
    template <class Rep, class Period> void frame(std::chrono::duration<Rep, Period> budget) {
        if (guest_)
            guest_->deliver_for(budget);
    }

    /// drive::thread: true if the event was the guest's, which has had its turn then. Give it every event, also in
    /// nested loops of your own. Events that are lost (a full queue, SDL_FlushEvents) come again.
    bool handle(const SDL_Event &event) {
        if (event.type != turn_type() || event.user.data1 != this)
            return false;
        if (guest_)
            guest_->deliver(token_.load());
        return true;
    }

    int post(guest_token_t token) noexcept override {
        token_.store(token);
        return push(this);
    }

    /// The queue is first in, first out, and `while (SDL_PollEvent(&event))` empties it before the program draws: a busy
    /// guest that queued its next turn at once would be all that the loop ever does. So it comes a millisecond later.
    int post_local(guest_token_t token) noexcept override {
        token_.store(token);
        timer_ = SDL_AddTimer(1, [](Uint32, void *self) -> Uint32 {
            push(self);
            return 0; // once
        },
                              this);
        return timer_ ? 0 : push(this);
    }

private:
    static Uint32 turn_type() {
        static const Uint32 number = SDL_RegisterEvents(1);
        return number;
    }

    /// 0, or -1: the queue is full, or a filter of the program has refused the event.
    static int push(void *self) noexcept {
        SDL_Event event{};
        event.type = turn_type();
        event.user.data1 = self;
        return SDL_PushEvent(&event) == 1 ? 0 : -1;
    }

    /// For SDL_FilterEvents: 0 removes the event.
    static int is_foreign(void *self, SDL_Event *event) {
        return event->type != turn_type() || event->user.data1 != self;
    }

    SDL_TimerID timer_ = 0;
    std::atomic<guest_token_t> token_{0};
};

} // namespace asyncguest

#endif
