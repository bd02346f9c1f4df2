/* A test stand for the receiving half: one worker on a clock that the test turns, one
 * subscription, a source and a service that are played by the test. What the subscription does
 * is noted and compared as a transcript. */
#ifndef STAND_H
#define STAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery/delivery.h"
#include "test/unit/config/fake_catalog.h"
#include "test/unit/hand_clock.h"

enum { STAND_MOST = 64, STAND_WALL_MS = 1000000 };

struct stand {
    struct worker worker;
    struct hand_clock clock;
    struct bytes trace;

    struct config *config;
    struct complaints complaints;
    struct snapshot snapshot;
    struct subscription_settings settings;
    const char *endpoints[2];
    struct subscription *subscription;

    struct broker http, broker;
    struct transport carrier, consumer;
    struct attempt *attempts[STAND_MOST]; /* calls to the service, the oldest first */
    unsigned attempt_count;
    struct bytes sent; /* the body of the last of them */

    struct source source;
    struct intake *intake;
    struct done *posts[STAND_MOST]; /* letters that wait for their confirm */
    unsigned post_count;
    enum reason refuse_publish; /* what publish answers; REASON_none: it takes */
    int retire_result;          /* 0: the broker drops what is retired */
    uint64_t retire_ms;         /* how long that takes it */
    unsigned unsettled;
    struct done *leaving;

    struct net net;
    struct lookup *lookup;
    struct stream *stream; /* being dialled, or closing */
    bool closing;
};

/* --- the transcript --------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static inline void note(struct stand *stand,
                                                              const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (stand->trace.len > 0)
        bytes_text(&stand->trace, "; ");
    bytes_vprintf(&stand->trace, format, args);
    va_end(args);
}

/* Compares what happened since the last time. */
#define expect(stand, expected) expect_at(stand, expected, __FILE__, __LINE__)

static inline void expect_at(struct stand *stand, const char *expected, const char *file, int line)
{
    bytes_byte(&stand->trace, '\0');
    _assert_string_equal((const char *)stand->trace.at, expected, file, line);
    stand->trace.len = 0;
}

static inline const char *header_of(const struct fields *fields, const char *name, char text[256])
{
    const struct field *field = fields_find_name(fields, slice_text(name));
    if (field == NULL)
        return "-";
    snprintf(text, 256, "%.*s", (int)field->value.len, (const char *)field->value.at);
    return text;
}

/* --- the service ------------------------------------------------------------------------------ */

static inline struct stand *stand_of_attempt(struct attempt *attempt)
{
    return attempt->lane;
}

static inline int carrier_begin(struct attempt *attempt)
{
    struct stand *stand = stand_of_attempt(attempt);
    const struct head *request = &attempt->call->request;
    char id[256], number[256];
    note(stand, "call %.*s %.*s %s attempt %s", (int)request->method.len,
         (const char *)request->method.at, (int)request->path.len, (const char *)request->path.at,
         header_of(&request->fields, "shunt-message-id", id),
         header_of(&request->fields, "shunt-attempt", number));
    assert_true(stand->attempt_count < STAND_MOST);
    stand->attempts[stand->attempt_count++] = attempt;
    stand->sent.len = 0;
    return 0;
}

static inline void carrier_body(struct attempt *attempt, struct slice bytes)
{
    bytes_add(&stand_of_attempt(attempt)->sent, bytes);
}

static inline void carrier_end(struct attempt *attempt, const struct fields *trailers)
{
    (void)attempt;
    (void)trailers;
}

static inline void take_attempt(struct stand *stand, const struct attempt *attempt)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < stand->attempt_count; i++)
        if (stand->attempts[i] != attempt)
            stand->attempts[kept++] = stand->attempts[i];
    assert_int_equal(kept + 1, stand->attempt_count);
    stand->attempt_count = kept;
}

static inline enum outcome carrier_cancel(struct attempt *attempt)
{
    struct stand *stand = stand_of_attempt(attempt);
    note(stand, "cancel");
    take_attempt(stand, attempt);
    return OUTCOME_MAYBE_SENT;
}

