#include "base/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct alarm {
    struct timer timer;
    struct timers *timers;
    uint64_t rang_ms; /* 0: not yet */
    unsigned times;
    uint64_t again_ms;   /* starts itself again after that long; 0: no */
    struct alarm *stops; /* stops that one */
};

static void on_alarm(struct timer *timer)
{
    struct alarm *alarm = thing_of(timer, struct alarm, timer);
    assert_false(timer_running(timer));
    assert_true(timer->due_ms <= alarm->timers->now_ms);
    alarm->rang_ms = alarm->timers->now_ms;
    alarm->times++;
    if (alarm->stops != NULL)
        timer_stop(alarm->timers, &alarm->stops->timer);
    if (alarm->again_ms != 0)
        timer_start(alarm->timers, timer, alarm->again_ms);
}

static struct alarm alarm_of(struct timers *timers)
{
    return (struct alarm){ .timer.on_timer = on_alarm, .timers = timers };
}

static void fires_once_when_due(void **state)
{
    (void)state;
    struct timers timers = { .now_ms = 100 };
    struct alarm alarm = alarm_of(&timers);
    assert_true(timers_next(&timers) == UINT64_MAX);
    timer_start(&timers, &alarm.timer, 50);
    assert_true(timer_running(&alarm.timer));
    assert_in_range(timers_next(&timers), 101, 150);

    timers_run(&timers, 149);
    assert_int_equal(alarm.times, 0);
    timers_run(&timers, 151);
    assert_int_equal(alarm.rang_ms, 151);
    timers_run(&timers, 1000);
    assert_int_equal(alarm.times, 1);
    timers_clear(&timers);
}

static void starting_again_moves_and_stopping_twice_is_allowed(void **state)
{
    (void)state;
    struct timers timers = { 0 };
    struct alarm alarm = alarm_of(&timers);
    timer_start(&timers, &alarm.timer, 10);
    timer_start(&timers, &alarm.timer, 30);
    timers_run(&timers, 29);
    assert_int_equal(alarm.times, 0);
    timer_stop(&timers, &alarm.timer);
    timer_stop(&timers, &alarm.timer);
    timers_run(&timers, 40);
    assert_int_equal(alarm.times, 0);
    timers_clear(&timers);
}

static void a_timer_that_starts_itself_comes_once_a_run(void **state)
{
    (void)state;
    struct timers timers = { 0 };
    struct alarm alarm = alarm_of(&timers);
    alarm.again_ms = 1;
    timer_start(&timers, &alarm.timer, 0);
    for (uint64_t now = 1; now <= 5; now++)
        timers_run(&timers, now);
    assert_int_equal(alarm.times, 5);
    timers_clear(&timers);
    assert_false(timer_running(&alarm.timer));
}

static void one_stops_another_that_is_due_as_well(void **state)
{
    (void)state;
    struct timers timers = { 0 };
    struct alarm first = alarm_of(&timers), second = alarm_of(&timers);
    first.stops = &second;
    timer_start(&timers, &second.timer, 9);
    timer_start(&timers, &first.timer, 5);
    timers_run(&timers, 20);
    assert_int_equal(first.times, 1);
    assert_int_equal(second.times, 0);
    timers_clear(&timers);
}

static void the_far_future_does_not_wrap(void **state)
{
    (void)state;
    struct timers timers = { .now_ms = 1000 };
    struct alarm alarm = alarm_of(&timers);
    timer_start(&timers, &alarm.timer, UINT64_MAX);
    assert_true(timers_next(&timers) > 1000);
    timers_run(&timers, 1u << 31);
    assert_int_equal(alarm.times, 0);
    timers_clear(&timers);
}

