/* The command line and the table at the end: the same for every host of fetch. */
#ifndef CLI_H
#define CLI_H

#include "fetch.h"

typedef struct cli {
    const char *program;
    const char *directory;   /* -o */
    unsigned stall_seconds;  /* --stall */
    double dialog_seconds;   /* --auto-dialog; 0: only when the user asks */
    int dialog_answer;       /* --auto-cancel: the dialog answers itself with "yes" */
    double linger_seconds;   /* --linger: the window stays for so long after the end */
    const char *screenshot;  /* --screenshot; NULL: none */
    const char *const *urls;
    size_t count;
} cli;

/* 0, or -1 after a message: then leave with *exit_code. `has_window`: this host knows the options of windows. */
int cli_parse(cli *c, int argc, char **argv, int has_window, int *exit_code);

/* Prints what became of each URL. */
void cli_print_table(const fetch *f);

/* 0 if every download is complete, else 1. */
int cli_exit_code(const fetch *f);

/* "16.0 MiB", into a buffer of at least 16 bytes, which it returns. */
char *cli_size(char *buffer, uint64_t bytes);

/* How far one download is, or how it ended, in words for its row of a window. Returns the buffer. */
char *cli_item_text(char *buffer, size_t capacity, const fetch_item *item);

/* Its progress bar: 0 to 1, or negative while nobody knows how much is to come. */
double cli_item_share(const fetch_item *item);

/* Reports a call of the guest that failed, with the library's own words. Returns 1, for use as an exit code. */
int cli_guest_failed(const cli *c, const char *call);

/* To be called last: 0 if nothing of the guest's is left in the process, else 1 after a message. */
int cli_check_leaks(const cli *c);

#endif
