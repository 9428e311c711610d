// fetch in a Qt window, with coroutines: downloads side by side, a feed of messages from another thread that is drawn 60
// times a second, and a modal dialog that stops neither. There is no mutex, no signal across threads and no moc here.
//
//     fetch_qt [--seconds N] [--dialog N] [--rate N] [--screenshot FILE] [--drive fd|thread] URL...
//
// --dialog opens the dialog after a second, for N seconds; --rate: messages per second (10000); --screenshot: the whole
// window with the dialog, if it is open; --seconds ends the program then. Exit status 0: every download is complete
// and has the checksum that its URL names ("#sha256=HEX").
#include "download.hpp"

#include <asyncguest/qt.hpp>

#include <QApplication>
#include <QBoxLayout>
#include <QCommandLineParser>
#include <QCryptographicHash>
#include <QDialog>
#include <QDialogButtonBox>
#include <QLabel>
#include <QPainter>
#include <QPainterPath>
#include <QProgressBar>
#include <QPushButton>
#include <QScreen>
#include <QTimer>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <optional>
#include <thread>

using namespace std::chrono_literals;
using asyncguest::guest;
using asyncguest::task;

namespace {

/// The last values of the feed as a curve over the time, which is that of a steady rate.
class chart : public QWidget {
public:
    chart(QWidget *parent, int rate) : QWidget(parent), seconds_(double(size) / rate) { setFixedHeight(150); }

    void add(double value) {
        values_[count_++ % size] = value;
    }

    uint64_t messages() const { return count_; }
    uint64_t frames() const { return frames_; }
    double longest_gap() const { return longest_gap_; } // between two frames, in milliseconds

protected:
    void paintEvent(QPaintEvent *) override {
        const uint64_t now = guest_now();
        if (frames_++)
            longest_gap_ = std::max(longest_gap_, double(now - last_) / 1e6);
        last_ = now;
        QPainter painter(this);
        painter.setRenderHint(QPainter::Antialiasing);
        painter.fillRect(rect(), QColor(24, 28, 36));
        const QRectF area = QRectF(rect()).adjusted(34, 10, -18, -22);
        axes(painter, area);
        QPainterPath path;
        const size_t points = 300;
        for (size_t i = 0; i < points; i++) {
            const double value = values_[(count_ + i * size / points) % size];
            const QPointF at(area.left() + double(i) * area.width() / (points - 1), area.center().y() - value * area.height() / 2);
            i ? path.lineTo(at) : path.moveTo(at);
        }
        painter.setPen(QPen(QColor(46, 194, 126), 1.6));
        painter.drawPath(path);
    }

private:
    /// A line and a number for each half of the unit, and for each sixth of the time.
    void axes(QPainter &painter, const QRectF &area) const {
        const QColor line(60, 66, 78), text(170, 178, 190);
        QFont small = font();
        small.setPointSizeF(font().pointSizeF() * 0.8);
        painter.setFont(small);
        for (int half = -2; half <= 2; half++) {
            const double y = area.center().y() - half * area.height() / 4;
            painter.setPen(line);
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y));
            painter.setPen(text);
            painter.drawText(QRectF(0, y - 8, area.left() - 6, 16), Qt::AlignRight | Qt::AlignVCenter, QString::number(half / 2.0, 'f', 1));
        }
        for (int sixth = 0; sixth <= 6; sixth++) {
            const double x = area.left() + sixth * area.width() / 6;
            painter.setPen(line);
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()));
            painter.setPen(text);
            const QString when = sixth == 6 ? QString("now") : QString("-%1 s").arg(seconds_ * (6 - sixth) / 6, 0, 'f', 1);
            painter.drawText(QRectF(x - 40, area.bottom() + 4, 80, 16), Qt::AlignHCenter | Qt::AlignTop, when);
        }
    }

    static constexpr size_t size = 6000;
    const double seconds_; // that many values come in them
    std::vector<double> values_ = std::vector<double>(size);
    uint64_t count_ = 0, frames_ = 0, last_ = 0;
    double longest_gap_ = 0;
};

