// Qt 5 and Qt 6; see scenarios.hpp.
#include <asyncguest/qt.hpp>

#include "scenarios.hpp"

#include <QApplication>
#include <QDialog>
#include <QPainter>
#include <QTimer>

namespace {

struct animation : QWidget {
    int painted = 0;
    void paintEvent(QPaintEvent *) override {
        QPainter(this).fillRect(rect(), QColor::fromHsv(++painted % 360, 200, 200));
    }
};

struct qt {
    using host_type = asyncguest::qt_host;
    static constexpr const char *name = QT_VERSION_MAJOR == 5 ? "Qt 5 (C++)" : "Qt 6 (C++)";
    static std::string version() { return qVersion(); }

    QApplication app;
    asyncguest::drive how;
    animation window;
    QTimer ticker;
    QDialog *dialog = nullptr;

    qt(int &argc, char **argv, asyncguest::drive how) : app(argc, argv), how(how) {
        app.setQuitOnLastWindowClosed(false);
        window.show();
        QObject::connect(&ticker, &QTimer::timeout, &window, [this] { window.update(); });
        ticker.start(16);
    }

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(how); }
    void run(host_type &host) { host.run(); }
    void quit() { QCoreApplication::exit(0); } // quit() would close the window, too
    void later(int ms, std::function<void()> f) { QTimer::singleShot(std::chrono::milliseconds(ms), Qt::PreciseTimer, &app, f); }
    const char *no_modal() { return nullptr; }
    void modal() {
        QDialog box(&window);
        dialog = &box;
        box.exec();
        dialog = nullptr;
    }
    void end_modal() { dialog->accept(); }
    std::unique_ptr<host_type> begin_own() { return make(); }
    void own_loop() { QApplication::exec(); }
    bool guest_ends_with_own_loop() { return true; }
    int frames() { return window.painted; }
    bool animated = true;
    void animate(bool on) { (animated = on) ? ticker.start(16) : ticker.stop(); }
    bool steps() { return false; }
    const char *lose() {
        for (int type = QEvent::MaxUser; type > QEvent::MaxUser - 8; type--) // Qt itself needs those of its own
            QCoreApplication::removePostedEvents(nullptr, type);
        return nullptr;
    }
    void settle() { QCoreApplication::processEvents(); }
};

/// A guest in the event loop of a QThread, which ends: so does the guest, on that thread.
bool lives_in_a_qthread(asyncguest::drive how) {
    struct worker final : QThread {
        asyncguest::drive how;
        int ticks = 0, dones = 0;
        bool on_this_thread = true;
        std::string thrown;

        void run() override {
            asyncguest::qt_host host(how);
            asyncguest::options o;
            o.on_done = [this](asyncguest::status) { dones += QThread::currentThread() == this; };
            asyncguest::guest g(host, std::move(o));
            auto tick = g.every(std::chrono::milliseconds(2), [this] {
                on_this_thread = on_this_thread && QThread::currentThread() == this;
                if (++ticks == 5)
                    throw std::runtime_error("out of a callback");
            });
            exec();
            try {
                host.rethrow();
            } catch (const std::runtime_error &e) {
                thrown = e.what();
            }
        }
    } thread;
    thread.how = how;
    thread.start();
    return thread.wait(10000) && thread.ticks == 5 && thread.on_this_thread && thread.dones == 1 &&
           thread.thrown == "out of a callback";
}

#if ASYNCGUEST_HAS_COROUTINES

/// `co_await signal_awaiter(sender, &Sender::signal)`: as QCoro and others have it.
template <class Sender, class Signal> struct signal_awaiter {
    Sender *sender;
    Signal which;
    QMetaObject::Connection connection{};

    signal_awaiter(Sender *sender, Signal which) : sender(sender), which(which) {}
    signal_awaiter(const signal_awaiter &) = delete;
    ~signal_awaiter() { QObject::disconnect(connection); }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
        connection = QObject::connect(sender, which, [this, h] {
            QObject::disconnect(connection);
            h.resume();
        });
    }
    void await_resume() const noexcept {}
};

} // namespace

template <class Sender, class Signal> inline constexpr bool asyncguest::deregisters<signal_awaiter<Sender, Signal>> = true;

namespace {

struct signals_seen {
    int inner = 0, outer = 0, taken = 0;
};

asyncguest::task<> one(QTimer &timer, signals_seen &seen) {
    co_await signal_awaiter(&timer, &QTimer::timeout);
    seen.inner++;
}

asyncguest::task<> some(asyncguest::guest &g, asyncguest::scope &mine, QTimer &timer, signals_seen &seen) {
    for (int i = 0; i < 3; i++)
        co_await one(timer, seen);
    co_await asyncguest::when_all(one(timer, seen), one(timer, seen));
    seen.outer++;
    g.spawn([](QTimer &timer) -> asyncguest::task<> {
        co_await signal_awaiter(&timer, &QTimer::timeout);
        throw std::runtime_error("inside a slot");
    }(timer));
    co_await one(timer, seen);
    co_await one(timer, seen);
    g.after(std::chrono::milliseconds(1), [] { QCoreApplication::exit(0); }).release();
    mine.cancel(); // itself, inside a slot
    seen.outer++;
    co_await one(timer, seen);
    seen.outer = -1;
}

/// Tasks that await signals, are cancelled inside of slots, and throw there, which Qt must not notice.
bool awaits_signals(asyncguest::drive how) {
    signals_seen seen;
    QTimer timer;
    timer.start(1);
    asyncguest::qt_host host(how);
    asyncguest::options o;
    o.on_exception = [&] { seen.taken++; };
    asyncguest::guest g(host, std::move(o));
    asyncguest::scope tasks(g);
    tasks.spawn(some(g, tasks, timer, seen));
    host.run();
    return seen.inner == 7 && seen.outer == 2 && seen.taken == 1 && tasks.empty();
}

#else

bool awaits_signals(asyncguest::drive) {
    std::puts("skipped signals: compiled as C++17, there are no coroutines");
    return true;
}

#endif

} // namespace

int main(int argc, char **argv) {
    if (argc > 1 && std::string(argv[1]) == "qthread") {
        QCoreApplication app(argc, argv);
        const bool lives = lives_in_a_qthread(asyncguest::drive::fd) && lives_in_a_qthread(asyncguest::drive::thread);
        std::printf("%s  qthread\n", lives ? "ok    " : "FAILED");
        return !lives;
    }
    if (argc > 1 && std::string(argv[1]) == "signals") {
        QCoreApplication app(argc, argv);
        const bool awaits = awaits_signals(asyncguest::drive::fd) && awaits_signals(asyncguest::drive::thread);
        std::printf("%s  signals\n", awaits ? "ok    " : "FAILED");
        return !awaits;
    }
    return run_host<qt>(argc, argv);
}
