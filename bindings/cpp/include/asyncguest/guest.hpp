// guest: a reactor inside somebody else's main loop. Host thread only, unless a function says otherwise; the host
// thread is the one that constructs it.
#ifndef ASYNCGUEST_GUEST_HPP
#define ASYNCGUEST_GUEST_HPP

#include "address.hpp"
#include "callable.hpp"
#include "datagram.hpp"
#include "listener.hpp"
#include "poster.hpp"
#include "source.hpp"
#include "stream.hpp"

namespace asyncguest {

#if ASYNCGUEST_HAS_COROUTINES
template <class T = void> class task;
class sleeping;
class fd_waiting;
class resolving;
class child_waiting;
class connecting;
template <class F> class working;
#endif

/// Neither copied nor moved: the host and the callbacks refer to it. Usually a member of what owns the window, or a
/// local variable around the main loop; the host must outlive it.
class guest {
public:
    using options = asyncguest::options;

    /// Starts a guest on `h`, whose loop may run already or later.
    explicit guest(host &h, options o = {}) : guest(&h, h.watches_fd() ? drive::fd : drive::thread, std::move(o)) {}

    /// A guest without a host: run() is its loop, or a deliver() per frame.
    explicit guest(options o = {}) : guest(nullptr, drive::run, std::move(o)) {}

    /// Ends the guest if it has not ended: tasks and callbacks are destroyed, work that is running is abandoned, the
    /// I/O thread is joined within a second. Inside a callback of this guest, that happens when the outermost
    /// delivery returns. On another thread than the host's it does nothing but part from the host.
    ~guest() {
        core_->leave_host();
        core_->owner = nullptr;
        if (core_->g) {
            uint32_t state;
            bool forked = guest_state(core_->g, &state) == GUEST_EFORKED;
            bool was_ended = core_->ended;
            guest_free(core_->g);
            if (forked || core_->ended || was_ended)
                core_->g = nullptr;
        }
        if (!core_->ended) // it happens later, or never
            core_->guard->shut();
        else if (core_->frames == 0)
            core_->let_go();
    }

    guest(const guest &) = delete;
    guest &operator=(const guest &) = delete;

    /// Runs what is due, without waiting: what a host calls with its token, or with 0 for "whatever is due".
    /// Returns GUEST_OK, or what is harmless: GUEST_ESTALE, GUEST_EINLINE, GUEST_ECLOSED, GUEST_EHOSTGONE.
    guest_status_t deliver(guest_token_t token = 0) {
        auto core = core_;
        return harmless(core->run([&] { return guest_deliver_batch(core->g, token); }));
    }

    /// The same with a budget for this call alone: a game loop, once per frame. At least one callback runs.
    template <class Rep, class Period>
    guest_status_t deliver_for(std::chrono::duration<Rep, Period> budget, guest_token_t token = 0) {
        auto core = core_;
        return harmless(core->run([&] { return guest_deliver_batch_for(core->g, token, detail::nanoseconds(budget)); }));
    }

    /// Waits and delivers on this thread, in any drive, until the guest has ended (true) or the time is over.
    template <class Rep = std::chrono::nanoseconds::rep, class Period = std::nano>
    bool run(std::chrono::duration<Rep, Period> timeout = never) {
        auto core = core_;
        const uint64_t time = detail::nanoseconds(timeout), begin = guest_now();
        for (uint64_t left = time;;) {
            bool ended = in_time(core->run([&] { return guest_run(core->g, left); }));
            if (!ended || core->ended)
                return ended;
            uint64_t spent = guest_now() - begin; // on_exception took one: on with the rest
            if (spent >= time)
                return false;
            left = time == GUEST_FOREVER ? time : time - spent;
        }
    }

    /// Ends the guest without the host's help; waits that long for work that is running. false: it still runs.
    /// Not inside a callback (status::order): use cancel() there.
    template <class Rep, class Period> bool shutdown(std::chrono::duration<Rep, Period> deadline) {
        auto core = core_;
        return in_time(core->run([&] { return guest_shutdown(core->g, detail::nanoseconds(deadline)); })) && core->ended;
    }

    /// Asks the guest to end: the next delivery destroys tasks and callbacks and calls on_done. Thread: any.
    void cancel() { detail::demand(guest_cancel(core_->g)); }

