/* See fetch.h. Here libcurl meets the guest.
 *
 *     libcurl says                      the guest is asked              when it happens
 *     CURLMOPT_SOCKETFUNCTION IN/OUT    guest_fd_add, guest_fd_modify   -> socket_ready -> turn
 *     CURLMOPT_SOCKETFUNCTION REMOVE    guest_close (before the socket is closed)
 *     CURLMOPT_TIMERFUNCTION ms         guest_timer_add / _modify       -> timer_due    -> turn
 *
 * Only a turn lets libcurl run. The guest's time budget ends between callbacks and not inside one, while libcurl reads a socket
 * until it is dry, which a fast server never lets it be: so a turn that has lasted for 2 ms pauses its transfers, and a timer
 * of 0 ms resumes them when the guest, and after it the host, have had theirs.
 *
 * libcurl must not be called from inside its own callbacks, so these only
 * note what has changed, and the user is told by a timer of his own (`tell`): from there he may cancel, free, or open a
 * dialog with a nested main loop, while sockets and timers go on.
 */
#include "fetch.h"

#include "download.h"

#include <assert.h>
#include <stdlib.h>

#define MILLISECONDS 1000000ull
#define SECONDS (1000 * MILLISECONDS)
#define TELL_EVERY (40 * MILLISECONDS)
#define TURN (2 * MILLISECONDS)

struct fetch {
    guest_t *guest;
    fetch_options options;
    CURLM *multi;
    download *downloads;
    size_t count;
    guest_id_t timer;   /* libcurl's timeout; 0 when it wants none */
    guest_id_t resumer; /* the timer of `resume`; 0 when nothing is paused */
    guest_id_t teller;  /* the timer of `tell`; 0 when there is nothing to tell */
    int tell_at_once;   /* `teller` was set to 0 ms */
    int inside;         /* libcurl is running: it must not be called */
    uint64_t turn;      /* number and end of the turn */
    uint64_t turn_ends;
    int telling;        /* depth of `tell`; a nested loop makes it 2 */
    int told_all;
    int freed;          /* fetch_free was called while telling */
};

/* One socket that libcurl wants watched. The guest's source owns it and frees it through its drop function. */
typedef struct watch {
    fetch *owner; /* NULL once libcurl has let the socket go */
    curl_socket_t fd;
    guest_id_t id;
} watch;

static void tell(guest_t *g, guest_id_t id, uint64_t expirations, void *data);

static void tell_soon(fetch *f, uint64_t delay)
{
    /* A guest that has ended refuses; then nobody is to be told any more. */
    if (!f->teller)
        guest_timer_add(f->guest, delay, 0, tell, f, NULL, &f->teller);
    else if (delay == 0 && !f->tell_at_once)
        guest_timer_modify(f->guest, f->teller, 0, 0);
    if (delay == 0)
        f->tell_at_once = 1;
}

/* Takes an ended download out of libcurl; its state and result stand already. */
static void retire(fetch *f, download *d)
{
    assert(!f->inside);
    if (d->stall)
        guest_close(f->guest, d->stall);
    d->stall = 0;
    if (d->easy)
        curl_multi_remove_handle(f->multi, d->easy);
    download_close(d);
    tell_soon(f, 0);
}

static void begin_turn(fetch *f)
{
    assert(!f->inside);
    f->inside = 1;
    f->turn++;
    f->turn_ends = guest_now() + TURN;
}

/* Takes what libcurl has finished. */
static void end_turn(fetch *f, CURLMcode code)
{
    int left;
    CURLMsg *message;
    f->inside = 0;
    while ((message = curl_multi_info_read(f->multi, &left))) {
        /* Removing the handle frees the message: read it first. */
        CURLcode result = message->data.result;
        download *d = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&d);
        download_complete(d, result);
        retire(f, d);
    }
    if (code == CURLM_OK)
        return;
    for (size_t i = 0; i < f->count; i++)
        if (f->downloads[i].item.state == FETCH_RUNNING) {
            download_end(&f->downloads[i], FETCH_FAILED, "libcurl: %s", curl_multi_strerror(code));
            retire(f, &f->downloads[i]);
        }
}

static void turn(fetch *f, curl_socket_t fd, int bits)
{
    int running;
    begin_turn(f);
    end_turn(f, curl_multi_socket_action(f->multi, fd, bits, &running));
}

