/* Connections of clients that speak HTTP/2, on the server's side: each stream is a call.
 *
 *   preface ─▶ OPEN ── drained, idle, a nuisance ─▶ FAREWELL (GOAWAY; streams go on) ─▶ CLOSING ─▶ gone
 *                └────────────── eof, error, reset ──────────────────────────────────────▲
 *
 * Split in two as http/connection.h is: h2_server.c reads (heads, bodies, time, the end),
 * h2_answer.c writes. Used by server.c and connection.c alone.
 */
#ifndef HTTP_H2_SERVER_H
#define HTTP_H2_SERVER_H

#include "http/connection.h"
#include "http/h2.h"

/* RFC 9113 §3.4. */
#define H2_PREFACE SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

struct h2_connection {
    struct link link; /* in server->h2 */
    struct server *server;
    struct stream *stream; /* NULL once closed */
    struct h2 h2;
    struct timer timer;
    bool farewell;        /* GOAWAY is said */
    bool warned;          /* and the warning before it */
    bool closing;         /* nothing is read any more */
    uint64_t since_ms;    /* when the first stream came, the last one went, or closing began */
    unsigned services;    /* that are not yet gone */
    struct budget budget; /* of all its streams */
    size_t held;          /* counted there: what the client's connection does not take */
    char *peer;
};

/* One request and its answer. */
struct h2_service {
    struct h2_stream stream;
    struct h2_connection *owner;
    struct call *call; /* NULL once it has had its answer, or is cancelled */
    unsigned calls;    /* 1 until the call is gone */
    bool begun;        /* the head was whole */
    bool unproven;     /* it says that nothing follows, and whether that is so is to be seen */
    bool broken;       /* the request is unusable */
    bool continued;    /* a 100 has gone out, or need not */
    bool deciding;     /* a WebSocket was asked for and not yet answered */
    bool end_waits;    /* the client said its end before that */
    size_t credit;     /* body bytes that the other side has room for */
    uint64_t since_ms; /* when its request's body last made progress */
    uint64_t sent;     /* body bytes that have left */
    size_t held;       /* counted in the connection's budget: what waits of the answer */
    uint64_t seen;     /* of these, when the timer last looked */
    uint64_t seen_ms;
};

struct h2_connection *h2_connection_of(struct link *link);
/* Takes over a stream that began with the preface; `bytes` are all that was read. */
void h2_connection_open(struct server *server, struct stream *stream, struct slice bytes);
/* No new streams; ends with the last one. */
void h2_connection_drain(struct h2_connection *connection);
/* Ends it at once, with a reset. */
void h2_connection_abort(struct h2_connection *connection);

/* --- between h2_server.c and h2_answer.c ------------------------------------------------------ */

extern const struct caller h2_caller;

/* The call has had its answer: what the request still brings is of no interest. */
void h2_service_answered(struct h2_service *service);
/* The caller's `gone`. */
void h2_service_gone(struct call *call);
/* Count what waits of an answer, and what the client's connection does not take of all. */
void h2_service_count(struct h2_service *service);
void h2_connection_count(struct h2_connection *connection);
/* The stream's bytes of an answer that have left. */
void h2_service_sent(struct h2_stream *stream, size_t bytes);

#endif
