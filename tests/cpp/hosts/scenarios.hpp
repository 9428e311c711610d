// The list of scenarios that every C++ host has to pass: written once, run on the real toolkit by run_host<Fixture>().
//
// A Fixture is one toolkit with one main loop on the main thread, for a whole process:
//     Fixture(argc, argv, drive)     the toolkit is up; with a window, if it has windows
//     host_type, name, version()
//     std::unique_ptr<host_type> make()
//     void run(host_type &)          the host's own run(); until quit() or an exception, which it throws
//     void quit()                    as the toolkit's user ends the loop
//     void later(ms, function)       the toolkit's one-shot timer
//     void modal(), end_modal()      the toolkit's own modal dialog, which returns when it was ended
//     const char *no_modal()         why there is none; or NULL
//     std::unique_ptr<host_type> begin_own(); void own_loop()
//                                    the toolkit's loop without host.run(); guest_ends_with_own_loop(): is it hooked?
//     int frames()                   how often the window has been painted; -1: there is none
//     void animate(bool)             whether it is painted all the time, as it is at first
//     const char *lose()             throws away what waits in the toolkit's queue; or why that cannot be done
#ifndef SCENARIOS_HPP
#define SCENARIOS_HPP

#include "awaits.hpp"
#include "saturation.hpp"
#include "stage.hpp"
#include "system.h"

#include <optional>
#include <thread>

