// Tasks that await what is the toolkit's own, its timer; a scenario of scenarios.hpp. C++20, skipped before.
#ifndef AWAITS_HPP
#define AWAITS_HPP

#include "stage.hpp"

#include <thread>

#if ASYNCGUEST_HAS_COROUTINES

template <class Fixture> struct awaits {
    using stage = ::stage<Fixture>;
    template <class T = void> using task = asyncguest::task<T>;

    // It does not learn that its waiter is gone: that is the library's affair.
    struct pause {
        Fixture &f;

        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> h) const {
            f.later(1, [h] { h.resume(); });
        }
        void await_resume() const noexcept {}
    };

    static task<int> deep(Fixture &f, int depth) {
        if (depth == 0)
            co_await pause{f};
        else
            depth += co_await deep(f, depth - 1);
        co_return depth;
    }

    static task<int> mixed(Fixture &f, asyncguest::guest &g) {
        co_await g.sleep(std::chrono::milliseconds(1));
        co_await pause{f};
        co_await g.sleep(std::chrono::milliseconds(0));
        co_return 4;
    }

    static task<> throwing(Fixture &f) {
        co_await pause{f};
        throw std::runtime_error("of a task");
    }

    static task<> cancelling(Fixture &f, asyncguest::scope &mine, int &ran) {
        co_await pause{f};
        mine.cancel();
        ran++;
        co_await pause{f};
        ran += 100;
    }

    static task<> program(Fixture &f, asyncguest::guest &g, int &sum, int &ran) {
        const auto thread = std::this_thread::get_id();
        auto came = co_await asyncguest::when_all(deep(f, 3), mixed(f, g), deep(f, 0));
        sum = std::get<0>(came) + std::get<1>(came) + std::get<2>(came);
        asyncguest::scope others(g);
        others.spawn(cancelling(f, others, ran));
        co_await deep(f, 2); // later than the first pause of `cancelling`
        others.spawn(deep(f, 2));
        others.cancel();
        g.spawn(throwing(f));
        for (int i = 0; i < 3; i++) // what was cancelled is resumed meanwhile
            co_await pause{f};
        expect(std::this_thread::get_id() == thread);
        g.cancel();
    }

    static void run(Fixture &f) {
        int sum = 0, ran = 0, taken = 0;
        asyncguest::options o;
        o.on_exception = [&] { ++taken; };
        stage s(f, f.make(), std::move(o));
        s.g->spawn(program(f, *s.g, sum, ran), [](asyncguest::outcome<void> came) { came.get(); });
        f.run(*s.host);
        expect(sum == 6 + 4);
        expect(ran == 1);
        expect(taken == 1 && s.dones == 1);
    }
};

#else

template <class Fixture> struct awaits {
    static void run(Fixture &) { throw skipped{"compiled as C++17: there are no coroutines"}; }
};

#endif

#endif
