/* A test stand for one member of a group: a worker on a clock that the test turns, a client and a
 * delivery half that are played by the test. What the member does is noted and compared as a
 * transcript. */
#ifndef MEMBER_STAND_H
#define MEMBER_STAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/snapshot.h"
#include "plugins/kafka/held.h"
#include "plugins/kafka/member.h"

enum { STAND_MOST = 64 };

struct stand {
    struct worker worker;
    struct net net;
    struct snapshot snapshot;
    uint64_t now_ms;
    struct bytes trace;
    struct host host;
    struct broker_settings settings;
    struct lane lane;
    struct member *member;
    struct wanted wanted[2];
    struct intake intake;
    struct done left;
    struct arrival *up[STAND_MOST]; /* the oldest first */
    unsigned up_count;
    const char *rests; /* given back once it is told to be lost; NULL: nothing */
};

/* What the client was told goes there; one stand at a time. */
static struct stand *noted_in;

__attribute__((format(printf, 1, 2))) static inline void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (noted_in->trace.len > 0)
        bytes_text(&noted_in->trace, "; ");
    bytes_vprintf(&noted_in->trace, format, args);
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

/* --- the client ------------------------------------------------------------------------------- */

static void client_assign(struct member_client *client, const struct position *positions,
                          unsigned count)
{
    (void)client;
    (void)positions;
    note("assign %u", count);
}

static void client_release(struct member_client *client)
{
    (void)client;
    note("release");
}

static void client_pause(struct member_client *client, const char *topic, int32_t partition,
                         bool paused)
{
    (void)client;
    note("%s %s/%d", paused ? "pause" : "resume", topic, (int)partition);
}

static void client_store(struct member_client *client, const char *topic, int32_t partition,
                         int64_t next)
{
    (void)client;
    note("store %s/%d %d", topic, (int)partition, (int)next);
}

static void client_commit(struct member_client *client)
{
    (void)client;
    note("commit");
}

static void client_close(struct member_client *client)
{
    (void)client;
    note("close");
}

static void client_declare(struct producer_client *client, const struct topic_wish *wish)
{
    (void)client;
    note("declare %s", wish->name);
}

const struct kafka_library kafka_library = {
    .declare = client_declare,
    .assign = client_assign,
    .release = client_release,
    .pause = client_pause,
    .store = client_store,
    .commit = client_commit,
    .member_close = client_close,
};

/* --- the delivery half ------------------------------------------------------------------------ */

static void on_arrival(struct intake *intake, struct arrival *arrival)
{
    struct stand *stand = thing_of(intake, struct stand, intake);
    assert_true(stand->up_count < STAND_MOST);
    stand->up[stand->up_count++] = arrival;
    note("up %.*s%s%s", (int)arrival->message.body.len, (const char *)arrival->message.body.at,
         arrival->redelivered ? " again" : "", arrival->overdue ? ", overdue" : "");
}

/* Settles what is up under that body, within the turn. */
static inline void settle_now(struct stand *stand, const char *body, enum settlement settlement)
{
    unsigned at = 0;
    while (at < stand->up_count && !slice_is(stand->up[at]->message.body, body))
        at++;
    assert_true(at < stand->up_count);
    struct arrival *arrival = stand->up[at];
    stand->up_count--;
    memmove(stand->up + at, stand->up + at + 1, (stand->up_count - at) * sizeof(*stand->up));
    member_settle(stand->member, arrival, settlement);
}

static void on_lost(struct intake *intake)
{
    struct stand *stand = thing_of(intake, struct stand, intake);
    note("lost");
    if (stand->rests != NULL)
        settle_now(stand, stand->rests, SETTLE_GIVE_BACK);
    stand->rests = NULL;
}

static void on_ready(struct intake *intake)
{
    (void)intake;
    note("ready");
}

static inline void turn(struct stand *stand)
{
    worker_finish_turn(&stand->worker);
}

static inline void settle(struct stand *stand, const char *body, enum settlement settlement)
{
    settle_now(stand, body, settlement);
    turn(stand);
}

/* --- what happens ----------------------------------------------------------------------------- */

struct coming {
    int32_t partition;
    int64_t offset;
    const char *key, *body;
    size_t padding; /* bytes of a further header */
};

static inline void come(struct stand *stand, struct coming coming)
{
    struct arena arena;
    arena_init(&arena, 16 << 20);
    struct record record = { .topic = "t",
                             .partition = coming.partition,
                             .offset = coming.offset,
                             .key = slice_text(coming.key),
                             .value = slice_text(coming.body),
                             .timestamp_ms = 1 };
    if (coming.padding > 0) {
        uint8_t *bytes = arena_get(&arena, coming.padding);
        memset(bytes, 'x', coming.padding);
        assert_int_equal(
            fields_add(&record.headers, &arena, SLICE("x"), slice_of(bytes, coming.padding)), 0);
    }
    member_events.on_record(stand->member, &record);
    arena_clear(&arena);
    turn(stand);
}

