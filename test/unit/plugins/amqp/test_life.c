/* Read each test as a transcript: what happened, what the life said to do. */
#include "plugins/amqp/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint32_t most = UINT32_MAX; /* chance that gives the whole backoff for even ones */

static struct life fresh(void)
{
    return (struct life){ .first_ms = 200, .max_ms = 1000 };
}

static enum life_action step(struct life *life, enum life_event event)
{
    uint32_t delay;
    return life_step(life, event, 0, &delay);
}

static void a_broker_that_is_there(void **state)
{
    (void)state;
    struct life life = fresh();
    assert_int_equal(step(&life, LIFE_START), LIFE_RESOLVE);
    assert_int_equal(step(&life, LIFE_RESOLVED), LIFE_DIAL);
    assert_int_equal(step(&life, LIFE_CONNECTED), LIFE_OPEN);
    assert_int_equal(step(&life, LIFE_READY), LIFE_SERVE);
    assert_int_equal(step(&life, LIFE_STOP), LIFE_BYE);
    assert_int_equal(step(&life, LIFE_CUT), LIFE_CLOSE); /* close-ok came */
    assert_int_equal(step(&life, LIFE_CLOSED), LIFE_END);
    assert_int_equal(life.state, LIFE_STOPPED);
}

static void a_stream_is_closed_before_the_next_is_dialled(void **state)
{
    (void)state;
    struct life life = fresh();
    step(&life, LIFE_START);
    step(&life, LIFE_RESOLVED);
    step(&life, LIFE_CONNECTED);
    step(&life, LIFE_READY);
    assert_int_equal(step(&life, LIFE_CUT), LIFE_CLOSE);
    assert_int_equal(step(&life, LIFE_CUT), LIFE_NOTHING); /* noticed twice */
    assert_int_equal(step(&life, LIFE_CLOSED), LIFE_WAIT);
    assert_int_equal(step(&life, LIFE_TIMER), LIFE_RESOLVE);
}

static void each_failure_waits_longer_until_it_is_ready(void **state)
{
    (void)state;
    struct life life = fresh();
    static const uint32_t expected_ms[] = { 200, 400, 800, 1000, 1000 };
    uint32_t delay_ms;
    step(&life, LIFE_START);
    for (size_t i = 0; i < sizeof expected_ms / sizeof *expected_ms; i++) {
        assert_int_equal(life_step(&life, LIFE_CLOSED, 0, &delay_ms), LIFE_WAIT);
        assert_int_equal(delay_ms, expected_ms[i] / 2);
        assert_int_equal(step(&life, LIFE_TIMER), LIFE_RESOLVE);
    }
    step(&life, LIFE_RESOLVED);
    step(&life, LIFE_CONNECTED);
    step(&life, LIFE_READY);
    life_step(&life, LIFE_CLOSED, 100, &delay_ms);
    assert_int_equal(delay_ms, 200);
}

static void jitter_stays_within_the_upper_half(void **state)
{
    (void)state;
    for (uint32_t chance = 0; chance < 1000; chance++) {
        struct life life = fresh();
        uint32_t delay_ms = 0;
        step(&life, LIFE_START);
        life_step(&life, LIFE_CLOSED, chance * 7919, &delay_ms);
        assert_in_range(delay_ms, 100, 200);
    }
    struct life life = fresh();
    uint32_t delay_ms = 0;
    step(&life, LIFE_START);
    life_step(&life, LIFE_CLOSED, most, &delay_ms);
    assert_in_range(delay_ms, 100, 200);
}

static void it_can_be_stopped_at_any_moment(void **state)
{
    (void)state;
    static const struct {
        enum life_event before[4];
        unsigned count;
        enum life_action action;
        enum life_state then;
    } rows[] = {
        { { 0 }, 0, LIFE_END, LIFE_STOPPED },
        { { LIFE_START }, 1, LIFE_END, LIFE_STOPPED },
        { { LIFE_START, LIFE_RESOLVED }, 2, LIFE_CLOSE, LIFE_ENDING },
        { { LIFE_START, LIFE_RESOLVED, LIFE_CONNECTED }, 3, LIFE_CLOSE, LIFE_ENDING },
        { { LIFE_START, LIFE_RESOLVED, LIFE_CONNECTED, LIFE_CUT }, 4, LIFE_NOTHING, LIFE_ENDING },
        { { LIFE_START, LIFE_RESOLVED, LIFE_CONNECTED, LIFE_READY }, 4, LIFE_BYE, LIFE_LEAVING },
        { { LIFE_START, LIFE_CLOSED }, 2, LIFE_END, LIFE_STOPPED },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct life life = fresh();
        for (unsigned j = 0; j < rows[i].count; j++)
            step(&life, rows[i].before[j]);
        assert_int_equal(step(&life, LIFE_STOP), rows[i].action);
        assert_int_equal(life.state, rows[i].then);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_that_is_there),
        cmocka_unit_test(a_stream_is_closed_before_the_next_is_dialled),
        cmocka_unit_test(each_failure_waits_longer_until_it_is_ready),
        cmocka_unit_test(jitter_stays_within_the_upper_half),
        cmocka_unit_test(it_can_be_stopped_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
