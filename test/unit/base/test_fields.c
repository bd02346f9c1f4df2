#include "base/fields.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const names[FIELD_NAMES_COUNT] = {
#define X(token, text) [FIELD_##token] = text,
    FIELD_NAMES(X)
#undef X
};

static struct fields fields_of(struct arena *arena, const char *const *pairs)
{
    struct fields fields = { 0 };
    for (; pairs[0] != NULL; pairs += 2)
        assert_int_equal(fields_add(&fields, arena, slice_text(pairs[0]), slice_text(pairs[1])), 0);
    return fields;
}

static void every_name_has_its_token_in_any_case(void **state)
{
    (void)state;
    for (int token = FIELD_OTHER + 1; token < FIELD_NAMES_COUNT; token++) {
        char other[64];
        snprintf(other, sizeof(other), "%s", names[token]);
        assert_int_equal(field_token(slice_text(other)), token);
        for (size_t i = 0, len = strlen(other); i < len; i += 2)
            other[i] = (char)toupper(other[i]);
        assert_int_equal(field_token(slice_text(other)), token);

        other[0] = '~';
        assert_int_equal(field_token(slice_text(other)), FIELD_OTHER);
    }
}

/* Only a letter's other case says the same: not '@' or '[' beside them, nor a byte whose eighth bit
 * is set. */
static void one_other_byte_makes_another_name(void **state)
{
    (void)state;
    for (int token = FIELD_OTHER + 1; token < FIELD_NAMES_COUNT; token++) {
        char other[64];
        size_t len = strlen(names[token]);
        memcpy(other, names[token], len);
        for (size_t place = 0; place < len; place++) {
            char own = other[place];
            for (int byte = 0; byte < 256; byte++) {
                bool same = byte == own || (own >= 'a' && own <= 'z' && byte == own - 'a' + 'A');
                other[place] = (char)byte;
                assert_int_equal(field_token(slice_of(other, len)), same ? token : FIELD_OTHER);
            }
            other[place] = own;
        }
    }
}

static void other_names_have_none(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "x",
        "hos",
        "hosts",
        "h\xcfst",
        "keep\ralive",
        "access-control-request-methods",
        "accept",
        "\x14\x05",
        "x-real-iq",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_int_equal(field_token(slice_text(others[i])), FIELD_OTHER);
    assert_int_equal(field_token(slice_of("te\0", 3)), FIELD_OTHER);
}

static void order_case_and_repetition_are_kept(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 65536);
    struct fields fields = fields_of(
        &arena, (const char *const[]){ "X-Tag", "1", "Set-Cookie", "a=1", "x-tag", "2",
                                       "set-cookie", "b=2", "Via", "1.1 x", NULL });
    assert_int_equal(fields.count, 5);
    assert_int_equal(fields.bytes, 6 + 13 + 6 + 13 + 8);
    assert_true(slice_is(fields.at[2].name, "x-tag"));

    const struct field *cookie = fields_find(&fields, FIELD_SET_COOKIE);
    assert_true(slice_is(cookie->value, "a=1"));
    cookie = fields_next(&fields, cookie);
    assert_true(slice_is(cookie->value, "b=2"));
    assert_null(fields_next(&fields, cookie));
    assert_int_equal(fields_times(&fields, FIELD_SET_COOKIE), 2);
    assert_int_equal(fields_times(&fields, FIELD_HOST), 0);

    const struct field *tag = fields_find_name(&fields, SLICE("X-TAG"));
    assert_true(slice_is(tag->value, "1"));
    tag = fields_next(&fields, tag);
    assert_true(slice_is(tag->value, "2"));
    assert_null(fields_next(&fields, tag));
    assert_null(fields_find_name(&fields, SLICE("x-ta")));
    assert_true(slice_is(fields_find_name(&fields, SLICE("via"))->value, "1.1 x"));

    fields_remove(&fields, FIELD_SET_COOKIE);
    assert_int_equal(fields.count, 3);
    assert_int_equal(fields.bytes, 6 + 6 + 8);
    assert_true(slice_is(fields.at[1].value, "2"));
    assert_null(fields_find(&fields, FIELD_SET_COOKIE));
    fields_remove(&fields, FIELD_HOST);
    assert_int_equal(fields.count, 3);
    arena_clear(&arena);
}

static void grows_until_the_arenas_cap(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 8192);
    struct fields fields = { 0 };
    char name[16] = "n0";
    uint32_t added = 0;
    while (fields_add_copy(&fields, &arena, slice_text(name), SLICE("v")) == 0)
        snprintf(name, sizeof(name), "n%u", ++added);
    assert_in_range(added, 32, 128);
    assert_int_equal(fields.count, added);
    for (uint32_t i = 0; i < added; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        assert_true(slice_is(fields.at[i].name, name));
    }
    arena_clear(&arena);
}

static void what_names_and_values_may_hold(void **state)
{
    (void)state;
    assert_true(field_name_valid(SLICE("X-a_9!#$%&'*+-.^`|~")));
    static const char *const bad_names[] = { "",      "a b", "a:",  "a\t", "\x7f",
                                             "a\xe4", "a,b", "(x)", "\r" };
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(*bad_names); i++)
        assert_false(field_name_valid(slice_text(bad_names[i])));
    assert_false(field_name_valid(slice_of("a\0b", 3)));

    assert_true(field_value_valid(SLICE("")));
    assert_true(field_value_valid(SLICE("a \t\xff ~\"")));
    assert_false(field_value_valid(SLICE("a\r\nb")));
    assert_false(field_value_valid(SLICE("a\nb")));
    assert_false(field_value_valid(SLICE("\x1b[0m")));
    assert_false(field_value_valid(SLICE("\x7f")));
    assert_false(field_value_valid(slice_of("a\0b", 3)));
}

static void only_these_stay_on_one_hop(void **state)
{
    (void)state;
    static const enum field_name hop[] = {
        FIELD_CONNECTION,         FIELD_KEEP_ALIVE,
        FIELD_PROXY_CONNECTION,   FIELD_TE,
        FIELD_TRANSFER_ENCODING,  FIELD_UPGRADE,
        FIELD_PROXY_AUTHENTICATE, FIELD_PROXY_AUTHORIZATION,
    };
    unsigned found = 0;
    for (int token = FIELD_OTHER; token < FIELD_NAMES_COUNT; token++)
        found += field_is_hop_by_hop((enum field_name)token);
    assert_int_equal(found, sizeof(hop) / sizeof(*hop));
    for (size_t i = 0; i < sizeof(hop) / sizeof(*hop); i++)
        assert_true(field_is_hop_by_hop(hop[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_has_its_token_in_any_case),
        cmocka_unit_test(one_other_byte_makes_another_name),
        cmocka_unit_test(other_names_have_none),
        cmocka_unit_test(order_case_and_repetition_are_kept),
        cmocka_unit_test(grows_until_the_arenas_cap),
        cmocka_unit_test(what_names_and_values_may_hold),
        cmocka_unit_test(only_these_stay_on_one_hop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