static inline void turn(struct stand *stand)
{
    worker_finish_turn(&stand->worker);
    if (stand->stream != NULL && stand->closing) {
        struct stream *stream = stand->stream;
        stand->stream = NULL;
        stand->closing = false;
        stream_closed(stream, 0);
        free(stream);
        worker_finish_turn(&stand->worker);
    }
}

/* The service answers its oldest call. `line` is a header ("name: value"), or NULL. */
static inline void answer_with(struct stand *stand, int status, const char *line, const char *body)
{
    assert_true(stand->attempt_count > 0);
    struct attempt *attempt = stand->attempts[0];
    struct call *call = attempt->call;
    struct head head = {
        .status = status, .minor = 1, .framing = FRAMING_LENGTH, .length = strlen(body)
    };
    if (line != NULL) {
        size_t colon = strcspn(line, ":");
        assert_int_equal(fields_add(&head.fields, &call->arena, slice_of(line, colon),
                                    slice_text(line + colon + 2)),
                         0);
    }
    attempt_want(attempt, SIZE_MAX);
    attempt_head(attempt, &head);
    unsigned before = stand->attempt_count;
    attempt_body(attempt, slice_text(body));
    if (stand->attempt_count == before) { /* not cancelled meanwhile */
        take_attempt(stand, attempt);
        attempt_end(attempt, NULL);
    }
    turn(stand);
}

static inline void answer(struct stand *stand, int status)
{
    answer_with(stand, status, NULL, "");
}

static inline void fail_call(struct stand *stand, enum outcome outcome, enum reason reason)
{
    assert_true(stand->attempt_count > 0);
    struct attempt *attempt = stand->attempts[0];
    take_attempt(stand, attempt);
    attempt_fail(attempt, outcome, reason, NULL);
    turn(stand);
}

/* --- the source ------------------------------------------------------------------------------- */

/* What the source keeps of an arrival: its memory, and its name for the transcript. */
struct kept {
    struct arrival arrival;
    struct arena arena;
    char name[32];
};

static inline int source_subscribe(void *lane, const struct values *values, struct intake *intake,
                                   void **subscription)
{
    struct stand *stand = lane;
    assert_string_equal(values_text(values, "queue"), "q");
    stand->intake = intake;
    *subscription = stand;
    return 0;
}

static inline void source_credit(void *subscription, unsigned credit)
{
    note(subscription, "credit %u", credit);
}

static inline void note_dead(struct stand *stand, const struct message *message)
{
    const struct fields *headers = &message->headers;
    char a[256], b[256], c[256];
    note(stand, "dead %.*s: %s %s after %s", (int)message->message_id.len,
         (const char *)message->message_id.at, header_of(headers, "shunt-reason", a),
         header_of(headers, "shunt-status", b), header_of(headers, "shunt-attempts", c));
    if (fields_find_name(headers, SLICE("shunt-body-bytes")) == NULL)
        return;
    assert_int_equal(message->body.len, 0);
    bytes_printf(&stand->trace, " without %s bytes", header_of(headers, "shunt-body-bytes", a));
}

static inline void note_letter(struct stand *stand, const struct letter *letter)
{
    const struct message *message = letter->message;
    const struct fields *headers = &message->headers;
    char a[256];
    if (letter->kind == LETTER_REPLY)
        note(stand, "reply %s to %.*s: %.*s", header_of(headers, ":status", a),
             (int)message->reply_to.len, (const char *)message->reply_to.at, (int)message->body.len,
             (const char *)message->body.at);
    else if (letter->kind == LETTER_DEAD)
        note_dead(stand, message);
    else
        note(stand, "delay %.*s by %llu after %s", (int)message->message_id.len,
             (const char *)message->message_id.at, (unsigned long long)letter->delay_ms,
             header_of(headers, "shunt-attempt", a));
}

static inline int source_publish(void *subscription, const struct letter *letter, struct done *done)
{
    struct stand *stand = subscription;
    if (stand->refuse_publish != REASON_none) {
        note(stand, "refused");
        return -(int)stand->refuse_publish;
    }
    note_letter(stand, letter);
    assert_true(stand->post_count < STAND_MOST);
    stand->posts[stand->post_count++] = done;
    return 0;
}

