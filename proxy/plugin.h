/* The one header that a plugin includes.
 *
 * A plugin is a shared object that carries calls (a transport) and may also consume (a source).
 * It exports one symbol,
 *     const struct transport shunt_plugin;
 * and calls Shunt only through `struct host`, the table that `open` receives: it relies on no
 * symbol of the binary. What is pure (base/, net/address.c, net/stream.c, config/values.c,
 * config/complaint.c, core/reason.c) is linked into each plugin. A plugin is loaded once, by a
 * configuration that names it, and never unloaded. plugins/example is a complete one.
 *
 * Threads: prepare, open, close on the control thread; all else on the worker that the lane
 * belongs to.
 */
#ifndef SHUNT_PLUGIN_H
#define SHUNT_PLUGIN_H

#include "base/list.h"
#include "config/values.h"
#include "core/call.h"
#include "core/worker.h"
#include "net/net.h"
#include "net/stream.h"

#define SHUNT_ABI 1

enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR };

/* What a lane says of its connection; for metrics and readiness. */
enum broker_state { BROKER_DOWN, BROKER_CONNECTING, BROKER_UP, BROKER_BLOCKED, BROKER_STATES };

struct host {
    uint32_t abi;
    void (*interim)(struct attempt *attempt, const struct head *head);
    void (*head)(struct attempt *attempt, const struct head *head);
    void (*body)(struct attempt *attempt, struct slice bytes);
    void (*half_end)(struct attempt *attempt);
    void (*end)(struct attempt *attempt, const struct fields *trailers);
    void (*stored)(struct attempt *attempt);
    void (*reply)(struct attempt *attempt, const struct message *message);
    void (*fail)(struct attempt *attempt, enum outcome outcome, enum reason reason,
                 const char *detail);
    void (*want)(struct attempt *attempt, size_t bytes);
    /* What became of one of several destinations of an attempt that ends next, or is being
     * cancelled: told to the caller when not all of them have the same to say (promise 4). `kind` is a constant; the name is
     * copied. */
    void (*target)(struct attempt *attempt, const char *kind, const char *name,
                   enum outcome outcome);
    /* The state of this worker's connection; `detail` is copied (at most 127 bytes), may be
     * NULL. */
    void (*status)(struct broker *broker, struct worker *worker, enum broker_state state,
                   const char *detail);
    /* One line to the log, with the broker's name; escaped there. */
    void (*log)(struct broker *broker, struct worker *worker, enum level level, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
    /* Adds to a counter of this worker and broker, shown as
     * shunt_broker_events_total{broker,event}. `event` is a string constant of the plugin; at
     * most 32 different ones per plugin. */
    void (*count)(struct broker *broker, struct worker *worker, const char *event, uint64_t by);
};

/* What a call through a transport would say of itself in `explain`. */
struct source;

struct transport {
    uint32_t abi;        /* SHUNT_ABI */
    const char *name;    /* as in `plugin = "…"` and the file's name */
    const char *version; /* of the libraries it uses, for --version: "rabbitmq-c 0.11.0" */
    unsigned styles;     /* STYLE_BITs that it can carry */
    unsigned whole;      /* STYLE_BITs for which core collects the whole request before begin */
    /* Tables of settings; the end row alone where there is nothing. */
    const struct setting *broker;
    const struct setting *route[STYLES];
    const struct setting *subscription;

    /* Reads a broker's block. Does not connect. 0, or -1 with complaints. */
    int (*open)(const struct host *host, struct broker *broker, const struct values *values,
                struct complaints *complaints, void **instance);
    /* After every lane has been detached. */
    void (*close)(void *instance);
    /* Reads a route's block (checks that tables cannot express), for `plan`. `*settings` lives
     * until `release`. */
    int (*prepare)(void *instance, enum style style, const struct values *route,
                   const struct values *block, struct complaints *complaints, void **settings);
    void (*release)(void *settings);
    /* Joins a worker: connects, keeps itself connected. 0 or a negative errno. */
    int (*attach)(void *instance, struct worker *worker, void **lane);
    /* Finishes what is under way (attempts end with their outcome), closes; `done` comes later. */
    void (*detach)(void *lane, struct done *done);

    /* Completes `plan` for a call whose head (and, for `whole` styles, body) is there:
     * plan->message is filled from the call already; the transport adds what is its own and
     * checks the broker's limits. Pure: no I/O, no lane. 0, or a negative REASON_… that refuses
     * the call. NULL: there is nothing to add. */
    int (*plan)(const struct call *call, const void *settings, struct plan *plan);
    /* Tells a person what the call would become. */
    void (*describe)(const struct call *call, const struct plan *plan,
                     struct description *description);

