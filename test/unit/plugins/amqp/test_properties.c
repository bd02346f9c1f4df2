#include "plugins/amqp/properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    amqp_pool_t pool;
    struct bytes out;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ 0 };
    arena_init(&fixture.arena, 1 << 24);
    init_amqp_pool(&fixture.pool, 4096);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    arena_clear(&fixture->arena);
    empty_amqp_pool(&fixture->pool);
    bytes_free(&fixture->out);
    return 0;
}

static void add(struct fixture *fixture, struct message *message, const char *name,
                const char *value)
{
    assert_int_equal(
        fields_add(&message->headers, &fixture->arena, slice_text(name), slice_text(value)), 0);
}

/* The raw properties in the content header that was put. */
static struct slice put_raw(const struct fixture *fixture)
{
    struct slice frame = bytes_slice(&fixture->out);
    return slice_of(frame.at + FRAME_HEAD + CONTENT_HEAD,
                    frame.len - FRAME_OVERHEAD - CONTENT_HEAD);
}

static int read_back(struct fixture *fixture, struct slice raw, struct message *message,
                     const char **why)
{
    *message = (struct message){ 0 };
    return properties_read(raw, &fixture->pool, &fixture->arena, message, why);
}

static void expect_headers(const struct message *message, const char *expected)
{
    struct bytes text = { 0 };
    for (uint32_t i = 0; i < message->headers.count; i++)
        bytes_printf(&text, "%.*s=%.*s ", (int)message->headers.at[i].name.len,
                     (const char *)message->headers.at[i].name.at,
                     (int)message->headers.at[i].value.len,
                     (const char *)message->headers.at[i].value.at);
    bytes_byte(&text, '\0');
    assert_string_equal((const char *)text.at, expected);
    bytes_free(&text);
}

static void what_goes_out_comes_in(void **state)
{
    struct fixture *fixture = *state;
    struct message sent = {
        .content_type = SLICE("text/plain"),
        .content_encoding = SLICE("gzip"),
        .message_id = SLICE("m1"),
        .correlation_id = SLICE("c1"),
        .reply_to = SLICE("q1"),
        .app_id = SLICE("orders"),
        .body = SLICE("hello"),
        .timestamp_ms = 1700000000999,
        .ttl_ms = 4321,
        .durable = true,
    };
    add(fixture, &sent, ":method", "POST");
    add(fixture, &sent, "x-a", "1");
    add(fixture, &sent, "x-b", "");
    add(fixture, &sent, "x-a", "2");
    struct field extra = { .name = SLICE("shunt-letter"), .value = SLICE("t") };
    assert_int_equal(properties_put(&fixture->out, 5, &sent, &extra, FRAME_MAX), 0);
    assert_int_equal(number_64(fixture->out.at + FRAME_HEAD + 4), 5);
    assert_true(put_raw(fixture).len <= properties_size(&sent, 40));

    struct message came;
    const char *why;
    assert_int_equal(read_back(fixture, put_raw(fixture), &came, &why), 0);
    expect_headers(&came, ":method=POST x-a=1 x-a=2 x-b= shunt-letter=t ");
    assert_true(slice_is(came.content_type, "text/plain"));
    assert_true(slice_is(came.content_encoding, "gzip"));
    assert_true(slice_is(came.message_id, "m1"));
    assert_true(slice_is(came.correlation_id, "c1"));
    assert_true(slice_is(came.reply_to, "q1"));
    assert_true(slice_is(came.app_id, "orders"));
    assert_int_equal(came.timestamp_ms, 1700000000000);
    assert_int_equal(came.ttl_ms, 4321);
    assert_true(came.durable);
}

/* "CC" and "BCC" are addresses to RabbitMQ; in lower case, as HTTP's fields go out, they are
 * words like others. */
static void what_would_go_elsewhere_too_stays_behind(void **state)
{
    struct fixture *fixture = *state;
    struct message sent = { 0 }, came;
    const char *why;
    add(fixture, &sent, "CC", "elsewhere");
    add(fixture, &sent, "cc", "a word");
    add(fixture, &sent, "CC", "everywhere");
    add(fixture, &sent, "BCC", "elsewhere");
    assert_int_equal(properties_put(&fixture->out, 5, &sent, NULL, FRAME_MAX), 0);
    assert_int_equal(read_back(fixture, put_raw(fixture), &came, &why), 0);
    expect_headers(&came, "cc=a word ");
}