    /// Asks for a delivery, even if nothing is due. Thread: any, also in a signal handler.
    void wake() {
        guest_status_t status = guest_wake(core_->g);
        if (status != GUEST_ECLOSED)
            detail::demand(status);
    }

    /// Asks for a delivery after that time, even if nothing is due then: for a program that keeps timers of its own and
    /// needs one wake-up, for the earliest of them. Replaces the one before, which `never` does for good, and is forgotten
    /// when it has come.
    template <class Rep, class Period> void deadline(std::chrono::duration<Rep, Period> delay) {
        uint64_t now = guest_now(), wait = detail::nanoseconds(delay);
        detail::demand(guest_deadline(core_->g, wait < GUEST_FOREVER - now ? now + wait : GUEST_FOREVER));
    }

    /// Whether the guest has ended.
    bool done() const noexcept { return core_->ended; }

    /// For calls of asyncguest.h. Stays the guest object's.
    guest_t *get() const noexcept { return core_->g; }

    asyncguest::drive drive() const noexcept { return drive_; }

    /// The fd that the host watches: drive::fd, and for tests drive::run.
    guest_os_fd_t fd() const {
        guest_os_fd_t fd;
        detail::demand(guest_fd(core_->g, &fd));
        return fd;
    }

    /// Thread: any.
    guest_stats_t stats() const {
        return detail::asked<guest_stats_t>([&](auto *to) { return guest_stats(core_->g, to); });
    }

    /// Calls `f(events)` or `f()` as long as `fd` is ready for `interest`, or has failed or hung up. The fd is
    /// borrowed: close the source first. One registration per fd and guest.
    template <class F, class = detail::enable_callback<F, events>>
    [[nodiscard]] fd_source on_fd(guest_os_fd_t fd, events interest, F &&f) {
        using fn = std::decay_t<F>;
        auto ready = [](guest_t *, guest_id_t, uint32_t got, void *data) {
            detail::call(detail::box<fn>::of(data), static_cast<events>(got));
        };
        return add<fd_source>(std::forward<F>(f), [&](auto... rest) {
            return guest_fd_add(core_->g, fd, static_cast<uint32_t>(interest), ready, rest...);
        });
    }

    /// Calls `f()` or `f(expirations)` every `period`. Late, it does not fire in bursts: `expirations` counts.
    template <class Rep, class Period, class F, class = detail::enable_callback<F, uint64_t>>
    [[nodiscard]] timer every(std::chrono::duration<Rep, Period> period, F &&f) {
        uint64_t time = detail::nanoseconds(period);
        if (time == 0)
            throw error(status::invalid, "a period of 0 would never let the host have its turn: use after(), or post()");
        return add_timer(time, time, std::forward<F>(f));
    }

    /// Calls `f()` once after `delay`, never early.
    template <class Rep, class Period, class F, class = detail::enable_callback<F, uint64_t>>
    [[nodiscard]] timer after(std::chrono::duration<Rep, Period> delay, F &&f) {
        return add_timer(detail::nanoseconds(delay), 0, std::forward<F>(f));
    }

    /// Calls `f(count)` or `f()` when the signal has arrived, `count` times since the last call.
    template <class F, class = detail::enable_callback<F, unsigned>>
    [[nodiscard]] source on_signal(int signum, F &&f) {
        using fn = std::decay_t<F>;
        auto arrived = [](guest_t *, guest_id_t, int32_t, uint32_t count, void *data) {
            detail::call(detail::box<fn>::of(data), static_cast<unsigned>(count));
        };
        return add(std::forward<F>(f), [&](auto... rest) { return guest_signal_add(core_->g, signum, arrived, rest...); });
    }

    /// Calls `f(exit_status)` or `f()` once when that child of this process has ended, and reaps it.
    template <class F, class = detail::enable_callback<F, exit_status>>
    [[nodiscard]] source on_child(int pid, F &&f) {
        using fn = std::decay_t<F>;
        auto ended = [](guest_t *, guest_id_t, int32_t code, int32_t signal, void *data) {
            detail::call(detail::box<fn>::of(data), exit_status{code, signal});
        };
        return add(std::forward<F>(f), [&](auto... rest) { return guest_child_add(core_->g, pid, ended, rest...); });
    }

