/* Shunt around a lane under test: a host that notes what it is told, a clock, calls whose body
 * is their name. */
#ifndef STAND_H
#define STAND_H

#include "plugins/amqp/carry.h"
#include "test/unit/plugins/amqp/peer.h"

/* --- Shunt around the lane -------------------------------------------------------------------- */

static inline char name_of(const struct attempt *attempt)
{
    return thing_of(attempt, struct call_on, attempt)->name;
}

static inline void host_stored(struct attempt *attempt)
{
    note("stored %c", name_of(attempt));
}

static inline void host_reply(struct attempt *attempt, const struct message *message)
{
    note("reply %c: %.*s", name_of(attempt), (int)message->body.len,
         (const char *)message->body.at);
}

static inline void host_fail(struct attempt *attempt, enum outcome outcome, enum reason reason,
                             const char *detail)
{
    (void)detail;
    note("fail %c: %s, %s", name_of(attempt), reasons[reason].name, outcome_executed(outcome));
}

static inline void host_status(struct broker *broker, struct worker *worker,
                               enum broker_state state, const char *detail)
{
    static enum broker_state before = BROKER_STATES;
    static const struct stand *of;
    static const char *const words[BROKER_STATES] = { "down", "connecting", "up", "blocked" };
    (void)broker;
    (void)worker;
    (void)detail;
    if (of == the_stand && state == before)
        return;
    of = the_stand;
    before = state;
    note("%s", words[state]);
}

__attribute__((format(printf, 4, 5))) static inline void host_log(struct broker *broker,
                                                                  struct worker *worker,
                                                                  enum level level,
                                                                  const char *format, ...)
{
    (void)broker;
    (void)worker;
    (void)level;
    (void)format;
}

static inline void host_count(struct broker *broker, struct worker *worker, const char *event,
                              uint64_t by)
{
    (void)broker;
    (void)worker;
    (void)by;
    if (strcmp(event, "replies_dropped") == 0)
        note("dropped");
}

/* A stand whose lane is not attached yet: settings may be changed. */
static inline struct stand *stand_new(void)
{
    static char host[] = "rabbit";
    struct stand *stand = calloc(1, sizeof *stand);
    the_stand = stand;
    arena_init(&stand->arena, 1 << 24);
    stand->clock = (struct hand_clock){ .now_ms = 1000, .epoch_ms = WALL_MS, .seed = 1 };
    stand->net = (struct net){ .dial = net_dial, .resolve = net_resolve, .forget = net_forget };
    hand_clock_worker(&stand->clock, &stand->worker, &stand->net);
    stand->snapshot = (struct snapshot){ .service = "orders", .workers = 1 };
    stand->worker.snapshot = &stand->snapshot;
    stand->host = (struct host){ .abi = SHUNT_ABI,
                                 .stored = host_stored,
                                 .reply = host_reply,
                                 .fail = host_fail,
                                 .status = host_status,
                                 .log = host_log,
                                 .count = host_count };
    stand->settings = (struct broker_settings){ .shunt = &stand->host,
                                                .host = host,
                                                .user = "guest",
                                                .password = "guest",
                                                .vhost = "/",
                                                .port = 5672,
                                                .heartbeat_ms = 4000,
                                                .connect_timeout_ms = 3000,
                                                .backoff_ms = 200,
                                                .max_backoff_ms = 1000,
                                                .window = 8,
                                                .window_bytes = 1 << 20,
                                                .max_message = 1 << 16 };
    return stand;
}

static inline void stand_attach(struct stand *stand)
{
    void *lane = NULL;
    assert_int_equal(lane_attach(&stand->settings, &stand->worker, &lane), 0);
    stand->lane = lane;
    settle(stand);
}

static inline void on_detached(struct done *done, int result)
{
    (void)done;
    (void)result;
    the_stand->detached = true;
}

static inline void stand_free(struct stand *stand)
{
    static struct done done = { on_detached };
    lane_detach(stand->lane, &done);
    advance(stand, 2500);
    assert_true(stand->detached);
    for (unsigned i = 0; i < stand->peer_count; i++) {
        assert_true(stand->peers[i]->gone);
        free(stand->peers[i]);
    }
    for (unsigned i = 0; i < stand->call_count; i++)
        arena_clear(&stand->calls[i].call.arena);
    timers_clear(&stand->worker.timers);
    arena_clear(&stand->arena);
    bytes_free(&stand->trace);
    free(stand);
}

/* Begins a call whose body is its name. 0, or the negative reason. */
static inline int begin_call(struct stand *stand, char name, const struct route_settings *route,
                             bool await)
{
    assert_true(stand->call_count < MOST_CALLS);
    struct call_on *on = &stand->calls[stand->call_count++];
    on->name = name;
    on->call.worker = &stand->worker;
    on->call.deadline_ms = stand->clock.now_ms + 5000;
    arena_init(&on->call.arena, 4096);
    on->call.plan = (struct plan){ .style = await ? STYLE_REQUEST_REPLY : STYLE_EVENT,
                                   .settings = route,
                                   .await = await,
                                   .max_reply = 100,
                                   .message = { .body = slice_of(&on->name, 1),
                                                .durable = !await } };
    on->attempt =
        (struct attempt){ .call = &on->call, .plan = &on->call.plan, .lane = stand->lane };
    return carry_begin(&on->attempt);
}

static inline enum outcome cancel_call(struct stand *stand, char name)
{
    for (unsigned i = stand->call_count; i-- > 0;)
        if (stand->calls[i].name == name)
            return carry_cancel(&stand->calls[i].attempt);
    fail();
    return OUTCOME_NOT_SENT;
}

#endif
