/* What the files of the simulated RabbitMQ share; tests include rabbit.h. */
#ifndef FLOW_RABBIT_STATE_H
#define FLOW_RABBIT_STATE_H

#include "base/bytes.h"
#include "plugins/amqp/library.h"
#include "rabbit.h"

enum { RABBIT_CHANNELS = 64, RABBIT_NAME = 256, RABBIT_FRAME_MAX = 131072 };

struct rabbit {
    struct sim *sim;
    struct sim_node *node;
    struct listening listening;
    struct rabbit_habits habits;
    struct list queues, connections, bindings;
    bool running, alarm, leaving;
    unsigned made; /* counts names that we draw */
};

/* --- rabbit_queue.c --- */

/* What was published once, in however many queues it is: whether its publisher has been told so,
 * or never asked. */
struct rabbit_told {
    unsigned refs;
    bool confirmed;
};

struct rabbit_message {
    struct link link; /* ready in its queue, or by its delivery, or a ghost */
    struct rabbit_told *told;
    char exchange[RABBIT_NAME], key[RABBIT_NAME];
    struct bytes properties; /* as encoded: flags and values */
    struct bytes body;
    bool persistent, redelivered;
    uint64_t expires_us; /* 0: never */
    uint64_t acked_us;   /* of a ghost */
};

struct rabbit_queue {
    struct link link;
    struct rabbit *rabbit;
    char name[RABBIT_NAME];
    bool durable, auto_delete, had_consumer;
    struct rabbit_connection *owner; /* exclusive to it */
    struct bytes arguments;          /* as encoded, to compare declarations */
    uint64_t expires_us, ttl_us;     /* x-expires, x-message-ttl; 0: none */
    bool has_dead_exchange;
    char dead_exchange[RABBIT_NAME], dead_key[RABBIT_NAME];
    uint64_t max_length; /* 0: none */
    bool rejects;        /* x-overflow = reject-publish */
    struct list ready, unacked, consumers;
    size_t ready_count, unacked_count;
    struct list ghosts; /* acknowledged a moment ago: a kill may bring them back */
    struct sim_event dispatch, expire, idle;
};

struct rabbit_binding {
    struct link link;
    char exchange[RABBIT_NAME], key[RABBIT_NAME];
    bool fanout;
    struct rabbit_queue *queue; /* NULL: declares the exchange */
};

struct rabbit_message *rabbit_message_new(void);
void rabbit_message_free(struct rabbit_message *message);
struct rabbit_told *rabbit_told_hold(struct rabbit_told *told);
void rabbit_told_release(struct rabbit_told *told);
/* Decoded into the pool. */
amqp_basic_properties_t *rabbit_properties(const struct rabbit_message *message, amqp_pool_t *pool);

struct rabbit_queue *rabbit_find_queue(const struct rabbit *rabbit, struct slice name);
/* 0, or the code of a channel error with `*why`. An equal one that is there serves. */
unsigned rabbit_declare(struct rabbit *rabbit, const amqp_queue_declare_t *declare,
                        struct slice name, struct rabbit_connection *owner, const char **why);
void rabbit_queue_drop(struct rabbit_queue *queue);
/* It was used: its x-expires begins anew. */
void rabbit_queue_touch(struct rabbit_queue *queue);
/* Stores a copy where exchange and key lead. How many queues took it; -1: the exchange is not
 * there. `*refused` when a full queue did not. */
int rabbit_route(struct rabbit *rabbit, struct rabbit_message *message, bool *refused);
/* Back to where it was, or (requeue false) dead-lettered. */
void rabbit_give_back(struct rabbit_queue *queue, struct rabbit_message *message, bool requeue);
void rabbit_acknowledged(struct rabbit_queue *queue, struct rabbit_message *message);
/* The next message for a consumer or a get, now by `unacked`; NULL: none. */
struct rabbit_message *rabbit_take(struct rabbit_queue *queue);
void rabbit_dispatch_soon(struct rabbit_queue *queue);

/* --- rabbit_connection.c --- */

struct rabbit_connection {
    struct link link;
    struct rabbit *rabbit;
    struct stream *stream;
    struct bytes in;
    size_t used;        /* of `in` */
    unsigned logged_in; /* steps of the login that are done */
    bool blocked, closing, dead;
    uint64_t beat_us, heard_us, sent_us;
    struct sim_event beat;
    amqp_pool_t pool;
    struct rabbit_channel *channels[RABBIT_CHANNELS];
};

