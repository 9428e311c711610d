/* get: downloads URLs over streams of the guest, all at once; no libcurl, no toolkit. fetch.h does the same with libcurl, which
 * knows HTTPS, redirects and proxies.
 *
 *     get DIRECTORY http://HOST[:PORT]/PATH...
 *
 * It speaks as much HTTP as an example needs, and knows no addresses in brackets. One line for each URL: "ok NAME BYTES SHA256", or "failed NAME: what went wrong". Status 1 if one has failed.
 */
#include <asyncguest.h>

#include "target.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE 5000000000ull /* nanoseconds without a byte */

typedef struct download {
    const char *name; /* the last part of the URL */
    guest_id_t stream;
    guest_id_t stall; /* the timer of our patience */
    size_t head_size;
    char head[16384]; /* of the answer, until it is whole */
    int has_head;
    uint64_t total; /* that the server promises; UINT64_MAX if it does not */
    target file;
} download;

static size_t running, failures;

/* It has ended: by itself, or because we say so. `problem`: NULL if all is well. */
static void end(guest_t *g, download *d, const char *problem)
{
    if (!problem && (target_close(&d->file) < 0 || target_keep(&d->file) < 0))
        problem = d->file.error;
    if (problem)
        printf("failed %s: %s\n", d->name, problem);
    else
        printf("ok %s %llu %s\n", d->name, (unsigned long long)d->file.size, d->file.sha256);
    failures += problem != NULL;
    target_release(&d->file);
    guest_close(g, d->stall);
    guest_close(g, d->stream); /* stale, when it has ended by itself */
    if (--running == 0)
        guest_cancel(g);
}

static void lost_patience(guest_t *g, guest_id_t id, uint64_t expirations, void *data)
{
    (void)id, (void)expirations;
    end(g, data, "stalled: nothing has come for 5 s");
}

/* Takes what is still part of the head; returns how much that is. */
static size_t take_head(download *d, const char *bytes, size_t size)
{
    size_t before = d->head_size, room = sizeof d->head - 1 - before;
    char *body, *length;
    if (size < room)
        room = size;
    memcpy(d->head + before, bytes, room);
    d->head_size += room;
    d->head[d->head_size] = '\0';
    body = strstr(d->head, "\r\n\r\n");
    if (!body)
        return size;
    body[2] = '\0';
    d->has_head = 1;
    length = strcasestr(d->head, "\r\nContent-Length:");
    d->total = length ? strtoull(length + 17, NULL, 10) : UINT64_MAX;
    return (size_t)(body + 4 - d->head) - before;
}

static void arrived(guest_t *g, guest_id_t id, const void *data, size_t size, void *user_data)
{
    download *d = user_data;
    const char *bytes = data;
    (void)id;
    guest_timer_modify(g, d->stall, PATIENCE, 0);
    if (size == 0 && !d->has_head)
        return end(g, d, "the server's answer has no end to its head");
    if (size == 0) /* a server that has promised no length ends so */
        return end(g, d, d->total == UINT64_MAX ? NULL : "the server ended early");
    if (!d->has_head) {
        size_t taken = take_head(d, bytes, size);
        bytes += taken;
        size -= taken;
        if (!d->has_head && d->head_size == sizeof d->head - 1)
            return end(g, d, "the head of the server's answer is too long");
        if (!d->has_head)
            return;
        if (strncmp(d->head, "HTTP/1.", 7) != 0 || strncmp(d->head + 8, " 200", 4) != 0) {
            d->head[strcspn(d->head, "\r\n")] = '\0';
            return end(g, d, d->head);
        }
    }
    if (target_write(&d->file, bytes, size) < 0)
        return end(g, d, d->file.error);
    if (d->total != UINT64_MAX && d->file.size >= d->total)
        end(g, d, NULL);
}

static void broken(guest_t *g, guest_id_t id, guest_status_t status, int32_t os_error, void *data)
{
    (void)id;
    if (status == GUEST_EOS)
        end(g, data, strerror(os_error));
    else
        end(g, data, status == GUEST_ERESOLVE ? gai_strerror(os_error) : guest_status_name(status));
}

/* Begins a download; a URL that is none, or a file that cannot be made, has failed at once. */
static void begin(guest_t *g, download *d, const char *directory, char *url)
{
    guest_stream_options_t options = {.struct_size = sizeof options, .read = arrived, .closed = broken};
    char *host, *path, *port;
    char request[2048];
    guest_buffer_t buffer = {request, 0};
    int length;
    url[strcspn(url, "#")] = '\0';
    d->name = strrchr(url, '/') ? strrchr(url, '/') + 1 : url;
    if (strncmp(url, "http://", 7) != 0 || d->name == url + 7 || !*d->name || *d->name == '.')
        return end(g, d, "not of the form http://HOST[:PORT]/PATH with a name at its end");
    if (target_open(&d->file, directory, d->name) < 0)
        return end(g, d, d->file.error);
    host = url + 7;
    path = host + strcspn(host, "/");
    length = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %.*s\r\n\r\n", path, (int)(path - host), host);
    if (length >= (int)sizeof request)
        return end(g, d, "the URL is too long");
    buffer.size = (size_t)length;
    *path = '\0';
    port = strchr(host, ':');
    if (port)
        *port++ = '\0';
    if (guest_timer_add(g, PATIENCE, 0, lost_patience, d, NULL, &d->stall) != GUEST_OK ||
        guest_stream_connect(g, host, port ? port : "80", &options, d, NULL, &d->stream) != GUEST_OK ||
        guest_stream_write(g, d->stream, &buffer, 1, NULL, NULL) != GUEST_OK) /* waits for the connection */
        end(g, d, "the guest takes no more");
}

int main(int argc, char **argv)
{
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_RUN};
    download *downloads;
    guest_t *g;
    if (argc < 3) {
        fprintf(stderr, "usage: get DIRECTORY http://HOST[:PORT]/PATH...\n");
        return 2;
    }
    downloads = calloc((size_t)argc, sizeof *downloads);
    if (!downloads || guest_start(NULL, &options, &g) != GUEST_OK)
        return 1;
    running = (size_t)argc - 2;
    for (int i = 2; i < argc; i++)
        downloads[i].file.fd = -1; /* not open */
    for (int i = 2; i < argc; i++)
        begin(g, &downloads[i], argv[1], argv[i]);
    guest_run(g, GUEST_FOREVER);
    guest_free(g);
    free(downloads);
    return failures > 0;
}
