// stream: a connection that the guest reads and writes. Host thread only.
//
// It is paused but while somebody reads. What comes then is put into `inbox`, and from there into what is asked for, so
// that a read that is given up, or that asks for less, loses nothing.
#ifndef ASYNCGUEST_STREAM_HPP
#define ASYNCGUEST_STREAM_HPP

#include "address.hpp"
#include "waiter.hpp"

#include <cstring>
#include <new>
#include <string_view>

namespace asyncguest {

/// How a stream shall behave.
struct stream_options {
    bool no_delay = false;   ///< TCP: small writes are not held back
    bool keep_alive = false; ///< TCP: the system asks a silent peer now and then whether it is still there
    uint64_t read_ahead = 0; ///< bytes that may be read while a read waits and the host is away; drive::thread alone
};

/// The end of the stream (status::closed), or the limit of read_until (status::size), came before all that was asked for.
/// What has come stays in the stream: read() gives it.
class incomplete_read : public error {
public:
    using error::error;
};

#if ASYNCGUEST_HAS_COROUTINES
class reading;
class reading_into;
class writing;
#endif

namespace detail {

/// What was read and nobody has taken yet.
class inbox {
public:
    std::string_view view() const noexcept { return std::string_view(bytes_).substr(from_); }

    void append(const void *data, std::size_t size) {
        bytes_.erase(0, std::exchange(from_, 0));
        bytes_.append(static_cast<const char *>(data), size);
    }

    /// The first `size` bytes; without a copy if that is all.
    std::string take(std::size_t size) {
        if (from_ == 0 && size == bytes_.size())
            return std::exchange(bytes_, {});
        std::string first(view().substr(0, size));
        drop(size);
        return first;
    }

    void take(std::size_t size, char *to) noexcept {
        std::memcpy(to, bytes_.data() + from_, size);
        drop(size);
    }

private:
    void drop(std::size_t size) noexcept {
        from_ += size;
        if (from_ == bytes_.size()) {
            bytes_.clear();
            from_ = 0;
        }
    }

    std::string bytes_;
    std::size_t from_ = 0;
};

/// What a read asks for: `size` bytes at most, or just so many, or up to `delimiter` and no more than `size`.
struct wish {
    enum kind_type { some,
                     exactly,
                     until } kind;
    std::size_t size;
    std::string delimiter{};
    char *to = nullptr;       // where the bytes go if not into a string,
    std::size_t count = 0;    // and how many went there
    std::size_t searched = 0; // so many have no delimiter

    static constexpr std::size_t more = std::string::npos;

    /// How many of those that have come will do; or there must be more.
    std::size_t enough(std::string_view have) {
        if (kind != until)
            return kind == some && !have.empty() ? (std::min)(size, have.size()) : have.size() >= size ? size
                                                                                                       : more;
        std::size_t at = have.find(delimiter, searched);
        if (at != more)
            return at + delimiter.size() <= size ? at + delimiter.size() : more;
        searched = have.size() - (std::min)(have.size(), delimiter.size() - 1);
        return more;
    }

    bool is_over_limit(std::string_view have) const { return kind == until && have.size() >= size; }
};

/// Who reads.
struct reader : waiter<std::string> {
    explicit reader(wish w) : what(std::move(w)) {}
    wish what;
};

/// Bytes that are being sent, and who waits for that; frees itself when it is told.
struct outgoing : waiter<void> {
    explicit outgoing(std::string b) : bytes(std::move(b)) {}
    const std::string bytes;
};

/// What the functions of asyncguest.h are told by, as an exception.
inline std::exception_ptr connection_error(guest_status_t status, int32_t os_error) {
    if (status == GUEST_ERESOLVE)
        return std::make_exception_ptr(resolve_error(os_error));
    std::string text = status == GUEST_EOS ? "the connection failed: " + std::system_category().message(os_error)
                                           : category().message(status);
    return std::make_exception_ptr(error(static_cast<asyncguest::status>(status), text, os_error));
}

struct stream_state : shared_state<stream_state> {
    using shared_state::shared_state;

    /// Makes one by `call(options, data, drop, id_out)`, a function of asyncguest.h.
    template <class Call>
    static std::shared_ptr<stream_state> make(std::shared_ptr<core> c, const stream_options &o, Call call) {
        auto made = std::make_shared<stream_state>(std::move(c));
        auto raw = sized<guest_stream_options_t>();
        raw.opened = &on_opened;
        raw.read = &on_read;
        raw.closed = &on_closed;
        raw.read_ahead = o.read_ahead;
        raw.flags = GUEST_STREAM_PAUSED | (o.no_delay ? GUEST_STREAM_NODELAY : 0u) | (o.keep_alive ? GUEST_STREAM_KEEPALIVE : 0u);
        made->enrol_by([&](void *data, guest_drop_fn drop, guest_id_t *id) { return call(&raw, data, drop, id); });
        return made;
    }

