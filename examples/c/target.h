/* The file that one download goes to: written as NAME.part, hashed on the way, renamed to NAME when it is complete.
 *
 * Knows nothing of libcurl, of the guest or of any window. Every function that can fail returns 0 or -1 and leaves
 * one line in `error` that names the file and the system's reason.
 */
#ifndef TARGET_H
#define TARGET_H

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

typedef struct target {
    char *path;         /* the file's final name */
    char *part;         /* its name until then */
    int fd;             /* -1 when it is not open */
    int created;        /* NAME.part is ours, to be removed unless it is kept */
    EVP_MD_CTX *digest; /* SHA-256 of what has been written */
    uint64_t size;
    char sha256[65];    /* in hexadecimal, after target_finish */
    char error[320];
} target;

/* Creates NAME.part in `directory`; one that was left over from an earlier run is emptied. */
int target_open(target *t, const char *directory, const char *name);

int target_write(target *t, const void *bytes, size_t count);

/* Closes the file and computes `sha256`; the file is still called NAME.part. */
int target_close(target *t);

/* Gives the closed file its final name. */
int target_keep(target *t);

/* Releases everything; a file that was not kept is removed. Harmless on a target that was never opened or is released. */
void target_release(target *t);

#endif