    /// Runs `f()` on the host thread, soon. Thread: any that cannot outlive the guest; others use a poster.
    template <class F, class = detail::enable_callback<F>> void post(F &&f) {
        using fn = std::decay_t<F>;
        detail::enrol(detail::boxed(std::forward<F>(f)), [&](void *data, guest_drop_fn drop, guest_id_t *) {
            return guest_post(core_->g, &detail::run_post<fn>, data, drop);
        });
    }

    /// The right to post, which may outlive the guest. Thread: any.
    poster make_poster() const { return poster(core_->g); }

    /// Runs `job()` on a thread of the guest's pool, then `then(outcome)` on the host thread: an outcome<R>, R what
    /// `job` returns, or the exception that it threw. Both are destroyed on the host thread; if the guest is
    /// destroyed while `job` runs, on the pool's.
    template <class J, class G, class R = std::invoke_result_t<std::decay_t<J> &>,
              class = detail::enable_callback<G, outcome<R>>>
    void work(J &&job, G &&then) {
        struct piece {
            std::decay_t<J> job;
            std::decay_t<G> then;
            outcome<R> result{};

            static void drop(void *data) noexcept { delete static_cast<piece *>(data); }
        };
        auto body = [](void *data) noexcept {
            auto *p = static_cast<piece *>(data);
            p->result.run(p->job);
        };
        auto finished = [](guest_t *, guest_id_t, void *data) {
            auto *p = static_cast<piece *>(data);
            detail::call(p->then, std::move(p->result));
        };
        std::unique_ptr<piece> owned(new piece{std::forward<J>(job), std::forward<G>(then)});
        detail::enrol(std::move(owned), [&](auto... rest) { return guest_work(core_->g, body, finished, rest...); });
    }

    /// Resolves a name on the guest's pool, then calls `f(addresses)`: an outcome with a vector<address>, or with a
    /// resolve_error. An empty name is the local host.
    template <class F, class = detail::enable_callback<F, addresses>>
    void resolve(const std::string &node, const service &port, F &&f, resolve_hints hints = {}) {
        using fn = std::decay_t<F>;
        auto found = [](guest_t *, guest_id_t, guest_status_t status, int32_t gai_error, const guest_address_t *first,
                        size_t count, void *data) {
            detail::call(detail::box<fn>::of(data), detail::resolved(status, gai_error, first, count));
        };
        detail::enrol(detail::boxed(std::forward<F>(f)), [&](auto... rest) {
            return guest_resolve(core_->g, detail::text_or_null(node), detail::text_or_null(port.name), hints.family,
                                 hints.socktype, hints.flags, found, rest...);
        });
    }

    /// Connects by TCP to the first address of a name that answers; calls `f(outcome<void>)` when the connection stands or
    /// could not be made, with a resolve_error or the system's. The stream can be written to and read from at once.
    template <class F, class = detail::enable_callback<F, outcome<void>>>
    [[nodiscard]] stream connect(const std::string &node, const service &port, F &&f, stream_options o = {});
    /// The same for addresses that are known,
    template <class F, class = detail::enable_callback<F, outcome<void>>>
    [[nodiscard]] stream connect(const std::vector<address> &to, F &&f, stream_options o = {});
    /// and for a Unix socket.
    template <class F, class = detail::enable_callback<F, outcome<void>>>
    [[nodiscard]] stream connect_unix(const std::string &path, F &&f, stream_options o = {});
    /// Makes a stream of a connected socket, which belongs to it from then on.
    [[nodiscard]] stream adopt_stream(guest_os_fd_t fd, stream_options o = {});

    /// Listens by TCP at an address in numbers; an empty one is all of this machine's, port 0 one that the system chooses.
    [[nodiscard]] listener listen(const std::string &node, const service &port, listen_options o = {});
    /// Listens at a path, which stays when the listener has gone, and is yours to remove.
    [[nodiscard]] listener listen_unix(const std::string &path, listen_options o = {});
    /// Makes a listener of a socket that listens, which belongs to it from then on.
    [[nodiscard]] listener adopt_listener(guest_os_fd_t fd, listen_options o = {});

