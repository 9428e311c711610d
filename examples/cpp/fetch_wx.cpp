// fetch in a wxWidgets window, with coroutines: downloads side by side, an animation, and a modal dialog that does not
// stop them.
//
//     fetch_wx [--seconds N] [--dialog N] [--screenshot FILE] [--drive fd|thread] URL...
//
// --dialog opens the dialog after a second, for N seconds; --seconds ends the program then. Exit status 0: every download
// is complete.
#include "download.hpp"

#include <asyncguest/wx.hpp>

#include <wx/button.h>
#include <wx/cmdline.h>
#include <wx/dcbuffer.h>
#include <wx/dcmemory.h>
#include <wx/dcscreen.h>
#include <wx/frame.h>
#include <wx/gauge.h>
#include <wx/image.h>
#include <wx/msgdlg.h>
#include <wx/sizer.h>
#include <wx/stattext.h>

#include <cmath>
#include <cstdio>
#include <optional>

using namespace std::chrono_literals;
using asyncguest::guest;
using asyncguest::task;

namespace {

struct settings {
    double seconds = 0, dialog = 0;
    wxString screenshot, drive = "fd";
    std::vector<std::string> urls;
};

/// A ring of dots that turns: its frames tell whether the window is ever held up.
class ring final : public wxWindow {
public:
    explicit ring(wxWindow *parent) : wxWindow(parent, wxID_ANY, wxDefaultPosition, wxSize(56, 56)), timer_(this) {
        SetBackgroundStyle(wxBG_STYLE_PAINT);
        Bind(wxEVT_PAINT, [this](wxPaintEvent &) { paint(); });
        Bind(wxEVT_TIMER, [this](wxTimerEvent &) { Refresh(); }, timer_.GetId());
        timer_.Start(16);
    }

    uint64_t frames = 0;
    double longest_gap = 0; // in milliseconds

private:
    void paint() {
        const uint64_t now = guest_now();
        if (frames++)
            longest_gap = std::max(longest_gap, double(now - last_) / 1e6);
        last_ = now;
        wxAutoBufferedPaintDC dc(this);
        dc.SetBackground(GetParent()->GetBackgroundColour());
        dc.Clear();
        dc.SetPen(*wxTRANSPARENT_PEN);
        for (int i = 0; i < 12; i++) {
            const double age = std::fmod(double(now % 1200000000) / 1.2e9 - i / 12.0 + 1, 1);
            dc.SetBrush(wxBrush(wxColour(53, 132, 228).ChangeLightness(100 + int(90 * age))));
            dc.DrawCircle(28 + int(20 * std::sin(i * M_PI / 6)), 28 - int(20 * std::cos(i * M_PI / 6)), 4);
        }
    }

    wxTimer timer_;
    uint64_t last_ = 0;
};

class window final : public wxFrame {
public:
    window(guest &g, const settings &with)
        : wxFrame(nullptr, wxID_ANY, "fetch: downloads in a wxWidgets main loop"), guest_(g), settings_(with), tasks_(g) {
        auto *page = new wxBoxSizer(wxVERTICAL);
        auto *head = new wxBoxSizer(wxHORIZONTAL);
        auto *cancel = new wxButton(this, wxID_ANY, wxString::FromUTF8("Cancel …"));
        head->Add(ring_ = new ring(this), 0, wxRIGHT, 12);
        head->Add(summary_ = new wxStaticText(this, wxID_ANY, "Downloading"), 1, wxALIGN_CENTRE_VERTICAL);
        head->Add(cancel, 0, wxALIGN_CENTRE_VERTICAL);
        page->Add(head, 0, wxEXPAND | wxALL, 14);
        for (const std::string &url : with.urls)
            start(url, page);
        page->AddSpacer(14);
        SetSizer(page);
        SetClientSize(720, page->CalcMin().y);
        cancel->Bind(wxEVT_BUTTON, [this](wxCommandEvent &) { ask(); });
        began_ = guest_now();
        tasks_.spawn(show_figures());
        if (with.dialog > 0)
            tasks_.spawn(ask_after_a_second());
        if (with.seconds > 0)
            tasks_.spawn(end_in_time());
    }