static void resume(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    fetch *f = data;
    (void)g, (void)id, (void)expirations;
    f->resumer = 0;
    for (size_t i = 0; i < f->count; i++) {
        download *d = &f->downloads[i];
        CURLcode code;
        if (!d->paused || !d->easy)
            continue;
        d->paused = 0;
        begin_turn(f);
        code = curl_easy_pause(d->easy, CURLPAUSE_CONT); /* hands over what was held back, and asks for a turn */
        end_turn(f, CURLM_OK);
        if (code != CURLE_OK && d->easy) { /* the file cannot be written: libcurl leaves that to us here */
            download_complete(d, code);
            retire(f, d);
        }
    }
}

/* Called by libcurl's callbacks, through the download: each turn has time for one piece of every download at least. */
static int may_take(download *d)
{
    fetch *f = d->owner;
    if (d->turn == f->turn && guest_now() >= f->turn_ends) {
        if (!f->resumer)
            guest_timer_add(f->guest, 0, 0, resume, f, NULL, &f->resumer);
        return !f->resumer; /* a guest that has ended takes no timer: nobody will ask again */
    }
    d->turn = f->turn;
    return 1;
}

static void socket_ready(guest_t *g, guest_id_t id, uint32_t events, void *data)
{
    watch *w = data;
    int bits = 0;
    (void)g, (void)id;
    if (events & (GUEST_READABLE | GUEST_HANGUP | GUEST_ERROR))
        bits |= CURL_CSELECT_IN; /* the next read says what the error was */
    if (events & (GUEST_WRITABLE | GUEST_ERROR))
        bits |= CURL_CSELECT_OUT;
    turn(w->owner, w->fd, bits);
}

static void timer_due(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    fetch *f = data;
    (void)g, (void)id, (void)expirations;
    f->timer = 0; /* one-shot: this one closes itself when we return, and libcurl may ask for the next one */
    turn(f, CURL_SOCKET_TIMEOUT, 0);
}

/* Nothing has arrived for too long. libcurl's own CURLOPT_LOW_SPEED_TIME looks at the mean of the last seconds, so that a
 * fast download that stops dead is noticed late; a timer that is set anew by every arrival is exact. Sockets come before
 * timers in a delivery: a host that was busy for longer than this does not make its downloads look stalled. */
static void stalled(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    download *d = data;
    fetch *f = d->owner;
    (void)g, (void)id, (void)expirations;
    d->stall = 0;
    download_end(d, FETCH_FAILED, "stalled: nothing arrived for %u s", f->options.stall_seconds);
    retire(f, d);
}

/* Called by libcurl's callbacks, through the download. */
static void arrived(download *d)
{
    fetch *f = d->owner;
    if (d->stall)
        guest_timer_modify(f->guest, d->stall, f->options.stall_seconds * SECONDS, 0);
    if (d->changed)
        tell_soon(f, TELL_EVERY);
}

/* Runs exactly once for each guest_fd_add, on the host thread, never inside the callback. */
static void drop_watch(void *data)
{
    watch *w = data;
    if (w->owner) /* the guest was cancelled and lets everything go: libcurl must forget this pointer */
        curl_multi_assign(w->owner->multi, w->fd, NULL);
    free(w);
}

/* CURLMOPT_SOCKETFUNCTION. libcurl says REMOVE before it closes the socket, which is what the guest wants, too. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *assigned)
{
    fetch *f = data;
    watch *w = assigned;
    uint32_t events = 0;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            w->owner = NULL;
            guest_close(f->guest, w->id); /* the drop function frees it, in this delivery or the next one */
        }
        return 0;
    }
    if (what & CURL_POLL_IN)
        events |= GUEST_READABLE;
    if (what & CURL_POLL_OUT)
        events |= GUEST_WRITABLE;
    if (w)
        return guest_fd_modify(f->guest, w->id, events) == GUEST_OK ? 0 : -1;
    w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    w->owner = f;
    w->fd = fd;
    if (guest_fd_add(f->guest, fd, events, socket_ready, w, drop_watch, &w->id) != GUEST_OK) {
        free(w);
        return -1;
    }
    curl_multi_assign(f->multi, fd, w);
    return 0;
}

/* CURLMOPT_TIMERFUNCTION. A timeout of 0 is a timer of 0: it fires in the next round, not in here. */
static int on_timer(CURLM *multi, long milliseconds, void *data)
{
    fetch *f = data;
    guest_status_t status = GUEST_OK;
    (void)multi;
    if (milliseconds < 0) {
        if (f->timer)
            guest_close(f->guest, f->timer);
        f->timer = 0;
    } else if (f->timer)
        status = guest_timer_modify(f->guest, f->timer, (uint64_t)milliseconds * MILLISECONDS, 0);
    else
        status = guest_timer_add(f->guest, (uint64_t)milliseconds * MILLISECONDS, 0, timer_due, f, NULL, &f->timer);
    return status == GUEST_OK ? 0 : -1;
}

