/* fetch in a Tk window: how a guest lives in Tcl's event loop (drive THREAD).
 *
 * `post` puts an event into the host thread's queue and alerts it, which Tcl allows from any thread. What needs care is
 * the order in which Tcl works: Tcl_DoOneEvent serves its queue before it looks at the X connection, at timers or at what
 * waits for an idle moment, and Tk redraws in idle moments. A guest with much to do, whose next token is in the queue
 * whenever a batch ends, would be served again and again, and the window would freeze. So a guest that has had its turn
 * rests until an idle moment comes, which is when the window has had its own; a token that arrives meanwhile is put by.
 * The idle handler only queues it: delivering there would run callbacks inside any `update idletasks`.
 */
#include "app.h"

#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <tcl.h>
#include <tk.h>

extern char **environ;

typedef struct host {
    app app;
    guest_t *guest;
    Tcl_Interp *interp;
    Tcl_ThreadId thread;
    int resting;            /* the guest has had its turn, and no idle moment has come since */
    guest_token_t put_by;   /* the token that arrived while resting; 0: none */
    int done;
} host;

typedef struct token_event {
    Tcl_Event event;
    host *host;
    guest_token_t token;
} token_event;

static int deliver(Tcl_Event *event, int flags);

static Tcl_Event *new_event(host *h, guest_token_t token)
{
    token_event *e = (token_event *)Tcl_Alloc(sizeof *e); /* Tcl frees it */
    *e = (token_event){.event.proc = deliver, .host = h, .token = token};
    return &e->event;
}

static int32_t post(void *data, guest_token_t token)
{
    host *h = data;
    Tcl_ThreadQueueEvent(h->thread, new_event(h, token), TCL_QUEUE_TAIL);
    Tcl_ThreadAlert(h->thread);
    return 0;
}

static void rested(ClientData data)
{
    host *h = data;
    h->resting = 0;
    if (h->put_by)
        Tcl_QueueEvent(new_event(h, h->put_by), TCL_QUEUE_TAIL);
    h->put_by = 0;
}

/* Called by Tcl on the host thread; 1 = handled. */
static int deliver(Tcl_Event *event, int flags)
{
    token_event *e = (token_event *)event;
    host *h = e->host;
    guest_status_t status;
    if (!(flags & TCL_FILE_EVENTS))
        return 0; /* somebody waits for other kinds only, such as window events: stay in the queue */
    if (h->resting) {
        h->put_by = e->token;
        return 1;
    }
    h->resting = 1;
    Tcl_DoWhenIdle(rested, h);
    status = guest_deliver_batch(h->guest, e->token);
    if (status != GUEST_OK && status != GUEST_ESTALE && status != GUEST_ECLOSED) {
        cli_guest_failed(&h->app.cli, "guest_deliver_batch");
        h->done = 1;
    }
    return 1;
}

static void done(void *data, guest_status_t status)
{
    host *h = data;
    (void)status;
    h->done = 1;
}

/* Events that are still queued name a guest that is no more. */
static int is_ours(Tcl_Event *event, ClientData data)
{
    return event->proc == deliver && ((token_event *)event)->host == data;
}

/* Calls a procedure of the window with `count` words, and takes the words. */
static int call(host *h, const char *procedure, int count, Tcl_Obj *const words[])
{
    Tcl_Obj *line[8] = {Tcl_NewStringObj(procedure, -1)};
    int code;
    for (int i = 0; i < count; i++)
        line[i + 1] = words[i];
    for (int i = 0; i <= count; i++)
        Tcl_IncrRefCount(line[i]);
    code = Tcl_EvalObjv(h->interp, count + 1, line, TCL_EVAL_GLOBAL);
    if (code != TCL_OK)
        fprintf(stderr, "%s: %s: %s\n", h->app.cli.program, procedure, Tcl_GetStringResult(h->interp));
    for (int i = 0; i <= count; i++)
        Tcl_DecrRefCount(line[i]);
    return code;
}
#define CALL(h, procedure, ...)                                                                                        \
    call(h, procedure, sizeof((Tcl_Obj *[]){__VA_ARGS__}) / sizeof(Tcl_Obj *), (Tcl_Obj *[]){__VA_ARGS__})

static void progress(void *data, const fetch_item *item)
{
    char text[448];
    cli_item_text(text, sizeof text, item);
    CALL(data, "window::progress", Tcl_NewWideIntObj((Tcl_WideInt)item->index), Tcl_NewDoubleObj(cli_item_share(item)),
         Tcl_NewStringObj(text, -1));
}

static void finished(void *data, const fetch_item *item)
{
    char text[448];
    cli_item_text(text, sizeof text, item);
    CALL(data, "window::finished", Tcl_NewWideIntObj((Tcl_WideInt)item->index),
         Tcl_NewBooleanObj(item->state == FETCH_OK), Tcl_NewDoubleObj(cli_item_share(item)),
         Tcl_NewStringObj(text, -1));
}

static void summary(void *data, const char *text, size_t running)
{
    CALL(data, "window::summary", Tcl_NewStringObj(text, -1), Tcl_NewWideIntObj((Tcl_WideInt)running));
}

