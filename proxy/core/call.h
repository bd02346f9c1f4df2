/* A call: one intercepted request and its answer, from its head to its log line.
 *
 *   caller (HTTP server stream, delivery)                    transport (http, amqp, …)
 *      call_new, fill call->request                              ▲ begin body end room cancel
 *      call_begin ──▶ route ──▶ plan ──▶ attempt ────────────────┘
 *      call_body … call_end                                      │ attempt_head … attempt_end | attempt_fail
 *      ◀── want interim head body end | fail ────────────────────┘
 *
 * Happy path: call_begin finds the route and plans; a style that streams begins its attempt at
 * once and passes the body on as it comes; a message style first collects the whole body. The
 * attempt's up-calls become the caller's. Failures: exactly one of `end` and `fail` is called on
 * the caller, unless it cancelled; `fail` before `head` asks the caller for an answer made from
 * the reason (core/problem.h), `fail` after `head` means break off.
 *
 * Request and response are two checked machines (HEAD → BODY → DONE, or FAILED) that only core
 * moves.
 * Rules of calling: up-calls (towards the caller) never run inside a down-call (call_*);
 * down-calls may run inside up-calls. Everything of a call happens on its worker's thread.
 * Flow: each `want(n)` lets the sender send n more body bytes; whoever sends may overrun by one
 * read. Memory of a call dies at the end of the loop turn in which it ended.
 */
#ifndef CORE_CALL_H
#define CORE_CALL_H

#include "base/bytes.h"
#include "base/fields.h"
#include "base/list.h"
#include "base/timer.h"
#include "core/budget.h"
#include "core/message.h"
#include "core/plan.h"
#include "core/reason.h"
#include "core/style.h"
#include "core/task.h"

struct call;
struct graphql;
struct route;
struct route_stats;
struct part;
struct snapshot;
struct worker;

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_DONE, PHASE_FAILED };

/* How a body's length is known (RFC 9112 §6.3). */
enum framing {
    FRAMING_NONE,    /* there is no body */
    FRAMING_LENGTH,  /* `length` bytes */
    FRAMING_CHUNKED, /* as long as it takes, trailers may follow */
    FRAMING_TUNNEL,  /* CONNECT: bytes both ways until each side ends */
};

/* The head of a request or an answer. Slices live in the call's arena (or are literals). */
struct head {
    /* a request's */
    struct slice method;    /* as written: methods know case */
    struct slice scheme;    /* "http" */
    struct slice authority; /* host and port as the client named them; what Host will say */
    struct slice path;      /* normalised, begins with '/', without the query; or "*" */
    /* what in `path` could mean two things (http/target.h); 0 once somebody's rules settled it */
    unsigned oddities;
    struct slice query; /* behind the '?', as written; `has_query` tells "/a?" from "/a" */
    bool has_query;
    bool expects;          /* Expect: 100-continue: the body comes after a 100; no field says so */
    bool trailers_welcome; /* TE: trailers; no field says so */
    bool no_via;           /* goes on without a Via of ours: core/forwarded.h */
    /* an answer's */
    int status;
    struct slice phrase; /* reason phrase, may be empty */
    /* both */
    uint8_t minor; /* HTTP/1.minor of the side that sent it; 1 for what we make */
    bool h2;       /* it came by HTTP/2 */
    enum framing framing;
    /* with FRAMING_LENGTH; answers without a body (HEAD, 304) keep it, and send none */
    uint64_t length;
    /* the protocol asked for, or switched to with 101 and FRAMING_TUNNEL; empty: none */
    struct slice upgrade;
    /* what a 101 must say in Sec-WebSocket-Accept; empty: that is between others */
    struct slice accept;
    const struct graphql *graphql; /* what it asks for, once that is known: core/graphql.h */
    struct fields fields; /* end-to-end fields: no hop-by-hop name, no Content-Length, no Host */
};

/* Whether content is to come behind a request's head. */
static inline bool head_has_body(const struct head *request)
{
    return request->framing != FRAMING_NONE &&
           !(request->framing == FRAMING_LENGTH && request->length == 0);
}

