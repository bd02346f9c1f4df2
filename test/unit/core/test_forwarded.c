/* What becomes of claims about earlier hops, rule by rule. */
#include "core/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/snapshot.h"

enum { KEEP, APPEND, REPLACE, REMOVE };
enum { X, RFC, BOTH };

/* Fields as "name: value|name: value". */
static void add_fields(struct call *call, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "|"), colon = strcspn(text, ":");
        assert_true(colon + 2 <= len);
        assert_int_equal(fields_add(&call->request.fields, &call->arena, slice_of(text, colon),
                                    slice_of(text + colon + 2, len - colon - 2)),
                         0);
        text += len + (text[len] == '|');
    }
}

static void told(const struct fields *fields, char *text, size_t room)
{
    size_t bytes = 0, len = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->at[i];
        len += (size_t)snprintf(text + len, room - len, "%s%.*s: %.*s", i > 0 ? "|" : "",
                                (int)field->name.len, (const char *)field->name.at,
                                (int)field->value.len, (const char *)field->value.at);
        bytes += field->name.len + field->value.len;
    }
    assert_true(len < room);
    assert_int_equal(bytes, fields->bytes);
}

static const struct {
    unsigned rule, form, via;
    const char *peer, *host, *before, *after;
} rows[] = {
    { KEEP, X, VIA_BOTH, "10.1.2.3:99", "a:80", "X-Forwarded-For: 1.2.3.4|Forwarded: for=x|a: b",
      "X-Forwarded-For: 1.2.3.4|Forwarded: for=x|a: b" },
    { REMOVE, X, VIA_BOTH, "10.1.2.3:99", "a:80",
      "x-forwarded-for: 1.2.3.4|a: b|X-Forwarded-Port: 1|FORWARDED: for=x|X-Real-IP: 1.1.1.1",
      "a: b" },
    { REMOVE, X, VIA_BOTH, "10.1.2.3:99", "a:80",
      "X_Forwarded_For: 1.2.3.4|X_REAL_IP: 1|x-forwarded: 1|x-real-ip-too: 1",
      "x-forwarded: 1|x-real-ip-too: 1" },
    { REPLACE, X, VIA_BOTH, "10.1.2.3:99", "a:80", "X-Forwarded-For: 1.2.3.4|Forwarded: for=x|a: b",
      "a: b|X-Forwarded-For: 10.1.2.3|X-Forwarded-Proto: http|X-Forwarded-Host: a:80" },
    { REPLACE, RFC, VIA_BOTH, "10.1.2.3:99", "a", "X-Forwarded-Host: evil",
      "Forwarded: for=10.1.2.3;host=a;proto=http" },
    { REPLACE, RFC, VIA_BOTH, "[2001:db8::1]:99", "[::1]:80", "",
      "Forwarded: for=\"[2001:db8::1]\";host=\"[::1]:80\";proto=http" },
    { REPLACE, BOTH, VIA_BOTH, "[2001:db8::1]:99", "", "",
      "X-Forwarded-For: 2001:db8::1|X-Forwarded-Proto: http|Forwarded: "
      "for=\"[2001:db8::1]\";proto=http" },
    { APPEND, X, VIA_BOTH, "10.1.2.3:99", "a:80", "",
      "X-Forwarded-For: 10.1.2.3|X-Forwarded-Proto: http|X-Forwarded-Host: a:80" },
    { APPEND, X, VIA_BOTH, "10.1.2.3:99", "a:80",
      "X-Forwarded-For: 1.1.1.1|x-forwarded-for: 2.2.2.2, 3.3.3.3|X-Forwarded-Proto: "
      "https|X-Forwarded-Host: shop|Forwarded: for=x",
      "X-Forwarded-For: 1.1.1.1|x-forwarded-for: 2.2.2.2, 3.3.3.3, 10.1.2.3|X-Forwarded-Proto: "
      "https|X-Forwarded-Host: shop|Forwarded: for=x" },
    { APPEND, RFC, VIA_BOTH, "10.1.2.3:99", "a", "Forwarded: for=x|X-Forwarded-For: 1.1.1.1",
      "Forwarded: for=x, for=10.1.2.3;host=a;proto=http|X-Forwarded-For: 1.1.1.1" },
    { APPEND, X, VIA_BOTH, "unix:/x", "a", "X-Forwarded-For: |X-Forwarded-Host: b",
      "X-Forwarded-For: |X-Forwarded-Host: b|X-Forwarded-For: unknown|X-Forwarded-Proto: http" },
    { KEEP, X, VIA_REQUEST, "", "a", "Shunt-Hops: 2", "Shunt-Hops: 2" },
    { KEEP, X, VIA_OFF, "", "a", "Shunt-Hops: 2|a: b", "a: b|Shunt-Hops: 3" },
};

static void each_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct listener_settings listener = { .hop = {
                                                        (enum forwarded_rule)rows[i].rule,
                                                        (enum forwarded_form)rows[i].form,
                                                        (enum via_rule)rows[i].via,
                                                    } };
        struct call call = { .listener = &listener,
                             .peer = slice_text(rows[i].peer),
                             .hops = 2,
                             .request.authority = slice_text(rows[i].host) };
        arena_init(&call.arena, 1 << 16);
        add_fields(&call, rows[i].before);
        assert_int_equal(forwarded_apply(&call), 0);
        char text[1000];
        told(&call.request.fields, text, sizeof text);
        assert_string_equal(text, rows[i].after);
        assert_int_equal(call.request.no_via, rows[i].via == VIA_OFF);
        arena_clear(&call.arena);
    }
}

