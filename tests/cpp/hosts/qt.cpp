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

} // namespace

int main(int argc, char **argv) {
    if (argc > 1 && std::string(argv[1]) == "qthread") {
        QCoreApplication app(argc, argv);
        const bool lives = lives_in_a_qthread(asyncguest::drive::fd) && lives_in_a_qthread(asyncguest::drive::thread);
        std::printf("%s  qthread\n", lives ? "ok    " : "FAILED");
        return !lives;
    }
    return run_host<qt>(argc, argv);
}
