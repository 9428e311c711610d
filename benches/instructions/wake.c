/* wake.c: `wake N`: N wakes by an fd in drive FD, for callgrind, which counts what guest_deliver_batch comes to. */
#include <asyncguest.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_fd(guest_t *g, guest_id_t id, uint32_t events, void *user_data)
{
    (void)g;
    (void)id;
    (void)events;
    char byte;
    if (read(*(const int *)user_data, &byte, 1) != 1)
        abort();
}

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "wake: %s failed\n", what);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    must(argc == 2, "the number of wakes, its one argument,");
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    guest_t *guest;
    must(guest_start(NULL, &options, &guest) == GUEST_OK, "guest_start");
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    must(guest_fd_add(guest, ends[0], GUEST_READABLE, on_fd, &ends[0], NULL, NULL) == GUEST_OK, "guest_fd_add");
    for (long left = atol(argv[1]); left > 0; left--) {
        must(write(ends[1], "x", 1) == 1, "write");
        must(guest_deliver_batch(guest, 0) == GUEST_OK, "guest_deliver_batch");
    }
    guest_free(guest);
    return 0;
}
