/* Consumers of the simulated RabbitMQ: deliveries, prefetch, acknowledgements.
 *
 * Happy path: consume → deliveries in turn to whoever has credit → ack. A nack or reject with
 * requeue puts the message back where it was, one without goes to the dead letters. A tag that
 * is not known closes the channel.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rabbit_state.h"

/* --- leaving ---------------------------------------------------------------------------------- */

void rabbit_drop_consumer(struct rabbit_consumer *consumer)
{
    struct rabbit_queue *queue = consumer->queue;
    list_each (&consumer->channel->deliveries, link) {
        struct rabbit_delivery *delivery = thing_of(link, struct rabbit_delivery, link);
        if (delivery->consumer == consumer)
            delivery->consumer = NULL;
    }
    list_leave(&consumer->in_queue);
    list_leave(&consumer->in_channel);
    free(consumer);
    if (list_empty(&queue->consumers)) {
        rabbit_queue_touch(queue);
        if (queue->auto_delete)
            rabbit_queue_drop(queue);
    }
}

void rabbit_drop_delivery(struct rabbit_channel *channel, struct rabbit_delivery *delivery)
{
    assert(channel->unacked > 0);
    if (delivery->consumer != NULL)
        delivery->consumer->unacked--;
    channel->unacked--;
    list_leave(&delivery->link);
    free(delivery);
}

/* --- consuming -------------------------------------------------------------------------------- */

void rabbit_on_qos(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_basic_qos_t *qos = decoded;
    if (qos->global)
        channel->prefetch_all = qos->prefetch_count;
    else
        channel->prefetch = qos->prefetch_count;
    amqp_basic_qos_ok_t ok = { .dummy = 0 };
    rabbit_answer(channel, AMQP_BASIC_QOS_OK_METHOD, &ok);
    list_each (&channel->consumers, link)
        rabbit_dispatch_soon(thing_of(link, struct rabbit_consumer, in_channel)->queue);
}

static struct rabbit_consumer *find_consumer(struct rabbit_channel *channel, struct slice tag)
{
    list_each (&channel->consumers, link) {
        struct rabbit_consumer *consumer = thing_of(link, struct rabbit_consumer, in_channel);
        if (slice_is(tag, consumer->tag))
            return consumer;
    }
    return NULL;
}

void rabbit_on_consume(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_basic_consume_t *consume = decoded;
    struct rabbit *rabbit = channel->connection->rabbit;
    struct rabbit_queue *queue = rabbit_find_queue(rabbit, amqp_slice(consume->queue));
    if (queue == NULL) {
        rabbit_refuse_channel(channel, AMQP_NOT_FOUND, "NOT_FOUND - no queue");
        return;
    }
    if (consume->consumer_tag.len > 0 &&
        find_consumer(channel, amqp_slice(consume->consumer_tag)) != NULL) {
        rabbit_refuse_connection(channel->connection, AMQP_NOT_ALLOWED,
                                 "NOT_ALLOWED - attempt to reuse consumer tag");
        return;
    }
    struct rabbit_consumer *consumer = calloc(1, sizeof(*consumer));
    assert(consumer != NULL);
    consumer->channel = channel;
    consumer->queue = queue;
    consumer->no_ack = consume->no_ack;
    consumer->prefetch = channel->prefetch;
    rabbit_name(consumer->tag, consume->consumer_tag);
    if (consumer->tag[0] == '\0')
        snprintf(consumer->tag, sizeof(consumer->tag), "amq.ctag-%u", ++rabbit->made);
    list_append(&queue->consumers, &consumer->in_queue);
    list_append(&channel->consumers, &consumer->in_channel);
    sim_unschedule(rabbit->sim, &queue->idle);
    amqp_basic_consume_ok_t ok = { .consumer_tag = amqp_cstring_bytes(consumer->tag) };
    rabbit_answer(channel, AMQP_BASIC_CONSUME_OK_METHOD, &ok);
    rabbit_dispatch_soon(queue);
}

void rabbit_on_cancel(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_basic_cancel_t *cancel = decoded;
    struct rabbit_consumer *consumer = find_consumer(channel, amqp_slice(cancel->consumer_tag));
    amqp_basic_cancel_ok_t ok = { .consumer_tag = cancel->consumer_tag };
    if (!cancel->nowait)
        rabbit_answer(channel, AMQP_BASIC_CANCEL_OK_METHOD, &ok);
    if (consumer != NULL)
        rabbit_drop_consumer(consumer);
}

void rabbit_cancel_consumers(struct rabbit_queue *queue)
{
    struct link *link;
    queue->auto_delete = false; /* it is going already */
    while ((link = list_take(&queue->consumers)) != NULL) {
        struct rabbit_consumer *consumer = thing_of(link, struct rabbit_consumer, in_queue);
        amqp_basic_cancel_t cancel = {
            .consumer_tag = amqp_cstring_bytes(consumer->tag),
            .nowait = 1,
        };
        if (!consumer->channel->closing)
            rabbit_answer(consumer->channel, AMQP_BASIC_CANCEL_METHOD, &cancel);
        rabbit_drop_consumer(consumer);
    }
}

void rabbit_forget_queue(struct rabbit *rabbit, const struct rabbit_queue *queue)
{
    list_each (&rabbit->connections, link) {
        struct rabbit_connection *connection = thing_of(link, struct rabbit_connection, link);
        for (unsigned i = 0; i < RABBIT_CHANNELS; i++) {
            if (connection->channels[i] == NULL)
                continue;
            list_each (&connection->channels[i]->deliveries, of) {
                struct rabbit_delivery *delivery = thing_of(of, struct rabbit_delivery, link);
                if (delivery->queue == queue)
                    delivery->queue = NULL;
            }
        }
    }
}

