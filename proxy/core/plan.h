/* What a call will become, computed without doing it: `explain` prints it, an attempt carries it
 * out. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "base/fields.h"
#include "core/message.h"
#include "core/reason.h"
#include "core/style.h"

struct broker;
struct transport;
struct upstream_settings;

struct plan {
    enum style style;
    const struct transport *transport;
    struct broker *broker; /* whose lane carries it; the built-in http has one too */
    const void *settings;  /* the route's block, as the transport's `prepare` made it */

    /* sync */
    const struct upstream_settings *upstream; /* NULL: to where it was going, `request.authority` */
    bool tunnel;                              /* CONNECT */

    /* message styles: complete once the request's body is there */
    struct message message;
    bool await; /* the caller waits for a reply */

    uint64_t max_body;  /* bytes of the request that may be kept or sent; UINT64_MAX: no limit */
    uint64_t max_reply; /* bytes of a reply */
    void *own;          /* the transport's, in the call's arena */
};

/* How a plan is told to a person: name and value pairs in an order that reads well ("exchange",
 * "routing key", "property delivery_mode", "header :method" …). Filled by the transport; memory
 * from the arena. */
struct description {
    struct arena *arena;
    struct fields lines;
};

#endif
