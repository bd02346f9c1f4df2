/* One connection to an upstream that speaks HTTP/1: requests out, answers in, one trip at a time.
 *
 *   h1_client_dial ─▶ owner->opened ─▶ trip ─▶ owner->idle ─▶ trip …
 *   and at last, from wherever: owner->closed, after which its owner frees it.
 */
#ifndef HTTP_H1_CLIENT_H
#define HTTP_H1_CLIENT_H

#include "http/client.h"
#include "net/stream.h"

struct h1_client;

/* Who has the connection: a pool. */
struct h1_client_owner {
    void (*opened)(struct h1_client *h1);
    /* The trip is over, and another one may start. */
    void (*idle)(struct h1_client *h1);
    /* The last event, with a negative errno or 0. */
    void (*closed)(struct h1_client *h1, int error);
};

struct h1_client {
    struct link link; /* the owner's */
    struct client client;
    const struct h1_client_owner *owner;
    struct stream *stream;
    struct bytes input; /* part of an answer's head */
    size_t searched;
    struct bytes *scratch; /* where heads are built; the owner's */
    bool reading;
    unsigned takings; /* the stream's, before the request under way */
};

/* Dials. `*h1` belongs to the caller and must stay where it is until `closed`. 0, or a negative
 * errno when it cannot even begin; then no event comes. */
int h1_client_dial(struct h1_client *h1, struct worker *worker, const struct address *address,
                   uint64_t timeout_ms, const struct h1_client_owner *owner, struct bytes *scratch)
    __attribute__((warn_unused_result));
/* Neither closed nor about to be. */
bool h1_client_usable(const struct h1_client *h1);
/* Closes; there is no trip. Twice is allowed. */
void h1_client_close(struct h1_client *h1);

#endif