    slot<waiter<void>> opening;
    slot<reader> reads;

    bool gone() noexcept {
        bool first = opening.gone(), second = reads.gone();
        return first || second;
    }
    void tell_closed() {
        opening.tell(failed<void>(closed()));
        reads.tell(failed<std::string>(closed()));
    }

    guest_t *live() const {
        if (failure_)
            std::rethrow_exception(failure_);
        return shared_state::live();
    }

    // ---- reading

    /// Lets `r` wait. false: for nothing, as `came` has what there is.
    bool join(reader &r, outcome<std::string> &came) {
        reads.vacant();
        if (has(r.what)) {
            came.run([&] { return take(r.what); });
            return false;
        }
        demand(guest_stream_resume(live(), id));
        reads.join(r);
        return true;
    }

    /// The same for a callable, which is called in a delivery.
    template <class F> void join_callable(wish what, F &&f) {
        auto r = std::make_unique<calling<reader, std::string, std::decay_t<F>>>(std::forward<F>(f), std::move(what));
        reads.vacant();
        if (has(r->what))
            later(*home, [held = shared_from_this()] { held->serve(); });
        else
            demand(guest_stream_resume(live(), id));
        reads.join(*r.release());
    }

    /// It waits no more.
    void leave(const reader &r) noexcept {
        if (reads.leave(r))
            pause();
    }

    // ---- writing

    void write(std::unique_ptr<outgoing> o) {
        guest_buffer_t buffer{o->bytes.data(), o->bytes.size()};
        demand(guest_stream_write(live(), id, &buffer, 1, &on_written, o.get()));
        static_cast<void>(o.release()); // on_written's
    }

    guest_stream_info_t info() const {
        return asked<guest_stream_info_t>([&](auto *to) { return guest_stream_info(live(), id, to); });
    }

private:
    /// Whether that can be answered, if by an error.
    bool has(wish &what) {
        return what.enough(inbox_.view()) != wish::more || ended_ || failure_ || what.is_over_limit(inbox_.view());
    }

    std::string take(wish &what) {
        std::size_t size = what.enough(inbox_.view());
        if (size == wish::more) {
            if (what.is_over_limit(inbox_.view()))
                throw incomplete_read(status::size, "read_until: no delimiter within the limit of " + std::to_string(what.size) +
                                                        " bytes; read() gives what has come");
            if (!ended_)
                std::rethrow_exception(failure_);
            if (what.kind != wish::some)
                throw incomplete_read(status::closed, "the stream has ended before all that was asked for had come; read() "
                                                      "gives what has");
            size = 0;
        }
        if (!what.to)
            return inbox_.take(size);
        inbox_.take(what.count = size, what.to);
        return {};
    }

    void serve() {
        reader *r = reads.get();
        if (!r || !has(r->what))
            return;
        pause(); // a read that follows in here resumes it, which costs nothing then
        outcome<std::string> came;
        came.run([&] { return take(r->what); });
        reads.tell(std::move(came));
    }

    void pause() noexcept {
        if (id && home->live())
            guest_stream_pause(home->g, id); // GUEST_ECLOSED: the guest ends
    }

    /// Two may wait, and the first may throw: so the second has a call of its own.
    void fail(std::exception_ptr why) {
        failure_ = why;
        id = 0;
        if (!opening.get())
            return serve();
        if (reads.get())
            later(*home, [held = shared_from_this()] { held->serve(); });
        opening.tell(failed<void>(why));
    }

    static void on_opened(guest_t *, guest_id_t, void *data) {
        outcome<void> stands;
        stands.set();
        of(data)->opening.tell(std::move(stands));
    }

    static void on_read(guest_t *g, guest_id_t stream, const void *bytes, size_t size, void *data) {
        auto held = of(data);
        try {
            held->inbox_.append(bytes, size);
        } catch (const std::bad_alloc &) { // a stream with a gap is none
            guest_close(g, stream);
            return held->fail(connection_error(GUEST_ENOMEM, 0));
        }
        held->ended_ = size == 0;
        held->serve();
    }

