/* A channel of a connection: opened, used, closed by either side; contents are put together
 * here.
 *
 *            channel_open         open-ok
 *   CLOSED ───────────────▶ OPENING ─────▶ OPEN          the broker's close, or the connection's end,
 *      ▲                                    │            leads from anywhere to CLOSED: on_closed
 *      └──────────── CLOSING ◀──────────────┘ channel_close
 *                close-ok
 *
 * Happy path: on_open → methods (on_method) and contents, which are a method, properties and a
 * body that come in several frames (wants, on_content). Failures: what cannot be read in a
 * message makes that message malformed; what breaks the protocol cuts the connection. After
 * on_closed a channel may be opened again, or freed.
 */
#ifndef AMQP_CHANNEL_H
#define AMQP_CHANNEL_H

#include "plugins/amqp/connection.h"
#include "plugins/amqp/properties.h"

enum channel_state { CHANNEL_CLOSED, CHANNEL_OPENING, CHANNEL_OPEN, CHANNEL_CLOSING };

/* A message that is coming in: basic.deliver or basic.return, its properties, its body. */
struct content {
    amqp_method_number_t method; /* 0: none under way */
    uint64_t tag;                /* deliver: the delivery's */
    bool redelivered;
    uint16_t code; /* return: why */
    struct slice exchange, routing_key;
    struct message message;
    const char *malformed; /* what could not be read, or NULL */
    bool head, keeps;      /* the properties have come; the body is wanted */
    uint64_t size, got;    /* of the body, as announced and as come */
    /* where it is gathered; NULL: it came in one piece, valid during on_content only */
    uint8_t *body;
    /* of all this; whoever wants to keep it takes it over and leaves an empty one */
    struct arena arena;
};

struct channel_events {
    amqp_method_number_t content; /* what kind of message may come: basic.deliver or basic.return */
    void (*on_open)(struct channel *channel);
    void (*on_method)(struct channel *channel, const amqp_method_t *method);
    /* Whether a content's body is to be kept; its properties are there. Otherwise it is dropped
     * as it comes, and on_content sees none. NULL: never. */
    bool (*wants)(struct channel *channel, const struct content *content);
    void (*on_content)(struct channel *channel, struct content *content);
    /* `code` as the broker gave it; 0: the connection is gone, or channel_close was called. */
    void (*on_closed)(struct channel *channel, unsigned code, const char *why);
};

struct channel {
    struct connection *connection;
    const struct channel_events *events;
    uint16_t number; /* 0: none */
    enum channel_state state;
    unsigned generation; /* counts openings: what belongs to an earlier one is stale */
    amqp_method_number_t
        blamed; /* during on_closed: what the broker closed it for; 0: nothing of ours */
    struct content content;
};

/* Asks for a channel; on_open or on_closed follows. -1: the connection is not up or has no more
 * of them. */
int channel_open(struct channel *channel, struct connection *connection,
                 const struct channel_events *events) __attribute__((warn_unused_result));
/* Closes from our side; on_closed with code 0 follows. Not open: does nothing. */
void channel_close(struct channel *channel);

static inline bool channel_is_open(const struct channel *channel)
{
    return channel->state == CHANNEL_OPEN;
}

static inline void channel_send(struct channel *channel, amqp_method_number_t id,
                                const void *method)
{
    connection_send(channel->connection, channel->number, id, method);
}

/* --- for connection.c ------------------------------------------------------------------------- */

void channel_frame(struct channel *channel, const struct frame *frame);
/* The connection is gone. */
void channel_lost(struct channel *channel, const char *why);

#endif