/* As many as fit a frame, all different: no more than a moment. */
static void thousands_of_headers_take_a_moment(void **state)
{
    enum { MANY = 12000 };
    struct fixture *fixture = *state;
    struct message sent = { 0 }, came;
    const char *why;
    static char names[MANY][4];
    for (int i = 0; i < MANY; i++) {
        const char name[] = { (char)('!' + i % 90), (char)('!' + i / 90 % 90),
                              (char)('!' + i / 8100), '\0' };
        memcpy(names[i], name, sizeof name);
        add(fixture, &sent, names[i], "");
    }
    add(fixture, &sent, names[7], "2");
    clock_t began = clock();
    assert_int_equal(properties_put(&fixture->out, 5, &sent, NULL, FRAME_MAX), 0);
    assert_true(clock() - began < 2 * CLOCKS_PER_SEC); /* also below valgrind */
    assert_int_equal(read_back(fixture, put_raw(fixture), &came, &why), 0);
    assert_int_equal(came.headers.count, MANY + 1);
    assert_true(slice_is(came.headers.at[7].name, names[7]));
    assert_true(slice_is(came.headers.at[8].name, names[7]));
    assert_true(slice_is(came.headers.at[8].value, "2"));
    assert_true(slice_is(came.headers.at[MANY].name, names[MANY - 1]));
}

static void an_empty_message_has_no_properties(void **state)
{
    struct fixture *fixture = *state;
    struct message sent = { 0 }, came;
    const char *why;
    assert_int_equal(properties_put(&fixture->out, 1, &sent, NULL, FRAME_MAX), 0);
    assert_int_equal(read_back(fixture, put_raw(fixture), &came, &why), 0);
    assert_int_equal(came.headers.count, 0);
    assert_int_equal(came.message_id.len, 0);
    assert_false(came.durable);
}

static void limits_are_known_before_anything_is_sent(void **state)
{
    struct fixture *fixture = *state;
    static char name[257];
    memset(name, 'n', 256);
    struct message message = { 0 };
    add(fixture, &message, name + 1, "v");
    assert_null(properties_flaw(&message));
    add(fixture, &message, name, "v");
    assert_string_equal(properties_flaw(&message), "a header's name is longer than 255 bytes");
    message = (struct message){ .content_type = slice_of(name, 256) };
    assert_string_equal(properties_flaw(&message), "content-type is longer than 255 bytes");

    static char value[140000];
    memset(value, 'v', sizeof value - 1);
    message = (struct message){ 0 };
    add(fixture, &message, "x", value);
    assert_true(properties_size(&message, 0) > FRAME_MAX);
    assert_int_equal(properties_put(&fixture->out, 1, &message, NULL, FRAME_MAX), -1);
    assert_int_equal(properties_put(&fixture->out, 1, &message, NULL, AMQP_FRAME_MIN_SIZE), -1);
}

static void an_expiration_stays_within_what_the_broker_takes(void **state)
{
    struct fixture *fixture = *state;
    struct message sent = { .ttl_ms = UINT64_MAX }, came;
    const char *why;
    assert_int_equal(properties_put(&fixture->out, 1, &sent, NULL, FRAME_MAX), 0);
    assert_int_equal(read_back(fixture, put_raw(fixture), &came, &why), 0);
    assert_int_equal(came.ttl_ms, UINT32_MAX);
}

/* Properties with just this header table, given as encoded entries. */
static struct slice with_table(struct fixture *fixture, struct slice entries)
{
    uint8_t head[6] = { AMQP_BASIC_HEADERS_FLAG >> 8, 0,
                        (uint8_t)(entries.len >> 24), (uint8_t)(entries.len >> 16),
                        (uint8_t)(entries.len >> 8),  (uint8_t)entries.len };
    fixture->out.len = 0;
    bytes_add(&fixture->out, slice_of(head, sizeof head));
    bytes_add(&fixture->out, entries);
    return bytes_slice(&fixture->out);
}

#define NONE "a header's value is neither text nor number nor boolean"
static const struct {
    struct slice entries;
    const char *headers, *why;
} typed[] = {
    { SLICE("\x01"
            "aS\0\0\0\x02hi"),
      "a=hi ", NULL },
    { SLICE("\x01"
            "ax\0\0\0\x02hi"),
      "a=hi ", NULL },
    { SLICE("\x01"
            "aS\0\0\0\0"),
      "a= ", NULL },
    { SLICE("\x01"
            "at\x01\x01"
            "bt\0"),
      "a=true b=false ", NULL },
    { SLICE("\x01"
            "ab\xff\x01"
            "bB\xff"),
      "a=-1 b=255 ", NULL },
    { SLICE("\x01"
            "as\xff\xfe\x01"
            "bu\x01\0"),
      "a=-2 b=256 ", NULL },
    { SLICE("\x01"
            "aI\xff\xff\xff\xff\x01"
            "bi\xff\xff\xff\xff"),
      "a=-1 b=4294967295 ", NULL },
    { SLICE("\x01"
            "al\xff\xff\xff\xff\xff\xff\xff\xff"),
      "a=-1 ", NULL },
    { SLICE("\x01"
            "aT\0\0\0\0\0\0\0\x07"),
      "a=7 ", NULL },
    { SLICE("\x01"
            "ad\x3f\xf8\0\0\0\0\0\0"),
      "a=1.5 ", NULL },
    { SLICE("\x01"
            "af\x3f\xc0\0\0"),
      "a=1.5 ", NULL },
    { SLICE("\x01"
            "aD\x02\0\0\0\x7b"),
      "a=123e-2 ", NULL },
    { SLICE("\x01"
            "aA\0\0\0\x0aS\0\0\0\x01"
            "1b\x02t\x01"),
      "a=1 a=2 a=true ", NULL },
    { SLICE("\x01"
            "aA\0\0\0\0"),
      "", NULL },
    { SLICE("\x01"
            "aV"),
      "", NONE },
    { SLICE("\x01"
            "aF\0\0\0\0"),
      "", NONE },
    { SLICE("\x01"
            "aA\0\0\0\x05"
            "A\0\0\0\0"),
      "", NONE },
    { SLICE("\x07x-deathA\0\0\0\x05"
            "F\0\0\0\0\x01"
            "bt\x01"),
      "b=true ", NULL },
    { SLICE("\x07x-deathV"), "", NONE },
};