static inline void source_settle(void *subscription, struct arrival *arrival,
                                 enum settlement settlement)
{
    struct stand *stand = subscription;
    struct kept *kept = thing_of(arrival, struct kept, arrival);
    note(stand, "%s %s", settlement == SETTLE_HANDLED ? "ack" : "back", kept->name);
    arena_clear(&kept->arena);
    free(kept);
    assert_true(stand->unsettled > 0);
    stand->unsettled--;
}

/* What became of it is said at the end of the turn. */
struct retirement {
    struct task task;
    struct done *done;
    int result;
    struct hand_clock *clock;
    uint64_t takes_ms;
};

static inline void source_is_retired(struct task *task)
{
    struct retirement *retirement = thing_of(task, struct retirement, task);
    struct done *done = retirement->done;
    int result = retirement->result;
    retirement->clock->now_ms += retirement->takes_ms;
    free(retirement);
    done->on_done(done, result);
}

static inline void source_retire(void *subscription, struct arrival *arrival, struct done *done)
{
    struct stand *stand = subscription;
    note(stand, "retire %s", thing_of(arrival, struct kept, arrival)->name);
    struct retirement *retirement = calloc(1, sizeof(*retirement));
    assert_non_null(retirement);
    *retirement = (struct retirement){
        { .run = source_is_retired }, done, stand->retire_result, &stand->clock, stand->retire_ms
    };
    worker_defer(&stand->worker, &retirement->task);
}

static inline void source_unsubscribe(void *subscription, struct done *done)
{
    struct stand *stand = subscription;
    note(stand, "unsubscribe");
    stand->leaving = done;
}

static inline bool source_may_reply(void *subscription, struct slice reply_to)
{
    (void)subscription;
    return slice_starts(reply_to, SLICE("reply."));
}

/* What arrives. */
struct arriving {
    const char *id;      /* message_id; NULL: none */
    const char *headers; /* "name: value" lines, each ended by '\n' */
    const char *body;
    const char *reply_to;
    bool redelivered, overdue;
    unsigned attempts;
    int64_t expires_in_ms; /* 0: never */
    uint64_t age_ms;       /* of its timestamp; 0: it has none */
    const char *malformed; /* why it is, or NULL */
    const char *identity;  /* what its broker calls it, or NULL */
};

static inline void add_headers(struct arrival *arrival, struct arena *arena, const char *lines)
{
    while (lines != NULL && *lines != '\0') {
        size_t colon = 1 + strcspn(lines + 1, ":"), end = strcspn(lines, "\n");
        struct slice value = slice_of(lines + colon + 2, end - colon - 2);
        assert_int_equal(
            fields_add_copy(&arrival->message.headers, arena, slice_of(lines, colon), value), 0);
        lines += end + 1;
    }
}

static inline void arrive(struct stand *stand, struct arriving arriving)
{
    struct kept *kept = calloc(1, sizeof(*kept));
    assert_non_null(kept);
    snprintf(kept->name, sizeof(kept->name), "%s", arriving.id == NULL ? "nameless" : arriving.id);
    arena_init(&kept->arena, 64 << 20);
    uint64_t wall = STAND_WALL_MS + stand->clock.now_ms;
    struct arrival *arrival = &kept->arrival;
    arrival->message.message_id = arena_copy(&kept->arena, slice_text(arriving.id));
    arrival->message.body = arena_copy(&kept->arena, slice_text(arriving.body));
    arrival->message.reply_to = arena_copy(&kept->arena, slice_text(arriving.reply_to));
    arrival->message.correlation_id = SLICE("c-1");
    arrival->message.timestamp_ms = arriving.age_ms == 0 ? 0 : wall - arriving.age_ms;
    arrival->wants_reply = arriving.reply_to != NULL;
    arrival->redelivered = arriving.redelivered;
    arrival->overdue = arriving.overdue;
    arrival->attempts = arriving.attempts;
    arrival->expires_ms = arriving.expires_in_ms == 0
                              ? 0
                              : (uint64_t)((int64_t)wall + arriving.expires_in_ms);
    arrival->malformed = arriving.malformed != NULL;
    arrival->why = arriving.malformed;
    arrival->origin = SLICE("q");
    arrival->identity = arena_copy(&kept->arena, slice_text(arriving.identity));
    add_headers(arrival, &kept->arena, arriving.headers);
    stand->unsettled++;
    stand->intake->on_arrival(stand->intake, arrival);
    turn(stand);
}

