// What co_await takes from streams, listeners and sockets for datagrams. C++20. Host thread only.
//
// As in await.hpp: an awaitable lives in the frame that waits, and leaves when that is destroyed. What has come
// meanwhile stays where it was; what is being written goes on.
#ifndef ASYNCGUEST_SOCKET_AWAIT_HPP
#define ASYNCGUEST_SOCKET_AWAIT_HPP

#include "await.hpp"
#include "sockets.hpp"

namespace asyncguest {
namespace detail {

/// A coroutine that is a waiter.
template <class Base, class T> class told : public waiting, protected Base {
protected:
    template <class... A>
    explicit told(std::shared_ptr<core> c, A &&...a) : waiting(std::move(c)), Base(std::forward<A>(a)...) {}

    void tell(outcome<T> came) override {
        came_ = std::move(came);
        go_on();
    }
    bool gone() noexcept override { return false; }

    outcome<T> came_;
};

} // namespace detail

/// `co_await stream.read()` and its sisters.
class [[nodiscard]] reading : public detail::told<detail::reader, std::string> {
public:
    reading(std::shared_ptr<detail::stream_state> s, detail::wish w) : told(s->home, std::move(w)), stream_(std::move(s)) {}
    ~reading() { stream_->leave(*this); }

    template <class P> bool await_suspend(std::coroutine_handle<P> h) {
        suspend(h);
        return stream_->join(*this, came_);
    }
    std::string await_resume() { return came_.get(); }

private:
    std::shared_ptr<detail::stream_state> stream_;
};

/// `co_await stream.read(to, size)`.
class [[nodiscard]] reading_into : public reading {
public:
    using reading::reading;

    std::size_t await_resume() {
        reading::await_resume();
        return what.count;
    }
};

/// `co_await stream.write(bytes)`. If the task is destroyed meanwhile, they are sent all the same.
class [[nodiscard]] writing : public detail::waiting {
    struct piece final : detail::outgoing { // the stream's, hence not in the frame
        writing *whom;

        piece(std::string b, writing *w) : outgoing(std::move(b)), whom(w) {}
        ~piece() override {
            if (whom)
                whom->sent_ = nullptr;
        }
        void tell(outcome<void> came) override {
            writing *w = whom;
            delete this;
            if (w) {
                w->came_ = std::move(came);
                w->go_on();
            }
        }
        bool gone() noexcept override {
            std::unique_ptr<piece> self(this);
            try {
                if (whom)
                    detail::later(*whom->core_, [self = std::move(self)]() mutable {
                        self.release()->tell(detail::failed<void>(detail::stream_state::closed()));
                    });
            } catch (...) { // no memory, or the end of the guest, which ends its tasks
            }
            return true;
        }
    };

public:
    writing(std::shared_ptr<detail::stream_state> s, std::string bytes)
        : waiting(s->home), stream_(std::move(s)), piece_(std::make_unique<piece>(std::move(bytes), this)), sent_(piece_.get()) {}
    ~writing() {
        if (sent_)
            sent_->whom = nullptr;
    }

    template <class P> void await_suspend(std::coroutine_handle<P> h) {
        suspend(h);
        if (!piece_)
            throw error(status::order, "this was awaited before");
        stream_->write(std::move(piece_));
    }
    void await_resume() { came_.get(); }

private:
    std::shared_ptr<detail::stream_state> stream_;
    std::unique_ptr<piece> piece_; // until it is the stream's
    piece *sent_;                  // null when it is gone
    outcome<void> came_;
};

/// `co_await g.connect(name, port)` and its sisters: gives a stream.
class [[nodiscard]] connecting : public detail::told<detail::waiter<void>, void> {
public:
    connecting(std::shared_ptr<detail::core> c, stream_options o, detail::opener call)
        : told(std::move(c)), options_(o), call_(std::move(call)) {}
    ~connecting() {
        if (state_)
            state_->opening.leave(*this);
        if (state_)
            state_->close();
    }

    template <class P> void await_suspend(std::coroutine_handle<P> h) {
        suspend(h);
        live();
        state_ = detail::open(core_, options_, call_);
        state_->opening.join(*this);
    }
    stream await_resume() {
        came_.get();
        return stream(std::move(state_));
    }

private:
    stream_options options_;
    detail::opener call_;
    std::shared_ptr<detail::stream_state> state_;
};

/// `co_await listener.accept()`, `co_await socket.receive()`.
template <class S> class [[nodiscard]] arriving : public detail::told<detail::waiter<typename S::value>, typename S::value> {
    using base = detail::told<detail::waiter<typename S::value>, typename S::value>;

public:
    explicit arriving(std::shared_ptr<S> s) : base(s->home), from_(std::move(s)) {}
    ~arriving() { from_->waits.leave(*this); }

    template <class P> bool await_suspend(std::coroutine_handle<P> h) {
        this->suspend(h);
        return from_->join(*this, this->came_);
    }
    typename S::value await_resume() { return this->came_.get(); }

private:
    std::shared_ptr<S> from_;
};

inline reading stream::read() {
    return reading(state(), {detail::wish::some, detail::wish::more});
}

inline reading stream::read_exactly(std::size_t size) {
    return reading(state(), {detail::wish::exactly, size});
}

inline reading stream::read_until(std::string delimiter, std::size_t limit) {
    return reading(state(), until(std::move(delimiter), limit));
}

inline reading_into stream::read(void *to, std::size_t size) {
    return reading_into(state(), {detail::wish::some, size, {}, static_cast<char *>(to)});
}

inline writing stream::write(std::string bytes) {
    return writing(state(), std::move(bytes));
}

inline arriving<detail::listener_state> listener::accept() {
    return arriving<detail::listener_state>(state());
}

inline arriving<detail::datagram_state> datagram_socket::receive() {
    return arriving<detail::datagram_state>(state());
}

inline connecting guest::connect(std::string node, service port, stream_options o) {
    return connecting(core_, o, detail::to_name(std::move(node), std::move(port)));
}

inline connecting guest::connect(std::vector<address> to, stream_options o) {
    return connecting(core_, o, detail::to_addresses(to));
}

inline connecting guest::connect_unix(std::string path, stream_options o) {
    return connecting(core_, o, detail::to_path(std::move(path)));
}

} // namespace asyncguest

#endif