static void values_of_every_type_become_text_or_none(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof typed / sizeof *typed; i++) {
        struct message message;
        const char *why = NULL;
        int result = read_back(fixture, with_table(fixture, typed[i].entries), &message, &why);
        expect_headers(&message, typed[i].headers);
        assert_int_equal(result, typed[i].why == NULL ? 0 : -1);
        if (typed[i].why != NULL)
            assert_string_equal(why, typed[i].why);
    }
}

static void a_table_that_lies_is_never_decoded(void **state)
{
    static const struct {
        struct slice entries;
        const char *why;
    } rows[] = {
        { SLICE("\x05"
                "a"),
          "a header's name is cut off" },
        { SLICE("\x01"
                "a"),
          "a header's value is cut off" },
        { SLICE("\x01"
                "aS\0\0\0\x05hi"),
          "a header's value is cut off" },
        { SLICE("\x01"
                "aS\0\0"),
          "a header's value is cut off" },
        { SLICE("\x01"
                "aS\xff\xff\xff\xff"),
          "a header's value is cut off" },
        { SLICE("\x01"
                "al\0\0"),
          "a header's value is cut off" },
        { SLICE("\x01"
                "aZ"),
          "a header is of an unknown type" },
        { SLICE("\x01"
                "a\0"),
          "a header is of an unknown type" },
        /* each array as long as the head of the next: a decoder that believes it descends for
         * ever */
        { SLICE("\x01"
                "aA\0\0\0\x05"
                "A\0\0\0\x05"
                "A\0\0\0\x05"),
          "a header's value is cut off" },
        { SLICE("\x01"
                "aA\0\0\0\x19"
                "A\0\0\0\x14"
                "A\0\0\0\x0f"
                "A\0\0\0\x0a"
                "A\0\0\0\x05"
                "A\0\0\0\0"),
          "headers are nested too deep" },
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message message;
        const char *why = NULL;
        assert_int_equal(read_back(fixture, with_table(fixture, rows[i].entries), &message, &why),
                         -1);
        assert_string_equal(why, rows[i].why);
    }
}

/* What fits a frame of 128 KiB, nested as deep as it goes. */
static void arrays_nested_26_000_deep_are_a_malformed_message(void **state)
{
    enum { DEEP = 26000 };
    struct fixture *fixture = *state;
    struct bytes entries = { 0 };
    bytes_text(&entries, "\x01"
                         "a");
    for (uint32_t i = DEEP; i-- > 0;) {
        uint32_t len = i * 5;
        uint8_t array[] = { 'A', (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                            (uint8_t)len };
        bytes_add(&entries, slice_of(array, sizeof array));
    }
    struct message message;
    const char *why = NULL;
    assert_int_equal(read_back(fixture, with_table(fixture, bytes_slice(&entries)), &message, &why),
                     -1);
    assert_string_equal(why, "headers are nested too deep");
    bytes_free(&entries);
}

static void properties_that_are_cut_off_are_malformed(void **state)
{
    struct fixture *fixture = *state;
    struct message sent = { .content_type = SLICE("t"),
                            .content_encoding = SLICE("e"),
                            .message_id = SLICE("m") },
                   came;
    const char *why;
    add(fixture, &sent, "x-a", "1");
    assert_int_equal(properties_put(&fixture->out, 1, &sent, NULL, FRAME_MAX), 0);
    struct slice raw = put_raw(fixture);
    for (size_t len = 0; len < raw.len; len++)
        assert_int_equal(read_back(fixture, slice_first(raw, len), &came, &why), -1);
    assert_int_equal(read_back(fixture, SLICE("\xff\xff\0\0"), &came, &why), -1);
    assert_string_equal(why, "the properties have unknown flags");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_out_comes_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_would_go_elsewhere_too_stays_behind, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(thousands_of_headers_take_a_moment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_message_has_no_properties, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_are_known_before_anything_is_sent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_expiration_stays_within_what_the_broker_takes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(values_of_every_type_become_text_or_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_table_that_lies_is_never_decoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(arrays_nested_26_000_deep_are_a_malformed_message, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(properties_that_are_cut_off_are_malformed, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