#define ARRIVE(stand, ...) arrive(stand, (struct arriving){ __VA_ARGS__ })

/* The broker says what became of its oldest letter. */
static inline void confirm(struct stand *stand, int outcome)
{
    assert_true(stand->post_count > 0);
    struct done *done = stand->posts[0];
    stand->post_count--;
    memmove(stand->posts, stand->posts + 1, stand->post_count * sizeof(*stand->posts));
    done->on_done(done, (int)outcome);
    turn(stand);
}

static inline void lose_connection(struct stand *stand)
{
    stand->intake->on_lost(stand->intake);
    turn(stand);
}

/* --- the network, which only the probe uses --------------------------------------------------- */

static inline struct stand *stand_of_net(struct net *net)
{
    return thing_of(net, struct stand, net);
}

static inline void net_resolve(struct net *net, struct worker *worker, struct slice host,
                               uint16_t port, struct lookup *lookup)
{
    (void)worker;
    note(stand_of_net(net), "resolve %.*s:%u", (int)host.len, (const char *)host.at, port);
    stand_of_net(net)->lookup = lookup;
}

static inline void net_forget(struct net *net, struct lookup *lookup)
{
    assert_ptr_equal(stand_of_net(net)->lookup, lookup);
    stand_of_net(net)->lookup = NULL;
    note(stand_of_net(net), "forget");
}

static inline void stream_is_closed(struct stream *stream)
{
    stand_of_net(stream->worker->net)->closing = true;
}

static inline struct stream *net_dial(struct net *net, struct worker *worker,
                                      const struct address *address, int *error)
{
    static const struct stream_driver driver = { .close = stream_is_closed,
                                                 .reset = stream_is_closed };
    (void)error;
    struct stand *stand = stand_of_net(net);
    note(stand, "dial %u", address_port(address));
    assert_null(stand->stream);
    stand->stream = calloc(1, sizeof(*stand->stream));
    assert_non_null(stand->stream);
    stream_init_dialled(stand->stream, worker, &driver);
    return stand->stream;
}

static inline void resolved(struct stand *stand, const char *text)
{
    struct address address;
    unsigned count = text != NULL && address_parse(slice_text(text), &address) == 0;
    struct lookup *lookup = stand->lookup;
    assert_non_null(lookup);
    stand->lookup = NULL;
    lookup->on_resolved(lookup, &address, count, count == 0 ? "no such name" : NULL);
    turn(stand);
}

static inline void connected(struct stand *stand, bool accepted)
{
    assert_non_null(stand->stream);
    if (accepted)
        stream_opened(stand->stream);
    else
        stream_fail(stand->stream, -111);
    turn(stand);
}

/* --- time ------------------------------------------------------------------------------------- */

static inline void pass(struct stand *stand, uint64_t ms)
{
    uint64_t until_ms = stand->clock.now_ms + ms;
    while (hand_clock_step(&stand->clock, &stand->worker, until_ms)) {
        worker_begin_turn(&stand->worker);
        turn(stand);
    }
}

/* --- putting it up and down ------------------------------------------------------------------- */

static inline void stand_load(struct stand *stand, const char *subscription)
{
    struct bytes text = { 0 };
    bytes_printf(&text,
                 "brokers = ( { name = \"rabbit\"; plugin = \"amqp\"; url = \"amqp://h\"; } );\n"
                 "subscriptions = ( { name = \"reserve\"; broker = \"rabbit\"; queue = \"q\";\n"
                 "deliver = \"http://127.0.0.1:8080\"; %s } );\n",
                 subscription);
    complaints_init(&stand->complaints);
    stand->config = config_load_text("test.cfg", bytes_slice(&text), &fake_catalog,
                                     &stand->complaints);
    bytes_free(&text);
    if (stand->complaints.errors > 0)
        complaints_print(&stand->complaints, stderr, false);
    assert_int_equal(stand->complaints.errors, 0);
    stand->settings.values = values_get(stand->config->top, "subscriptions")->groups[0];
}

