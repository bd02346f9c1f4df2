/* Calls through a fake transport on a hand-driven clock: each test is a transcript of who said
 * what, in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "core/call.h"
#include "core/route.h"
#include "core/snapshot.h"
#include "core/worker.h"
#include "test/unit/hand_clock.h"

/* --- a world of one worker, one route, one transport ------------------------------------------ */

struct world {
    struct worker worker;
    struct hand_clock clock;
    struct snapshot snapshot;
    struct config config;
    struct route route;
    struct broker broker, http;
    struct transport transport;
    struct attempt *attempt; /* the last one begun */
    int refuse_begin;        /* what begin returns */
    struct bytes trace;
    struct listener_settings listener;
    bool gone;
};

static struct world *world_of_call(const struct call *call)
{
    return thing_of(call->worker, struct world, worker);
}

static void note(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (world->trace.len > 0)
        bytes_text(&world->trace, "; ");
    bytes_vprintf(&world->trace, format, args);
    va_end(args);
}

/* Compares what was noted since the last time. */
static void expect(struct world *world, const char *expected)
{
    bytes_byte(&world->trace, '\0');
    assert_string_equal((const char *)world->trace.at, expected);
    world->trace.len = 0;
}

/* --- the transport ---------------------------------------------------------------------------- */

static int plan(const struct call *call, const void *settings, struct plan *plan)
{
    (void)settings;
    if (plan->style == STYLE_SYNC)
        return 0;
    note(world_of_call(call), "plan %.*s", (int)plan->message.body.len,
         (const char *)plan->message.body.at);
    return 0;
}

static int begin(struct attempt *attempt)
{
    struct world *world = world_of_call(attempt->call);
    note(world, "begin");
    world->attempt = attempt;
    return world->refuse_begin;
}

static void body(struct attempt *attempt, struct slice bytes)
{
    note(world_of_call(attempt->call), "send %.*s", (int)bytes.len, (const char *)bytes.at);
}

static void end(struct attempt *attempt, const struct fields *trailers)
{
    (void)trailers;
    note(world_of_call(attempt->call), "send end");
}

static enum outcome cancel(struct attempt *attempt)
{
    note(world_of_call(attempt->call), "cancel");
    return attempt->outcome;
}

/* --- the caller ------------------------------------------------------------------------------- */

static void got_interim(struct call *call, const struct head *head)
{
    note(world_of_call(call), "interim %d", head->status);
}

static void got_head(struct call *call)
{
    note(world_of_call(call), "head %d", call->response.status);
}

static void got_body(struct call *call, struct slice bytes)
{
    note(world_of_call(call), "body %.*s", (int)bytes.len, (const char *)bytes.at);
}

static void got_end(struct call *call, const struct fields *trailers)
{
    (void)trailers;
    note(world_of_call(call), "end");
}

static void got_failure(struct call *call, enum reason reason, const char *detail)
{
    (void)detail;
    note(world_of_call(call), "fail %s %s", reasons[reason].name, outcome_executed(call->outcome));
}

static void got_room(struct call *call, size_t bytes)
{
    note(world_of_call(call), "want %zu", bytes);
}

static void got_gone(struct call *call)
{
    world_of_call(call)->gone = true;
}

static const struct caller caller = { .kind = "test",
                                      .interim = got_interim,
                                      .head = got_head,
                                      .body = got_body,
                                      .end = got_end,
                                      .fail = got_failure,
                                      .want = got_room,
                                      .gone = got_gone };

/* --- set-up ----------------------------------------------------------------------------------- */