static struct rabbit_delivery *add_delivery(struct rabbit_channel *channel,
                                            struct rabbit_queue *queue,
                                            struct rabbit_message *message,
                                            struct rabbit_consumer *consumer)
{
    struct rabbit_delivery *delivery = calloc(1, sizeof(*delivery));
    assert(delivery != NULL);
    delivery->tag = ++channel->tag;
    delivery->queue = queue;
    delivery->message = message;
    delivery->consumer = consumer;
    channel->unacked++;
    if (consumer != NULL)
        consumer->unacked++;
    list_append(&channel->deliveries, &delivery->link);
    return delivery;
}

static bool has_credit(const struct rabbit_consumer *consumer)
{
    const struct rabbit_channel *channel = consumer->channel;
    return consumer->no_ack ||
           ((consumer->prefetch == 0 || consumer->unacked < consumer->prefetch) &&
            (channel->prefetch_all == 0 || channel->unacked < channel->prefetch_all));
}

static void deliver_to(struct rabbit_consumer *consumer, struct rabbit_message *message)
{
    struct rabbit_channel *channel = consumer->channel;
    struct rabbit_queue *queue = consumer->queue;
    struct rabbit_delivery *delivery = add_delivery(channel, queue, message, consumer);
    amqp_basic_deliver_t deliver = {
        .consumer_tag = amqp_cstring_bytes(consumer->tag),
        .delivery_tag = delivery->tag,
        .redelivered = message->redelivered,
        .exchange = amqp_cstring_bytes(message->exchange),
        .routing_key = amqp_cstring_bytes(message->key),
    };
    rabbit_answer(channel, AMQP_BASIC_DELIVER_METHOD, &deliver);
    rabbit_send_content(channel->connection, channel->number, message);
    if (consumer->no_ack) {
        rabbit_acknowledged(queue, message);
        rabbit_drop_delivery(channel, delivery);
    }
}

void rabbit_deliver(struct rabbit_queue *queue)
{
    size_t idle = 0, consumers = 0;
    list_each (&queue->consumers, link)
        consumers++;
    while (idle < consumers && queue->ready_count > 0) {
        struct link *first = list_first(&queue->consumers);
        list_leave(first);
        list_append(&queue->consumers, first);
        struct rabbit_consumer *consumer = thing_of(first, struct rabbit_consumer, in_queue);
        struct rabbit_message *message = has_credit(consumer) ? rabbit_take(queue) : NULL;
        if (message == NULL) {
            idle++;
            continue;
        }
        idle = 0;
        deliver_to(consumer, message);
    }
}

void rabbit_on_get(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_basic_get_t *get = decoded;
    struct rabbit_queue *queue = rabbit_find_queue(channel->connection->rabbit,
                                                   amqp_slice(get->queue));
    if (queue == NULL) {
        rabbit_refuse_channel(channel, AMQP_NOT_FOUND, "NOT_FOUND - no queue");
        return;
    }
    rabbit_queue_touch(queue);
    struct rabbit_message *message = rabbit_take(queue);
    if (message == NULL) {
        amqp_basic_get_empty_t none = { .cluster_id = amqp_empty_bytes };
        rabbit_answer(channel, AMQP_BASIC_GET_EMPTY_METHOD, &none);
        return;
    }
    struct rabbit_delivery *delivery = add_delivery(channel, queue, message, NULL);
    amqp_basic_get_ok_t ok = {
        .delivery_tag = delivery->tag,
        .redelivered = message->redelivered,
        .exchange = amqp_cstring_bytes(message->exchange),
        .routing_key = amqp_cstring_bytes(message->key),
        .message_count = (uint32_t)queue->ready_count,
    };
    rabbit_answer(channel, AMQP_BASIC_GET_OK_METHOD, &ok);
    rabbit_send_content(channel->connection, channel->number, message);
    if (get->no_ack) {
        rabbit_acknowledged(queue, message);
        rabbit_drop_delivery(channel, delivery);
    }
}

/* --- acknowledging ---------------------------------------------------------------------------- */

enum verdict { ACK, REQUEUE, REJECT };

static void settle_one(struct rabbit_channel *channel, struct rabbit_delivery *delivery,
                       enum verdict verdict)
{
    struct rabbit_queue *queue = delivery->queue;
    struct rabbit_message *message = delivery->message;
    rabbit_drop_delivery(channel, delivery);
    if (queue == NULL)
        return;
    if (verdict == ACK)
        rabbit_acknowledged(queue, message);
    else
        rabbit_give_back(queue, message, verdict == REQUEUE);
    rabbit_dispatch_soon(queue);
}

static void settle(struct rabbit_channel *channel, uint64_t tag, bool multiple,
                   enum verdict verdict)
{
    bool found = false;
    list_each_leaving (&channel->deliveries, link) {
        struct rabbit_delivery *delivery = thing_of(link, struct rabbit_delivery, link);
        if (delivery->tag != tag && !(multiple && (tag == 0 || delivery->tag < tag)))
            continue;
        found = true;
        settle_one(channel, delivery, verdict);
    }
    if (!found && !(multiple && tag == 0))
        rabbit_refuse_channel(channel, AMQP_PRECONDITION_FAILED,
                              "PRECONDITION_FAILED - unknown delivery tag");
}

void rabbit_on_ack(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_basic_ack_t *ack = decoded;
    settle(channel, ack->delivery_tag, ack->multiple, ACK);
}

void rabbit_on_nack(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_basic_nack_t *nack = decoded;
    settle(channel, nack->delivery_tag, nack->multiple, nack->requeue ? REQUEUE : REJECT);
}

void rabbit_on_reject(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_basic_reject_t *reject = decoded;
    settle(channel, reject->delivery_tag, false, reject->requeue ? REQUEUE : REJECT);
}