static int ask(void *data, const char *title, const char *text)
{
    host *h = data;
    int yes = 0;
    if (CALL(h, "window::ask", Tcl_NewStringObj(title, -1), Tcl_NewStringObj(text, -1)) == TCL_OK)
        Tcl_GetBooleanFromObj(NULL, Tcl_GetObjResult(h->interp), &yes);
    return yes;
}

static void answer(void *data, int yes)
{
    CALL(data, "window::answer", Tcl_NewBooleanObj(yes));
}

static void picture_saved(guest_t *g, guest_id_t id, int32_t exit_code, int32_t term_signal, void *data)
{
    host *h = data;
    (void)g, (void)id, (void)term_signal;
    app_screenshot_saved(&h->app, exit_code == 0 ? h->app.cli.screenshot : NULL, "ImageMagick's import failed");
}

/* Tk cannot read its own pixels: ImageMagick's `import` asks the X server for them, in a process that the guest waits for. */
static void screenshot(void *data, const char *path)
{
    host *h = data;
    char window[32] = "", target[4096], text[128];
    pid_t pid;
    int error;
    if (Tcl_Eval(h->interp, "wm frame .") == TCL_OK)
        snprintf(window, sizeof window, "%s", Tcl_GetStringResult(h->interp));
    snprintf(target, sizeof target, "%s", path);
    char *arguments[] = {"import", "-silent", "-window", window, target, NULL};
    error = posix_spawnp(&pid, "import", NULL, NULL, arguments, environ);
    if (error) {
        snprintf(text, sizeof text, "ImageMagick's import: %s", strerror(error));
        app_screenshot_saved(&h->app, NULL, text);
    } else if (guest_child_add(h->guest, pid, picture_saved, h, NULL, NULL) != GUEST_OK) {
        waitpid(pid, NULL, 0);
        app_screenshot_saved(&h->app, NULL, "the guest does not watch the child");
    }
}

static const app_window WINDOW = {progress, finished, summary, ask, answer, screenshot};

static int cancel_clicked(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[])
{
    (void)interp, (void)count, (void)words;
    app_cancel_clicked(&((host *)data)->app);
    return TCL_OK;
}

static int close_clicked(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[])
{
    (void)interp, (void)count, (void)words;
    app_close(&((host *)data)->app);
    return TCL_OK;
}

/* The window is on the screen, or there is a message. */
static int make_window(host *h)
{
    Tcl_Obj *urls = Tcl_NewListObj(0, NULL);
    Tcl_Obj *script = Tcl_NewStringObj(TK_WINDOW_SCRIPT, -1);
    int code = TCL_ERROR;
    Tcl_IncrRefCount(urls);
    Tcl_IncrRefCount(script);
    for (size_t i = 0; i < h->app.cli.count; i++)
        Tcl_ListObjAppendElement(NULL, urls, Tcl_NewStringObj(h->app.cli.urls[i], -1));
    Tcl_CreateObjCommand(h->interp, "cancel_clicked", cancel_clicked, h, NULL);
    Tcl_CreateObjCommand(h->interp, "close_clicked", close_clicked, h, NULL);
    if (Tcl_Init(h->interp) != TCL_OK || Tk_Init(h->interp) != TCL_OK ||
        Tcl_FSEvalFileEx(h->interp, script, "utf-8") != TCL_OK)
        fprintf(stderr, "%s: %s\n", h->app.cli.program, Tcl_GetStringResult(h->interp));
    else
        code = CALL(h, "window::make", urls);
    Tcl_DecrRefCount(script);
    Tcl_DecrRefCount(urls);
    return code;
}

int main(int argc, char **argv)
{
    host h = {0};
    guest_host_t guest_host = {.struct_size = sizeof guest_host, .data = &h, .post = post, .done = done};
    int code;
    if (cli_parse(&h.app.cli, argc, argv, 1, &code) < 0)
        return code;
    Tcl_FindExecutable(argv[0]);
    h.interp = Tcl_CreateInterp();
    h.thread = Tcl_GetCurrentThread();
    if (make_window(&h) != TCL_OK)
        return 2;
    if (guest_start(&guest_host, NULL, &h.guest) != GUEST_OK)
        code = cli_guest_failed(&h.app.cli, "guest_start");
    else if ((code = app_start(&h.app, h.guest, &WINDOW, &h)) == 0)
        while (!h.done)
            Tcl_DoOneEvent(TCL_ALL_EVENTS);
    if (h.guest) {
        code |= app_finish(&h.app);
        if (Tcl_Eval(h.interp, "format {longest gap between two animation frames: %.1f ms (%d frames)} "
                               "{*}[window::longest_gap]") == TCL_OK)
            printf("%s\n", Tcl_GetStringResult(h.interp));
    }
    guest_free(h.guest); /* from here on nobody posts */
    Tcl_DeleteEvents(is_ours, &h);
    Tcl_CancelIdleCall(rested, &h);
    Tcl_Eval(h.interp, "destroy .");
    Tcl_DeleteInterp(h.interp);
    Tcl_Finalize();
    return code | cli_check_leaks(&h.app.cli);
}
