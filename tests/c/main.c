/* The program of the C tests: runs the one that its argument names. */
#include "harness.h"

#include <setjmp.h>

static test_t *tests;
static jmp_buf main_frame;
static int main_code;

void return_from_main(int code)
{
    main_code = code;
    longjmp(main_frame, 1);
}

void test_register(test_t *test)
{
    test->next = tests;
    tests = test;
}

#ifdef __SANITIZE_THREAD__
void __sanitizer_symbolize_pc(void *pc, const char *format, char *text, size_t capacity);

static void *nothing(void *argument)
{
    return argument;
}

/* What ThreadSanitizer starts when it is first needed, and keeps: with the first thread one of its own, with the
 * first finding, also one that is suppressed, a process that knows the names of functions. */
static void settle_sanitizer(void)
{
    char text[64];
    join(spawn(nothing, NULL));
    __sanitizer_symbolize_pc(__builtin_return_address(0), "%f", text, sizeof text);
}
#else
static void settle_sanitizer(void) {}
#endif

int main(int argc, char **argv)
{
    settle_sanitizer();
    if (setjmp(main_frame))
        return main_code;
    for (const test_t *test = tests; argc == 2 && test; test = test->next) {
        if (strcmp(test->name, argv[1]) != 0)
            continue;
        traces_t before = traces_look();
        test->run();
        traces_check(&before);
        return 0;
    }
    fprintf(stderr, "usage: %s TEST, one of\n", argv[0]);
    for (const test_t *test = tests; test; test = test->next)
        fprintf(stderr, "  %s\n", test->name);
    return 2;
}
