/* docs/hosting.md, "Other loops that watch fds": Qt by QSocketNotifier. */
#include "ticks.h"
#include <QCoreApplication>
#include <QSocketNotifier>

static void done(void *, guest_status_t)
{
    QCoreApplication::quit();
}

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    guest_host_t host = {};
    guest_options_t options = {};
    guest_t *guest;
    guest_os_fd_t fd;
    int status;
    host.struct_size = sizeof host;
    host.done = done;
    options.struct_size = sizeof options;
    options.drive = GUEST_DRIVE_FD;
    if (guest_start(&host, &options, &guest) != GUEST_OK || guest_fd(guest, &fd) != GUEST_OK)
        return 1;
    {
        QSocketNotifier notifier(fd, QSocketNotifier::Read);
        QObject::connect(&notifier, &QSocketNotifier::activated, [guest] { guest_deliver_batch(guest, 0); });
        start_ticks(guest);
        status = app.exec();
    }
    guest_free(guest);
    return status;
}