/* Who asked. One constant table per kind of caller. */
struct caller {
    const char *kind; /* for the log: "http", "delivery" */
    /* A 1xx answer, any number before `head`. */
    void (*interim)(struct call *call, const struct head *head);
    /* call->response is complete. */
    void (*head)(struct call *call);
    /* Body bytes of the answer, valid during the call only; all are taken. */
    void (*body)(struct call *call, struct slice bytes);
    /* The answer is complete. `trailers` may be NULL. */
    void (*end)(struct call *call, const struct fields *trailers);
    /* A tunnel's other side has said all, and still takes what comes; `end` follows when both have.
     * NULL where there are no tunnels. */
    void (*half_end)(struct call *call);
    /* No (further) answer will come. */
    void (*fail)(struct call *call, enum reason reason, const char *detail);
    /* Room for so many more bytes of request body. */
    void (*want)(struct call *call, size_t bytes);
    /* The call is over on every side, logged, and its memory goes when this returns. */
    void (*gone)(struct call *call);
};

#define MESSAGE_ID_MAX 255

struct call {
    struct link link; /* in worker->calls */
    struct worker *worker;
    struct snapshot *snapshot; /* held */
    const struct caller *caller;
    void *asker; /* the caller's own: a server stream, a delivery */
    struct arena arena;
    struct budget *budget; /* the worker's, or one below it that the caller has set */
    size_t held;           /* core's own: counted there for the head and what is kept of the body */

    struct head request, response;
    enum phase request_phase, response_phase;
    struct fields request_trailers;
    /* request body kept so far: all of it for message styles, what came early otherwise */
    struct bytes body;
    bool request_complete; /* call_end was called */
    bool undecided;        /* its route depends on its body, which is being collected */

    const struct route *route; /* NULL: passes through, or nothing was decided */
    /* What the caller asked, once a rewrite has put something else into `request`; `at` NULL
     * before. */
    struct {
        struct slice path, authority;
    } asked;
    struct fields answer_fields; /* what the route adds to the answer: core/rewrite.c */
    const struct listener_settings *listener; /* where it came in; NULL for deliveries */
    enum style style;
    struct plan plan;
    struct attempt *attempt; /* the one under way, or NULL */
    unsigned attempts;

    uint64_t began_ms, deadline_ms; /* the worker's clock */
    struct timer deadline;
    struct task task;    /* core's own: up-calls that wait for the end of the turn */
    enum reason pending; /* core's own: the failure that the task will tell */
    size_t owed;         /* core's own: the room that the task will tell */
    bool over;           /* core's own: the caller has had its end or fail, or has cancelled */
    bool sending;        /* core's own: the transport has said `want` once */
    uint64_t moved_ms;   /* core's own: when a tunnel last passed bytes */
    bool half;           /* core's own: one side of the tunnel has said all */
    struct slice message_id;
    struct slice peer;        /* the client's address, for logs and X-Forwarded-For */
    struct slice traceparent; /* W3C Trace Context: passed on or started here */
    bool upgrade;             /* asks for an upgrade (set by the caller) */
    unsigned hops;            /* how many Shunts it has passed, by Via or shunt-hops */
    enum reason reason;       /* REASON_none: answered */
    enum outcome outcome;
    struct slice detail; /* what exactly, for a person */
    /* Of an event to several: "topic orders" → "stored", "not_stored", "unknown". */
    struct fields targets;
    int status; /* of the answer that the caller got; 0: none */
    bool grpc;  /* core/grpc.h */
    int grpc_status;
    uint64_t bytes_in, bytes_out;
    bool from_upstream; /* the status is the other side's, not ours */
    /* whose counters it moves: set by deliveries; NULL: its route's, or the unmatched ones' */
    struct route_stats *stats;
};

/* Decides what the call will become, from its head alone: route, style, plan. Pure: nothing is
 * sent. REASON_none, or why it cannot be carried. */
