/* One client's connection, on the server's side: requests in, answers out, one at a time and in
 * order.
 *
 *            bytes              whole head             answer out, connection stays
 *     IDLE ─────────▶ HEAD ─────────────────▶ SERVING ─────────────────────────────▶ IDLE
 *       │              │ late, malformed ──▶    │ └── answer out, connection ends ─▶ LINGERING
 *       │ idle, eof    │ eof                    │ client gone, answer broken off       │ eof, time, bytes
 *       └──────────────┴────────────────────────┴──────────────▶ CLOSED ◀──────────────┘
 *
 * Split in three: connection.c reads (heads, bodies, timeouts), parting.c knows what the end of
 * reading means, answer.c writes (what a call tells its caller). Used by server.c alone.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "core/worker.h"
#include "http/body.h"
#include "http/date.h"
#include "http/server.h"
#include "net/net.h"

enum connection_state {
    CONNECTION_IDLE,      /* waits for a request; holds no buffer */
    CONNECTION_HEAD,      /* part of a head is there */
    CONNECTION_SERVING,   /* a call is under way */
    CONNECTION_LINGERING, /* the last answer is written; what still comes is thrown away */
    CONNECTION_CLOSED,    /* the stream is closing or closed */
    CONNECTION_STATES
};

/* What a connection keeps while it serves a call; lives in the call's arena. */
struct serving {
    struct connection *owner;
    struct body_sink sink;
    struct body_reader reader; /* of the request's body */
    size_t credit;             /* body bytes that the other side has room for */
    bool broken;               /* the request is unusable: the rest of what comes is thrown away */
    bool deciding;             /* an upgrade was asked for and not yet answered: what comes waits */
    bool continued;            /* a 100 has gone out, or need not */
    uint8_t minor;             /* the client's HTTP/1.minor */
    bool asked_to_stay;        /* HTTP/1.0 with keep-alive */
    bool keep;                 /* the connection goes on after this answer */
    bool answering;            /* the head of the answer is written */
    bool chunks;               /* the answer's body goes out in chunks */
    bool tunnel;               /* bytes both ways, each until its own end */
    bool has_body;             /* the answer has a body */
    uint64_t left;             /* of an answer with a length */
    size_t room;               /* bytes written that call_room was not told of */
};

struct connection {
    struct link link; /* in server->connections */
    struct server *server;
    struct stream *stream; /* NULL once closed */
    enum connection_state state;
    bool reading, refused;
    bool expired;       /* idle for too long: closes at the next look */
    bool at_end;        /* the client has said all; see parting.c */
    uint64_t since_ms;  /* when the state was entered, or the request's body last made progress */
    size_t thrown_away; /* while lingering */
    struct timer timer;
    struct task task;   /* goes on with bytes that came early */
    struct bytes input; /* part of a head, or what came before its turn */
    size_t searched;    /* of the head in `input` */
    struct call *call;  /* under way, or NULL */
    struct serving *serving;
    unsigned calls; /* that are not yet gone */
    char *peer;     /* the client's address as text; NULL before the first call */
    size_t held;    /* counted in the worker's budget: `input`, and what the client does not take */
};

struct server {
    struct link link; /* in worker->servers */
    struct worker *worker;
    struct listening listening;
    struct listener_settings settings; /* name and host are ours */
    char self[ADDRESS_TEXT];           /* the address as text */
    struct list connections;           /* of struct connection: HTTP/1 */
    struct list h2;                    /* of struct h2_connection */
    unsigned open, refused;            /* connections; of these, such as were refused */
    bool draining, unlistened, listens;
    struct date date;
    struct bytes scratch; /* heads on their way to a stream */
};

/* A new stream becomes a connection. `refused`: it gets its 503 and ends. */
void connection_open(struct server *server, struct stream *stream, bool refused);
/* Ends it if it waits for a request. */
void connection_close_idle(struct connection *connection);
/* Ends it at once, with a reset. */
void connection_abort(struct connection *connection);

/* --- between connection.c, patience.c, parting.c and answer.c --------------------------------- */

#define LINGER_MS 2000 /* that a client gets to read its last answer */

extern const struct caller http_caller;

/* Moves to another state; an illegal move is a bug and aborts. */
void connection_move(struct connection *connection, enum connection_state next);
/* What is configured now, and the loop's time. */
const struct limits *connection_limits(const struct connection *connection);
uint64_t connection_now_ms(const struct connection *connection);
/* Looks again at a connection's time limits in `after_ms` at the latest. */
void connection_arm(struct connection *connection, uint64_t after_ms);
/* Counts what it holds. */
void connection_count(struct connection *connection);
/* Turns reading on or off as the state and the credit ask for. */
void connection_read(struct connection *connection);
/* The answer is out: on to the next request, or to the end. */
void connection_answered(struct connection *connection);
/* Forgets the call, if there is one, without an answer. */
void connection_drop_call(struct connection *connection, enum reason reason);
void connection_close_now(struct connection *connection);
/* What it means that the client has said all; again when what it had said before has been taken. */
void connection_part(struct connection *connection);
/* The timer's look at a client that has said all: whether the connection has ended with it. */
bool connection_look_at_part(struct connection *connection);
/* The timer's: see patience.c. */
void connection_on_timer(struct timer *timer);
/* Refuses a request of which there is no usable head. */
void connection_refuse_head(struct connection *connection, enum reason reason, const char *detail);
/* Refuses the request under way; the rest of it is thrown away. */
void connection_break_request(struct connection *connection, enum reason reason,
                              const char *detail);
/* The caller's `gone`. */
void connection_gone(struct call *call);
/* Writes an answer of our own, made from a reason; `serving->keep`, if there is one, says
 * whether it is the last. */
void answer_problem(struct connection *connection, struct arena *arena, enum reason reason,
                    enum outcome outcome, struct slice message_id, const char *detail,
                    const struct fields *targets);
/* The client's address as text, to be freed. */
char *peer_text(const struct stream *stream);
/* The server that may now be free of its last connection. */
void server_connection_gone(struct server *server);
/* What a request in origin form asks for: the listener's `host` where it names the listener
 * itself. */
struct slice server_authority(const struct server *server, struct slice authority,
                              struct arena *arena);

#endif
