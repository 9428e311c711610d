// Nobody starves: a busy guest beside the toolkit's own work, and the other way round; scenarios of scenarios.hpp.
// What is asserted is counted, in pieces of the other side's work: how long they take is the machine's affair, and noted.
#ifndef SATURATION_HPP
#define SATURATION_HPP

#include "stage.hpp"

template <class Fixture> struct saturation {
    using stage = ::stage<Fixture>;

    /// A guest that always has something to do: the toolkit's timers and frames come all the same.
    static void guest(Fixture &f) { saturate(f); }

    /// The same without an animation, which in some toolkits is what keeps timers going.
    static void guest_in_a_still_window(Fixture &f) {
        f.animate(false);
        saturate(f);
        f.animate(true);
    }

    static void saturate(Fixture &f) {
        stage s(f);
        int worked = 0;
        std::function<void()> work = [&] {
            for (uint64_t until = guest_now() + 200000; guest_now() < until;) {}
            worked++;
            s.g->post(std::ref(work));
        };
        std::vector<double> late;
        std::vector<int> between; // pieces of the guest's work from asking for a timer to its tick: 50, and some turns of 20
        uint64_t due = 0, began = guest_now();
        int asked = 0;
        const int painted = f.frames();
        const bool paints = painted >= 0 && f.animated;
        std::function<void()> tick = [&] {
            const uint64_t now = guest_now();
            if (due) {
                late.push_back((double(now) - double(due)) / 1e6);
                between.push_back(worked - asked);
            }
            if (late.size() >= 20 && (!paints || f.frames() - painted >= 2)) // or it never ends
                return s.g->cancel();
            due = now + 10000000;
            asked = worked;
            f.later(10, tick);
        };
        s.g->post(std::ref(work));
        f.later(10, tick);
        f.run(*s.host);
        std::sort(late.begin(), late.end());
        const double took = double(guest_now() - began) / 1e6;
        std::sort(between.begin(), between.end());
        expect(between[between.size() / 2] <= 400);
        if (paints) {
            note("host timer late by %.1f ms p50, %.1f at most; %d frames in %.0f ms", late[late.size() / 2], late.back(),
                 f.frames() - painted, took);
        } else {
            note("host timer late by %.1f ms p50, %.1f at most", late[late.size() / 2], late.back());
        }
    }

    /// A guest that always has something to do does not keep the loop from its end.
    static void quit(Fixture &f) {
        stage s(f);
        s.quits = false;
        int worked = 0, before = 0;
        std::function<void()> work = [&] {
            for (uint64_t until = guest_now() + 200000; guest_now() < until;) {}
            if (++worked == 100) {
                before = worked;
                f.quit();
            }
            s.g->post(std::ref(work));
        };
        s.g->post(std::ref(work));
        f.run(*s.host);
        expect(before == 100 && worked <= 500 && s.dones == 1);
        note("over after %d more pieces of work", worked - before);
    }

    /// A host that always has something to do: the guest gets its turns.
    static void host(Fixture &f) {
        stage s(f);
        bool over = false;
        int ticks = 0, worked = 0, before = 0;
        std::function<void()> work = [&] {
            for (uint64_t until = guest_now() + 1000000; guest_now() < until;) {}
            worked++;
            over ? s.g->cancel() : f.later(0, work);
        };
        std::vector<double> late;
        std::vector<int> between; // pieces of the host's work between two ticks: 10, if the guest has its turns
        uint64_t due = guest_now() + 10000000;
        auto tick = s.g->every(std::chrono::milliseconds(10), [&](uint64_t expirations) {
            late.push_back((double(guest_now()) - double(due)) / 1e6);
            between.push_back(worked - before);
            before = worked;
            due += 10000000 * expirations;
            over = ++ticks >= 6;
        });
        f.later(0, work);
        f.run(*s.host);
        f.settle();
        std::sort(late.begin(), late.end());
        std::sort(between.begin(), between.end());
        expect(ticks >= 6 && between[3] <= 100);
        note("guest's timer late by %.1f ms p50, %.1f at most", late[3], late.back());
    }
};

#endif
