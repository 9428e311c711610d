// SDL 2: a game loop of frames (drive fd) and a program that sleeps in SDL_WaitEvent (drive thread); see scenarios.hpp.
#include <asyncguest/sdl.hpp>

#include "scenarios.hpp"

#include <map>
#include <set>

namespace {

struct sdl {
    /// Hosts of SDL are served by the program's own loop, which therefore has to know them.
    struct host_type : asyncguest::sdl_host {
        sdl &program;
        asyncguest::guest *guest = nullptr;
        explicit host_type(sdl &p) : sdl_host(p.how), program(p) { p.hosts.insert(this); }
        ~host_type() override { program.hosts.erase(this); }
        void attached(asyncguest::guest &g) override { sdl_host::attached(*(guest = &g)); }
        void detached(asyncguest::guest &g) noexcept override {
            guest = nullptr;
            sdl_host::detached(g);
        }
    };
    static constexpr const char *name = "SDL 2 (C++)";
    static std::string version() {
        SDL_version v;
        SDL_GetVersion(&v);
        return std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
    }

    asyncguest::drive how;
    SDL_Window *window;
    SDL_Renderer *renderer;
    std::set<host_type *> hosts;
    std::multimap<uint64_t, std::function<void()>> timers;
    int painted = 0;
    uint64_t next_frame = 0;
    bool open = false;

    sdl(int &, char **, asyncguest::drive how) : how(how) {
        if (SDL_Init(SDL_INIT_VIDEO) != 0)
            throw std::runtime_error(SDL_GetError());
        window = SDL_CreateWindow("hosts", 0, 0, 200, 100, 0);
        renderer = SDL_CreateRenderer(window, -1, SDL_RENDERER_SOFTWARE);
        if (!renderer)
            throw std::runtime_error(SDL_GetError());
    }
    ~sdl() { SDL_Quit(); }

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(*this); }

    /// One iteration of the program's loop: events, timers, the guests' steps, and a picture 60 times a second.
    bool iterate() {
        SDL_Event event;
        if (how == asyncguest::drive::thread && SDL_WaitEventTimeout(&event, wait()) && !dispatch(event))
            return false;
        while (SDL_PollEvent(&event))
            if (!dispatch(event))
                return false;
        const uint64_t now = guest_now();
        for (auto due = timers.begin(); due != timers.end() && due->first <= now; due = timers.begin()) {
            auto f = std::move(due->second);
            timers.erase(due);
            f();
        }
        if (how == asyncguest::drive::fd)
            for (auto *host : std::set<host_type *>(hosts))
                if (hosts.count(host))
                    host->frame(std::chrono::milliseconds(4));
        if (animated && guest_now() >= next_frame) {
            next_frame = guest_now() + 16000000;
            SDL_SetRenderDrawColor(renderer, Uint8(++painted), 100, 100, 255);
            SDL_RenderClear(renderer);
            SDL_RenderPresent(renderer);
        }
        if (how == asyncguest::drive::fd)
            SDL_Delay(1); // what waiting for the screen is in a game
        return true;
    }
    int wait() const {
        uint64_t until = animated ? next_frame : guest_now() + 100000000, now = guest_now();
        if (!timers.empty() && timers.begin()->first < until)
            until = timers.begin()->first;
        return until <= now ? 0 : int((until - now) / 1000000 + 1);
    }
    bool dispatch(const SDL_Event &event) {
        for (auto *host : std::set<host_type *>(hosts))
            if (hosts.count(host) && host->handle(event))
                return true;
        return event.type != SDL_QUIT;
    }

    void run(host_type &h) {
        while (iterate()) {}
        if (h.guest)
            h.guest->shutdown(std::chrono::seconds(1));
    }
    void quit() {
        SDL_Event event{};
        event.type = SDL_QUIT;
        SDL_PushEvent(&event);
    }
    void later(int ms, std::function<void()> f) { timers.emplace(guest_now() + uint64_t(ms) * 1000000, std::move(f)); }
    const char *no_modal() { return nullptr; }
    void modal() {
        for (open = true; open;)
            iterate();
    }
    void end_modal() { open = false; }
    std::unique_ptr<host_type> begin_own() { return make(); }
    void own_loop() {
        while (iterate()) {}
    }
    bool guest_ends_with_own_loop() { return false; }
    int frames() { return painted; }
    bool animated = true;
    void animate(bool on) { animated = on; }
    bool steps() { return how == asyncguest::drive::fd; }
    const char *lose() {
        SDL_FlushEvents(SDL_FIRSTEVENT, SDL_LASTEVENT);
        return nullptr;
    }
    void settle() {
        later(1, [this] { quit(); });
        while (iterate()) {}
    }
};

/// The queue is full for a while: posts fail, and are tried again.
bool full_queue_is_survived() {
    int none = 0;
    sdl f(none, nullptr, asyncguest::drive::thread);
    stage<sdl> s(f);
    SDL_Event filler{};
    filler.type = SDL_RegisterEvents(1);
    while (SDL_PushEvent(&filler) == 1) {}
    int ticks = 0;
    auto tick = s.g->every(std::chrono::milliseconds(2), [&] { if (++ticks == 3) s.g->cancel(); });
    while (s.g->stats().post_failures == 0) // nobody empties the queue
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    f.run(*s.host);
    return ticks == 3 && s.dones == 1;
}

} // namespace

int main(int argc, char **argv) {
    if (argc > 1 && std::string(argv[1]) == "full") {
        const bool survived = full_queue_is_survived();
        std::printf("%s  full_queue\n", survived ? "ok    " : "FAILED");
        return !survived;
    }
    return run_host<sdl>(argc, argv);
}
