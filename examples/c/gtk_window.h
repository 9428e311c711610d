/* The GTK 4 window of fetch: one row per download, an animation, a Cancel button, a modal dialog. Knows nothing of the guest. */
#ifndef GTK_WINDOW_H
#define GTK_WINDOW_H

#include "fetch.h"

#include <gtk/gtk.h>

typedef struct view view;

typedef struct view_actions {
    void *data;
    void (*cancel)(void *data); /* the Cancel button */
    void (*close)(void *data); /* the window's close button; the window stays until view_free */
} view_actions;

view *view_new(const char *const *urls, size_t count, const view_actions *actions);
void view_free(view *v);

void view_progress(view *v, const fetch_item *item);
void view_finished(view *v, const fetch_item *item);
void view_summary(view *v, const char *text, size_t running);

/* The modal dialog: runs a nested main loop until it is answered. */
int view_ask(view *v, const char *title, const char *text);
void view_answer(view *v, int yes);

/* The window as it looks now, pixels in plain memory; NULL if it is not on the screen. */
GdkTexture *view_picture(view *v);

/* Milliseconds of the longest gap between two frames of the animation while downloads ran; and how many there were. */
double view_longest_gap(const view *v, unsigned *frames);

#endif
