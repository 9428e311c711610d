// wxWidgets, with a frame; see scenarios.hpp.
#include <asyncguest/wx.hpp>

#include "scenarios.hpp"

#include <wx/dcclient.h>
#include <wx/dialog.h>
#include <wx/frame.h>
#include <wx/init.h>
#include <wx/version.h>

namespace {

struct frame final : wxFrame {
    int painted = 0;
    wxTimer animate{this};
    frame() : wxFrame(nullptr, wxID_ANY, "hosts") {
        Bind(wxEVT_PAINT, [this](wxPaintEvent &) {
            wxPaintDC dc(this);
            dc.DrawCircle(50 + ++painted % 50, 50, 20);
        });
        Bind(wxEVT_TIMER, [this](wxTimerEvent &) { Refresh(); }, animate.GetId());
        animate.Start(16);
    }
};

struct one_shot final : wxTimer {
    std::function<void()> f;
    void Notify() override {
        std::unique_ptr<one_shot> owned(this);
        f();
    }
};

struct wx {
    using host_type = asyncguest::wx_host;
    static constexpr const char *name = "wxWidgets (C++)";
    static std::string version() {
        return std::to_string(wxMAJOR_VERSION) + "." + std::to_string(wxMINOR_VERSION) + "." + std::to_string(wxRELEASE_NUMBER);
    }

    asyncguest::drive how;
    wxInitializer initializer;
    frame *window;
    wxDialog *dialog = nullptr;

    wx(int &argc, char **argv, asyncguest::drive how) : how(how), initializer(argc, argv) {
        if (!initializer.IsOk())
            throw std::runtime_error("wxWidgets does not start");
        wxTheApp->SetExitOnFrameDelete(false);
        window = new frame;
        window->Show();
    }
    ~wx() { delete window; }

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(how); }
    void run(host_type &host) { host.run(); }
    void quit() { wxTheApp->ExitMainLoop(); }
    void later(int ms, std::function<void()> f) {
        auto *timer = new one_shot;
        timer->f = std::move(f);
        timer->StartOnce(ms > 0 ? ms : 1); // a timer of 0 is not allowed
    }
    const char *no_modal() { return nullptr; }
    void modal() {
        wxDialog box(window, wxID_ANY, "Really?");
        dialog = &box;
        box.ShowModal();
        dialog = nullptr;
    }
    void end_modal() { dialog->EndModal(wxID_OK); }
    std::unique_ptr<host_type> begin_own() { return make(); }
    void own_loop() { wxTheApp->MainLoop(); }
    bool guest_ends_with_own_loop() { return false; }
    int frames() { return window->painted; }
    bool animated = true;
    void animate(bool on) { (animated = on) ? void(window->animate.Start(16)) : window->animate.Stop(); }
    bool steps() { return false; }
    const char *lose() {
        wxTheApp->DeletePendingEvents();
        return nullptr;
    }
    void settle() {
        later(2, [this] { quit(); });
        own_loop();
    }
};

} // namespace

int main(int argc, char **argv) {
    wxApp::SetInstance(new wxApp);
    return run_host<wx>(argc, argv);
}