static void world_open(struct world *world, enum style style)
{
    *world = (struct world){ .clock = { .now_ms = 1000, .byte = 0xab } };
    hand_clock_worker(&world->clock, &world->worker, NULL);
    world->transport = (struct transport){
        .name = "fake",
        .styles = STYLE_BIT(STYLE_SYNC) | STYLE_BIT(STYLE_EVENT) | STYLE_BIT(STYLE_REQUEST_REPLY),
        .whole = STYLE_BIT(STYLE_EVENT) | STYLE_BIT(STYLE_REQUEST_REPLY),
        .plan = plan,
        .begin = begin,
        .body = body,
        .end = end,
        .cancel = cancel
    };
    world->broker = (struct broker){ .refs = 1,
                                     .name = (char *)(uintptr_t) "fake",
                                     .transport = &world->transport };
    world->broker.status[0].state = BROKER_UP;
    world->worker.lanes[0] = world;
    world->route = (struct route){
        .name = "only", .style = style, .timeout_ms = 5000, .max_body = 8, .max_reply = 100
    };
    world->route.block[style] = (struct style_block){ .present = true, .broker = &world->broker };
    world->snapshot = (struct snapshot){ .refs = 1,
                                         .config = &world->config,
                                         .service = "test",
                                         .routes = &world->route,
                                         .route_count = 1,
                                         .http = &world->broker };
    struct snapshot *snapshot = &world->snapshot;
    arena_init(&snapshot->arena, 1 << 20);
    snapshot->route_index = route_index_build(snapshot->routes, 1, &snapshot->arena);
    world->worker.snapshot = snapshot;
    world->listener.host = NULL;
}

static void world_close(struct world *world)
{
    assert_true(list_empty(&world->worker.calls));
    assert_true(list_empty(&world->worker.tasks));
    assert_int_equal(world->snapshot.refs, 1);
    timers_clear(&world->worker.timers);
    arena_clear(&world->snapshot.arena);
    bytes_free(&world->trace);
}

static void turn(struct world *world)
{
    worker_begin_turn(&world->worker);
    worker_finish_turn(&world->worker);
}

static struct call *call_of(struct world *world, const char *method, enum framing framing,
                            uint64_t length)
{
    struct call *call = call_new(&world->worker, &caller, NULL);
    assert_non_null(call);
    call->request = (struct head){ .method = slice_text(method),
                                   .scheme = SLICE("http"),
                                   .authority = SLICE("inventory:8080"),
                                   .path = SLICE("/reservations"),
                                   .minor = 1,
                                   .framing = framing,
                                   .length = length };
    return call;
}

static void answer(struct world *world, int status, const char *text)
{
    struct head head = {
        .status = status, .minor = 1, .framing = FRAMING_LENGTH, .length = strlen(text)
    };
    attempt_head(world->attempt, &head);
    attempt_body(world->attempt, slice_text(text));
    attempt_end(world->attempt, NULL);
}

/* --- what happens ----------------------------------------------------------------------------- */

static void a_forwarded_call_streams_both_ways(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    struct call *call = call_of(&world, "POST", FRAMING_LENGTH, 4);
    call_begin(call);
    call_body(call, SLICE("ab"));
    expect(&world, "begin");
    attempt_want(world.attempt, 100);
    expect(&world, "send ab; want 100");
    call_body(call, SLICE("cd"));
    call_end(call, NULL);
    expect(&world, "send cd; send end");
    answer(&world, 200, "ok");
    expect(&world, "head 200; body ok; end");
    turn(&world);
    assert_true(world.gone);
    world_close(&world);
}

static void what_came_before_the_connection_is_kept(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    struct call *call = call_of(&world, "POST", FRAMING_CHUNKED, 0);
    call_begin(call);
    call_body(call, SLICE("ab"));
    call_body(call, SLICE("cd"));
    call_end(call, NULL);
    attempt_want(world.attempt, 100);
    expect(&world, "begin; send abcd; send end");
    answer(&world, 204, "");
    turn(&world);
    world_close(&world);
}

