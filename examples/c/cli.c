/* See cli.h. */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STALL = 1000, AUTO_DIALOG, AUTO_CANCEL, LINGER, SCREENSHOT };

static void usage(const cli *c, FILE *to, int has_window)
{
    fprintf(to,
            "usage: %s [options] URL...\n"
            "Downloads all URLs at once. A URL may end in #sha256=HEX, which is then checked.\n"
            "  -o DIR               where the files go (default: here)\n"
            "  --stall SECONDS      give a download up when nothing arrives for so long (default 10)\n"
            "  -h, --help           this text\n",
            c->program);
    if (has_window)
        fprintf(to,
                "  --auto-dialog SECONDS  after a second, open the \"Really cancel?\" dialog for so long; answer no\n"
                "  --auto-cancel          ... answer yes\n"
                "  --linger SECONDS       keep the window for so long after the last download\n"
                "  --screenshot FILE      save a picture of the window when half is through\n");
    fprintf(to, "Exit status: 0 all downloads are complete, 1 some are not, 2 wrong usage or no display.\n");
}

/* A number of seconds up to a day. */
static int seconds(const cli *c, const char *option, const char *text, double least, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    if (end != text && *end == '\0' && errno == 0 && *out >= least && *out <= 86400)
        return 0;
    fprintf(stderr, "%s: %s wants a number of seconds from %g to 86400, not '%s'\n", c->program, option, least, text);
    return -1;
}

int cli_parse(cli *c, int argc, char **argv, int has_window, int *exit_code)
{
    static const struct option OPTIONS[] = {
        {"help", no_argument, NULL, 'h'},
        {"stall", required_argument, NULL, STALL},
        {"auto-dialog", required_argument, NULL, AUTO_DIALOG},
        {"auto-cancel", no_argument, NULL, AUTO_CANCEL},
        {"linger", required_argument, NULL, LINGER},
        {"screenshot", required_argument, NULL, SCREENSHOT},
        {0},
    };
    const char *slash = strrchr(argv[0], '/');
    double number = 0;
    int option, bad = 0;
    memset(c, 0, sizeof *c);
    c->program = slash ? slash + 1 : argv[0];
    c->directory = ".";
    c->stall_seconds = 10;
    *exit_code = 2;
    while (!bad && (option = getopt_long(argc, argv, "ho:", OPTIONS, NULL)) != -1) {
        if (option > STALL && !has_window) {
            fprintf(stderr,
                    "%s: there is no window here: --auto-dialog, --auto-cancel, --linger and --screenshot belong "
                    "to the other hosts\n",
                    c->program);
            return -1;
        }
        switch (option) {
        case 'h':
            usage(c, stdout, has_window);
            *exit_code = 0;
            return -1;
        case 'o':
            c->directory = optarg;
            break;
        case STALL:
            bad = seconds(c, "--stall", optarg, 1, &number);
            c->stall_seconds = (unsigned)number;
            break;
        case AUTO_DIALOG:
            bad = seconds(c, "--auto-dialog", optarg, 0.1, &c->dialog_seconds);
            break;
        case AUTO_CANCEL:
            c->dialog_answer = 1;
            break;
        case LINGER:
            bad = seconds(c, "--linger", optarg, 0, &c->linger_seconds);
            break;
        case SCREENSHOT:
            c->screenshot = optarg;
            break;
        default:
            bad = 1; /* getopt has said why */
        }
    }
    c->urls = (const char *const *)argv + optind;
    c->count = (size_t)(argc - optind);
    if (!bad && c->count == 0)
        fprintf(stderr, "%s: no URL given\n", c->program);
    if (bad || c->count == 0) {
        usage(c, stderr, has_window);
        return -1;
    }
    /* A server that hangs up while we write must be an error of that download, not the end of the program. */
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

char *cli_size(char *buffer, uint64_t bytes)
{
    static const char *const UNITS[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;
    while (value >= 1023.95 && unit < 3) {
        value /= 1024;
        unit++;
    }
    if (bytes < 1024)
        snprintf(buffer, 16, "%u B", (unsigned)bytes);
    else
        snprintf(buffer, 16, "%.1f %s", value, UNITS[unit]);
    return buffer;
}

double cli_item_share(const fetch_item *item)
{
    if (item->state == FETCH_OK)
        return 1;
    return item->total ? (double)item->received / (double)item->total : item->state == FETCH_RUNNING ? -1 : 0;
}

char *cli_item_text(char *buffer, size_t capacity, const fetch_item *item)
{
    char received[16], total[16];
    cli_size(received, item->received);
    if (item->state == FETCH_OK)
        snprintf(buffer, capacity, "%s in %.1f s%s", received, item->seconds, item->checked ? " · SHA-256 ok" : "");
    else if (item->state != FETCH_RUNNING)
        snprintf(buffer, capacity, "%s", item->result);
    else if (item->total)
        snprintf(buffer, capacity, "%s of %s · %.0f %%", received, cli_size(total, item->total),
                 100 * cli_item_share(item));
    else
        snprintf(buffer, capacity, "%s", received);
    return buffer;
}

void cli_print_table(const fetch *f)
{
    int url_width = 3, sum_width = 7;
    char size[16];
    double longest = 0;
    size_t count = fetch_count(f), complete = fetch_in_state(f, FETCH_OK);
    for (size_t i = 0; i < count; i++) {
        const fetch_item *item = fetch_get(f, i);
        int length = (int)strcspn(item->url, "#");
        url_width = length > url_width ? length : url_width;
        if (*item->sha256 && !item->checked)
            sum_width = 64;
        longest = item->seconds > longest ? item->seconds : longest;
    }
    printf("%-*s  %10s  %7s  %-*s  %s\n", url_width, "URL", "size", "seconds", sum_width, "SHA-256", "result");
    for (size_t i = 0; i < count; i++) {
        const fetch_item *item = fetch_get(f, i);
        printf("%-*.*s  %10s  %7.2f  %-*s  %s\n", url_width, (int)strcspn(item->url, "#"), item->url,
               cli_size(size, item->received), item->seconds, sum_width,
               item->checked   ? "ok"
               : *item->sha256 ? item->sha256
                               : "-",
               item->result);
    }
    printf("%zu of %zu downloads complete, %zu failed, %zu cancelled; %s in %.2f s\n", complete, count,
           fetch_in_state(f, FETCH_FAILED), fetch_in_state(f, FETCH_CANCELLED), cli_size(size, fetch_received(f)),
           longest);
    fflush(stdout);
}

int cli_exit_code(const fetch *f)
{
    return fetch_in_state(f, FETCH_OK) == fetch_count(f) ? 0 : 1;
}

int cli_guest_failed(const cli *c, const char *call)
{
    char message[400] = "";
    guest_last_error(NULL, NULL, message, sizeof message, NULL);
    fprintf(stderr, "%s: %s failed: %s\n", c->program, call, message);
    return 1;
}

int cli_check_leaks(const cli *c)
{
    guest_live_t live = {.struct_size = sizeof live};
    guest_live(&live);
    if (!(live.guests | live.sources | live.posts | live.threads | live.posters))
        return 0;
    fprintf(stderr, "%s: left over: %llu guests, %llu sources, %llu posts, %llu threads, %llu posters\n", c->program,
            (unsigned long long)live.guests, (unsigned long long)live.sources, (unsigned long long)live.posts,
            (unsigned long long)live.threads, (unsigned long long)live.posters);
    return 1;
}
