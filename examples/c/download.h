/* One URL of a fetch: its libcurl handle, its file, and the words for how it ended.
 *
 * Knows nothing of the guest: whoever drives the handle (fetch.c) is told through `arrived` that there was a sign of
 * life, and asked through `may_take` for its consent to each piece of a body.
 */
#ifndef DOWNLOAD_H
#define DOWNLOAD_H

#include "fetch.h"
#include "target.h"

#include <curl/curl.h>

typedef struct download download;

struct download {
    fetch_item item;
    void *owner;                  /* the fetch */
    int (*may_take)(download *d); /* is there time for more now? These two are called inside libcurl: */
    void (*arrived)(download *d); /* they must not call it */
    uint64_t turn;                /* may_take: the turn in which the last piece was taken */
    int paused;                   /* may_take said no, and libcurl holds data back until curl_easy_pause */
    guest_id_t stall;             /* the timer that gives the download up */
    CURL *easy;                   /* NULL when the download has ended */
    target target;
    char *name;                   /* item.name */
    char *host;
    char expected[65];            /* the URL's checksum, in lower case; or empty */
    char trouble[CURL_ERROR_SIZE];
    uint64_t started;
    int changed;                  /* there is something to tell */
    int told;                     /* `finished` was called */
};

/* Reads the URL: names, checksum. -1 if it is none, and item.result says so. */
int download_parse(download *d, const char *url);

/* Two URLs may end in the same name: the second one becomes NAME.2. `all`: those before it, too. -1 when there is no memory. */
int download_make_unique(download *all, size_t index);

/* Makes the handle and opens the file. -1 with item.result set. */
int download_open(download *d, const char *directory);

/* The transfer is over, as libcurl says: completes the file or says what went wrong. */
void download_complete(download *d, CURLcode code);

/* The download ends for a reason of our own. `result` as for printf. */
void download_end(download *d, fetch_state state, const char *result, ...) __attribute__((format(printf, 3, 4)));

/* Releases what a download holds while it runs: handle and file. The handle must not be in a multi handle any more. */
void download_close(download *d);

/* Releases the rest. */
void download_free(download *d);

#endif
