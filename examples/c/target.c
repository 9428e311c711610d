/* See target.h. Files are written from the host's thread: the page cache takes a download's chunk in microseconds.
 * A program that must expect slow disks would hand the chunks to guest_work instead. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failed(target *t, const char *what, const char *path, int error)
{
    snprintf(t->error, sizeof t->error, "cannot %s %s: %s", what, path, strerror(error));
    return -1;
}

static char *join(const char *directory, const char *name, const char *suffix)
{
    size_t size = strlen(directory) + 1 + strlen(name) + strlen(suffix) + 1;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s%s", directory, name, suffix);
    return path;
}

int target_open(target *t, const char *directory, const char *name)
{
    memset(t, 0, sizeof *t);
    t->fd = -1;
    t->path = join(directory, name, "");
    t->part = join(directory, name, ".part");
    t->digest = EVP_MD_CTX_new();
    if (!t->path || !t->part || !t->digest || EVP_DigestInit_ex(t->digest, EVP_sha256(), NULL) != 1)
        return failed(t, "prepare", name, ENOMEM);
    t->fd = open(t->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (t->fd < 0)
        return failed(t, "write", t->part, errno);
    t->created = 1;
    return 0;
}

int target_write(target *t, const void *bytes, size_t count)
{
    const char *at = bytes;
    if (EVP_DigestUpdate(t->digest, bytes, count) != 1)
        return failed(t, "compute the SHA-256 of", t->part, ENOMEM);
    while (count > 0) {
        ssize_t written = write(t->fd, at, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return failed(t, "write", t->part, errno);
        at += written;
        count -= (size_t)written;
        t->size += (uint64_t)written;
    }
    return 0;
}

int target_close(target *t)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    /* A network file system may report a failed write only here. */
    int error = close(t->fd) < 0 ? errno : 0;
    t->fd = -1;
    if (error && error != EINTR)
        return failed(t, "write", t->part, error);
    if (EVP_DigestFinal_ex(t->digest, raw, &length) != 1)
        return failed(t, "compute the SHA-256 of", t->part, ENOMEM);
    for (unsigned i = 0; i < length && i < 32; i++)
        snprintf(t->sha256 + 2 * i, 3, "%02x", raw[i]);
    return 0;
}

int target_keep(target *t)
{
    if (rename(t->part, t->path) < 0)
        return failed(t, "create", t->path, errno);
    t->created = 0; /* there is nothing left to remove */
    return 0;
}

void target_release(target *t)
{
    if (t->fd >= 0)
        close(t->fd);
    if (t->created)
        unlink(t->part);
    EVP_MD_CTX_free(t->digest);
    free(t->part);
    free(t->path);
    t->digest = NULL;
    t->part = t->path = NULL;
    t->fd = -1;
    t->created = 0;
}
