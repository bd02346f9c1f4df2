#include "plugins/amqp/frame.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct frames reader(void)
{
    return (struct frames){ .max = AMQP_FRAME_MIN_SIZE, .channels = 3 };
}

/* A heartbeat, a method on channel 2, a body on channel 1. */
static void put_three(struct bytes *out)
{
    amqp_basic_ack_t ack = { .delivery_tag = 7, .multiple = 1 };
    frame_put_heartbeat(out);
    frame_put_method(out, 2, AMQP_BASIC_ACK_METHOD, &ack);
    frame_put_body_head(out, 1, 5);
    bytes_text(out, "hello");
    bytes_add(out, slice_of(frame_end_mark, 1));
}

static void expect_three(struct frames *frames, struct slice *bytes, unsigned *seen)
{
    struct frame frame;
    while (frames_next(frames, bytes, &frame) == 1) {
        switch ((*seen)++) {
        case 0:
            assert_int_equal(frame.type, AMQP_FRAME_HEARTBEAT);
            assert_int_equal(frame.payload.len, 0);
            break;
        case 1:
            assert_int_equal(frame.type, AMQP_FRAME_METHOD);
            assert_int_equal(frame.channel, 2);
            assert_int_equal(number_32(frame.payload.at), AMQP_BASIC_ACK_METHOD);
            assert_int_equal(number_64(frame.payload.at + 4), 7);
            break;
        case 2:
            assert_int_equal(frame.channel, 1);
            assert_true(slice_is(frame.payload, "hello"));
            break;
        default:
            fail();
        }
    }
    assert_int_equal(bytes->len, 0);
}

static void frames_that_come_whole_are_handed_out_in_place(void **state)
{
    (void)state;
    struct bytes out = { 0 };
    put_three(&out);
    struct frames frames = reader();
    struct slice bytes = bytes_slice(&out);
    unsigned seen = 0;
    expect_three(&frames, &bytes, &seen);
    assert_int_equal(seen, 3);
    assert_null(frames.gathered.at);
    bytes_free(&out);
}

static void frames_may_be_cut_anywhere(void **state)
{
    (void)state;
    struct bytes out = { 0 };
    put_three(&out);
    for (size_t cut = 0; cut <= out.len; cut++) {
        struct frames frames = reader();
        unsigned seen = 0;
        struct slice first = slice_first(bytes_slice(&out), cut),
                     rest = slice_from(bytes_slice(&out), cut);
        expect_three(&frames, &first, &seen);
        expect_three(&frames, &rest, &seen);
        assert_int_equal(seen, 3);
        bytes_free(&frames.gathered);
    }
    struct frames frames = reader();
    unsigned seen = 0;
    for (size_t i = 0; i < out.len; i++) {
        struct slice one = slice_of(out.at + i, 1);
        expect_three(&frames, &one, &seen);
    }
    assert_int_equal(seen, 3);
    bytes_free(&frames.gathered);
    bytes_free(&out);
}

static void what_no_broker_sends_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct slice bytes;
        const char *why;
    } rows[] = {
        { SLICE("AMQP\0\0\x09\x01"), "it speaks another version of AMQP" },
        { SLICE("\x04"), "a frame of an unknown type" },
        { SLICE("\x08\0\x04\0\0\0\0\xce"), "a frame for a channel that was never opened" },
        { SLICE("\x03\0\x01\0\0\x10\0"), "a frame larger than agreed" },
        { SLICE("\x03\0\x01\xff\xff\xff\xff"), "a frame larger than agreed" },
        { SLICE("\x01\0\x01\0\0\0\x03"
                "abc\xce"),
          "a frame too short for its type" },
        { SLICE("\x02\0\x01\0\0\0\x02\0\x3c\xce"), "a frame too short for its type" },
        { SLICE("\x03\0\x01\0\0\0\x01"
                "a\xcd"),
          "a frame without its end mark" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct frames frames = reader();
        struct frame frame;
        struct slice bytes = rows[i].bytes;
        assert_int_equal(frames_next(&frames, &bytes, &frame), -1);
        assert_string_equal(frames.why, rows[i].why);
        bytes_free(&frames.gathered);
    }
}

static void one_frame_is_the_most_that_is_kept(void **state)
{
    (void)state;
    struct bytes out = { 0 };
    frame_put_body_head(&out, 1, AMQP_FRAME_MIN_SIZE - FRAME_OVERHEAD);
    while (out.len < AMQP_FRAME_MIN_SIZE - 1)
        bytes_byte(&out, 'x');
    struct frames frames = reader();
    struct frame frame;
    struct slice bytes = bytes_slice(&out);
    assert_int_equal(frames_next(&frames, &bytes, &frame), 0);
    assert_int_equal(frames.gathered.len, AMQP_FRAME_MIN_SIZE - 1);
    bytes = slice_of(frame_end_mark, 1);
    assert_int_equal(frames_next(&frames, &bytes, &frame), 1);
    assert_int_equal(frame.payload.len, AMQP_FRAME_MIN_SIZE - FRAME_OVERHEAD);
    bytes_free(&frames.gathered);
    bytes_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_come_whole_are_handed_out_in_place),
        cmocka_unit_test(frames_may_be_cut_anywhere),
        cmocka_unit_test(what_no_broker_sends_is_refused),
        cmocka_unit_test(one_frame_is_the_most_that_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
