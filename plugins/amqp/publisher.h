/* Publishing on one channel, every message confirmed.
 *
 * Happy path: the channel is opened and set to confirm → ready → publisher_publish gives each
 * message a ticket → its verdict. Several of these share a connection, so that a channel which
 * the broker closes (an exchange that is not there) takes only its own messages along. Failures:
 * refused before anything is sent (not ready, blocked, a destination that has not confirmed for
 * a second, an exchange that was missing just now, a full window, properties too large); after
 * that the ticket tells.
 */
#ifndef AMQP_PUBLISHER_H
#define AMQP_PUBLISHER_H

#include "plugins/amqp/channel.h"
#include "plugins/amqp/confirms.h"

/* A destination whose oldest message has waited that long for its confirm gets no further ones. */
#define STUCK_MS 1000
/* An exchange that was not there is asked for once in that time, since each asking closes the
 * channel for all. */
#define MISSING_MS    1000
#define MISSING_KNOWN 8

struct lane;

struct missing {
    uint64_t exchange; /* a hash of its name */
    uint64_t until_ms;
};

struct publisher {
    struct lane *lane;
    struct connection *connection;
    const char *what; /* for the log: what it publishes */
    struct channel channel;
    struct confirms confirms;
    struct timer reopen;
    struct missing missing[MISSING_KNOWN];
    bool ready;
    void (*on_change)(struct publisher *publisher); /* ready, or no more */
};

/* What is published, and where to. Read during publisher_publish only. */
struct outgoing {
    struct slice exchange, routing_key;
    const struct message *message;
    const struct field *extra; /* one more header, or NULL */
};

void publisher_init(struct publisher *publisher, struct lane *lane, struct connection *connection,
                    const char *what, size_t window, size_t window_bytes);
void publisher_free(struct publisher *publisher);
/* The connection is up. */
void publisher_start(struct publisher *publisher);
/* The connection is gone, or to be left. */
void publisher_stop(struct publisher *publisher);

/* A hash of where a message goes. */
uint32_t destination_hash(struct slice exchange, struct slice routing_key);

/* The negative REASON_… with which publisher_publish would refuse this now, or 0. Of the ticket
 * `destination` and `bytes` are set. */
int publisher_refusal(const struct publisher *publisher, const struct outgoing *outgoing,
                      const struct ticket *ticket) __attribute__((warn_unused_result));

/* Bytes of the window that a message takes. */
size_t publisher_bytes(const struct message *message);

/* Publishes with mandatory set: 0, and the ticket (token, destination, on_verdict are set) gets
 * its verdict later. Or a negative REASON_…: nothing was sent. Never calls back at once. */
int publisher_publish(struct publisher *publisher, const struct outgoing *outgoing,
                      struct ticket *ticket) __attribute__((warn_unused_result));

#endif