static void release(fetch *f)
{
    for (size_t i = 0; i < f->count; i++) {
        download *d = &f->downloads[i];
        if (d->stall)
            guest_close(f->guest, d->stall);
        if (d->easy)
            curl_multi_remove_handle(f->multi, d->easy);
        download_free(d);
    }
    if (f->multi)
        curl_multi_cleanup(f->multi); /* lets go of every socket that is left, through on_socket */
    if (f->timer)
        guest_close(f->guest, f->timer);
    if (f->resumer)
        guest_close(f->guest, f->resumer);
    if (f->teller)
        guest_close(f->guest, f->teller);
    curl_global_cleanup();
    free(f->downloads);
    free(f);
}

/* Tells the user what is new. He may do anything in there: `f` lives until the outermost `tell` returns. */
static void tell(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    fetch *f = data;
    const fetch_options *o = &f->options;
    size_t untold = 0;
    (void)g, (void)id, (void)expirations;
    f->teller = 0;
    f->tell_at_once = 0;
    f->telling++;
    for (size_t i = 0; i < f->count && !f->freed; i++) {
        download *d = &f->downloads[i];
        if (d->changed && d->item.state == FETCH_RUNNING) {
            d->changed = 0;
            if (o->progress)
                o->progress(o->data, &d->item);
        } else if (d->item.state != FETCH_RUNNING && !d->told) {
            d->told = 1;
            if (o->finished)
                o->finished(o->data, &d->item);
        }
    }
    for (size_t i = 0; i < f->count; i++)
        untold += !f->downloads[i].told;
    if (!f->freed && untold == 0 && !f->told_all) {
        f->told_all = 1;
        if (o->all_finished)
            o->all_finished(o->data);
    }
    f->telling--;
    if (f->freed && !f->telling)
        release(f);
}

static void begin(fetch *f, size_t index, const char *url)
{
    download *d = &f->downloads[index];
    CURLMcode code = CURLM_OK;
    d->item.index = index;
    d->owner = f;
    d->may_take = may_take;
    d->arrived = arrived;
    if (download_parse(d, url) < 0)
        return;
    if (download_make_unique(f->downloads, index) < 0)
        download_end(d, FETCH_FAILED, "out of memory");
    else if (download_open(d, f->options.directory) < 0)
        download_close(d);
    else if (guest_timer_add(f->guest, f->options.stall_seconds * SECONDS, 0, stalled, d, NULL, &d->stall) != GUEST_OK)
        download_end(d, FETCH_FAILED, "the guest takes no timer");
    else
        code = curl_multi_add_handle(f->multi, d->easy);
    if (code != CURLM_OK)
        download_end(d, FETCH_FAILED, "libcurl: %s", curl_multi_strerror(code));
    if (d->item.state != FETCH_RUNNING)
        retire(f, d);
}

fetch *fetch_new(guest_t *g, const char *const *urls, size_t count, const fetch_options *options)
{
    fetch *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->guest = g;
    f->options = *options;
    f->count = count;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(f);
        return NULL;
    }
    f->multi = curl_multi_init();
    f->downloads = calloc(count ? count : 1, sizeof *f->downloads);
    if (f->downloads)
        for (size_t i = 0; i < count; i++)
            f->downloads[i].target.fd = -1;
    else
        f->count = 0;
    tell_soon(f, 0); /* for what is wrong from the start */
    if (!f->multi || !f->downloads || !f->teller) {
        release(f);
        return NULL;
    }
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
    for (size_t i = 0; i < count; i++)
        begin(f, i, urls[i]);
    return f;
}

void fetch_cancel(fetch *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->downloads[i].item.state == FETCH_RUNNING) {
            download_end(&f->downloads[i], FETCH_CANCELLED, "cancelled");
            retire(f, &f->downloads[i]);
        }
}

void fetch_free(fetch *f)
{
    if (!f || f->freed)
        return;
    fetch_cancel(f);
    f->freed = 1;
    if (!f->telling)
        release(f);
}

size_t fetch_count(const fetch *f)
{
    return f->count;
}

const fetch_item *fetch_get(const fetch *f, size_t index)
{
    return &f->downloads[index].item;
}
