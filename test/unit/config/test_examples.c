/* The examples are the first thing that a user copies: each is taken without a word. */
#include "config/config.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake_catalog.h"

static void every_example_is_taken_without_a_word(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob("config/*.cfg", 0, NULL, &found),
                     0); /* tests run in the project's folder */
    assert_true(found.gl_pathc >= 5);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct complaints complaints;
        complaints_init(&complaints);
        struct config *config = config_load(found.gl_pathv[i], &fake_catalog, &complaints);
        complaints_print(&complaints, stderr, false);
        assert_int_equal(complaints.errors + complaints.warnings, 0);
        config_free(config);
        complaints_clear(&complaints);
    }
    globfree(&found);
}

static void the_word_alone_switches_a_style(void **state)
{
    (void)state;
    struct complaints complaints;
    complaints_init(&complaints);
    struct config *config = config_load("config/request_reply.cfg", &fake_catalog, &complaints);
    const struct values *route = values_get(config->top, "routes")->groups[0];
    assert_true(values_has(route, "sync"));
    assert_true(values_has(route, "request_reply"));
    assert_int_equal(values_number(route, "style"), STYLE_REQUEST_REPLY);
    config_free(config);
    complaints_clear(&complaints);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_is_taken_without_a_word),
        cmocka_unit_test(the_word_alone_switches_a_style),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
