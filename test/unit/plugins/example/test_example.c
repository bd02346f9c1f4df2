/* The example's life: opened, attached, asked to carry, detached. What its file holds in the end
 * is compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugin.h"

static unsigned stored, failed;

static void on_stored(struct attempt *attempt)
{
    (void)attempt;
    stored++;
}

static void on_fail(struct attempt *attempt, enum outcome outcome, enum reason reason,
                    const char *detail)
{
    (void)attempt;
    (void)detail;
    assert_int_equal(outcome, OUTCOME_MAYBE_SENT);
    assert_int_equal(reason, REASON_broker_unsure);
    failed++;
}

static void on_status(struct broker *broker, struct worker *worker, enum broker_state state,
                      const char *detail)
{
    (void)broker;
    (void)worker;
    (void)detail;
    assert_int_equal(state, BROKER_UP);
}

__attribute__((format(printf, 4, 5))) static void on_log(struct broker *broker,
                                                         struct worker *worker, enum level level,
                                                         const char *format, ...)
{
    (void)broker;
    (void)worker;
    (void)level;
    (void)format;
}

static void on_count(struct broker *broker, struct worker *worker, const char *event, uint64_t by)
{
    (void)broker;
    (void)worker;
    (void)by;
    assert_string_equal(event, "lines");
}

static const struct host host = { .abi = SHUNT_ABI,
                                  .stored = on_stored,
                                  .fail = on_fail,
                                  .status = on_status,
                                  .log = on_log,
                                  .count = on_count };

struct fixture {
    char path[64];
    struct worker worker;
    void *instance, *lane;
};

/* A broker's block that says `path`. */
static int attach_to(struct fixture *fixture, const char *path)
{
    struct value value = { .setting = &shunt_plugin.broker[0], .written = true, .text = path };
    struct values values = { .at = &value, .count = 1 };
    fixture->worker = (struct worker){ 0 };
    list_init(&fixture->worker.tasks);
    assert_int_equal(shunt_plugin.open(&host, NULL, &values, NULL, &fixture->instance), 0);
    return shunt_plugin.attach(fixture->instance, &fixture->worker, &fixture->lane);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){ .path = "/tmp/shunt-example-XXXXXX" };
    int file = mkstemp(fixture.path);
    assert_true(file >= 0);
    close(file);
    stored = failed = 0;
    assert_int_equal(attach_to(&fixture, fixture.path), 0);
    *state = &fixture;
    return 0;
}

static void on_detached(struct done *done, int result)
{
    (void)done;
    assert_int_equal(result, 0);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    struct done done = { on_detached };
    shunt_plugin.detach(fixture->lane, &done);
    shunt_plugin.close(fixture->instance);
    return unlink(fixture->path);
}

static void finish_turn(struct worker *worker)
{
    struct link *link;
    while ((link = list_first(&worker->tasks)) != NULL) {
        list_leave(link);
        struct task *task = thing_of(link, struct task, link);
        task->run(task);
    }
}

static void expect_lines(const struct fixture *fixture, const char *expected)
{
    char text[256];
    FILE *file = fopen(fixture->path, "r");
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static void events_become_lines(void **state)
{
    struct fixture *fixture = *state;
    struct plan one = { .message = { .body = SLICE("one") } }, empty = { 0 };
    struct attempt first = { .plan = &one, .lane = fixture->lane },
                   second = { .plan = &empty, .lane = fixture->lane };
    assert_int_equal(shunt_plugin.begin(&first), 0);
    assert_int_equal(shunt_plugin.begin(&second), 0);
    assert_int_equal(stored, 0); /* never at once */
    finish_turn(&fixture->worker);
    assert_int_equal(stored, 2);
    expect_lines(fixture, "one\n\n");
}

static void a_cancelled_one_is_not_told(void **state)
{
    struct fixture *fixture = *state;
    struct plan plan = { .message = { .body = SLICE("one") } };
    struct attempt attempt = { .plan = &plan, .lane = fixture->lane };
    assert_int_equal(shunt_plugin.begin(&attempt), 0);
    assert_int_equal(shunt_plugin.cancel(&attempt), OUTCOME_MAYBE_SENT);
    finish_turn(&fixture->worker);
    assert_int_equal(stored, 0);
}

static void two_lines_are_no_line(void **state)
{
    (void)state;
    struct plan plan = { .message = { .body = SLICE("one\ntwo") } };
    assert_int_equal(shunt_plugin.plan(NULL, NULL, &plan), -REASON_bad_request);
    plan.message.body = SLICE("one");
    assert_int_equal(shunt_plugin.plan(NULL, NULL, &plan), 0);
}

static void a_person_sees_the_line(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    struct plan plan = { .message = { .body = SLICE("one") } };
    struct description description = { .arena = &arena };
    shunt_plugin.describe(NULL, &plan, &description);
    assert_int_equal(description.lines.count, 1);
    assert_true(slice_is(description.lines.at[0].value, "one"));
    arena_clear(&arena);
}

static void a_file_that_cannot_be_opened_is_no_lane(void **state)
{
    (void)state;
    struct fixture fixture = { 0 };
    assert_true(attach_to(&fixture, "/nowhere/at/all") < 0);
    shunt_plugin.close(fixture.instance);
}

static void a_full_disk_refuses(void **state)
{
    (void)state;
    struct fixture fixture = { 0 };
    struct plan plan = { .message = { .body = SLICE("one") } };
    assert_int_equal(attach_to(&fixture, "/dev/full"), 0);
    struct attempt attempt = { .plan = &plan, .lane = fixture.lane };
    assert_int_equal(shunt_plugin.begin(&attempt), -REASON_broker_refused);
    struct done done = { on_detached };
    shunt_plugin.detach(fixture.lane, &done);
    shunt_plugin.close(fixture.instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_become_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_one_is_not_told, set_up, tear_down),
        cmocka_unit_test(two_lines_are_no_line),
        cmocka_unit_test(a_person_sees_the_line),
        cmocka_unit_test(a_file_that_cannot_be_opened_is_no_lane),
        cmocka_unit_test(a_full_disk_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
