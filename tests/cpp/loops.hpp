// Two small hosts for the tests, one per drive, and callables that count.
//
// queue_host  drive::thread: a queue of tokens and calls with a condition variable
// poll_host   drive::fd: poll(2) on the guest's fd
// Both run on the thread that makes them; run_until() is their loop, and may be nested.
#ifndef LOOPS_HPP
#define LOOPS_HPP

#include "harness.h"

#include <asyncguest.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using asyncguest::any;
using asyncguest::events;
using asyncguest::guest;
using asyncguest::outcome;
using asyncguest::status;

// What both hosts share: the guest, its exceptions, and the order in which it came and went.
class test_host : public asyncguest::host {
public:
    guest *g = nullptr;
    std::vector<std::string> life;
    std::vector<std::exception_ptr> caught; // what deliver() threw
    int fails_at_attach = 0, fails_at_watch = 0;

    void attached(guest &attaching) override {
        if (fails_at_attach)
            throw std::runtime_error("attach");
        g = &attaching;
        life.push_back("attached");
    }

    void detached(guest &) noexcept override {
        if (std::this_thread::get_id() != thread_)
            FAIL("detached on another thread than the host's");
        g = nullptr;
        life.push_back("detached");
    }

    // Runs the loop until `holds()` or, if it is an error that it never does, for ten seconds.
    template <class F> void run_until(F holds) {
        uint64_t stop = guest_now() + limit(SECONDS(10));
        while (!holds()) {
            if (guest_now() > stop)
                FAIL("the loop ran in vain; %s", thrown().c_str());
            step();
        }
    }

    // What the callbacks have thrown: a callback that fails before it counts is waited for in vain.
    std::string thrown() const {
        std::string all = "exceptions that left callbacks: " + std::to_string(caught.size());
        for (const std::exception_ptr &e : caught)
            try {
                std::rethrow_exception(e);
            } catch (const std::exception &what) {
                all += std::string("\n  ") + what.what();
            } catch (...) {
                all += "\n  not a std::exception";
            }
        return all;
    }

    // Something runs, or a moment passes.
    virtual void step() = 0;

protected:
    void deliver(guest_token_t token) {
        if (!g)
            return;
        try {
            g->deliver(token);
        } catch (...) {
            caught.push_back(std::current_exception());
        }
    }

private:
    std::thread::id thread_ = std::this_thread::get_id();
};

class queue_host : public test_host {
public:
    std::atomic<bool> gone{false};
    std::atomic<int> posts{0}, locals{0};

    bool watches_fd() const noexcept override { return false; }

    int post(guest_token_t token) noexcept override {
        posts++;
        if (gone)
            return GUEST_HOST_GONE;
        std::lock_guard<std::mutex> lock(mutex_);
        queue_.push_back(token);
        changed_.notify_one();
        return 0;
    }

    int post_local(guest_token_t token) noexcept override {
        locals++;
        return post(token);
    }

    void step() override {
        guest_token_t token = 0;
        {
            std::unique_lock<std::mutex> lock(mutex_);
            if (!changed_.wait_for(lock, 2ms, [&] { return !queue_.empty(); }))
                return;
            token = queue_.front();
            queue_.pop_front();
        }
        deliver(token);
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<guest_token_t> queue_;
};

class poll_host : public test_host {
public:
    bool watches_fd() const noexcept override { return true; }

    void watch(guest_os_fd_t fd) override {
        if (fails_at_watch)
            throw std::runtime_error("watch");
        fd_ = static_cast<int>(fd);
        life.push_back("watch");
    }

    void unwatch(guest_os_fd_t fd) noexcept override {
        ASSERT_EQ_I64(fd_, static_cast<int>(fd));
        fd_ = -1;
        life.push_back("unwatch");
    }

    void step() override {
        pollfd watched{};
        watched.fd = static_cast<decltype(watched.fd)>(fd_);
        watched.events = POLLIN;
        if (poll(&watched, 1, 2) > 0)
            deliver(0);
    }

private:
    int fd_ = -1;
};

// The same for a guest without a host.
template <class F> void run_until(guest &g, F holds) {
    for (uint64_t stop = guest_now() + limit(SECONDS(10)); !holds(); g.run(5ms))
        if (guest_now() > stop)
            FAIL("the guest ran in vain");
}

// What a callable went through.
struct tally {
    int calls = 0, drops = 0;
    std::thread::id caller{}, dropper{};
};

// A move-only part of a callable: tells its tally of its one end. Everything else is up to the test.
class counted {
public:
    explicit counted(tally &t) : tally_(&t) {}
    counted(counted &&other) noexcept : tally_(std::exchange(other.tally_, nullptr)) {}
    counted &operator=(counted &&) = delete;
    ~counted() {
        if (!tally_)
            return;
        tally_->drops++;
        tally_->dropper = std::this_thread::get_id();
    }
    void call() const {
        if (tally_->drops)
            FAIL("a callable was called after its end");
        tally_->calls++;
        tally_->caller = std::this_thread::get_id();
    }

private:
    tally *tally_;
};

// A callable that counts and does nothing else; `action` is run if it is given.
inline auto counting(tally &t, std::function<void()> action = {}) {
    return [c = counted(t), action = std::move(action)] {
        c.call();
        if (action)
            action();
    };
}

#define ASSERT_TALLY(want_calls, want_drops, t) \
    do {                                        \
        ASSERT_EQ_I64(want_calls, (t).calls);   \
        ASSERT_EQ_I64(want_drops, (t).drops);   \
    } while (0)

// `call` throws an error with that code.
#define ASSERT_THROWS(want, call)                                                                     \
    do {                                                                                              \
        bool thrown_ = false;                                                                         \
        try {                                                                                         \
            static_cast<void>(call);                                                                  \
        } catch (const asyncguest::error &e_) {                                                       \
            thrown_ = true;                                                                           \
            if (e_.code() != (want))                                                                  \
                FAIL("%s: threw %s, \"%s\"", #call, guest_status_name(e_.code().value()), e_.what()); \
            ASSERT(*e_.what() != '\0');                                                               \
        }                                                                                             \
        if (!thrown_)                                                                                 \
            FAIL("%s: threw nothing", #call);                                                         \
    } while (0)

// A pipe whose ends do not block.
struct channel {
    int in, out;

    channel() {
        int fds[2];
        MUST(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
        in = fds[0];
        out = fds[1];
    }
    channel(const channel &) = delete;
    channel &operator=(const channel &) = delete;
    ~channel() {
        close(in);
        close_out();
    }
    void close_out() {
        if (out >= 0)
            close(out);
        out = -1;
    }
    void write(int bytes = 1) {
        for (int i = 0; i < bytes; i++)
            ASSERT_EQ_I64(1, MUST(::write(out, "x", 1)));
    }
    bool read() {
        char byte;
        return ::read(in, &byte, 1) == 1;
    }
};

#endif
