// Drive FD: libuv watches the guest's fd. See drive.h.
#include "guest.h"
#ifndef _WIN32
#include "uv.h"

#include <cstdlib>
#include <cstring>

namespace agn {
namespace {

const int uv_poll_number = 8; // UV_POLL of enum uv_handle_type; its name is checked
const int uv_readable = 1;    // UV_READABLE

class FdDrive : public Drive {
public:
    explicit FdDrive(Guest &guest) : guest_(guest) {}
    ~FdDrive() override { free(handle_); }

    bool closes_later() const override { return true; }

    bool open(guest_t *g) override
    {
        napi_env env = guest_.env();
        guest_os_fd_t fd = -1;
        guest_status_t status = guest_fd(g, &fd);
        if (status != GUEST_OK)
            return throw_status(env, status, "guest_fd") != nullptr;
        struct uv_loop_s *loop = nullptr;
        if (!ok(env, napi_get_uv_event_loop(env, &loop)))
            return false;
        if (!complete())
            return refuse("this program has no libuv of its own; use drive: 'thread'");
        const char *name = uv_handle_type_name(uv_poll_number);
        if (!name || strcmp(name, "poll") != 0)
            return refuse("this libuv is not of the 1.x series; use drive: 'thread'");
        handle_ = static_cast<struct uv_handle_s *>(calloc(1, uv_handle_size(uv_poll_number)));
        if (!handle_)
            return refuse("out of memory");
        int error = uv_poll_init(loop, poll(), fd);
        if (error != 0) {
            free(handle_);
            handle_ = nullptr;
            return refuse(uv_strerror(error));
        }
        uv_handle_set_data(handle_, this);
        error = uv_poll_start(poll(), uv_readable, on_readable);
        return error == 0 || refuse(uv_strerror(error));
    }

    void keep_alive(bool yes) override
    {
        if (handle_)
            yes ? uv_ref(handle_) : uv_unref(handle_);
    }

    // libuv forgets the fd inside uv_close, so that it may be closed next.
    void stop() override
    {
        if (!handle_)
            return;
        uv_ref(handle_); // the loop has to run once more for it
        uv_close(handle_, [](struct uv_handle_s *handle) { self(handle)->guest_.drive_closed(); });
    }

    void close() override
    {
        if (!handle_)
            guest_.drive_closed();
    }

    void abandon() override { stop(); }

private:
    static bool complete()
    {
        return uv_handle_size && uv_handle_type_name && uv_handle_get_data && uv_handle_set_data && uv_poll_init &&
               uv_poll_start && uv_close && uv_ref && uv_unref && uv_strerror;
    }
    struct uv_poll_s *poll() { return reinterpret_cast<struct uv_poll_s *>(handle_); }
    static FdDrive *self(struct uv_handle_s *handle) { return static_cast<FdDrive *>(uv_handle_get_data(handle)); }
    static void on_readable(struct uv_poll_s *handle, int, int)
    {
        self(reinterpret_cast<struct uv_handle_s *>(handle))->guest_.deliver(0, 0);
    }
    bool refuse(const char *why)
    {
        throw_error(guest_.env(), "ERR_ASYNCGUEST_LOOP", std::string("Node's loop cannot watch the guest: ") + why);
        return false;
    }

    Guest &guest_;
    struct uv_handle_s *handle_ = nullptr;
};

} // namespace

std::unique_ptr<Drive> make_fd_drive(Guest &guest)
{
    return std::make_unique<FdDrive>(guest);
}

} // namespace agn

#else

namespace agn {
std::unique_ptr<Drive> make_fd_drive(Guest &)
{
    return nullptr;
}
} // namespace agn

#endif
