// wx_host: a guest in wxWidgets' main loop. Needs wxBase and wxCore 3.1 or newer. See docs/hosts/cpp-wx.md.
#ifndef ASYNCGUEST_WX_HPP
#define ASYNCGUEST_WX_HPP

#include <asyncguest/loop_host.hpp>

#include <wx/app.h>
#include <wx/event.h>
#include <wx/evtloop.h>
#include <wx/evtloopsrc.h>
#include <wx/timer.h>

#include <memory>

namespace asyncguest {

/// The main loop of a wxApp. Make the host when wxApp exists: in OnInit, or as a member of a frame. Nested loops
/// (ShowModal, popup menus, wxYield) serve the guest, too.
///
///     bool OnInit() override { host.emplace(); guest.emplace(*host); (new frame(*guest))->Show(); return true; }
///     int OnRun() override { return host->run(); }
///
/// wxWidgets serves posted events until there are none, and watched fds before it paints. So a guest that has used up
/// its time, or has had many short turns in a row, rests for a millisecond, in which input and painting have theirs.
class wx_host final : public loop_host {
public:
    /// `how`: drive::fd has the loop watch the guest's fd, where the port can (not on Windows); drive::thread has a thread of
    /// the library queue events. Throws error (status::order) if there is no wxApp.
    explicit wx_host(drive how = wxUSE_EVENTLOOP_SOURCE ? drive::fd : drive::thread) : loop_host(how), turns_(*this) {
        if (!wxTheApp)
            throw error(status::order, "there is no wxApp yet: make the wx_host in its OnInit or later");
    }

    ~wx_host() override { timer_.Stop(); }

    /// wxApp::OnRun(), and throws what a callback has thrown. The guest is shut down then.
    int run() {
        rethrow();
        const int code = wxTheApp->wxApp::OnRun();
        over();
        rethrow();
        return code;
    }

    int post(guest_token_t token) noexcept override {
        try {
            turns_.QueueEvent(new turn_event(token));
            return 0;
        } catch (...) {
            return -1; // no memory
        }
    }

    void watch(guest_os_fd_t fd) override {
        fd_ = fd;
        listen();
        if (!source_)
            throw error(status::not_supported, "wxWidgets cannot watch an fd here: make the host with drive::thread");
    }

    void unwatch(guest_os_fd_t) noexcept override {
        source_.reset();
        fd_ = -1;
    }

private:
    struct turn_event final : wxEvent {
        static wxEventType kind() {
            static const wxEventType number = wxNewEventType();
            return number;
        }
        explicit turn_event(guest_token_t t) : wxEvent(0, kind()), token(t) {}
        wxEvent *Clone() const override { return new turn_event(*this); }
        wxEventCategory GetEventCategory() const override { return wxEVT_CATEGORY_THREAD; }
        const guest_token_t token;
    };

    /// Gets the turns, as events or from the loop's watch. Its destructor removes events that are still queued.
    struct receiver final : wxEvtHandler, wxEventLoopSourceHandler {
        explicit receiver(wx_host &h) : host(h) {}
        bool ProcessEvent(wxEvent &e) override {
            if (e.GetEventType() != turn_event::kind())
                return wxEvtHandler::ProcessEvent(e);
            host.token_due(static_cast<turn_event &>(e).token);
            return true;
        }
        void OnReadWaiting() override {
            // wxGTK does not serve a watch again while it is being served: a nested loop needs a new one.
            host.listen();
            host.serve(0);
        }
        void OnWriteWaiting() override {}
        void OnExceptionWaiting() override {}
        wx_host &host;
    };

    struct alarm final : wxTimer {
        explicit alarm(wx_host &h) : host(h) {}
        void Notify() override { host.rested(); }
        wx_host &host;
    };

    void listen() {
#if wxUSE_EVENTLOOP_SOURCE
        source_.reset();
        source_.reset(wxEventLoopBase::AddSourceForFD(fd_, &turns_, wxEVENT_SOURCE_INPUT));
#endif
    }

    void token_due(guest_token_t token) noexcept {
        if (resting_)
            put_by_ = token;
        else
            serve(token);
    }

    void serve(guest_token_t token) noexcept {
        row_.begin();
        if (turn(token) && row_.end())
            rest();
    }

    void rest() noexcept {
        if (resting_ || !timer_.StartOnce(1))
            return;
        resting_ = true;
        source_.reset();
    }

    void rested() noexcept {
        resting_ = false;
        if (fd_ >= 0)
            listen();
        if (guest_token_t token = std::exchange(put_by_, 0))
            serve(token);
    }

    void leave() noexcept override {
        if (wxTheApp)
            wxTheApp->ExitMainLoop();
    }

    receiver turns_;
    alarm timer_{*this};
    std::unique_ptr<wxEventLoopSource> source_;
    guest_os_fd_t fd_ = -1;
    bool resting_ = false;
    guest_token_t put_by_ = 0; // what arrived during the rest
    detail::turns_in_a_row row_;
};

} // namespace asyncguest

#endif
