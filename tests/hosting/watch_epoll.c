/* docs/hosting.md, "Other loops that watch fds": epoll, level-triggered. */
#include "ticks.h"
#include <sys/epoll.h>
#include <unistd.h>

static int set;

static void done(void *data, guest_status_t status)
{
    (void)status;
    *(int *)data = 1;
}

int main(void)
{
    int is_done = 0;
    guest_host_t host = {.struct_size = sizeof host, .data = &is_done, .done = done};
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    struct epoll_event event = {.events = EPOLLIN};
    guest_t *guest;
    guest_os_fd_t fd;
    if (guest_start(&host, &options, &guest) != GUEST_OK || guest_fd(guest, &fd) != GUEST_OK)
        return 1;
    set = epoll_create1(EPOLL_CLOEXEC);
    event.data.ptr = guest;
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        return 1;
    start_ticks(guest);
    while (!is_done && epoll_wait(set, &event, 1, -1) == 1)
        guest_deliver_batch(event.data.ptr, 0);
    epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
    guest_free(guest);
    return close(set);
}