void rabbit_send(struct rabbit_connection *connection, uint16_t channel, amqp_method_number_t id,
                 void *method);
void rabbit_send_content(struct rabbit_connection *connection, uint16_t channel,
                         const struct rabbit_message *message);
/* connection.close with a code, as for a client that broke the protocol. */
void rabbit_refuse_connection(struct rabbit_connection *connection, unsigned code, const char *why);
void rabbit_on_accept(struct listening *listening, struct stream *stream);
/* SIGKILL took its process, or we leave. */
void rabbit_connection_die(struct rabbit_connection *connection);
/* A message was published while the alarm is on: it waits, and nothing more is read. */
void rabbit_block(struct rabbit_connection *connection);
void rabbit_unblock(struct rabbit_connection *connection);

/* --- rabbit_channel.c --- */

struct rabbit_consumer {
    struct link in_queue, in_channel;
    struct rabbit_channel *channel;
    struct rabbit_queue *queue;
    char tag[RABBIT_NAME];
    bool no_ack;
    unsigned prefetch, unacked;
};

struct rabbit_delivery {
    struct link link;
    uint64_t tag;
    struct rabbit_message *message;
    struct rabbit_queue *queue;       /* NULL: it is gone */
    struct rabbit_consumer *consumer; /* NULL: of a get, or it is gone */
};

struct rabbit_pending {
    struct link link;
    uint64_t number;
    bool nack;
    struct rabbit_told *told; /* held */
};

struct rabbit_channel {
    struct rabbit_connection *connection;
    uint16_t number;
    bool confirms, closing;
    unsigned prefetch, prefetch_all; /* for consumers to come; for all together. 0: no limit */
    uint64_t published, tag;
    struct list deliveries, consumers;
    struct list pending, told; /* of struct rabbit_pending: to be confirmed, and just confirmed */
    unsigned unacked;
    struct sim_event confirm;
    /* a publish that is coming in */
    struct rabbit_message *incoming;
    bool mandatory;
    uint64_t body_size;
};

struct rabbit_channel *rabbit_channel_open(struct rabbit_connection *connection, uint16_t number);
/* Gives back what was not acknowledged. */
void rabbit_channel_free(struct rabbit_channel *channel);
void rabbit_channel_method(struct rabbit_channel *channel, amqp_method_number_t id, void *decoded);
void rabbit_channel_header(struct rabbit_channel *channel, struct slice payload);
void rabbit_channel_body(struct rabbit_channel *channel, struct slice payload);
/* The publish that waited for the end of an alarm. */
void rabbit_channel_resume(struct rabbit_channel *channel);
void rabbit_answer(struct rabbit_channel *channel, amqp_method_number_t id, void *method);
/* channel.close with a code; what was under way on the channel is given up. */
void rabbit_refuse_channel(struct rabbit_channel *channel, unsigned code, const char *why);
void rabbit_name(char *to, amqp_bytes_t from);

/* --- rabbit_consume.c --- */

void rabbit_on_qos(struct rabbit_channel *channel, const void *decoded);
void rabbit_on_consume(struct rabbit_channel *channel, const void *decoded);
void rabbit_on_cancel(struct rabbit_channel *channel, const void *decoded);
void rabbit_on_get(struct rabbit_channel *channel, const void *decoded);
void rabbit_on_ack(struct rabbit_channel *channel, const void *decoded);
void rabbit_on_nack(struct rabbit_channel *channel, const void *decoded);
void rabbit_on_reject(struct rabbit_channel *channel, const void *decoded);
void rabbit_drop_consumer(struct rabbit_consumer *consumer);
void rabbit_drop_delivery(struct rabbit_channel *channel, struct rabbit_delivery *delivery);
/* To the consumers of a queue, as far as they have credit. */
void rabbit_deliver(struct rabbit_queue *queue);
/* The queue is gone: consumers are told. */
void rabbit_cancel_consumers(struct rabbit_queue *queue);
/* Deliveries that belong to it forget it. */
void rabbit_forget_queue(struct rabbit *rabbit, const struct rabbit_queue *queue);

#endif