template <class Fixture> struct scenarios {
    using stage = ::stage<Fixture>;
    using time = std::chrono::milliseconds;

    static void start_before_the_loop(Fixture &f) {
        stage s(f);
        int ticks = 0;
        auto t = s.g->every(time(2), [&](uint64_t n) { if ((ticks += int(n)) >= 3) s.g->cancel(); });
        f.run(*s.host);
        expect(ticks >= 3 && s.dones == 1);
    }

    static void start_inside_the_loop(Fixture &f) {
        std::optional<stage> s;
        asyncguest::timer t;
        int ticks = 0;
        auto outer = f.make(); // a host that only runs the loop
        f.later(1, [&] {
            s.emplace(f);
            t = s->g->every(time(2), [&] { if (++ticks == 3) s->g->cancel(); }); // the host's handler uses the guest
        });
        f.run(*outer);
        expect(ticks == 3 && s->dones == 1);
    }

    static void timers_and_sockets(Fixture &f) {
        stage s(f);
        int pair[2], echoes = 0, late = 0;
        uint64_t due = guest_now() + 1000000;
        expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
        bool timers_over = false;
        asyncguest::timer tick;
        auto finished = [&] { if (echoes >= 200 && timers_over) s.g->cancel(); };
        int left = 20;
        tick = s.g->after(time(1), [&] {
            if (guest_now() < due)
                late = -1000; // early, which must never be
            late += guest_now() > due + 50000000;
            if (--left) {
                due = guest_now() + 1000000;
                tick.arm(time(1));
            } else {
                timers_over = true;
                finished();
            }
        });
        auto here = s.g->on_fd(pair[0], asyncguest::events::readable, [&] {
            char byte;
            expect(read(pair[0], &byte, 1) == 1);
            if (++echoes < 200)
                expect(write(pair[0], &byte, 1) == 1);
            finished();
        });
        auto there = s.g->on_fd(pair[1], asyncguest::events::readable, [&] {
            char byte;
            expect(read(pair[1], &byte, 1) == 1 && write(pair[1], &byte, 1) == 1);
        });
        expect(write(pair[1], "x", 1) == 1);
        f.run(*s.host);
        here.close(), there.close();
        close(pair[0]), close(pair[1]);
        expect(echoes == 200 && left == 0 && late >= 0);
        note("%d ticks over 50 ms late", late);
    }

    static void thousand_wakes(Fixture &f) {
        stage s(f);
        std::atomic<int> arrived{0};
        int in_order = 0;
        std::vector<uint64_t> took;
        std::thread worker([&, poster = s.g->make_poster()] {
            for (int i = 0; i < 1000; i++) {
                const uint64_t posted = guest_now();
                poster.post([&, i, posted] {
                    took.push_back(guest_now() - posted);
                    in_order += i == arrived;
                    std::unique_lock<std::mutex> lock(s.mutex);
                    ++arrived;
                    s.changed.notify_one();
                });
                std::unique_lock<std::mutex> lock(s.mutex); // the next one when the guest is about to sleep again
                s.changed.wait(lock, [&] { return arrived > i; });
            }
            poster.cancel();
        });
        f.run(*s.host);
        worker.join();
        std::sort(took.begin(), took.end());
        expect(arrived == 1000 && in_order == 1000);
        note("p50 %llu us", (unsigned long long)took[500] / 1000);
    }

    static void dialog_opened_by_a_callback(Fixture &f) {
        if (const char *why = f.no_modal())
            throw skipped{why};
        stage s(f);
        int inside = 0;
        bool open = false;
        asyncguest::timer tick = s.g->every(time(5), [&] {
            if (open && ++inside == 5)
                f.end_modal();
        });
        auto opener = s.g->after(time(1), [&] {
            open = true;
            f.modal();
            open = false;
            s.g->cancel();
        });
        f.run(*s.host);
        expect(inside >= 5 && s.dones == 1);
    }

    static void dialog_opened_by_the_host(Fixture &f) {
        if (const char *why = f.no_modal())
            throw skipped{why};
        stage s(f);
        int inside = 0;
        bool open = false;
        auto tick = s.g->every(time(5), [&] {
            if (open && ++inside == 5)
                f.end_modal();
        });
        f.later(1, [&] {
            open = true;
            f.modal();
            open = false;
            s.g->cancel();
        });
        f.run(*s.host);
        expect(inside >= 5 && s.dones == 1);
    }

    /// The loop is left while the guest has much in hand: everything is destroyed, once, and `done` is told once.
    static void host_quits_first(Fixture &f) {
        stage s(f);
        auto witness = std::make_shared<int>(0);
        for (int i = 0; i < 10; i++)
            s.g->after(std::chrono::hours(1), [witness] {}).release();
        s.g->work([witness] {}, [witness] {});
        f.later(5, [&, witness] {
            for (int i = 0; i < 10; i++)
                s.g->post([witness] {});
            f.quit();
        });
        s.quits = false;
        f.run(*s.host);
        expect(s.g->done() && s.dones == 1);
        f.settle();
        expect(witness.use_count() == 1);
    }

    /// The same when the program runs the toolkit's loop by the toolkit's means.
    static void own_loop_quits_first(Fixture &f) {
        stage s(f, f.begin_own());
        auto witness = std::make_shared<int>(0);
        int ticks = 0;
        auto tick = s.g->every(time(1), [&, witness] { ++ticks; });
        std::function<void()> quit = [&] { ticks > 2 ? f.quit() : f.later(5, quit); };
        f.later(5, quit);
        s.quits = false;
        f.own_loop();
        expect(ticks > 2);
        if (f.guest_ends_with_own_loop())
            expect(s.g->done());
        s.g.reset();
        tick.close();
        f.settle();
        expect(s.dones == 1 && witness.use_count() == 1);
    }

    static void exception_leaves_run(Fixture &f) {
        stage s(f);
        std::string seen;
        auto bad = s.g->after(time(1), [] { throw std::runtime_error("out of a callback"); });
        try {
            f.run(*s.host);
        } catch (const std::runtime_error &e) {
            seen = e.what();
        }
        expect(seen == "out of a callback");
        if (!s.g->done()) { // Asio: the program may go on
            s.g->cancel();
            f.run(*s.host);
        }
        expect(s.dones == 1);
    }

    static void exceptions_with_a_handler(Fixture &f) {
        int caught = 0;
        asyncguest::options o;
        o.on_exception = [&](std::exception_ptr) { ++caught; };
        stage s(f, f.make(), std::move(o));
        int throws = 0;
        auto bad = s.g->every(time(1), [&] {
            if (++throws == 3)
                s.g->cancel();
            throw 1;
        });
        f.run(*s.host);
        expect(caught == 3 && s.dones == 1);
    }

    static void two_guests(Fixture &f) {
        stage a(f), b(f);
        int ticks_a = 0, ticks_b = 0;
        a.quits = false;
        auto first = a.g->every(time(2), [&] { if (++ticks_a == 5) a.g->cancel(); });
        auto second = b.g->every(time(2), [&] { if (++ticks_b >= 10 && a.g->done()) b.g->cancel(); });
        f.run(*b.host);
        expect(ticks_a == 5 && ticks_b >= 10 && a.dones == 1 && b.dones == 1);
    }

    static void idle_is_free(Fixture &f) {
        stage s(f);
        auto distant = s.g->after(std::chrono::hours(1), [] {});
        guest_stats_t before{}, after{};
        f.later(20, [&] {
            before = s.g->stats();
            f.later(100, [&] {
                after = s.g->stats();
                s.g->cancel();
            });
        });
        f.run(*s.host);
        expect(f.steps() || after.batches - before.batches <= 1);
        note("%llu deliveries in 100 ms", (unsigned long long)(after.batches - before.batches));
    }

    static void destroyed_before_inside_and_after(Fixture &f) {
        auto witness = std::make_shared<int>(0);
        {
            stage before(f);
            before.quits = false;
            before.g->post([witness] {});
            before.g.reset();
            expect(before.dones == 1);
        }
        {
            stage by_host(f), by_itself(f);
            by_host.quits = by_itself.quits = false;
            by_host.g->every(time(1), [witness] {}).release();
            f.later(5, [&] { by_host.g.reset(); });
            by_itself.g->after(time(10), [&, witness] {
                           by_itself.g.reset();
                           f.later(5, [&] { f.quit(); });
                       })
                .release();
            auto loop = f.make();
            f.run(*loop);
            expect(by_host.dones == 1 && by_itself.dones == 1);
        }
        f.settle();
        expect(witness.use_count() == 1);
    }

    // As programs have it: host and guest are members of a window, which a callback deletes.
    static void destroyed_with_its_host(Fixture &f) {
        struct window {
            std::unique_ptr<typename Fixture::host_type> host;
            asyncguest::guest g{*host};
        };
        auto loop = f.make();
        auto *w = new window{f.make()};
        bool deleted = false;
        w->g.after(time(1), [&] {
                delete w;
                f.later(5, [&] { f.quit(); });
                deleted = true;
            })
            .release();
        f.run(*loop);
        f.settle();
        expect(deleted);
    }

    static void lost_wakes_come_again(Fixture &f) {
        asyncguest::options o;
        o.repost_after = time(10);
        stage s(f, f.make(), std::move(o));
        if (s.g->drive() == asyncguest::drive::fd)
            throw skipped{"drive fd: there is nothing to lose"};
        if (const char *why = f.lose())
            throw skipped{why};
        int ticks = 0;
        auto tick = s.g->every(time(2), [&] { ++ticks; });
        std::function<void()> lose = [&] {
            if (ticks >= 30)
                return s.g->cancel(); // here, so that what ends the loop is not lost
            f.lose();
            f.later(3, lose);
        };
        f.later(3, lose);
        f.run(*s.host);
        f.settle();
        expect(ticks >= 30 && s.dones == 1);
    }

    static void nothing_is_left(Fixture &f) {
        f.settle();
        guest_live_t live{};
        live.struct_size = sizeof live;
        expect(guest_live(&live) == GUEST_OK);
        expect(live.guests + live.sources + live.posts + live.threads + live.posters == 0);
    }

    static const std::vector<scenario<Fixture>> &all() {
#define SCENARIO(name) \
    { #name, &scenarios::name }
        static const std::vector<scenario<Fixture>> list = {
            SCENARIO(start_before_the_loop),
            SCENARIO(start_inside_the_loop),
            SCENARIO(timers_and_sockets),
            SCENARIO(thousand_wakes),
            SCENARIO(dialog_opened_by_a_callback),
            SCENARIO(dialog_opened_by_the_host),
            SCENARIO(host_quits_first),
            SCENARIO(own_loop_quits_first),
            SCENARIO(exception_leaves_run),
            SCENARIO(exceptions_with_a_handler),
            SCENARIO(two_guests),
            {"saturating_guest", &saturation<Fixture>::guest},
            {"saturating_guest_in_a_still_window", &saturation<Fixture>::guest_in_a_still_window},
            {"saturating_guest_quits", &saturation<Fixture>::quit},
            {"saturating_host", &saturation<Fixture>::host},
            SCENARIO(idle_is_free),
            SCENARIO(destroyed_before_inside_and_after),
            SCENARIO(destroyed_with_its_host),
            {"awaits_of_the_toolkits_timer", &awaits<Fixture>::run},
            SCENARIO(lost_wakes_come_again),
            SCENARIO(nothing_is_left),
        };
#undef SCENARIO
        return list;
    }
};

template <class Fixture> int run_host(int argc, char **argv) {
    return run_scenarios<Fixture>(scenarios<Fixture>::all(), argc, argv);
}

#endif
