/* What an episode has done last, in memory that outlives its process. */
#include "model.h"

#include <stdarg.h>
#include <sys/mman.h>

static struct {
    unsigned ops, lines;
    char text[48][120];
} *progress;

void progress_open(void)
{
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(progress != MAP_FAILED);
}

void progress_begin(unsigned op)
{
    progress->ops = op + 1;
    if (op == 0)
        progress->lines = 0;
}

unsigned progress_ops(void)
{
    return progress->ops;
}

void trace(const char *format, ...)
{
    if (world.forked)
        return;
    va_list arguments;
    va_start(arguments, format);
    char *line = progress->text[progress->lines++ % COUNT(progress->text)];
    vsnprintf(line, sizeof progress->text[0], format, arguments);
    va_end(arguments);
}

void progress_print(void)
{
    unsigned count = progress->lines < COUNT(progress->text) ? progress->lines : COUNT(progress->text);
    for (unsigned i = progress->lines - count; i < progress->lines; i++)
        fprintf(stderr, "    %s\n", progress->text[i % COUNT(progress->text)]);
}
