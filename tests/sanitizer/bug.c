/* Two bugs of a caller that show inside the library: whoever builds library and program with a
 * sanitizer must get a report from each, or the sanitizer is not on (scripts/sanitizer.sh). */
#include "asyncguest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 64 };

/* The library writes up to CAPACITY bytes to a place of unsuitable size, or of two threads at once. */
static void *write_text(void *buffer)
{
    for (int i = 0; i < 1000; i++)
        guest_status_message(GUEST_ESTALE, buffer, CAPACITY, NULL);
    return NULL;
}

int main(int argc, char **argv)
{
    int race = argc > 1 && strcmp(argv[1], "thread") == 0;
    char *buffer = malloc(race ? CAPACITY : CAPACITY / 4);
    pthread_t other;

    if (race && pthread_create(&other, NULL, write_text, buffer) != 0)
        return 0;
    write_text(buffer);
    if (race)
        pthread_join(other, NULL);
    free(buffer);
    return 0;
}
