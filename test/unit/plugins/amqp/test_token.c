#include "plugins/amqp/token.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t sample[TOKEN_BYTES] = { 0x00, 0x01, 0x9a, 0xff };

static void digits_and_back(void **state)
{
    (void)state;
    uint8_t digits[TOKEN_DIGITS], token[TOKEN_BYTES];
    token_write(sample, digits);
    assert_true(slice_is(slice_of(digits, TOKEN_DIGITS), "00019aff000000000000000000000000"));
    assert_int_equal(token_read(slice_of(digits, TOKEN_DIGITS), token), 0);
    assert_memory_equal(token, sample, TOKEN_BYTES);
}

static void only_what_we_write_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "00019aff00000000000000000000000",
        "00019aff0000000000000000000000000",
        "00019AFF000000000000000000000000",
        "00019afg000000000000000000000000",
        "0x019aff000000000000000000000000",
        " 0019aff000000000000000000000000",
    };
    uint8_t token[TOKEN_BYTES];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(token_read(slice_text(texts[i]), token), -1);
}

static void a_returned_message_is_known_by_its_header_or_by_where_it_went(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct message message = { .correlation_id = SLICE("theirs") };
    uint8_t token[TOKEN_BYTES], reply[TOKEN_BYTES];
    token_of_reply(SLICE("queue"), SLICE("theirs"), reply);
    token_of_returned(&message, SLICE("queue"), token);
    assert_memory_equal(token, reply, TOKEN_BYTES);
    token_of_returned(&message, SLICE("other"), token);
    assert_memory_not_equal(token, reply, TOKEN_BYTES);

    assert_int_equal(fields_add(&message.headers, &arena, token_header,
                                SLICE("00019aff000000000000000000000000")),
                     0);
    token_of_returned(&message, SLICE("queue"), token);
    assert_memory_equal(token, sample, TOKEN_BYTES);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_and_back),
        cmocka_unit_test(only_what_we_write_is_read),
        cmocka_unit_test(a_returned_message_is_known_by_its_header_or_by_where_it_went),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