/* Against a model: an array in which the due times stand. */
static void any_order_of_starts_and_stops(void **state)
{
    (void)state;
    enum { MANY = 300 };
    struct timers timers = { 0 };
    static struct alarm alarms[MANY];
    uint64_t due[MANY] = { 0 };
    for (size_t i = 0; i < MANY; i++)
        alarms[i] = alarm_of(&timers);

    unsigned seed = 7;
    for (uint64_t now = 1; now < 3000; now++) {
        for (int step = 0; step < 5; step++) {
            size_t which = (size_t)rand_r(&seed) % MANY;
            uint64_t after = 1 + (uint64_t)rand_r(&seed) % 200;
            bool stop = rand_r(&seed) % 4 == 0;
            due[which] = stop ? 0 : timers.now_ms + after;
            if (stop)
                timer_stop(&timers, &alarms[which].timer);
            else
                timer_start(&timers, &alarms[which].timer, after);
        }
        timers_run(&timers, now);
        for (size_t i = 0; i < MANY; i++) {
            if (due[i] == now)
                assert_int_equal(alarms[i].rang_ms, now);
            if (due[i] <= now)
                due[i] = 0;
            assert_int_equal(timer_running(&alarms[i].timer), due[i] != 0);
        }
    }
    timers_clear(&timers);
}

/* From one moment that timers_next tells to the next, whatever is far away and whatever is near:
 * each comes at its very moment, and there are few moments more than timers. */
static void each_comes_at_its_moment(void **state)
{
    (void)state;
    enum { MANY = 400 };
    struct timers timers = { .now_ms = 123456789, .reached_ms = 123456789 };
    static struct alarm alarms[MANY];
    unsigned seed = 11, moments = 0, rang = 0;
    for (size_t i = 0; i < MANY; i++) {
        alarms[i] = alarm_of(&timers);
        uint64_t far = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 20);
        timer_start(&timers, &alarms[i].timer, far >> (rand_r(&seed) % 32));
    }
    for (uint64_t next; (next = timers_next(&timers)) != UINT64_MAX; moments++) {
        assert_true(next > timers.now_ms);
        timers_run(&timers, next);
        if (moments == 50)
            timer_stop(&timers, &alarms[0].timer);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_false(timer_running(&alarms[i].timer));
        rang += alarms[i].times;
        if (alarms[i].times > 0)
            assert_int_equal(alarms[i].rang_ms, alarms[i].timer.due_ms);
    }
    assert_in_range(rang, MANY - 1, MANY);
    assert_in_range(moments, 1, MANY * TIMER_LEVELS);
    timers_clear(&timers);
}

static void what_is_due_comes_in_the_order_of_moments(void **state)
{
    (void)state;
    struct timers timers = { 0 };
    struct alarm first = alarm_of(&timers), second = alarm_of(&timers), third = alarm_of(&timers);
    timer_start(&timers, &third.timer, 70000);
    timer_start(&timers, &first.timer, 63);
    timer_start(&timers, &second.timer, 64);
    first.stops = &third; /* which is due in the same run */
    second.stops = &first;
    timers_run(&timers, 100000);
    assert_int_equal(first.times, 1);
    assert_int_equal(second.times, 1);
    assert_int_equal(third.times, 0);
    timers_clear(&timers);
}

static unsigned rings;

static void on_ring(struct timer *timer)
{
    assert_int_equal(timer->due_ms, 5000 + (rings >= 20));
    struct alarm *alarm = thing_of(timer, struct alarm, timer);
    alarm->times = ++rings;
}

/* Whatever slots they have gone through. */
static void those_of_one_moment_come_as_they_were_started(void **state)
{
    (void)state;
    struct timers timers = { 0 };
    struct alarm alarms[30];
    rings = 0;
    for (unsigned i = 0; i < 30; i++) {
        alarms[i] = (struct alarm){ .timer.on_timer = on_ring, .timers = &timers };
        timers_run(&timers, (uint64_t)i * 150);
        timer_start(&timers, &alarms[i].timer, 5000 + (uint64_t)(i >= 20) - timers.now_ms);
    }
    timers_run(&timers, 6000);
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(alarms[i].times, i + 1);
    timers_clear(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_once_when_due),
        cmocka_unit_test(starting_again_moves_and_stopping_twice_is_allowed),
        cmocka_unit_test(a_timer_that_starts_itself_comes_once_a_run),
        cmocka_unit_test(one_stops_another_that_is_due_as_well),
        cmocka_unit_test(the_far_future_does_not_wrap),
        cmocka_unit_test(any_order_of_starts_and_stops),
        cmocka_unit_test(each_comes_at_its_moment),
        cmocka_unit_test(what_is_due_comes_in_the_order_of_moments),
        cmocka_unit_test(those_of_one_moment_come_as_they_were_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
