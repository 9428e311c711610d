// libuv; see scenarios.hpp.
#include <asyncguest/uv.hpp>

#include "scenarios.hpp"

namespace {

struct uv {
    using host_type = asyncguest::uv_host;
    static constexpr const char *name = "libuv (C++)";
    static std::string version() { return uv_version_string(); }

    asyncguest::drive how;
    uv_loop_t loop;

    uv(int &, char **, asyncguest::drive how) : how(how) { uv_loop_init(&loop); }
    ~uv() {
        uv_run(&loop, UV_RUN_DEFAULT);
        if (uv_loop_close(&loop) != 0)
            std::abort(); // a handle was not closed
    }

    std::unique_ptr<host_type> make() { return std::make_unique<host_type>(&loop, how); }
    void run(host_type &host) { host.run(); }
    void quit() { uv_stop(&loop); }
    void later(int ms, std::function<void()> f) {
        struct timer {
            uv_timer_t handle;
            std::function<void()> f;
        };
        auto *t = new timer{{}, std::move(f)};
        uv_timer_init(&loop, &t->handle);
        t->handle.data = t;
        uv_update_time(&loop); // libuv counts from the beginning of the iteration
        uv_timer_start(&t->handle, [](uv_timer_t *handle) {
            auto *t = static_cast<timer *>(handle->data);
            uv_close(reinterpret_cast<uv_handle_t *>(handle), [](uv_handle_t *h) { delete static_cast<timer *>(h->data); });
            t->f(); }, uint64_t(ms > 0 ? ms : 1), 0); // of 0, again and again, libuv 1.44 makes an endless loop of its own
    }
    const char *no_modal() { return "uv_run must not be called inside a callback: libuv has no nested loops"; }
    void modal() {}
    void end_modal() {}
    std::unique_ptr<host_type> begin_own() { return make(); }
    void own_loop() { uv_run(&loop, UV_RUN_DEFAULT); }
    bool guest_ends_with_own_loop() { return false; }
    int frames() { return -1; }
    bool animated = false;
    void animate(bool) {}
    bool steps() { return false; }
    const char *lose() { return "libuv keeps no queue of wakes"; }
    void settle() { uv_run(&loop, UV_RUN_NOWAIT); }
};

} // namespace

int main(int argc, char **argv) {
    return run_host<uv>(argc, argv);
}