static inline void stand_wire(struct stand *stand)
{
    stand->carrier = (struct transport){ .name = "http",
                                         .begin = carrier_begin,
                                         .body = carrier_body,
                                         .end = carrier_end,
                                         .cancel = carrier_cancel };
    stand->source = (struct source){
        .subscribe = source_subscribe,
        .credit = source_credit,
        .publish = source_publish,
        .settle = source_settle,
        .retire = source_retire,
        .unsubscribe = source_unsubscribe,
        .may_reply = source_may_reply,
    };
    stand->consumer = (struct transport){ .name = "amqp", .source = &stand->source };
    stand->http = (struct broker){ .refs = 1, .transport = &stand->carrier, .slot = 0 };
    stand->broker = (struct broker){ .refs = 1, .transport = &stand->consumer, .slot = 1 };
    stand->net = (struct net){ .dial = net_dial, .resolve = net_resolve, .forget = net_forget };
    stand->endpoints[0] = "127.0.0.1:8080";
    stand->settings.name = "reserve";
    stand->settings.broker = &stand->broker;
    stand->settings.authority = SLICE("127.0.0.1:8080");
    stand->settings.upstream.endpoints = stand->endpoints;
    stand->settings.upstream.connect_timeout_ms = 1000;
    stand->settings.plan = (struct plan){ .style = STYLE_SYNC,
                                          .transport = &stand->carrier,
                                          .broker = &stand->http,
                                          .upstream = &stand->settings.upstream,
                                          .max_body = UINT64_MAX,
                                          .max_reply = UINT64_MAX };
    stand->snapshot = (struct snapshot){ .refs = 1, .service = "inventory", .workers = 1 };
    /* Jitter is at its least: waits are half of the back-off. */
    stand->clock = (struct hand_clock){ .now_ms = 5000, .epoch_ms = STAND_WALL_MS };
    hand_clock_worker(&stand->clock, &stand->worker, &stand->net);
    stand->worker.snapshot = &stand->snapshot;
    stand->worker.lanes[0] = stand->worker.lanes[1] = stand;
}

/* `subscription`: further settings of its block. It consumes with whatever credit these give. */
static inline struct stand *stand_up(const char *subscription)
{
    struct stand *stand = calloc(1, sizeof(*stand));
    assert_non_null(stand);
    stand_wire(stand);
    stand_load(stand, subscription);
    stand->subscription = subscription_start(&stand->worker, &stand->snapshot, &stand->settings);
    assert_non_null(stand->subscription);
    stand->intake->on_ready(stand->intake);
    turn(stand);
    stand->trace.len = 0;
    return stand;
}

/* The source has nothing left. */
static inline void left(struct stand *stand)
{
    assert_int_equal(stand->unsettled, 0);
    struct done *done = stand->leaving;
    assert_non_null(done);
    stand->leaving = NULL;
    done->on_done(done, 0);
    turn(stand);
}

/* Everything must be over, and leave nothing behind. */
static inline void stand_down(struct stand *stand)
{
    if (!list_empty(&stand->worker.subscriptions)) {
        if (!subscription_stopping(stand->subscription))
            subscription_stop(stand->subscription);
        turn(stand);
        left(stand);
    }
    assert_true(list_empty(&stand->worker.subscriptions));
    assert_true(list_empty(&stand->worker.calls));
    assert_int_equal(stand->attempt_count, 0);
    assert_int_equal(stand->post_count, 0);
    assert_null(stand->stream);
    assert_int_equal(stand->snapshot.refs, 1);
    assert_true(timers_next(&stand->worker.timers) == UINT64_MAX);
    timers_clear(&stand->worker.timers);
    bytes_free(&stand->trace);
    bytes_free(&stand->sent);
    complaints_clear(&stand->complaints);
    config_release(stand->config);
    free(stand);
}

#endif
