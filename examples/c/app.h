/* What the windowed hosts of fetch have in common: when to cancel, to ask, to take the picture and to leave.
 *
 * A toolkit supplies the functions of app_window; fetch_gtk.c and fetch_tk.c supply the guest. All on the host thread.
 */
#ifndef APP_H
#define APP_H

#include "cli.h"

typedef struct app_window {
    void (*progress)(void *window, const fetch_item *item);
    void (*finished)(void *window, const fetch_item *item);
    /* How far everything is, in words. `running`: downloads that have not ended. */
    void (*summary)(void *window, const char *text, size_t running);
    /* A modal dialog with a nested main loop; returns 1 for yes and 0 for no. */
    int (*ask)(void *window, const char *title, const char *text);
    /* Ends `ask` from outside with that answer. */
    void (*answer)(void *window, int yes);
    /* Saves a picture of the window and then calls app_screenshot_saved once, at once or later. */
    void (*screenshot)(void *window, const char *path);
} app_window;

typedef struct app {
    cli cli;
    guest_t *guest;
    fetch *fetch;
    const app_window *toolkit;
    void *window;
    uint64_t started;
    int asking;         /* the dialog is open */
    int finished;       /* all downloads have ended */
    int leaving;        /* guest_cancel was called, or will be when the picture is saved */
    int picture_begun;
    int picture_open;   /* the picture is being saved: the guest is still needed */
    uint64_t dialog_bytes, dialog_from; /* when the dialog opened */
} app;

/* Starts the downloads on a guest that runs. 0, or 1 after a message. `window` is the first argument of the functions. */
int app_start(app *a, guest_t *g, const app_window *toolkit, void *window);

/* The Cancel button: asks whether it was meant. May be called from any handler of the toolkit. */
void app_cancel_clicked(app *a);

/* The window is closed, or a signal says leave: cancels everything without asking. Leads to host.done. */
void app_close(app *a);

/* `path`: what was saved; NULL if `error` tells why there is none. */
void app_screenshot_saved(app *a, const char *path, const char *error);

/* After the main loop has ended: prints the table and releases the downloads. Returns the exit code so far. */
int app_finish(app *a);

#endif