/// The other thread: some instrument that gives values at a steady rate, each as a message of its own.
class instrument {
public:
    instrument(asyncguest::poster to, int rate, std::function<void(double)> deliver)
        : thread_([this, to, rate, deliver = std::move(deliver)] {
              const auto began = std::chrono::steady_clock::now();
              bool open = true;
              for (int64_t sent = 0; open && !stop_; std::this_thread::sleep_for(1ms)) {
                  const int64_t due = (std::chrono::steady_clock::now() - began) * rate / 1s;
                  for (; open && sent < due; sent++) {
                      const double t = double(sent) / rate;
                      const double value = std::sin(9 * t) * std::cos(23 * t) + 0.04 * std::sin(900 * t);
                      open = to.post([&deliver, value] { deliver(value); }); // on the window's thread; false: it has gone
                  }
              }
          }) {}
    ~instrument() {
        stop_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

struct settings {
    double seconds, dialog;
    int rate;
    QString screenshot;
};

class window : public QWidget {
public:
    window(guest &g, const settings &with, const QStringList &urls)
        : guest_(g), settings_(with), downloads_(g), plot_(new chart(this, with.rate)), summary_(new QLabel(this)) {
        setWindowTitle("fetch: downloads in a Qt event loop");
        resize(760, 0);
        auto *page = new QVBoxLayout(this);
        auto *head = new QHBoxLayout;
        auto *title = new QLabel(QString("<h2>Downloading %1 files</h2>").arg(urls.size()), this);
        auto *cancel = new QPushButton("Cancel …", this);
        head->addWidget(title, 1);
        head->addWidget(cancel);
        page->addLayout(head);
        page->addWidget(summary_);
        page->setSpacing(10);
        for (const QString &url : urls)
            start(url.toStdString(), page);
        page->addWidget(plot_);
        connect(cancel, &QPushButton::clicked, this, [this] { ask(); });
        auto *frame = new QTimer(this);
        frame->setTimerType(Qt::PreciseTimer);
        connect(frame, &QTimer::timeout, this, [this] { plot_->update(); });
        frame->start(16);
        began_ = guest_now();
        feed_.emplace(g.make_poster(), with.rate, [this](double value) { plot_->add(value); });
        downloads_.spawn(show_figures());
        if (with.dialog > 0)
            downloads_.spawn(ask_after_a_second());
        if (with.seconds > 0)
            downloads_.spawn(end_in_time());
    }

    bool complete() const { return failed_ == 0 && running_ == 0; }

    void print() const {
        const double seconds = double(guest_now() - began_) / 1e9;
        std::printf("%llu bytes, %llu messages (%.0f per second), %llu frames (%.1f per second, longest gap %.1f ms)\n",
                    (unsigned long long)received_, (unsigned long long)plot_->messages(), double(plot_->messages()) / seconds,
                    (unsigned long long)plot_->frames(), double(plot_->frames()) / seconds, plot_->longest_gap());
    }

private:
    struct row {
        QLabel *status;
        QProgressBar *bar;
        uint64_t received = 0, total = 0;
        bool ended = false;
        QCryptographicHash hash{QCryptographicHash::Sha256};
    };

    void start(const std::string &url, QVBoxLayout *page) {
        auto r = std::make_shared<row>();
        const location from(url);
        auto *line = new QHBoxLayout;
        line->addWidget(new QLabel("<b>" + QString::fromStdString(from.name).toHtmlEscaped() + "</b>", this), 1);
        r->status = new QLabel("waiting for the server", this);
        line->addWidget(r->status);
        r->bar = new QProgressBar(this);
        r->bar->setRange(0, 0);
        r->bar->setTextVisible(false);
        r->bar->setFixedHeight(8);
        page->addLayout(line);
        page->addWidget(r->bar);
        rows_.push_back(r);
        running_++;
        downloads_.spawn(fetch(r, from), [this, r](asyncguest::outcome<void> how) { ended(*r, std::move(how)); });
    }

    task<> fetch(std::shared_ptr<row> r, location from) {
        // It has a name because GCC before 13 destroys twice what a lambda inside a co_await expression has captured.
        std::function<void(std::string_view, uint64_t)> piece = [this, r](std::string_view bytes, uint64_t total) {
            r->hash.addData(QByteArray::fromRawData(bytes.data(), int(bytes.size())));
            r->received += bytes.size();
            r->total = total;
            received_ += bytes.size();
        };
        co_await download(guest_, from, 3s, std::move(piece));
        if (!from.sha256.empty() && r->hash.result().toHex().toStdString() != from.sha256)
            throw std::runtime_error("the checksum differs");
    }

    void ended(row &r, asyncguest::outcome<void> how) {
        running_--;
        QString text = QString("%1 · complete, checksum as promised").arg(size_text(r.received).c_str());
        try {
            how.get();
        } catch (const std::exception &e) {
            failed_++;
            text = e.what();
            std::printf("failed: %s\n", e.what());
        }
        r.ended = true;
        r.bar->setRange(0, 1);
        r.bar->setValue(1);
        r.status->setText(text);
        if (running_ == 0 && dialog_)
            dialog_->reject(); // there is nothing left to cancel
    }

    static void show_progress(const row &r) {
        if (r.total == 0 || r.ended)
            return;
        r.bar->setRange(0, 1000);
        r.bar->setValue(int(1000 * r.received / r.total));
        r.status->setText(QString("%1 of %2").arg(size_text(r.received).c_str(), size_text(r.total).c_str()));
    }

    /// All figures at once, 20 times a second, so that they agree; how many come in a second, each second.
    task<> show_figures() {
        for (;;) {
            const uint64_t messages = plot_->messages(), frames = plot_->frames(), then = guest_now();
            for (int i = 0; i < 20; i++) {
                co_await guest_.sleep(50ms);
                show_now();
            }
            const double seconds = double(guest_now() - then) / 1e9;
            speed_ = QString(" · %1 messages and %2 frames per second")
                         .arg(double(plot_->messages() - messages) / seconds, 0, 'f', 0)
                         .arg(double(plot_->frames() - frames) / seconds, 0, 'f', 0);
        }
    }

    void show_now() {
        for (const auto &r : rows_)
            show_progress(*r);
        summary_->setText(QString("%1 · %2 running%3").arg(size_text(received_).c_str()).arg(running_).arg(speed_));
        if (question_)
            question_->setText(QString("%1 downloads are not finished; they go on while you think.").arg(running_));
    }

    /// The Cancel button. exec() runs a nested event loop, in which the guest goes on.
    void ask() {
        QDialog dialog(this);
        dialog_ = &dialog;
        dialog.setWindowTitle("Really cancel?");
        auto *page = new QVBoxLayout(&dialog);
        question_ = new QLabel(&dialog);
        page->addWidget(question_);
        show_now();
        auto *buttons = new QDialogButtonBox(QDialogButtonBox::Yes | QDialogButtonBox::No, &dialog);
        page->addWidget(buttons);
        connect(buttons, &QDialogButtonBox::accepted, &dialog, &QDialog::accept);
        connect(buttons, &QDialogButtonBox::rejected, &dialog, &QDialog::reject);
        const uint64_t before = received_, messages = plot_->messages();
        const bool yes = dialog.exec() == QDialog::Accepted;
        dialog_ = nullptr;
        question_ = nullptr;
        std::printf("dialog: %llu bytes and %llu messages arrived while it was open\n",
                    (unsigned long long)(received_ - before), (unsigned long long)(plot_->messages() - messages));
        if (yes)
            close();
    }

    task<> ask_after_a_second() {
        co_await guest_.sleep(1s);
        downloads_.spawn(answer());
        ask(); // inside a callback of the guest
    }

    task<> answer() {
        co_await guest_.sleep(std::chrono::duration<double>(settings_.dialog));
        picture();
        if (dialog_)
            dialog_->reject();
    }

    task<> end_in_time() {
        co_await guest_.sleep(std::chrono::duration<double>(settings_.seconds));
        picture();
        close();
    }

    /// Of the screen, so that the dialog and the windows' frames are seen; where the platform has none (offscreen), of the window.
    void picture() {
        if (settings_.screenshot.isEmpty())
            return;
        QPixmap pixmap = screen()->grabWindow(0, frameGeometry().x(), frameGeometry().y(), frameGeometry().width(), frameGeometry().height());
        if (pixmap.isNull())
            pixmap = grab();
        std::printf("%s %s\n", pixmap.save(settings_.screenshot) ? "screenshot:" : "no screenshot in", qPrintable(settings_.screenshot));
        settings_.screenshot.clear();
    }

    guest &guest_;
    settings settings_;
    asyncguest::scope downloads_; // everything that runs for this window, and ends with it
    std::vector<std::shared_ptr<row>> rows_;
    chart *plot_;
    QLabel *summary_;
    QDialog *dialog_ = nullptr;
    QLabel *question_ = nullptr; // in the dialog
    QString speed_;              // in the last whole second
    uint64_t began_ = 0, received_ = 0;
    int running_ = 0, failed_ = 0;
    std::optional<instrument> feed_; // goes first: its thread ends before what it fills
};

} // namespace

int main(int argc, char **argv) {
    QApplication app(argc, argv);
    QCommandLineParser parser;
    parser.addHelpOption();
    parser.addOptions({{"seconds", "end after N seconds", "N", "0"}, {"dialog", "show the dialog for N seconds", "N", "0"}, {"rate", "messages per second", "N", "10000"}, {"screenshot", "save a picture", "FILE"}, {"drive", "fd or thread", "drive", "fd"}});
    parser.addPositionalArgument("URL", "what to download", "URL...");
    parser.process(app);
    const settings with = {parser.value("seconds").toDouble(), parser.value("dialog").toDouble(),
                           parser.value("rate").toInt(), parser.value("screenshot")};
    try {
        asyncguest::qt_host host(parser.value("drive") == "thread" ? asyncguest::drive::thread : asyncguest::drive::fd);
        guest g(host);
        window w(g, with, parser.positionalArguments());
        w.show();
        host.run();
        w.print();
        return w.complete() ? 0 : 1;
    } catch (const std::exception &e) {
        std::fprintf(stderr, "fetch_qt: %s\n", e.what());
        return 2;
    }
}
