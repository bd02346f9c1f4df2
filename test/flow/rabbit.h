/* A RabbitMQ of our own on the simulated network: as much of AMQP 0-9-1 and of RabbitMQ's
 * behaviour as Shunt can meet.
 *
 *     rabbit_connection.c   bytes ─▶ frames ─▶ login, heartbeats, blocking, channels
 *     rabbit_channel.c      methods: declare, publish, confirm, return, consume, deliver, ack, nack, get, cancel
 *     rabbit_queue.c        queues and messages: expiry, dead lettering, limits, what survives a kill
 *
 * Honest by default, and as slow, as bursty and as contrary as its habits say, drawn from the
 * simulation's seed. rabbitmq-c encodes and decodes, the server's way. What a client may not do
 * ends its channel or connection with the code that RabbitMQ gives.
 */
#ifndef FLOW_RABBIT_H
#define FLOW_RABBIT_H

#include "sim.h"

struct rabbit;
struct rabbit_message;

struct rabbit_habits {
    uint64_t confirm_least_us, confirm_most_us; /* how long a confirm takes */
    uint64_t deliver_most_us;                   /* how long until a message goes to a consumer */
    unsigned nack_percent;                      /* of publishes are refused, and not stored */
    unsigned multiple_percent;                  /* of confirms are for several */
};

struct rabbit *rabbit_new(struct sim *sim, unsigned host, uint16_t port);
/* Its connections end; sim_free follows. */
void rabbit_free(struct rabbit *rabbit);
struct sim_node *rabbit_node(struct rabbit *rabbit);
struct rabbit_habits *rabbit_habits(struct rabbit *rabbit);

/* --- faults: beside sim_stop, sim_cut and sim_hole on its node -------------------------------- */

/* SIGKILL and a later start. Confirmed persistent messages in durable queues survive;
 * unconfirmed ones and acknowledgements that were not written yet do, or do not. */
void rabbit_kill(struct rabbit *rabbit);
void rabbit_start(struct rabbit *rabbit);
/* The memory alarm: who publishes is told and no longer read from, until it is over. */
void rabbit_alarm(struct rabbit *rabbit, bool on);
/* By an operator: consumers are told. No such queue: nothing happens. */
void rabbit_delete_queue(struct rabbit *rabbit, const char *queue);

/* --- looking in ------------------------------------------------------------------------------- */

bool rabbit_has_queue(const struct rabbit *rabbit, const char *queue);
/* Messages that wait or are being consumed; 0 for a queue that is not there. */
size_t rabbit_depth(const struct rabbit *rabbit, const char *queue);
/* Each message of a queue, in no particular order. */
void rabbit_each(const struct rabbit *rabbit, const char *queue,
                 void (*each)(const struct rabbit_message *message, void *context), void *context);
/* Properties and headers by name: "message_id", "correlation_id", "reply_to", or a header's;
 * false: not there, or no text. */
bool rabbit_text(const struct rabbit_message *message, const char *name, char *text, size_t room);
struct slice rabbit_body(const struct rabbit_message *message);
/* As any program might: durable, with a body and the header `:path` and so on in name and value
 * pairs that end with NULL. */
void rabbit_publish(struct rabbit *rabbit, const char *queue, struct slice body,
                    const char *const *headers);

#endif