    static void on_closed(guest_t *, guest_id_t, guest_status_t status, int32_t os_error, void *data) {
        auto held = of(data);
        if (status != GUEST_OK)
            return held->fail(connection_error(status, os_error));
        held->id = 0;
        held->ended_ = true;
        held->serve();
    }

    static void on_written(guest_t *, guest_id_t, guest_status_t status, int32_t os_error, void *data) {
        auto *o = static_cast<outgoing *>(data);
        if (status == GUEST_ECLOSED)
            return static_cast<void>(o->gone());
        outcome<void> sent;
        if (status == GUEST_OK)
            sent.set();
        else
            sent.fail(connection_error(status, os_error));
        o->tell(std::move(sent));
    }

    inbox inbox_;
    bool ended_ = false;         // the peer writes no more
    std::exception_ptr failure_; // why it is broken
};

} // namespace detail

/// A connection. Made by guest::connect and its sisters, and by a listener. Destroying it ends it at once, and what waits to
/// be sent is given up: finish() does not. One read at a time; any number of writes, which are sent in order.
///
/// Each function that waits takes a callable, which is called once, in a later delivery, with an outcome or without;
/// it is destroyed uncalled if the stream is closed or its guest ends. In C++20 the same without the callable can be awaited.
class stream : public detail::handle<detail::stream_state> {
public:
    using handle::handle;

    /// The next bytes; none at the end of the stream.
    template <class F, class = detail::enable_callback<F, outcome<std::string>>> void read(F &&f) {
        state()->join_callable({detail::wish::some, detail::wish::more}, std::forward<F>(f));
    }

    /// The next `size` bytes, or incomplete_read.
    template <class F, class = detail::enable_callback<F, outcome<std::string>>> void read_exactly(std::size_t size, F &&f) {
        state()->join_callable({detail::wish::exactly, size}, std::forward<F>(f));
    }

    /// All up to `delimiter`, and with it; or incomplete_read, also if it does not end within `limit` bytes.
    template <class F, class = detail::enable_callback<F, outcome<std::string>>>
    void read_until(std::string delimiter, F &&f, std::size_t limit = 65536) {
        state()->join_callable(until(std::move(delimiter), limit), std::forward<F>(f));
    }

    /// Sends `bytes`; calls `f(outcome<void>)` when the system has taken all of them, or the connection has broken.
    template <class F, class = detail::enable_callback<F, outcome<void>>> void write(std::string bytes, F &&f) {
        state()->write(std::make_unique<detail::calling<detail::outgoing, void, std::decay_t<F>>>(std::forward<F>(f), std::move(bytes)));
    }

    /// Sends `bytes`, and does not tell when that is done; they are copied if they have to wait. queued() says how many do.
    void send(std::string_view bytes) {
        guest_buffer_t buffer{bytes.data(), bytes.size()};
        detail::demand(guest_stream_write(state()->live(), id(), &buffer, 1, nullptr, nullptr));
    }

#if ASYNCGUEST_HAS_COROUTINES // see socket_await.hpp
    reading read();
    reading read_exactly(std::size_t size);
    reading read_until(std::string delimiter, std::size_t limit = 65536);
    /// Reads into `size` bytes at `to`, which must stay until then; gives how many, 0 at the end.
    reading_into read(void *to, std::size_t size);
    writing write(std::string bytes);
#endif

    /// Ends the writing side when all is sent: the peer reads the end. Reading goes on.
    void shutdown() { detail::demand(guest_stream_shutdown(state()->live(), id())); }

    /// Gives it up: it ends by itself when all is sent, and the handle is empty. What the peer has sent and nobody has read
    /// makes the system reset the connection; to be sure that the peer gets all, shutdown() and read to the end.
    void finish() {
        detail::demand(guest_stream_close(state()->live(), id()));
        auto last = std::move(state_);
        last->id = 0; // the guest's from now on
        last->close();
    }

    /// Bytes that wait to be sent.
    uint64_t queued() const { return info().queued; }
    address local() const { return address(info().local); }
    address peer() const { return address(info().peer); }
    /// The rest: counters, the socket.
    guest_stream_info_t info() const { return state()->info(); }

private:
    friend class reading;

    static detail::wish until(std::string delimiter, std::size_t limit) {
        if (delimiter.empty())
            throw error(status::invalid, "read_until: the delimiter is empty, so that there is nothing to wait for");
        return {detail::wish::until, limit, std::move(delimiter)};
    }
};

} // namespace asyncguest

#endif
