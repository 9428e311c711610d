// qt_host: a guest in Qt's event loop; Qt 5.12 or newer, Qt 6. Needs QtCore, and no moc. See docs/hosts/cpp-qt.md.
#ifndef ASYNCGUEST_QT_HPP
#define ASYNCGUEST_QT_HPP

#include <asyncguest/loop_host.hpp>

#include <QCoreApplication>
#include <QEvent>
#include <QObject>
#include <QSocketNotifier>
#include <QThread>

#include <memory>

namespace asyncguest {

/// The event loop of the thread that makes it: the application's, or that of a QThread. Qt must run already, that is, the
/// QApplication exists. Nested loops (QDialog::exec(), menus, drags, QEventLoop) serve the guest, too.
///
///     QApplication app(argc, argv);
///     asyncguest::qt_host host;
///     asyncguest::guest guest(host);
///     return host.run();
///
/// When the application is about to quit (aboutToQuit), or the QThread ends, the guest is shut down.
class qt_host final : public loop_host {
public:
    /// `how`: drive::fd has a QSocketNotifier watch the guest's fd; drive::thread has a thread of the library post events.
    /// Throws error (status::order) if there is no QCoreApplication.
    explicit qt_host(drive how = drive::fd) : loop_host(how), turns_(*this) {
        QCoreApplication *app = QCoreApplication::instance();
        if (!app)
            throw error(status::order, "there is no QCoreApplication yet: make it first, then the qt_host");
        in_main_thread_ = turns_.thread() == app->thread();
        auto ended = [this] { over(); };
        if (in_main_thread_)
            QObject::connect(app, &QCoreApplication::aboutToQuit, &turns_, ended, Qt::DirectConnection);
        else
            QObject::connect(turns_.thread(), &QThread::finished, &turns_, ended, Qt::DirectConnection);
    }

    /// Runs the event loop, as QCoreApplication::exec() does, and throws what a callback has thrown. In a QThread call its
    /// exec() instead, and rethrow().
    int run() {
        rethrow();
        const int code = QCoreApplication::exec();
        over(); // Qt emits aboutToQuit once only
        rethrow();
        return code;
    }

    int post(guest_token_t token) noexcept override {
        try {
            // Behind the events that wait already. What is posted while these are sent waits for the next pass.
            QCoreApplication::postEvent(&turns_, new turn_event(token), Qt::LowEventPriority);
            return 0;
        } catch (...) {
            return -1; // no memory
        }
    }

    void watch(guest_os_fd_t fd) override {
        if (notifier_)
            notifier_.release()->deleteLater(); // an earlier guest's, whose event() may be on the stack
        notifier_ = std::make_unique<notifier>(*this, fd);
        watching_ = true;
    }

    void unwatch(guest_os_fd_t) noexcept override {
        notifier_->setEnabled(false);
        watching_ = false;
    }

private:
    struct turn_event final : QEvent {
        static Type kind() {
            static const int number = registerEventType();
            return static_cast<Type>(number);
        }
        explicit turn_event(guest_token_t due) : QEvent(kind()), token(due) {}
        const guest_token_t token; // 0: a rest is over
    };

    /// Gets its turns as events. Its destructor removes those that are still queued.
    struct receiver final : QObject {
        explicit receiver(qt_host &h) : host(h) {}
        bool event(QEvent *e) override {
            if (e->type() != turn_event::kind())
                return QObject::event(e);
            if (const guest_token_t token = static_cast<turn_event *>(e)->token)
                host.turn(token);
            else if (host.watching_)
                host.notifier_->setEnabled(true);
            return true;
        }
        qt_host &host;
    };

    /// Takes the event itself and not the signal, whose arguments differ from version to version.
    struct notifier final : QSocketNotifier {
        notifier(qt_host &h, guest_os_fd_t fd) : QSocketNotifier(fd, Read), host(h) {}
        bool event(QEvent *e) override {
            if (e->type() != QEvent::SockAct)
                return QSocketNotifier::event(e);
            if (isEnabled())
                host.serve();
            return true;
        }
        qt_host &host;
    };

    /// The notifier's turn. With GLib's dispatcher, which is Qt's usual one on Linux, Qt's timers wait until no notifier is
    /// ready, or until a posted event comes by: so that is what a busy guest rests for.
    void serve() noexcept {
        row_.begin();
        if (turn() && row_.end() && watching_ && post(0) == 0)
            notifier_->setEnabled(false);
    }

    void leave() noexcept override {
        if (in_main_thread_)
            QCoreApplication::exit(1);
        else
            turns_.thread()->exit(1);
    }

    receiver turns_;
    std::unique_ptr<notifier> notifier_;
    bool watching_ = false;
    bool in_main_thread_ = true;
    detail::turns_in_a_row row_;
};

} // namespace asyncguest

#endif