enum reason call_decide(struct call *call) __attribute__((warn_unused_result));
/* A route that this call may take, by what its body will say; NULL: the head decides. */
const struct route *call_awaits_body(const struct call *call);
/* Completes the plan of a message style from the whole request. Pure. */
enum reason call_compose(struct call *call) __attribute__((warn_unused_result));

/* The path that was matched, whatever a rewrite made of it since. */
static inline struct slice call_asked_path(const struct call *call)
{
    return call->asked.path.at != NULL ? call->asked.path : call->request.path;
}

/* Frees a call that was never begun. */
void call_discard(struct call *call);

/* One try to carry a call. Made by core, ended by the transport. */
struct attempt {
    struct call *call;
    const struct plan *plan;
    void *lane;           /* the transport's, of this worker */
    enum outcome outcome; /* as of now; final when ended */
    unsigned number;      /* counted from 1 */
    bool head_sent;       /* attempt_head was called */
    bool targets_told;    /* attempt_target was called */
    struct part *part;    /* one of several of a fan (core/fan.h), which hears of it; else NULL */
    bool ended;           /* core's; a transport must not look at an attempt after ending it */
    void *own;            /* the transport's, its memory too */
};

/* --- down-calls, for callers ------------------------------------------------------------------ */

/* A call with an empty request; the caller fills `request` (memory from call->arena). NULL when
 * memory is out. */
struct call *call_new(struct worker *worker, const struct caller *caller, void *asker);
/* The request's head is there. */
void call_begin(struct call *call);
/* The same for a call whose destination is settled: a delivery. The plan is copied. `timeout_ms`
 * as of now. */
void call_begin_planned(struct call *call, const struct plan *plan, uint64_t timeout_ms);
/* Body bytes of the request, valid during the call only; all are taken. */
void call_body(struct call *call, struct slice bytes);
/* The request is complete. `trailers` may be NULL; their memory is the call's arena. */
void call_end(struct call *call, const struct fields *trailers);
/* Counts what the call holds: its head, what is made of that, and what is kept of its body. Its
 * caller does so for a head that is not whole yet. */
void call_count(struct call *call);
/* So many bytes of the answer's body have left the caller. */
void call_room(struct call *call, size_t bytes);
/* The caller is gone: no up-call but `gone` comes after this. */
void call_cancel(struct call *call, enum reason reason);
/* The caller found the request unusable (malformed head or body, limit): `fail` follows. */
void call_refuse(struct call *call, enum reason reason, const char *detail);

/* --- up-calls, for transports (in plugins: through the host's table) -------------------------- */

void attempt_interim(struct attempt *attempt, const struct head *head);
/* The answer's head, copied; memory of its slices: the call's arena. */
void attempt_head(struct attempt *attempt, const struct head *head);
void attempt_body(struct attempt *attempt, struct slice bytes);
/* The other side of a tunnel has said all; `end` follows once the caller has, too. */
void attempt_half_end(struct attempt *attempt);
/* The answer is complete; sets ANSWERED. The attempt is gone afterwards. */
void attempt_end(struct attempt *attempt, const struct fields *trailers);
/* A broker confirmed the message: the route's own answer goes to the caller; sets STORED. Gone
 * afterwards. */
void attempt_stored(struct attempt *attempt);
/* The answer came as a message: turned into head, body and end; sets ANSWERED. Gone afterwards.
 * The message may die when this returns. */
void attempt_reply(struct attempt *attempt, const struct message *message);
/* It ended otherwise. `detail` is copied, may be NULL. Gone afterwards. */
void attempt_fail(struct attempt *attempt, enum outcome outcome, enum reason reason,
                  const char *detail);
/* What became of one of several destinations; the attempt ends next, or is being cancelled. `kind` is a constant; the name
 * is copied. */
void attempt_target(struct attempt *attempt, const char *kind, const char *name,
                    enum outcome outcome);
/* Room for so many more bytes of request body. The first `want` says that sending has begun. */
void attempt_want(struct attempt *attempt, size_t bytes);

#endif
