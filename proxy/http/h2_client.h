/* One connection to an upstream that speaks HTTP/2 by prior knowledge: a channel, on which many
 * trips are under way at a time, each by a client of its own.
 *
 *   h2_channel_dial ─▶ owner->opened ─▶ h2_channel_client … client_start ─▶ trip ─▶ owner->room …
 *   and at last, from wherever: owner->closed, after which its owner frees it.
 *
 * A WebSocket is asked for once the upstream has said in its SETTINGS whether it may be (RFC 8441);
 * until then its trip waits. A client is freed when its trip is over. An upstream that says GOAWAY
 * keeps the trips that it has begun on, and refuses the rest, which may be sent again. One that has
 * died without a word is found out as soon as a trip is dropped that it never answered: a PING that
 * stays without an answer ends the channel.
 */
#ifndef HTTP_H2_CLIENT_H
#define HTTP_H2_CLIENT_H

#include "http/client.h"
#include "http/h2.h"

struct h2_channel;

struct h2_channel_owner {
    void (*opened)(struct h2_channel *channel);
    /* A trip is over. */
    void (*room)(struct h2_channel *channel);
    /* The last event, with a negative errno or 0. */
    void (*closed)(struct h2_channel *channel, int error);
};

struct h2_channel {
    const struct h2_channel_owner *owner;
    struct worker *worker;
    struct stream *stream; /* NULL once closed */
    struct h2 h2;
    size_t block_bytes;
    unsigned trips; /* clients there are */
    bool opened;
    bool leaving;        /* no new trips */
    bool malformed;      /* it ended for what the upstream said */
    bool reused;         /* has made a trip */
    uint64_t heard_ms;   /* when something last came */
    struct timer answer; /* to a PING */
    struct list waiting; /* of struct h2_client: for the upstream's SETTINGS */
    struct list refused; /* of struct h2_client: trips that could not even begin */
    struct task refusing;
};

/* Dials. `*channel` belongs to the caller and must stay where it is until `closed`. `block_bytes`:
 * the largest head of an answer. 0, or a negative errno when it cannot even begin. */
int h2_channel_dial(struct h2_channel *channel, struct worker *worker,
                    const struct address *address, uint64_t timeout_ms,
                    const struct h2_channel_owner *owner, size_t block_bytes)
    __attribute__((warn_unused_result));
/* Whether one more trip may start. */
bool h2_channel_has_room(const struct h2_channel *channel);
/* A client for one trip, which must start. */
struct client *h2_channel_client(struct h2_channel *channel);
/* Closes with GOAWAY; there are no trips. Twice is allowed. */
void h2_channel_close(struct h2_channel *channel);

#endif
