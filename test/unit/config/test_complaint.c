#include "config/complaint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void the_nearest_name(void **state)
{
    (void)state;
    static const char *const names[] = { "name",     "match", "style", "timeout",
                                         "max_body", "sync",  NULL };
    static const char *const rows[][2] = {
        { "tiemout", "timeout" }, /* two neighbours swapped */
        { "timeouts", "timeout" },
        { "timout", "timeout" },
        { "max-body", "max_body" },
        { "styel", "style" },
        { "nmae", "name" },
        { "queue", NULL },
        { "timeout", NULL }, /* the same name is no help */
        { "x", NULL },
        { "", NULL },
        { "a_name_that_is_much_longer_than_any_that_we_have_in_our_tables", NULL },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *nearest = nearest_name(rows[i][0], names);
        if (rows[i][1] == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, rows[i][1]);
    }
}

static void told_in_the_order_of_the_files(void **state)
{
    (void)state;
    struct complaints complaints;
    complaints_init(&complaints);
    complaints_source(&complaints, "b.cfg", SLICE("one\ntwo = 2;\n"));
    complaints_source(&complaints, "a.cfg", SLICE("three = \"x\";\n"));
    complain(&complaints, (struct place){ "a.cfg", 1, 9 }, "fourth");
    warn(&complaints, (struct place){ "b.cfg", 2, 7 }, "third");
    struct complaint *complaint = complain(&complaints, (struct place){ "b.cfg", 2, 1 }, "second");
    complaint_expected(&complaints, complaint, "%s", "that");
    complaint_hint(&complaints, complaint, "did you mean %s?", "this");
    complain(&complaints, (struct place){ NULL, 0, 0 }, "first\x1b");
    complaints_reveal(&complaints, (struct place){ "a.cfg", 1, 9 });

    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    complaints_print(&complaints, out, false);
    fclose(out);
    assert_string_equal(text, "first?\n"
                              "b.cfg:2:1: second; expected that; did you mean this?\n"
                              "two = ***;\n"
                              "^\n"
                              "b.cfg:2:7: warning: third\n"
                              "two = ***;\n"
                              "      ^\n"
                              "a.cfg:1:9: fourth\n"
                              "three = \"x\";\n"
                              "        ^\n");
    free(text);
    assert_int_equal(complaints.errors, 3);
    assert_int_equal(complaints.warnings, 1);
    complaints_clear(&complaints);
    assert_int_equal(complaints.errors, 0);
}

static void long_lines_are_shown_around_the_caret(void **state)
{
    (void)state;
    struct complaints complaints;
    complaints_init(&complaints);
    char line[2000];
    memset(line, '(', sizeof(line));
    complaints_source(&complaints, "a.cfg", slice_of(line, sizeof(line)));
    complain(&complaints, (struct place){ "a.cfg", 1, 1500 }, "far");
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    complaints_print(&complaints, out, false);
    fclose(out);
    assert_true(len < 300);
    assert_int_equal(text[len - 2], '^');
    free(text);
    complaints_clear(&complaints);
}

/* Standard error may be a pipe that nobody empties. */
static void a_full_pipe_holds_nobody_up(void **state)
{
    (void)state;
    struct complaints complaints;
    complaints_init(&complaints);
    for (unsigned i = 0; i < 150; i++)
        complain(&complaints, (struct place){ "a.cfg", i + 1, 1 }, "%0500u", i);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    alarm(120);
    complaints_write(&complaints, ends[1], 10, false); /* more than a pipe takes */
    char text[16] = "";
    assert_int_equal(read(ends[0], text, 12), 12);
    assert_string_equal(text, "a.cfg:1:1: 0");
    close(ends[0]);
    close(ends[1]);
    alarm(0);
    complaints_clear(&complaints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_name),
        cmocka_unit_test(told_in_the_order_of_the_files),
        cmocka_unit_test(long_lines_are_shown_around_the_caret),
        cmocka_unit_test(a_full_pipe_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