static void an_event_is_sent_whole_and_answered_when_stored(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_EVENT);
    struct call *call = call_of(&world, "POST", FRAMING_LENGTH, 4);
    call_begin(call);
    expect(&world, "");
    turn(&world);
    expect(&world, "want 9");
    call_body(call, SLICE("abcd"));
    expect(&world, "");
    call_end(call, NULL);
    expect(&world, "plan abcd; begin");
    attempt_stored(world.attempt);
    expect(&world, "head 202; end");
    turn(&world);
    world_close(&world);
}

static void a_body_over_the_limit_is_refused_before_it_is_read(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_EVENT);
    call_begin(call_of(&world, "POST", FRAMING_LENGTH, 9));
    expect(&world, "");
    turn(&world);
    expect(&world, "fail body_too_large no");
    turn(&world);
    world_close(&world);
}

static void a_body_that_grows_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_EVENT);
    struct call *call = call_of(&world, "POST", FRAMING_CHUNKED, 0);
    call_begin(call);
    turn(&world);
    call_body(call, SLICE("123456789"));
    call_end(call, NULL);
    turn(&world);
    expect(&world, "want 9; fail body_too_large no");
    turn(&world);
    world_close(&world);
}

static void a_broker_known_to_be_down_refuses_at_once(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_EVENT);
    world.broker.status[0].state = BROKER_BLOCKED;
    call_begin(call_of(&world, "POST", FRAMING_LENGTH, 4));
    turn(&world);
    expect(&world, "fail broker_blocked no");
    turn(&world);
    world.broker.status[0].state = BROKER_DOWN;
    call_begin(call_of(&world, "POST", FRAMING_LENGTH, 4));
    turn(&world);
    expect(&world, "fail broker_down no");
    turn(&world);
    world_close(&world);
}

static void a_begin_that_refuses_is_told_in_the_same_turn(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    world.refuse_begin = -REASON_connections_full;
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    call_begin(call);
    call_end(call, NULL);
    expect(&world, "begin");
    turn(&world);
    expect(&world, "fail connections_full no");
    turn(&world);
    world_close(&world);
}

static void the_deadline_says_whether_anything_was_sent(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    call_begin(call);
    call_end(call, NULL);
    world.attempt->outcome = OUTCOME_MAYBE_SENT;
    world.clock.now_ms += 5000;
    turn(&world);
    expect(&world, "begin; send end; cancel; fail timeout unknown");

    call = call_of(&world, "POST", FRAMING_LENGTH, 2);
    call_begin(call);
    world.clock.now_ms += 5000;
    turn(&world);
    expect(&world, "begin; cancel; fail deadline_passed no");
    turn(&world);
    world_close(&world);
}

static void a_caller_that_leaves_cancels_and_hears_no_more(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    call_begin(call);
    call_end(call, NULL);
    call_cancel(call, REASON_client_gone);
    expect(&world, "begin; send end; cancel");
    turn(&world);
    expect(&world, "");
    assert_true(world.gone);
    world_close(&world);
}

static void an_answer_that_breaks_off_fails_after_its_head(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    call_begin(call);
    call_end(call, NULL);
    struct head head = { .status = 200, .minor = 1, .framing = FRAMING_LENGTH, .length = 10 };
    attempt_head(world.attempt, &head);
    attempt_body(world.attempt, SLICE("half"));
    attempt_fail(world.attempt, OUTCOME_MAYBE_SENT, REASON_response_broken, NULL);
    expect(&world, "begin; send end; head 200; body half; fail response_broken unknown");
    assert_int_equal(call->status, 200);
    turn(&world);
    world_close(&world);
}

static void interim_answers_come_before_the_final_one(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    call_begin(call);
    call_end(call, NULL);
    struct head early = { .status = 103, .minor = 1 };
    attempt_interim(world.attempt, &early);
    answer(&world, 200, "");
    expect(&world, "begin; send end; interim 103; head 200; end");
    turn(&world);
    world_close(&world);
}

