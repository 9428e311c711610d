/* fetch: downloads several URLs at once on a guest. It does not know which main loop it lives in.
 *
 * libcurl's multi-socket interface asks its user for two things: "watch this socket" and "wake me in so many
 * milliseconds". Every C network library that can live in somebody else's loop asks for the same two
 * (c-ares, libpq, hiredis, libssh2, libmosquitto, ...), so this file is the pattern for all of them:
 * sockets become guest_fd_add / guest_fd_modify / guest_close, the timeout becomes guest_timer_add /
 * guest_timer_modify, and the library is never called from inside one of its own callbacks.
 *
 * Thread: everything here, the callbacks included, belongs on the host thread.
 */
#ifndef FETCH_H
#define FETCH_H

#include <asyncguest.h>

#include <stddef.h>
#include <stdint.h>

typedef enum fetch_state { FETCH_RUNNING, FETCH_OK, FETCH_FAILED, FETCH_CANCELLED } fetch_state;

/* One download, to read. */
typedef struct fetch_item {
    size_t index;      /* its place among the URLs */
    const char *url;   /* as given */
    const char *name;  /* the file's name in the directory */
    fetch_state state;
    uint64_t received; /* bytes so far */
    uint64_t total;    /* bytes promised by the server; 0 while unknown */
    double seconds;    /* how long it took, once it has ended */
    char sha256[65];   /* of a complete body; else empty */
    int checked;       /* the URL named a checksum, and it is this one */
    char result[400];  /* "ok", or what went wrong */
} fetch_item;

/* What to do, and whom to tell. Any callback may be NULL, may run a nested main loop and may call any function here. */
typedef struct fetch_options {
    const char *directory;   /* where the files go; must exist */
    unsigned stall_seconds;  /* a download is given up when nothing arrives for so long */
    void *data;              /* handed to each callback */
    void (*progress)(void *data, const fetch_item *item); /* at most 25 times a second */
    void (*finished)(void *data, const fetch_item *item); /* once for each URL */
    void (*all_finished)(void *data);                     /* once, after the last `finished` was called */
} fetch_options;

typedef struct fetch fetch;

/* Starts the downloads. A URL may end in "#sha256=HEX", which is then compared. What is wrong with a single URL
 * or file is told by `finished`, like every other failure; no callback runs before this function has returned.
 * NULL when there is no memory or the guest takes no sources (guest_last_error says why). */
fetch *fetch_new(guest_t *g, const char *const *urls, size_t count, const fetch_options *options);

/* Ends what is still running; each such download is told as FETCH_CANCELLED, soon. */
void fetch_cancel(fetch *f);

/* Releases everything. To be called before guest_free; at any time, also from the callbacks, also when the guest has
 * ended. What was still running is cancelled and not told. */
void fetch_free(fetch *f);

size_t fetch_count(const fetch *f);
const fetch_item *fetch_get(const fetch *f, size_t index);

/* How many downloads are in this state. */
size_t fetch_in_state(const fetch *f, fetch_state state);

/* Bytes of all downloads together: those that have arrived, and those that will have when the running ones keep their
 * server's promise. */
uint64_t fetch_received(const fetch *f);
uint64_t fetch_total(const fetch *f);

#endif
