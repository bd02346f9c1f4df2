/* The side of HTTP that faces upstreams: trips, and clients that make them.
 *
 *   client_start(trip) ─▶ interim* head body* end
 *            │ malformed, broken off, closed, refused ─▶ fail
 *            └ client_drop (cancelled)
 *
 * A trip is a request and its answer. It lives in the arena of its call, is told exactly one of
 * `end` and `fail` unless it is dropped, and has no client any more when it is told. A client is
 * a way for one trip at a time: a connection of HTTP/1 (http/h1_client.h), or a stream of one of
 * HTTP/2 (http/h2_client.h), each behind the same small table. Events never run inside a call
 * into the client.
 * Flow: an answer is read as long as less of it has not been acknowledged by client_room than its
 * budget allows one body (core/budget.h); what waits of a request's body is client_queued, and
 * more can be sent at `room`.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <assert.h>

#include "http/body.h"

#define INTERIMS_MAX 32 /* of one answer; more are malformed */

struct client;
struct trip;

enum trip_failure {
    TRIP_LOST,    /* the connection ended before any byte of an answer */
    TRIP_CUT,     /* it ended within the head of the answer */
    TRIP_BAD,     /* the answer is malformed or too large */
    TRIP_BROKEN,  /* it ended, or became malformed, behind the answer's head */
    TRIP_REFUSED, /* the upstream has surely not begun on it, or says so (RFC 9113 §8.7) */
    TRIP_UNABLE   /* the upstream says that it takes no such request, which has not left us */
};

struct trip_events {
    void (*interim)(struct trip *trip, const struct head *head);
    /* Slices live in the trip's arena. */
    void (*head)(struct trip *trip, const struct head *head);
    void (*body)(struct trip *trip, struct slice bytes);
    /* The upstream's side of a tunnel has said all; `end` follows when ours has, too. */
    void (*half_end)(struct trip *trip);
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
    struct budget *budget; /* what the answer may hold */
    const struct head *request;
    struct slice authority;      /* for Host */
    size_t head_max, fields_max; /* of the answer */
    /* the client's */
    struct client *client; /* NULL before client_start and after the end */
    struct head response;
    struct body_reader reader;
    struct body_sink sink;
    bool chunks;    /* what the request's body is sent in */
    bool withholds; /* the request's last byte, until it has ended: */
    uint8_t withheld;
    bool sent;      /* the request is complete */
    bool stopped;   /* the answer wants no more of it */
    bool begun;     /* a byte of an answer came */
    bool answering; /* its head came */
    bool tunnel;    /* bytes both ways */
    bool half;      /* of which the upstream has said all of its own */
    bool last;      /* the connection ends with this answer */
    unsigned interims;
    uint64_t body_sent;
    size_t window; /* of the answer's body: not yet acknowledged */
};

/* How a client does what is asked of it. */
struct client_driver {
    void (*start)(struct client *client);
    void (*tunnel)(struct client *client); /* NULL: it cannot */
    void (*body)(struct client *client, struct slice bytes);
    void (*end)(struct client *client, const struct fields *trailers);
    size_t (*queued)(const struct client *client);
    void (*room)(struct client *client, size_t bytes);
    bool (*drop)(struct client *client);
};

struct client {
    const struct client_driver *driver;
    struct trip *trip;
    bool reused; /* the connection has made a trip before */
};

static inline void client_join(struct client *client, struct trip *trip)
{
    assert(client->trip == NULL && trip->client == NULL);
    client->trip = trip;
    trip->client = client;
}

/* For drivers, before they tell a trip how it ended. */
static inline struct trip *client_part(struct client *client)
{
    struct trip *trip = client->trip;
    assert(trip != NULL && trip->client == client);
    trip->client = NULL;
    client->trip = NULL;
    return trip;
}

/* Sends the request's head. */
static inline void client_start(struct client *client, struct trip *trip)
{
    client_join(client, trip);
    client->driver->start(client);
}

/* Starts a trip without heads: a tunnel. */
static inline void client_tunnel(struct client *client, struct trip *trip)
{
    client_join(client, trip);
    client->driver->tunnel(client);
}

static inline void client_body(struct client *client, struct slice bytes)
{
    assert(!client->trip->sent);
    client->driver->body(client, bytes);
}

static inline void client_end(struct client *client, const struct fields *trailers)
{
    assert(!client->trip->sent);
    client->driver->end(client, trailers);
}

/* Bytes of the request that wait. */
static inline size_t client_queued(const struct client *client)
{
    return client->driver->queued(client);
}

static inline void client_room(struct client *client, size_t bytes)
{
    assert(client->trip != NULL && bytes <= client->trip->window);
    client->trip->window -= bytes;
    client->driver->room(client, bytes);
}

/* Forgets the trip. True: nothing of it has left, nor will, so that no upstream can begin on it. */
static inline bool client_drop(struct client *client)
{
    return client->driver->drop(client);
}

#endif