static void a_safe_method_is_never_an_event(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_EVENT);
    call_begin(call_of(&world, "GET", FRAMING_NONE, 0));
    turn(&world);
    expect(&world, "fail method_not_allowed no");
    turn(&world);

    world.route.block[STYLE_SYNC] = (struct style_block){ .present = true,
                                                          .broker = &world.broker };
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    call_begin(call);
    call_end(call, NULL);
    answer(&world, 200, "rows");
    expect(&world, "begin; send end; head 200; body rows; end");
    turn(&world);
    world_close(&world);
}

static void an_upgrade_cannot_become_a_message(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_REQUEST_REPLY);
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    call->upgrade = true;
    call_begin(call);
    call_end(call, NULL);
    turn(&world);
    expect(&world, "fail upgrade_refused no");
    turn(&world);
    world_close(&world);
}

static void a_reply_becomes_the_answer(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_REQUEST_REPLY);
    struct call *call = call_of(&world, "POST", FRAMING_LENGTH, 2);
    call_begin(call);
    turn(&world);
    call_body(call, SLICE("hi"));
    call_end(call, NULL);
    expect(&world, "want 9; plan hi; begin");
    struct arena arena;
    arena_init(&arena, 4096);
    struct message reply = { .body = SLICE("there") };
    assert_int_equal(fields_add(&reply.headers, &arena, SLICE(":status"), SLICE("404")), 0);
    attempt_reply(world.attempt, &reply);
    expect(&world, "head 404; body there; end");
    arena_clear(&arena);
    turn(&world);
    world_close(&world);
}

static void a_reply_over_the_limit_is_a_small_502(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_REQUEST_REPLY);
    struct call *call = call_of(&world, "POST", FRAMING_NONE, 0);
    call_begin(call);
    call_end(call, NULL);
    static uint8_t large[101];
    struct message reply = { .body = slice_of(large, sizeof large) };
    attempt_reply(world.attempt, &reply);
    expect(&world, "plan ; begin; fail reply_too_large unknown");
    turn(&world);
    world_close(&world);
}

static void too_many_hops_are_a_loop(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    call->hops = 17;
    call_begin(call);
    call_end(call, NULL);
    turn(&world);
    expect(&world, "fail loop no");
    turn(&world);
    world_close(&world);
}

static void a_head_that_fills_the_memory_goes_on_without_a_trace(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, STYLE_SYNC);
    struct call *call = call_of(&world, "GET", FRAMING_NONE, 0);
    for (size_t piece = 64 * 1024; piece > 0; piece /= 2)
        while (arena_try(&call->arena, piece) != NULL)
            ;
    call_begin(call);
    assert_int_equal(call->traceparent.len, 0);
    call_end(call, NULL);
    turn(&world);
    expect(&world, "fail overloaded no");
    turn(&world);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forwarded_call_streams_both_ways),
        cmocka_unit_test(what_came_before_the_connection_is_kept),
        cmocka_unit_test(an_event_is_sent_whole_and_answered_when_stored),
        cmocka_unit_test(a_body_over_the_limit_is_refused_before_it_is_read),
        cmocka_unit_test(a_body_that_grows_over_the_limit_is_refused),
        cmocka_unit_test(a_broker_known_to_be_down_refuses_at_once),
        cmocka_unit_test(a_begin_that_refuses_is_told_in_the_same_turn),
        cmocka_unit_test(the_deadline_says_whether_anything_was_sent),
        cmocka_unit_test(a_caller_that_leaves_cancels_and_hears_no_more),
        cmocka_unit_test(an_answer_that_breaks_off_fails_after_its_head),
        cmocka_unit_test(interim_answers_come_before_the_final_one),
        cmocka_unit_test(a_safe_method_is_never_an_event),
        cmocka_unit_test(an_upgrade_cannot_become_a_message),
        cmocka_unit_test(a_reply_becomes_the_answer),
        cmocka_unit_test(a_reply_over_the_limit_is_a_small_502),
        cmocka_unit_test(too_many_hops_are_a_loop),
        cmocka_unit_test(a_head_that_fills_the_memory_goes_on_without_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
