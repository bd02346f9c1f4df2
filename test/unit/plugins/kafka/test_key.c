/* Each source of a key, and calls that have it or do not. */
#include "plugins/kafka/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char usual[] =
    "{\"order\":{\"id\":17,\"a/b\":[\"x\",true,1.5]},\"~\":\"tilde\",\"none\":null}";

/* The key that a source takes from a call with that body; "-": none. */
static const char *key_in(const char *body, const char *source_text)
{
    static char text[256];
    struct key_source source;
    const char *why;
    assert_int_equal(key_source_read(source_text, "/shops/{shop}/orders/{id}", &source, &why), 0);
    struct call *call = calloc(1, sizeof *call);
    assert_non_null(call);
    arena_init(&call->arena, 1 << 20);
    call->request.path = SLICE("/shops/berlin/orders/9");
    call->request.query = SLICE("a=1&name=caf%C3%A9+x&empty=&flag");
    assert_int_equal(
        fields_add(&call->request.fields, &call->arena, SLICE("X-Order"), SLICE("o-1")), 0);
    assert_int_equal(fields_add(&call->request.fields, &call->arena, SLICE("X-Empty"), SLICE("")),
                     0);
    bytes_text(&call->body, body);
    struct slice found = key_of(&source, call, &call->arena);
    snprintf(text, sizeof text, "%.*s", (int)found.len, (const char *)found.at);
    bool none = found.at == NULL;
    bytes_free(&call->body);
    arena_clear(&call->arena);
    free(call);
    return none ? "-" : text;
}

static const char *key(const char *source_text)
{
    return key_in(usual, source_text);
}

static void each_source_gives_its_key(void **state)
{
    (void)state;
    assert_string_equal(key("header:x-order"), "o-1");
    assert_string_equal(key("header:x-empty"), "");
    assert_string_equal(key("path:2"), "berlin");
    assert_string_equal(key("path:id"), "9");
    assert_string_equal(key("query:a"), "1");
    assert_string_equal(key("query:name"), "caf\xc3\xa9 x");
    assert_string_equal(key("query:empty"), "");
    assert_string_equal(key("query:flag"), "");
    assert_string_equal(key("json:/order/id"), "17");
    assert_string_equal(key("json:/order/a~1b/0"), "x");
    assert_string_equal(key("json:/order/a~1b/1"), "true");
    assert_string_equal(key("json:/order/a~1b/2"), "1.5");
    assert_string_equal(key("json:/~0"), "tilde");
    assert_string_equal(key("text:all"), "all");
    assert_string_equal(key("text:"), "");
}

static void what_is_not_there_is_no_key(void **state)
{
    (void)state;
    assert_string_equal(key(NULL), "-");
    assert_string_equal(key("header:x-other"), "-");
    assert_string_equal(key("path:7"), "-");
    assert_string_equal(key("query:b"), "-");
    assert_string_equal(key("json:/none"), "-");
    assert_string_equal(key("json:/order"), "-");
    assert_string_equal(key("json:/order/a~1b/3"), "-");
    assert_string_equal(key("json:/order/id/x"), "-");
}

/* The same key whoever writes it, and whatever else is in the body. */
static void numbers_are_written_as_one_writes_them(void **state)
{
    (void)state;
    assert_string_equal(key_in("0.1", "json:"), "0.1");
    assert_string_equal(key_in("[1.1,-2.5e10]", "json:/0"), "1.1");
    assert_string_equal(key_in("[1.1,-2.5e10]", "json:/1"), "-25000000000");
    assert_string_equal(key_in("0.30000000000000004", "json:"), "0.30000000000000004");
    const char *beyond = "{\"id\":\"o-1\",\"number\":42,\"nonce\":18446744073709551616}";
    assert_string_equal(key_in(beyond, "json:/id"), "o-1");
    assert_string_equal(key_in(beyond, "json:/number"), "42");
    assert_string_equal(key_in("{\"id\":", "json:/id"), "-");
}

static void mistakes_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pattern, *why;
    } rows[] = {
        { "order-id", NULL, "this names no source of a key" },
        { "header:", NULL, "a name is missing behind the colon" },
        { "json:order", NULL, "a pointer begins with '/'" },
        { "path:0", NULL, "a path's segments are counted from 1" },
        { "path:id", NULL, "the route's 'match.path' has no segment of this name" },
        { "path:id", "/orders/{number}", "the route's 'match.path' has no segment of this name" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key_source source;
        const char *why;
        assert_int_equal(key_source_read(rows[i].text, rows[i].pattern, &source, &why), -1);
        assert_string_equal(why, rows[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_source_gives_its_key),
        cmocka_unit_test(what_is_not_there_is_no_key),
        cmocka_unit_test(numbers_are_written_as_one_writes_them),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
