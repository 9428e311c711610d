/* See download.h. */
#include "download.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char CHECKSUM[] = "#sha256=";

void download_end(download *d, fetch_state state, const char *result, ...)
{
    va_list arguments;
    va_start(arguments, result);
    vsnprintf(d->item.result, sizeof d->item.result, result, arguments);
    va_end(arguments);
    d->item.state = state;
    if (d->started)
        d->item.seconds = (double)(guest_now() - d->started) / 1e9;
    d->changed = 1;
}

static int refused(download *d, const char *why)
{
    download_end(d, FETCH_FAILED, "%s", why);
    return -1;
}

/* The last segment of the URL's path, as a file name that cannot leave the directory or hide in it. */
static char *file_name(CURLU *url)
{
    char *path = NULL, *name;
    const char *last;
    if (curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK)
        return NULL;
    last = strrchr(path, '/');
    last = last ? last + 1 : path;
    /* Decoded after the cut, so that a %2F does not count as a slash of the path. */
    char *decoded = curl_easy_unescape(NULL, last, 0, NULL);
    curl_free(path);
    if (!decoded)
        return NULL;
    name = strndup(*decoded ? decoded : "index", 200); /* room for a number and ".part" within NAME_MAX */
    curl_free(decoded);
    for (char *c = name; c && *c; c++)
        if (*c == '/' || iscntrl((unsigned char)*c) || (c == name && *c == '.'))
            *c = '_';
    return name;
}

int download_parse(download *d, const char *url)
{
    char *host = NULL;
    CURLU *parsed = curl_url();
    CURLUcode code;
    const char *checksum = strstr(url, CHECKSUM);
    d->item.url = url;
    d->target.fd = -1;
    if (!parsed)
        return refused(d, "out of memory");
    code = curl_url_set(parsed, CURLUPART_URL, url, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(parsed, CURLUPART_HOST, &host, 0);
    if (code == CURLUE_OK) {
        d->host = strdup(host);
        d->item.name = d->name = file_name(parsed);
    }
    curl_free(host);
    curl_url_cleanup(parsed);
    if (code != CURLUE_OK) {
        download_end(d, FETCH_FAILED, "bad URL: %s", curl_url_strerror(code));
        return -1;
    }
    if (!d->host || !d->name)
        return refused(d, "out of memory");
    if (checksum) {
        const char *hex = checksum + strlen(CHECKSUM);
        if (strlen(hex) != 64 || strspn(hex, "0123456789abcdefABCDEF") != 64)
            return refused(d, "bad URL: after #sha256= stand 64 hexadecimal digits");
        for (size_t i = 0; i < 64; i++)
            d->expected[i] = (char)tolower((unsigned char)hex[i]);
    }
    return 0;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
    download *d = data;
    (void)bytes;
    d->arrived(d);
    return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    download *d = data;
    curl_off_t length = -1;
    if (!d->may_take(d)) {
        d->paused = 1;
        return CURL_WRITEFUNC_PAUSE; /* the same piece comes again when the transfer is resumed */
    }
    if (target_write(&d->target, bytes, size * count) < 0)
        return 0; /* a short count ends the transfer with CURLE_WRITE_ERROR */
    if (d->item.received == 0) {
        curl_easy_getinfo(d->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        d->item.total = length > 0 ? (uint64_t)length : 0;
    }
    d->item.received += size * count;
    d->changed = 1;
    d->arrived(d);
    return size * count;
}

int download_make_unique(download *all, size_t index)
{
    download *d = &all[index];
    size_t size = strlen(d->name) + 24, number = 1;
    char *name = strdup(d->name);
    for (size_t i = 0; name && i < index; i++)
        if (all[i].name && strcmp(all[i].name, name) == 0) {
            free(name);
            name = malloc(size);
            if (name)
                snprintf(name, size, "%s.%zu", d->name, ++number);
            i = (size_t)-1; /* the new name has to be compared with all */
        }
    free(d->name);
    d->item.name = d->name = name;
    return name ? 0 : -1;
}

int download_open(download *d, const char *directory)
{
    CURLcode code = CURLE_OK;
    char agent[64];
    snprintf(agent, sizeof agent, "asyncguest-fetch/%s", guest_version_string());
    d->started = guest_now();
    if (target_open(&d->target, directory, d->name) < 0)
        return refused(d, d->target.error);
    d->easy = curl_easy_init();
    if (!d->easy)
        return refused(d, "out of memory");
#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (code == CURLE_OK)                                                                                          \
            code = curl_easy_setopt(d->easy, (option), value);                                                         \
    } while (0)
    SET(CURLOPT_URL, d->item.url);
    SET(CURLOPT_PRIVATE, d);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, d);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, d);
    SET(CURLOPT_ERRORBUFFER, d->trouble);
    SET(CURLOPT_USERAGENT, agent);
    SET(CURLOPT_BUFFERSIZE, 65536L);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, 10L);
    SET(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "http,https,ftp,ftps");
#else
    SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS | CURLPROTO_FTP | CURLPROTO_FTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Names are looked up on a thread of libcurl's. Without this, giving a download up would wait for the name server. */
    SET(CURLOPT_QUICK_EXIT, 1L);
#endif
#undef SET
    return code == CURLE_OK ? 0 : refused(d, curl_easy_strerror(code));
}

/* Everything has arrived: is it what was asked for, and can it be kept? */
static void keep(download *d)
{
    if (target_close(&d->target) < 0) {
        refused(d, d->target.error);
        return;
    }
    memcpy(d->item.sha256, d->target.sha256, sizeof d->item.sha256);
    if (*d->expected && strcmp(d->expected, d->item.sha256) != 0)
        download_end(d, FETCH_FAILED, "wrong checksum: expected %s", d->expected);
    else if (target_keep(&d->target) < 0)
        refused(d, d->target.error);
    else {
        d->item.checked = *d->expected != 0;
        d->item.total = d->item.received;
        download_end(d, FETCH_OK, "ok");
    }
}

void download_complete(download *d, CURLcode code)
{
    long number = 0;
    switch (code) {
    case CURLE_OK:
        keep(d);
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
        download_end(d, FETCH_FAILED, "unknown host: %s", d->host);
        break;
    case CURLE_COULDNT_CONNECT:
        curl_easy_getinfo(d->easy, CURLINFO_OS_ERRNO, &number);
        download_end(d, FETCH_FAILED, "cannot connect: %s", number ? strerror((int)number) : d->trouble);
        break;
    case CURLE_HTTP_RETURNED_ERROR:
        curl_easy_getinfo(d->easy, CURLINFO_RESPONSE_CODE, &number);
        download_end(d, FETCH_FAILED, "HTTP status %ld", number);
        break;
    case CURLE_PARTIAL_FILE:
        if (d->item.total)
            download_end(d, FETCH_FAILED, "truncated: %llu of %llu bytes", (unsigned long long)d->item.received,
                         (unsigned long long)d->item.total);
        else
            download_end(d, FETCH_FAILED, "truncated after %llu bytes", (unsigned long long)d->item.received);
        break;
    case CURLE_WRITE_ERROR:
        refused(d, *d->target.error ? d->target.error : curl_easy_strerror(code));
        break;
    default:
        refused(d, *d->trouble ? d->trouble : curl_easy_strerror(code));
    }
}

void download_close(download *d)
{
    if (d->easy)
        curl_easy_cleanup(d->easy);
    d->easy = NULL;
    target_release(&d->target);
}

void download_free(download *d)
{
    download_close(d);
    free(d->name);
    free(d->host);
}
