/* One connection to an upstream: requests out, answers in, one trip at a time.
 *
 *   client_dial ─▶ owner->opened ─▶ client_start(trip) ─▶ interim* head body* end ─▶ owner->idle ─▶ client_start …
 *                                          │ malformed, broken off, closed ─▶ fail
 *                                          └ client_drop (cancelled)
 *   and at last, from wherever: owner->closed, after which its owner frees it.
 *
 * A trip is a request and its answer. It lives in the arena of its call, is told exactly one of
 * `end` and `fail` unless it is dropped, and has no client any more when it is told. Events
 * never run inside a call into the client.
 * Flow: an answer is read as long as less than CLIENT_WINDOW of it has not been acknowledged by
 * client_room; of a request's body so much may be sent as client_queued stays below that, and
 * again at `room`.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "http/body.h"
#include "net/stream.h"

#define CLIENT_WINDOW ((size_t)256 * 1024)

struct client;
struct trip;

enum trip_failure {
    TRIP_LOST,  /* the connection ended before any byte of an answer */
    TRIP_CUT,   /* it ended within the head of the answer */
    TRIP_BAD,   /* the answer is malformed or too large */
    TRIP_BROKEN /* it ended, or became malformed, behind the answer's head */
};

struct trip_events {
    void (*interim)(struct trip *trip, const struct head *head);
    /* Slices live in the trip's arena. */
    void (*head)(struct trip *trip, const struct head *head);
    void (*body)(struct trip *trip, struct slice bytes);
    void (*end)(struct trip *trip, const struct fields *trailers);
    /* `reused`: it was not the connection's first trip. */
    void (*fail)(struct trip *trip, enum trip_failure failure, bool reused, const char *detail);
    /* What was sent of the request has left. */
    void (*room)(struct trip *trip);
};

struct trip {
    /* set by its owner */
    const struct trip_events *events;
    struct arena *arena;
    const struct head *request;
    struct slice authority;      /* for Host */
    size_t head_max, fields_max; /* of the answer */
    /* the client's */
    struct client *client; /* NULL before client_start and after the end */
    struct head response;
    struct body_reader reader;
    struct body_sink sink;
    bool sent;      /* the request is complete */
    bool stopped;   /* the answer wants no more of it */
    bool begun;     /* a byte of an answer came */
    bool answering; /* its head came */
    bool tunnel;    /* bytes both ways */
    bool last;      /* the connection ends with this answer */
    unsigned interims;
    uint64_t body_sent;
    size_t window; /* of the answer's body: not yet acknowledged */
};

/* Who has the connection: a pool. */
struct client_owner {
    void (*opened)(struct client *client);
    /* The trip is over, and another one may start. */
    void (*idle)(struct client *client);
    /* The last event, with a negative errno or 0. */
    void (*closed)(struct client *client, int error);
};

struct client {
    struct link link; /* the owner's */
    void *own;        /* the owner's */
    const struct client_owner *owner;
    struct stream *stream;
    struct trip *trip;
    struct bytes input; /* part of an answer's head */
    size_t searched;
    struct bytes *scratch; /* where heads are built; the owner's */
    bool reused;           /* has made a trip before */
    bool reading;
};

/* Dials. `*client` belongs to the caller and must stay where it is until `closed`. 0, or a
 * negative errno when it cannot even begin; then no event comes. */
int client_dial(struct client *client, struct worker *worker, const struct address *address,
                uint64_t timeout_ms, const struct client_owner *owner, struct bytes *scratch)
    __attribute__((warn_unused_result));
/* Sends the request's head. */
void client_start(struct client *client, struct trip *trip);
/* Starts a trip without heads: a tunnel. */
void client_tunnel(struct client *client, struct trip *trip);
void client_body(struct client *client, struct slice bytes);
void client_end(struct client *client, const struct fields *trailers);
size_t client_queued(const struct client *client);
/* Neither closed nor about to be. */
bool client_usable(const struct client *client);
void client_room(struct client *client, size_t bytes);
/* Forgets the trip and closes. */
void client_drop(struct client *client);
/* Closes; there is no trip. Twice is allowed. */
void client_close(struct client *client);

#endif