/* Whoever is in none of the networks is not believed, and neither is who is not known. */
static void only_the_trusted_are_believed(void **state)
{
    (void)state;
    static const struct {
        unsigned rule;
        const char *networks, *peer, *after;
    } cases[] = {
        { APPEND, "10.0.0.0/8", "10.1.2.3:99", "1.2.3.4, 10.1.2.3" },
        { APPEND, "10.0.0.0/8", "[::ffff:10.1.2.3]:99", "1.2.3.4, ::ffff:10.1.2.3" },
        { APPEND, "10.0.0.0/8", "11.1.2.3:99", "11.1.2.3" },
        { APPEND, "::1 fd00::/8 10.1.2.3", "10.1.2.3:99", "1.2.3.4, 10.1.2.3" },
        { APPEND, "::1 fd00::/8 10.1.2.3", "[fdab::1]:99", "1.2.3.4, fdab::1" },
        { APPEND, "::1 fd00::/8 10.1.2.3", "[::1]:99", "1.2.3.4, ::1" },
        { APPEND, "::1 fd00::/8 10.1.2.3", "[::2]:99", "::2" },
        { KEEP, "127.0.0.0/8", "127.9.9.9:99", "1.2.3.4" },
        { KEEP, "127.0.0.0/8", "128.0.0.1:99", "128.0.0.1" },
        { KEEP, "0.0.0.0/0", "[2001:db8::1]:99", "2001:db8::1" },
        { KEEP, "::/0", "10.1.2.3:99", "10.1.2.3" },
        { KEEP, "0.0.0.0/0 ::/0", "", "unknown" },
        { REMOVE, "0.0.0.0/0", "10.1.2.3:99", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network networks[3];
        size_t count = 0;
        struct slice rest = slice_text(cases[i].networks);
        while (rest.len > 0) {
            struct slice one = slice_first(rest, slice_find(rest, ' '));
            assert_int_equal(network_parse(one, &networks[count++]), 0);
            rest = slice_from(rest, one.len < rest.len ? one.len + 1 : one.len);
        }
        const struct listener_settings listener = {
            .hop = { .forwarded = (enum forwarded_rule)cases[i].rule,
                     .trusted = networks,
                     .trusted_count = count },
        };
        struct call call = { .listener = &listener, .peer = slice_text(cases[i].peer) };
        arena_init(&call.arena, 1 << 16);
        add_fields(&call, "X-Forwarded-For: 1.2.3.4|X-Real-IP: 9");
        assert_int_equal(forwarded_apply(&call), 0);
        const struct field *said = fields_find(&call.request.fields, FIELD_X_FORWARDED_FOR);
        bool kept = fields_find_name(&call.request.fields, SLICE("x-real-ip")) != NULL;
        assert_int_equal(said != NULL, cases[i].after != NULL);
        if (said != NULL && !slice_is(said->value, cases[i].after))
            fail_msg("%s from %s: %.*s", cases[i].networks, cases[i].peer, (int)said->value.len,
                     (const char *)said->value.at);
        assert_int_equal(kept, cases[i].after != NULL && cases[i].after[0] == '1' &&
                                   strncmp(cases[i].after, "1.2.3.4", 7) == 0);
        arena_clear(&call.arena);
    }
}

static void a_call_without_a_listener_stays_as_it_is(void **state)
{
    (void)state;
    struct call call = { .peer = slice_text("10.1.2.3:99") };
    arena_init(&call.arena, 1 << 16);
    add_fields(&call, "X-Forwarded-For: 1.2.3.4");
    assert_int_equal(forwarded_apply(&call), 0);
    assert_int_equal(call.request.fields.count, 1);
    arena_clear(&call.arena);
}

static void a_full_arena_is_told(void **state)
{
    (void)state;
    const struct listener_settings listener = { .hop = { .forwarded = FORWARDED_REPLACE } };
    struct call call = { .listener = &listener, .request.authority = SLICE("a") };
    arena_init(&call.arena, 64);
    while (arena_try(&call.arena, 1) != NULL)
        ;
    assert_int_equal(forwarded_apply(&call), -1);
    arena_clear(&call.arena);
}

static void answers_are_signed_by_rule(void **state)
{
    (void)state;
    struct listener_settings listener = { .hop = { .via = VIA_BOTH } };
    struct call call = { .listener = &listener, .from_upstream = true };
    assert_true(call_signs_answer(&call));
    listener.hop.via = VIA_REQUEST;
    assert_false(call_signs_answer(&call));
    listener.hop.via = VIA_BOTH;
    call.from_upstream = false;
    assert_false(call_signs_answer(&call));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule),
        cmocka_unit_test(only_the_trusted_are_believed),
        cmocka_unit_test(a_call_without_a_listener_stays_as_it_is),
        cmocka_unit_test(a_full_arena_is_told),
        cmocka_unit_test(answers_are_signed_by_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