    /// Tells of everything, and whether all is complete.
    ~window() override {
        const double seconds = double(guest_now() - began_) / 1e9;
        std::printf("%llu bytes, %llu frames (%.1f per second, longest gap %.1f ms), %d running, %d failed\n",
                    (unsigned long long)received_, (unsigned long long)ring_->frames, double(ring_->frames) / seconds,
                    ring_->longest_gap, running_, failed_);
        complete = running_ == 0 && failed_ == 0;
    }

    static inline bool complete = false;

private:
    struct row {
        wxStaticText *status;
        wxGauge *bar;
        uint64_t received = 0, total = 0;
        bool ended = false;
    };

    void start(const std::string &url, wxSizer *page) {
        auto r = std::make_shared<row>();
        const location from(url);
        auto *line = new wxBoxSizer(wxHORIZONTAL);
        line->Add(new wxStaticText(this, wxID_ANY, wxString::FromUTF8(from.name)), 1);
        line->Add(r->status = new wxStaticText(this, wxID_ANY, "waiting for the server", wxDefaultPosition, wxSize(330, -1),
                                               wxALIGN_RIGHT | wxST_NO_AUTORESIZE));
        page->Add(line, 0, wxEXPAND | wxLEFT | wxRIGHT, 14);
        page->Add(r->bar = new wxGauge(this, wxID_ANY, 1000), 0, wxEXPAND | wxALL, 14);
        rows_.push_back(r);
        running_++;
        tasks_.spawn(fetch(r, from), [this, r](asyncguest::outcome<void> how) { ended(*r, std::move(how)); });
    }

    task<> fetch(std::shared_ptr<row> r, location from) {
        // It has a name because GCC before 13 destroys twice what a lambda inside a co_await expression has captured.
        std::function<void(std::string_view, uint64_t)> piece = [this, r](std::string_view bytes, uint64_t total) {
            r->received += bytes.size();
            r->total = total;
            received_ += bytes.size();
        };
        co_await download(guest_, from, 3s, std::move(piece));
    }

    void ended(row &r, asyncguest::outcome<void> how) {
        running_--;
        r.ended = true;
        r.bar->SetValue(1000);
        std::string text = size_text(r.received) + ", complete";
        try {
            how.get();
        } catch (const std::exception &e) {
            failed_++;
            text = e.what();
        }
        r.status->SetLabel(wxString::FromUTF8(text));
        if (running_ == 0 && dialog_)
            dialog_->EndModal(wxID_NO); // there is nothing left to cancel
    }

    task<> show_figures() {
        for (;;) {
            co_await guest_.sleep(50ms);
            for (const auto &r : rows_)
                if (r->total && !r->ended) {
                    r->bar->SetValue(int(1000 * r->received / r->total));
                    r->status->SetLabel(wxString::FromUTF8(size_text(r->received) + " of " + size_text(r->total)));
                }
            summary_->SetLabel(wxString::FromUTF8(size_text(received_) + ", " + std::to_string(running_) + " of " +
                                                  std::to_string(rows_.size()) + " downloads are running"));
        }
    }

    /// The Cancel button. ShowModal() runs a nested main loop, in which the guest goes on.
    void ask() {
        wxDialog dialog(this, wxID_ANY, "Really cancel?", wxDefaultPosition, wxDefaultSize, wxCAPTION);
        dialog_ = &dialog;
        auto *page = new wxBoxSizer(wxVERTICAL);
        page->Add(new wxStaticText(&dialog, wxID_ANY, std::to_string(running_) + " downloads are not finished; they go on "
                                                                                 "while you think."),
                  0, wxALL, 14);
        page->Add(dialog.CreateButtonSizer(wxYES_NO | wxNO_DEFAULT), 0, wxALL | wxALIGN_RIGHT, 14);
        dialog.SetSizerAndFit(page);
        dialog.CentreOnParent();
        dialog.SetAffirmativeId(wxID_YES);
        dialog.SetEscapeId(wxID_NO);
        dialog.Bind(wxEVT_BUTTON, [&dialog](wxCommandEvent &e) { dialog.EndModal(e.GetId()); });
        const uint64_t before = received_;
        const bool yes = dialog.ShowModal() == wxID_YES;
        dialog_ = nullptr;
        std::printf("dialog: %llu bytes arrived while it was open\n", (unsigned long long)(received_ - before));
        if (yes)
            Close();
    }