    /* 0, or the negative REASON_… with which `begin` would refuse this plan now, as far as that is
     * known; nothing happens. For an event to several: better none than a part. NULL: only `begin`
     * knows. */
    int (*ready)(void *lane, const struct plan *plan);
    /* Starts carrying. 0: exactly one of end, stored, reply and fail follows, never inside begin.
     * A negative REASON_…: nothing left us and no callback comes. */
    int (*begin)(struct attempt *attempt);
    /* Request body, for styles not in `whole`: bytes valid during the call, all are taken. */
    void (*body)(struct attempt *attempt, struct slice bytes);
    void (*end)(struct attempt *attempt, const struct fields *trailers);
    /* So many bytes of the answer's body have been passed on. */
    void (*room)(struct attempt *attempt, size_t bytes);
    /* Forget it: no callback comes after this. Returns how far it had come. */
    enum outcome (*cancel)(struct attempt *attempt);
    const struct source *source; /* NULL: carries only */
};

/* What a plugin exports, and nothing else. */
extern const struct transport shunt_plugin __attribute__((visibility("default")));

/* --- the receiving half ----------------------------------------------------------------------- */

struct intake;

/* One consumed message, made by the source and given back by `settle` (or by the intake's
 * on_lost). */
struct arrival {
    struct message message;
    bool redelivered; /* may have been delivered before */
    /* The source is letting go, and what is handled behind this one would come again with it: begun
     * after unsubscribe, too, and tried only once. */
    bool overdue;
    unsigned attempts; /* made before, as the message says: shunt-attempt */
    bool wants_reply;  /* message.reply_to is there */
    /* worker's wall clock: the caller's deadline (shunt-deadline, or ttl); 0: none */
    uint64_t expires_ms;
    bool malformed; /* could not be read as a message; `why` says it: for the dead letters */
    const char *why;
    struct slice origin; /* for dead letters: queue or topic/partition/offset */
    /* What a broker that numbers its messages calls this one, at each delivery: the ID of a
     * message that has none; at most MESSAGE_ID_MAX bytes, printable. Empty: nothing is the same. */
    struct slice identity;
    bool tombstone; /* its body is not empty but null: the service is told (Shunt-Tombstone) */
    void *own;      /* the source's: delivery tag, generation of the channel */
};

enum settlement {
    SETTLE_HANDLED,  /* done with: acknowledged */
    SETTLE_GIVE_BACK /* somebody else, or we later: requeued */
};

/* What a subscription offers to its source. Embedded in delivery's own. */
struct intake {
    void (*on_arrival)(struct intake *intake, struct arrival *arrival);
    /* The connection or channel is gone: arrivals that are not settled come again; settling them
     * is allowed and does nothing but free them. Before on_ready it may be told again, of those that
     * have come since. */
    void (*on_lost)(struct intake *intake);
    /* Consuming has begun (again). */
    void (*on_ready)(struct intake *intake);
};

enum letter_kind {
    LETTER_REPLY, /* to message->reply_to, transient as the request was */
    LETTER_DEAD,  /* to the subscription's dead letters: durable */
    LETTER_DELAYED, /* to this subscription again after `delay_ms`: durable, attempts travel with it */
};

/* What the receiving half publishes; confirmed. Everything is copied or sent before publish
 * returns. */
struct letter {
    enum letter_kind kind;
    const struct message *message;
    const struct arrival *arrival; /* what it is about */
    uint64_t delay_ms;
};

struct source {
    /* Arrivals that belong together come one at a time, and what waits for its next attempt keeps
     * its place: nothing is put off (no LETTER_DELAYED), and what waits takes no credit. */
    bool keeps_order;
    /* Whatever the table of a subscription's settings cannot say; on the control thread. 0, or -1
     * with complaints. NULL: that is all. */
    int (*check)(const struct values *values, const char *service, struct complaints *complaints);
    /* Starts consuming, and goes on over reconnections. `values` is the subscription's block. 0
     * or -1 (no lane). */
    int (*subscribe)(void *lane, const struct values *values, struct intake *intake,
                     void **subscription);
    /* How many unsettled arrivals there may be at once; 0 cancels the consumer and gives back
     * what is not begun. */
    void (*credit)(void *subscription, unsigned credit);
    /* 0: done->on_done(outcome) follows: STORED, REFUSED_WHOLE (unroutable, nacked), NOT_SENT,
     * MAYBE_SENT; or a negative REASON_…, refused whole for that.
     * Negative REASON_…: no callback comes. Never calls back at once. */
    int (*publish)(void *subscription, const struct letter *letter, struct done *done);
    /* Allowed in any order; a stale one (an earlier connection's) frees only. */
    void (*settle)(void *subscription, struct arrival *arrival, enum settlement settlement);
    /* Stops consuming; unsettled arrivals may still be settled, and letters about them published,
     * until `done`, which comes when none is left. Of those that are handed up after it only
     * overdue ones are begun. */
    void (*unsubscribe)(void *subscription, struct done *done);
    /* Before a refusal which says that nobody ran the message (promise 2): acknowledges it now.
     * done->on_done(0) once the broker has surely dropped it, on_done(-1) when the connection
     * went first and it may come again. Never calls back at once. The arrival is settled all the
     * same afterwards, which then frees only. NULL: the source can never be sure, and such
     * refusals say "unknown". */
    void (*retire)(void *subscription, struct arrival *arrival, struct done *done);
    /* Whether the pattern of `reply_to` is one that we may answer to (threat 7). */
    bool (*may_reply)(void *subscription, struct slice reply_to);
};

#endif