#define COME(stand, ...) come(stand, (struct coming){ __VA_ARGS__ })

/* The first partitions of the topic, each from offset 10 on. */
static inline void assign(struct stand *stand, int32_t count)
{
    struct position positions[STAND_MOST];
    assert_true(count <= STAND_MOST);
    for (int32_t i = 0; i < count; i++)
        positions[i] = (struct position){ .topic = "t", .partition = i, .offset = 10 };
    member_events.on_assigned(stand->member, positions, (unsigned)count);
    turn(stand);
}

static inline void pass(struct stand *stand, uint64_t ms)
{
    uint64_t until = stand->now_ms + ms;
    while (timers_next(&stand->worker.timers) <= until) {
        uint64_t next = timers_next(&stand->worker.timers);
        stand->now_ms = next > stand->now_ms ? next : stand->now_ms;
        worker_begin_turn(&stand->worker);
        turn(stand);
    }
    stand->now_ms = until;
    worker_begin_turn(&stand->worker);
    turn(stand);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static uint64_t stand_now(void *context)
{
    return ((struct stand *)context)->now_ms;
}

static void stand_random(void *context, void *bytes, size_t count)
{
    (void)context;
    memset(bytes, 0, count);
}

static void stand_log(struct broker *broker, struct worker *worker, enum level level,
                      const char *format, ...)
{
    (void)broker;
    (void)worker;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (level >= LEVEL_WARNING)
        note("says: %s", text);
}

static void stand_count(struct broker *broker, struct worker *worker, const char *event,
                        uint64_t by)
{
    (void)broker;
    (void)worker;
    (void)event;
    (void)by;
}

static void on_left(struct done *done, int result)
{
    struct stand *stand = thing_of(done, struct stand, left);
    assert_int_equal(result, 0);
    stand->member = NULL;
    note("left");
}

/* A member that is in no group yet, with as much room as is said. */
static inline struct stand *stand_up(size_t max_span, size_t max_bytes, unsigned credit)
{
    static const char *const topics[] = { "t", NULL };
    struct stand *stand = noted_in = calloc(1, sizeof(*stand));
    assert_non_null(stand);
    stand->now_ms = 5000;
    const struct clock clock = { stand_now, stand_now, stand_random, stand };
    stand->snapshot =
        (struct snapshot){ .refs = 1, .service = "inventory", .workers = 1, .grace_ms = 8000 };
    worker_init(&stand->worker, 0, clock, &stand->net);
    stand->worker.snapshot = &stand->snapshot;
    stand->host = (struct host){ .log = stand_log, .count = stand_count };
    stand->settings = (struct broker_settings){ .shunt = &stand->host };
    stand->lane.worker = &stand->worker;
    stand->lane.settings = &stand->settings;
    list_init(&stand->lane.members);
    stand->intake = (struct intake){ on_arrival, on_lost, on_ready };
    stand->left.on_done = on_left;
    struct member *member = stand->member = calloc(1, sizeof(*member));
    assert_non_null(member);
    member->lane = &stand->lane;
    member->intake = &stand->intake;
    member->membership = (struct membership){ .group = "g", .topics = topics };
    member->max_span = max_span;
    member->max_bytes = max_bytes;
    member->handover_ms = 3000;
    arena_init(&member->arena, 1 << 20);
    member_init(member);
    list_append(&stand->lane.members, &member->link);
    member_credit(member, credit);
    turn(stand);
    return stand;
}

/* The member is gone, and must have left nothing behind. */
static inline void stand_end(struct stand *stand)
{
    assert_null(stand->member);
    assert_true(list_empty(&stand->lane.members));
    assert_true(timers_next(&stand->worker.timers) == UINT64_MAX);
    timers_clear(&stand->worker.timers);
    bytes_free(&stand->trace);
    free(stand);
    noted_in = NULL;
}

/* It leaves its group; nothing may be up. */
static inline void stand_down(struct stand *stand)
{
    assert_int_equal(stand->up_count, 0);
    member_unsubscribe(stand->member, &stand->left);
    turn(stand);
    while (stand->member->commits > 0)
        member_events.on_committed(stand->member, NULL);
    turn(stand);
    member_events.on_closed(stand->member);
    turn(stand);
    stand_end(stand);
}

#endif