    /// Binds a UDP socket to an address in numbers, as in listen().
    [[nodiscard]] datagram_socket bind_udp(const std::string &node, const service &port, datagram_options o = {});
    /// Makes one of a socket for datagrams, which belongs to it from then on.
    [[nodiscard]] datagram_socket adopt_udp(guest_os_fd_t fd, datagram_options o = {});

#if ASYNCGUEST_HAS_COROUTINES // see task.hpp, await.hpp and socket_await.hpp
    template <class Rep, class Period> sleeping sleep(std::chrono::duration<Rep, Period> delay);
    fd_waiting readable(guest_os_fd_t fd);
    fd_waiting writable(guest_os_fd_t fd);
    resolving resolve(std::string node, service port, resolve_hints hints = {});
    child_waiting child(int pid);
    template <class F> working<std::decay_t<F>> work(F &&job);
    connecting connect(std::string node, service port, stream_options o = {});
    connecting connect(std::vector<address> to, stream_options o = {});
    connecting connect_unix(std::string path, stream_options o = {});

    template <class T> void spawn(task<T> work);
    template <class T, class F, class = detail::enable_callback<F, outcome<T>>> void spawn(task<T> work, F &&on_end);
#endif

    /// For the parts of this library.
    const std::shared_ptr<detail::core> &core() const noexcept { return core_; }

private:
    guest(host *h, asyncguest::drive d, options o) : core_(std::make_shared<detail::core>()), drive_(d) {
        core_->owner = this;
        core_->loop = h;
        core_->guard = std::make_shared<detail::call_guard>(h, std::move(o.on_stall));
        core_->on_done = std::move(o.on_done);
        core_->on_exception = std::move(o.on_exception);
        core_->self = core_;
        try {
            start(o);
        } catch (...) {
            core_->leave_host();
            core_->on_done = nullptr; // nobody has had this guest
            core_->owner = nullptr;
            guest_free(core_->g);
            core_->g = nullptr;
            core_->let_go();
            throw;
        }
    }

    void start(const options &o) {
        auto raw_host = detail::sized<guest_host_t>();
        raw_host.data = core_.get();
        raw_host.post = &detail::core::post;
        raw_host.post_local = &detail::core::post_local;
        raw_host.done = &detail::core::done;
        raw_host.on_stall = core_->guard->on_stall ? &detail::core::stalled : nullptr;
        auto raw = detail::sized<guest_options_t>();
        raw.drive = static_cast<uint32_t>(drive_);
        raw.batch_budget = detail::nanoseconds(o.batch_budget);
        raw.nested_after = detail::nanoseconds(o.nested_after);
        raw.repost_after = detail::nanoseconds(o.repost_after);
        raw.stall_after = detail::nanoseconds(o.stall_after);
        raw.work_threads = o.work_threads;
        detail::demand(guest_start(&raw_host, &raw, &core_->g));
        if (!core_->loop)
            return;
        core_->loop->attached(*this);
        core_->attached = true;
        if (drive_ == asyncguest::drive::fd) {
            core_->loop->watch(fd());
            core_->watched = true;
        }
    }

    template <class F> timer add_timer(uint64_t delay, uint64_t period, F &&f) {
        using fn = std::decay_t<F>;
        auto expired = [](guest_t *, guest_id_t, uint64_t expirations, void *data) {
            detail::call(detail::box<fn>::of(data), expirations);
        };
        return add<timer>(std::forward<F>(f), [&](auto... rest) {
            return guest_timer_add(core_->g, delay, period, expired, rest...);
        });
    }

    /// Registers a callable by `call(data, drop, id_out)`.
    template <class S = source, class F, class Call> S add(F &&f, Call call) {
        return S(core_, detail::enrol(detail::boxed(std::forward<F>(f)), call));
    }

    static guest_status_t harmless(guest_status_t status) {
        if (status != GUEST_ESTALE && status != GUEST_EINLINE && status != GUEST_ECLOSED && status != GUEST_EHOSTGONE)
            detail::demand(status);
        return status;
    }

    /// GUEST_ECLOSED: inside a callback of a guest that was cancelled; it ends later.
    static bool in_time(guest_status_t status) {
        if (status == GUEST_ETIMEDOUT || status == GUEST_ECLOSED)
            return false;
        detail::demand(status);
        return true;
    }

    std::shared_ptr<detail::core> core_;
    const asyncguest::drive drive_;
};

} // namespace asyncguest

#endif
