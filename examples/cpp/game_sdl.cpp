// An SDL game loop with a guest that is stepped once per frame: no thread, no lock, no callback outside of the loop.
//
//     game_sdl [--bots N] [--seconds N] [--screenshot FILE.bmp]
//
// Fireflies fly over the window. Each is a coroutine that plays by itself: it sends its wish over UDP, waits for the game
// server's answer (which is one more coroutine of this guest), thinks for some milliseconds and goes on. The loop draws
// them 60 times a second. At the end it prints what it has done per second; exit status 0 if every bot got its answers.
#include <asyncguest/sdl.hpp>

#include <arpa/inet.h>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <netinet/in.h>
#include <random>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;
using asyncguest::guest;
using asyncguest::task;

namespace {

constexpr int width = 800, height = 450;

struct place {
    float x, y;
};

/// A UDP socket on this machine.
class endpoint {
public:
    endpoint() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        if (fd_ < 0 || bind(fd_, at(), size) != 0 || getsockname(fd_, at(), &size) != 0)
            throw std::runtime_error(std::string("UDP: ") + std::strerror(errno));
    }
    endpoint(const endpoint &) = delete;
    ~endpoint() { close(fd_); }

    int fd() const { return fd_; }
    const sockaddr_in &address() const { return address_; }

    void send(const sockaddr_in &to, place p) const {
        sendto(fd_, &p, sizeof p, 0, reinterpret_cast<const sockaddr *>(&to), sizeof to); // UDP may lose it
    }
    bool receive(place &p, sockaddr_in &from) const {
        socklen_t size = sizeof from;
        return recvfrom(fd_, &p, sizeof p, 0, reinterpret_cast<sockaddr *>(&from), &size) == sizeof p;
    }

private:
    sockaddr *at() { return reinterpret_cast<sockaddr *>(&address_); }
    const int fd_;
    sockaddr_in address_{};
};

/// The server: it lets nobody out of the window.
task<> serve(guest &g, const endpoint &here, uint64_t &messages) {
    for (;;) {
        co_await g.readable(here.fd());
        place p;
        sockaddr_in from;
        while (here.receive(p, from)) {
            messages++;
            here.send(from, {std::fabs(p.x), std::fabs(p.y)});
        }
    }
}

struct bot {
    endpoint here;
    place at{}, speed{};
    std::deque<place> trail;
    uint64_t answers = 0;
};

task<> play(guest &g, bot &b, const sockaddr_in &server) {
    static std::mt19937 dice(7);
    std::uniform_real_distribution<float> chance(0, 1);
    b.at = {chance(dice) * width, chance(dice) * height};
    b.speed = {4 * chance(dice) - 2, 4 * chance(dice) - 2};
    for (;;) {
        b.here.send(server, {b.at.x + b.speed.x, b.at.y + b.speed.y});
        co_await g.readable(b.here.fd());
        place p;
        sockaddr_in from;
        if (b.here.receive(p, from)) {
            b.answers++;
            b.at = p;
            b.trail.push_back(p);
            if (b.trail.size() > 24)
                b.trail.pop_front();
        }
        b.speed = {b.speed.x + chance(dice) - 0.5f, b.speed.y + chance(dice) - 0.5f};
        const float length = std::hypot(b.speed.x, b.speed.y) / 3 + 0.01f;
        b.speed = {b.speed.x / length, b.speed.y / length};
        if (b.at.x > width - 8 || b.at.x < 8)
            b.speed.x = b.at.x < 8 ? 2 : -2;
        if (b.at.y > height - 8 || b.at.y < 8)
            b.speed.y = b.at.y < 8 ? 2 : -2;
        co_await g.sleep(std::chrono::milliseconds(5 + dice() % 10));
    }
}