    task<> ask_after_a_second() {
        co_await guest_.sleep(1s);
        tasks_.spawn(answer());
        ask(); // inside a callback of the guest
    }

    task<> answer() {
        co_await guest_.sleep(std::chrono::duration<double>(settings_.dialog));
        picture();
        if (dialog_)
            dialog_->EndModal(wxID_NO);
    }

    task<> end_in_time() {
        co_await guest_.sleep(std::chrono::duration<double>(settings_.seconds));
        picture();
        Close();
    }

    /// Of the screen, so that the dialog is seen.
    void picture() {
        if (settings_.screenshot.empty())
            return;
        const wxRect area = GetScreenRect();
        wxBitmap bitmap(area.GetSize());
        wxMemoryDC to(bitmap);
        wxScreenDC screen;
        to.Blit(wxPoint(0, 0), area.GetSize(), &screen, area.GetPosition());
        to.SelectObject(wxNullBitmap);
        const bool saved = bitmap.SaveFile(settings_.screenshot, wxBITMAP_TYPE_PNG);
        std::printf("%s %s\n", saved ? "screenshot:" : "no screenshot in", settings_.screenshot.utf8_str().data());
        settings_.screenshot.clear();
    }

    guest &guest_;
    settings settings_;
    asyncguest::scope tasks_; // everything that runs for this window, and ends with it
    ring *ring_;
    wxStaticText *summary_;
    wxDialog *dialog_ = nullptr;
    std::vector<std::shared_ptr<row>> rows_;
    uint64_t began_ = 0, received_ = 0;
    int running_ = 0, failed_ = 0;
};

class program final : public wxApp {
    void OnInitCmdLine(wxCmdLineParser &parser) override {
        wxApp::OnInitCmdLine(parser);
        for (const char *name : {"seconds", "dialog", "screenshot", "drive"})
            parser.AddLongOption(name, "");
        parser.AddParam("URL", wxCMD_LINE_VAL_STRING, wxCMD_LINE_PARAM_OPTIONAL | wxCMD_LINE_PARAM_MULTIPLE);
    }

    bool OnCmdLineParsed(wxCmdLineParser &parser) override {
        wxString text;
        if (parser.Found("seconds", &text))
            text.ToCDouble(&settings_.seconds);
        if (parser.Found("dialog", &text))
            text.ToCDouble(&settings_.dialog);
        parser.Found("screenshot", &settings_.screenshot);
        parser.Found("drive", &settings_.drive);
        for (size_t i = 0; i < parser.GetParamCount(); i++)
            settings_.urls.push_back(parser.GetParam(i).utf8_string());
        return wxApp::OnCmdLineParsed(parser);
    }

    bool OnInit() override {
        if (!wxApp::OnInit())
            return false;
        wxInitAllImageHandlers();
        try {
            host_.emplace(settings_.drive == "thread" ? asyncguest::drive::thread : asyncguest::drive::fd);
            guest_.emplace(*host_);
            (new window(*guest_, settings_))->Show();
        } catch (const std::exception &e) {
            std::fprintf(stderr, "fetch_wx: %s\n", e.what());
            return false;
        }
        return true;
    }

    int OnRun() override {
        try {
            host_->run();
        } catch (const std::exception &e) {
            std::fprintf(stderr, "fetch_wx: %s\n", e.what());
            return 2;
        }
        return window::complete ? 0 : 1;
    }

    int OnExit() override {
        guest_.reset();
        host_.reset();
        return wxApp::OnExit();
    }

    settings settings_;
    std::optional<asyncguest::wx_host> host_;
    std::optional<guest> guest_;
};

} // namespace

wxIMPLEMENT_APP(program);
