/* docs/hosting.md, "Other loops that watch fds": Tcl by Tcl_CreateFileHandler. */
#include "ticks.h"
#include <tcl.h>

static void readable(ClientData guest, int mask)
{
    (void)mask;
    guest_deliver_batch(guest, 0);
}

static void done(void *data, guest_status_t status)
{
    (void)status;
    *(int *)data = 1;
}

int main(int argc, char **argv)
{
    int is_done = 0;
    guest_host_t host = {.struct_size = sizeof host, .data = &is_done, .done = done};
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    guest_t *guest;
    guest_os_fd_t fd;
    (void)argc;
    Tcl_FindExecutable(argv[0]);
    if (guest_start(&host, &options, &guest) != GUEST_OK || guest_fd(guest, &fd) != GUEST_OK)
        return 1;
    Tcl_CreateFileHandler(fd, TCL_READABLE, readable, guest);
    start_ticks(guest);
    while (!is_done)
        Tcl_DoOneEvent(TCL_ALL_EVENTS);
    Tcl_DeleteFileHandler(fd);
    guest_free(guest);
    Tcl_Finalize();
    return 0;
}