void draw(SDL_Renderer *to, const std::vector<std::unique_ptr<bot>> &bots) {
    SDL_SetRenderDrawColor(to, 14, 17, 28, 255);
    SDL_RenderClear(to);
    for (size_t i = 0; i < bots.size(); i++) {
        size_t age = 0;
        for (const place &p : bots[i]->trail) {
            const auto strength = Uint8(255 * ++age / 24);
            const float size = 1 + 5 * float(age) / 24;
            SDL_SetRenderDrawColor(to, strength, Uint8(strength * (i % 5 + 4) / 9), Uint8(strength * (i % 3) / 4), 255);
            const SDL_FRect square = {p.x - size / 2, p.y - size / 2, size, size};
            SDL_RenderFillRectF(to, &square);
        }
    }
    SDL_RenderPresent(to);
}

bool save(SDL_Renderer *from, const char *file) {
    SDL_Surface *picture = SDL_CreateRGBSurfaceWithFormat(0, width, height, 32, SDL_PIXELFORMAT_ARGB8888);
    const bool saved = picture &&
                       SDL_RenderReadPixels(from, nullptr, SDL_PIXELFORMAT_ARGB8888, picture->pixels, picture->pitch) == 0 &&
                       SDL_SaveBMP(picture, file) == 0;
    SDL_FreeSurface(picture);
    return saved;
}

int play_game(SDL_Renderer *renderer, size_t count, double seconds, const char *screenshot) {
    endpoint server;
    std::vector<std::unique_ptr<bot>> bots;
    uint64_t messages = 0, frames = 0, longest = 0;
    asyncguest::sdl_host host;
    guest g(host);
    g.spawn(serve(g, server, messages));
    for (size_t i = 0; i < count; i++) {
        bots.push_back(std::make_unique<bot>());
        g.spawn(play(g, *bots.back(), server.address()));
    }
    const uint64_t began = guest_now(), frame = 1000000000 / 60;
    uint64_t next = began;
    for (bool playing = true; playing; frames++) {
        SDL_Event event;
        while (SDL_PollEvent(&event))
            playing = playing && event.type != SDL_QUIT;
        const uint64_t stepped = guest_now();
        host.frame(4ms);
        longest = std::max(longest, guest_now() - stepped);
        draw(renderer, bots);
        playing = playing && (seconds <= 0 || double(guest_now() - began) < seconds * 1e9);
        next += frame;
        for (uint64_t now; (now = guest_now()) < next;) { // the frame's rest belongs to the network, too
            host.frame(1ms);
            SDL_Delay(next - now > 2000000 ? 1 : 0);
        }
    }
    if (screenshot)
        std::printf("%s %s\n", save(renderer, screenshot) ? "screenshot:" : "no screenshot in", screenshot);
    const double took = double(guest_now() - began) / 1e9;
    std::printf("%llu frames (%.1f per second), %llu messages (%.0f per second), longest step %.2f ms\n",
                (unsigned long long)frames, double(frames) / took, (unsigned long long)messages, double(messages) / took,
                double(longest) / 1e6);
    for (const auto &b : bots)
        if (b->answers == 0)
            return 1;
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    size_t bots = 60;
    double seconds = 0;
    const char *screenshot = nullptr;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        if (name == "--bots")
            bots = size_t(std::atoi(argv[i + 1]));
        else if (name == "--seconds")
            seconds = std::atof(argv[i + 1]);
        else if (name == "--screenshot")
            screenshot = argv[i + 1];
        else
            argc = 0;
    }
    if (argc % 2 == 0) {
        std::fprintf(stderr, "usage: game_sdl [--bots N] [--seconds N] [--screenshot FILE.bmp]\n");
        return 2;
    }
    SDL_Window *window = nullptr;
    SDL_Renderer *renderer = nullptr;
    int code = 2;
    if (SDL_Init(SDL_INIT_VIDEO) == 0 &&
        (window = SDL_CreateWindow("fireflies", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, width, height, 0)) &&
        (renderer = SDL_CreateRenderer(window, -1, SDL_RENDERER_SOFTWARE))) {
        try {
            code = play_game(renderer, bots, seconds, screenshot);
        } catch (const std::exception &e) {
            std::fprintf(stderr, "game_sdl: %s\n", e.what());
        }
    } else {
        std::fprintf(stderr, "game_sdl: %s\n", SDL_GetError());
    }
    SDL_Quit();
    return code;
}
