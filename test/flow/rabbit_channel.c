/* Channels of the simulated RabbitMQ: its methods, publisher confirms, deliveries and their
 * acknowledgements.
 *
 * Happy path: publish, header, body → routed → a confirm after a while, alone or with others.
 * consume → deliveries as far as the prefetch goes → ack. Failures: channel.close with
 * RabbitMQ's code; then what the client still sends on the channel is ignored until its
 * close-ok.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rabbit_state.h"
#include "seeds.h"

static struct sim *sim_of(struct rabbit_channel *channel)
{
    return channel->connection->rabbit->sim;
}

void rabbit_answer(struct rabbit_channel *channel, amqp_method_number_t id, void *method)
{
    rabbit_send(channel->connection, channel->number, id, method);
}

void rabbit_name(char *to, amqp_bytes_t from)
{
    assert(from.len < RABBIT_NAME);
    if (from.len > 0)
        memcpy(to, from.bytes, from.len);
    to[from.len] = '\0';
}

/* --- the channel's end ------------------------------------------------------------------------ */

/* The latest first, so that the oldest ends up at the queue's head. */
static void give_all_back(struct rabbit_channel *channel)
{
    while (!list_empty(&channel->deliveries)) {
        struct rabbit_delivery *delivery = thing_of(channel->deliveries.head.prev,
                                                    struct rabbit_delivery, link);
        if (delivery->queue != NULL)
            rabbit_give_back(delivery->queue, delivery->message, true);
        rabbit_drop_delivery(channel, delivery);
    }
}

static void drop_pending(struct list *pending)
{
    struct link *link;
    while ((link = list_take(pending)) != NULL) {
        rabbit_told_release(thing_of(link, struct rabbit_pending, link)->told);
        free(thing_of(link, struct rabbit_pending, link));
    }
}

static void empty(struct rabbit_channel *channel)
{
    struct link *link;
    while ((link = list_take(&channel->consumers)) != NULL)
        rabbit_drop_consumer(thing_of(link, struct rabbit_consumer, in_channel));
    give_all_back(channel);
    drop_pending(&channel->pending);
    drop_pending(&channel->told);
    sim_unschedule(sim_of(channel), &channel->confirm);
    rabbit_message_free(channel->incoming);
    channel->incoming = NULL;
}

void rabbit_channel_free(struct rabbit_channel *channel)
{
    empty(channel);
    free(channel);
}

void rabbit_refuse_channel(struct rabbit_channel *channel, unsigned code, const char *why)
{
    trace(sim_of(channel), "rabbit: closes a channel: %u %s", code, why);
    amqp_channel_close_t close = { .reply_code = (uint16_t)code,
                                   .reply_text = amqp_cstring_bytes(why) };
    empty(channel);
    channel->closing = true;
    rabbit_answer(channel, AMQP_CHANNEL_CLOSE_METHOD, &close);
}

/* --- confirms --------------------------------------------------------------------------------- */

static void schedule_confirm(struct rabbit_channel *channel)
{
    const struct rabbit_habits *habits = &channel->connection->rabbit->habits;
    if (!sim_scheduled(&channel->confirm))
        sim_schedule(
            sim_of(channel), &channel->confirm,
            sim_between(sim_of(channel), habits->confirm_least_us, habits->confirm_most_us));
}

static void send_confirm(struct rabbit_channel *channel, uint64_t number, bool nack, bool multiple)
{
    if (nack) {
        amqp_basic_nack_t method = { .delivery_tag = number, .multiple = multiple };
        rabbit_answer(channel, AMQP_BASIC_NACK_METHOD, &method);
    } else {
        amqp_basic_ack_t method = { .delivery_tag = number, .multiple = multiple };
        rabbit_answer(channel, AMQP_BASIC_ACK_METHOD, &method);
    }
}

static void settle_pending(struct rabbit_channel *channel, struct rabbit_pending *pending)
{
    pending->told->confirmed = true;
    list_leave(&pending->link);
    list_append(&channel->told, &pending->link);
}

static struct rabbit_pending *first_pending(struct rabbit_channel *channel)
{
    struct link *first = list_first(&channel->pending);
    return first == NULL ? NULL : thing_of(first, struct rabbit_pending, link);
}

/* The oldest ones that have the same verdict, in one method. */
static void confirm_several(struct rabbit_channel *channel)
{
    struct rabbit_pending *pending = first_pending(channel);
    bool nack = pending->nack;
    uint64_t last;
    do {
        last = pending->number;
        settle_pending(channel, pending);
        pending = first_pending(channel);
    } while (pending != NULL && pending->nack == nack && sim_chance(sim_of(channel), 80));
    send_confirm(channel, last, nack, true);
}

/* Any of them, alone. */
static void confirm_one(struct rabbit_channel *channel)
{
    struct link *chosen = list_first(&channel->pending);
    while (chosen->next != &channel->pending.head && sim_chance(sim_of(channel), 30))
        chosen = chosen->next;
    struct rabbit_pending *pending = thing_of(chosen, struct rabbit_pending, link);
    send_confirm(channel, pending->number, pending->nack, false);
    settle_pending(channel, pending);
}

static void on_confirm(struct sim_event *event)
{
    struct rabbit_channel *channel = thing_of(event, struct rabbit_channel, confirm);
    const struct rabbit_habits *habits = &channel->connection->rabbit->habits;
    while (!list_empty(&channel->pending)) {
        if (sim_chance(sim_of(channel), habits->multiple_percent))
            confirm_several(channel);
        else
            confirm_one(channel);
        if (sim_chance(sim_of(channel), 30))
            break;
    }
    drop_pending(&channel->told);
    if (!list_empty(&channel->pending))
        schedule_confirm(channel);
}

/* --- publishing ------------------------------------------------------------------------------- */

static void on_publish(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_basic_publish_t *publish = decoded;
    struct rabbit_message *message = rabbit_message_new();
    assert(channel->incoming == NULL);
    rabbit_name(message->exchange, publish->exchange);
    rabbit_name(message->key, publish->routing_key);
    channel->incoming = message;
    channel->mandatory = publish->mandatory;
    channel->published++;
}

static void send_back(struct rabbit_channel *channel, const struct rabbit_message *message)
{
    amqp_basic_return_t method = {
        .reply_code = AMQP_NO_ROUTE,
        .reply_text = amqp_cstring_bytes("NO_ROUTE"),
        .exchange = amqp_cstring_bytes(message->exchange),
        .routing_key = amqp_cstring_bytes(message->key),
    };
    rabbit_answer(channel, AMQP_BASIC_RETURN_METHOD, &method);
    rabbit_send_content(channel->connection, channel->number, message);
}

static void read_persistence(struct rabbit_message *message)
{
    amqp_pool_t pool;
    init_amqp_pool(&pool, 4096);
    const amqp_basic_properties_t *properties = rabbit_properties(message, &pool);
    message->persistent = (properties->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG) != 0 &&
                          properties->delivery_mode == AMQP_DELIVERY_PERSISTENT;
    empty_amqp_pool(&pool);
}

/* The message is whole: stored, returned or refused; then its confirm. */
static void store(struct rabbit_channel *channel)
{
    struct rabbit *rabbit = channel->connection->rabbit;
    struct rabbit_message *message = channel->incoming;
    channel->incoming = NULL;
    read_persistence(message);

    bool refused = sim_chance(rabbit->sim, rabbit->habits.nack_percent) && channel->confirms;
    int queues = refused ? 1 : rabbit_route(rabbit, message, &refused);
    if (queues < 0) {
        rabbit_message_free(message);
        rabbit_refuse_channel(channel, AMQP_NOT_FOUND, "NOT_FOUND - no exchange");
        return;
    }
    if (queues == 0 && channel->mandatory)
        send_back(channel, message);
    if (channel->confirms) {
        struct rabbit_pending *pending = calloc(1, sizeof(*pending));
        assert(pending != NULL);
        pending->number = channel->published;
        pending->nack = refused;
        pending->told = rabbit_told_hold(message->told);
        list_append(&channel->pending, &pending->link);
        schedule_confirm(channel);
    }
    rabbit_message_free(message);
}

static void store_or_wait(struct rabbit_channel *channel)
{
    if (channel->connection->rabbit->alarm)
        rabbit_block(channel->connection);
    else
        store(channel);
}

void rabbit_channel_resume(struct rabbit_channel *channel)
{
    if (channel->incoming != NULL && channel->incoming->body.len == channel->body_size &&
        channel->incoming->properties.len > 0)
        store(channel);
}

void rabbit_channel_header(struct rabbit_channel *channel, struct slice payload)
{
    if (channel->closing)
        return;
    assert(channel->incoming != NULL && payload.len >= 14);
    channel->body_size = 0;
    for (unsigned i = 4; i < 12; i++)
        channel->body_size = channel->body_size << 8 | payload.at[i];
    bytes_add(&channel->incoming->properties, slice_from(payload, 12));
    if (channel->body_size == 0)
        store_or_wait(channel);
}

void rabbit_channel_body(struct rabbit_channel *channel, struct slice payload)
{
    if (channel->closing)
        return;
    assert(channel->incoming != NULL && payload.len > 0);
    bytes_add(&channel->incoming->body, payload);
    assert(channel->incoming->body.len <= channel->body_size);
    if (channel->incoming->body.len == channel->body_size)
        store_or_wait(channel);
}

/* --- queues and exchanges --------------------------------------------------------------------- */

static void on_queue_declare(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_queue_declare_t *declare = decoded;
    struct rabbit *rabbit = channel->connection->rabbit;
    char name[RABBIT_NAME];
    rabbit_name(name, declare->queue);
    if (name[0] == '\0')
        snprintf(name, sizeof(name), "amq.gen-%u", ++rabbit->made);
    const char *why;
    unsigned code = rabbit_declare(rabbit, declare, slice_text(name), channel->connection, &why);
    if (code != 0) {
        rabbit_refuse_channel(channel, code, why);
        return;
    }
    const struct rabbit_queue *queue = rabbit_find_queue(rabbit, slice_text(name));
    amqp_queue_declare_ok_t ok = {
        .queue = amqp_cstring_bytes(name),
        .message_count = (uint32_t)queue->ready_count,
    };
    if (!declare->nowait)
        rabbit_answer(channel, AMQP_QUEUE_DECLARE_OK_METHOD, &ok);
}

static void on_queue_delete(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_queue_delete_t *method = decoded;
    struct rabbit_queue *queue = rabbit_find_queue(channel->connection->rabbit,
                                                   amqp_slice(method->queue));
    amqp_queue_delete_ok_t ok = { .message_count = 0 };
    if (queue != NULL)
        rabbit_queue_drop(queue);
    rabbit_answer(channel, AMQP_QUEUE_DELETE_OK_METHOD, &ok);
}

static struct rabbit_binding *add_binding(struct rabbit *rabbit, amqp_bytes_t exchange,
                                          amqp_bytes_t key)
{
    struct rabbit_binding *binding = calloc(1, sizeof(*binding));
    assert(binding != NULL);
    rabbit_name(binding->exchange, exchange);
    rabbit_name(binding->key, key);
    list_append(&rabbit->bindings, &binding->link);
    return binding;
}

static void on_exchange_declare(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_exchange_declare_t *declare = decoded;
    if (!declare->passive)
        add_binding(channel->connection->rabbit, declare->exchange, declare->type)->fanout =
            slice_is(amqp_slice(declare->type), "fanout");
    amqp_exchange_declare_ok_t ok = { .dummy = 0 };
    rabbit_answer(channel, AMQP_EXCHANGE_DECLARE_OK_METHOD, &ok);
}

static void on_queue_bind(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_queue_bind_t *method = decoded;
    struct rabbit *rabbit = channel->connection->rabbit;
    struct rabbit_queue *queue = rabbit_find_queue(rabbit, amqp_slice(method->queue));
    if (queue == NULL) {
        rabbit_refuse_channel(channel, AMQP_NOT_FOUND, "NOT_FOUND - no queue");
        return;
    }
    bool fanout = false;
    list_each (&rabbit->bindings, link) {
        const struct rabbit_binding *binding = thing_of(link, struct rabbit_binding, link);
        fanout |= binding->fanout && slice_is(amqp_slice(method->exchange), binding->exchange);
    }
    struct rabbit_binding *binding = add_binding(rabbit, method->exchange, method->routing_key);
    binding->queue = queue;
    binding->fanout = fanout;
    amqp_queue_bind_ok_t ok = { .dummy = 0 };
    rabbit_answer(channel, AMQP_QUEUE_BIND_OK_METHOD, &ok);
}

/* --- methods ---------------------------------------------------------------------------------- */

static void on_open(struct rabbit_channel *channel, const void *decoded)
{
    (void)decoded;
    amqp_channel_open_ok_t ok = { .channel_id = amqp_empty_bytes };
    rabbit_answer(channel, AMQP_CHANNEL_OPEN_OK_METHOD, &ok);
}

static void on_select(struct rabbit_channel *channel, const void *decoded)
{
    (void)decoded;
    channel->confirms = true;
    channel->published = 0;
    amqp_confirm_select_ok_t ok = { .dummy = 0 };
    rabbit_answer(channel, AMQP_CONFIRM_SELECT_OK_METHOD, &ok);
}

static void on_flow(struct rabbit_channel *channel, const void *decoded)
{
    const amqp_channel_flow_t *flow = decoded;
    if (!flow->active) {
        rabbit_refuse_connection(channel->connection, AMQP_NOT_IMPLEMENTED,
                                 "NOT_IMPLEMENTED - active=false");
        return;
    }
    amqp_channel_flow_ok_t ok = { .active = 1 };
    rabbit_answer(channel, AMQP_CHANNEL_FLOW_OK_METHOD, &ok);
}

static void leave(struct rabbit_channel *channel)
{
    channel->connection->channels[channel->number] = NULL;
    rabbit_channel_free(channel);
}

static void on_close(struct rabbit_channel *channel, const void *decoded)
{
    (void)decoded;
    amqp_channel_close_ok_t ok = { .dummy = 0 };
    rabbit_answer(channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    leave(channel);
}

void rabbit_channel_method(struct rabbit_channel *channel, amqp_method_number_t id, void *decoded)
{
    static const struct {
        amqp_method_number_t id;
        void (*run)(struct rabbit_channel *channel, const void *decoded);
    } methods[] = {
        { AMQP_CHANNEL_OPEN_METHOD, on_open },
        { AMQP_CHANNEL_CLOSE_METHOD, on_close },
        { AMQP_CHANNEL_FLOW_METHOD, on_flow },
        { AMQP_CONFIRM_SELECT_METHOD, on_select },
        { AMQP_BASIC_PUBLISH_METHOD, on_publish },
        { AMQP_BASIC_QOS_METHOD, rabbit_on_qos },
        { AMQP_BASIC_CONSUME_METHOD, rabbit_on_consume },
        { AMQP_BASIC_CANCEL_METHOD, rabbit_on_cancel },
        { AMQP_BASIC_GET_METHOD, rabbit_on_get },
        { AMQP_BASIC_ACK_METHOD, rabbit_on_ack },
        { AMQP_BASIC_NACK_METHOD, rabbit_on_nack },
        { AMQP_BASIC_REJECT_METHOD, rabbit_on_reject },
        { AMQP_QUEUE_DECLARE_METHOD, on_queue_declare },
        { AMQP_QUEUE_DELETE_METHOD, on_queue_delete },
        { AMQP_QUEUE_BIND_METHOD, on_queue_bind },
        { AMQP_EXCHANGE_DECLARE_METHOD, on_exchange_declare },
    };
    if (channel->closing) {
        if (id == AMQP_CHANNEL_CLOSE_OK_METHOD || id == AMQP_CHANNEL_CLOSE_METHOD)
            leave(channel);
        return;
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        if (methods[i].id != id)
            continue;
        methods[i].run(channel, decoded);
        return;
    }
    rabbit_refuse_connection(channel->connection, AMQP_NOT_IMPLEMENTED, "NOT_IMPLEMENTED");
}

struct rabbit_channel *rabbit_channel_open(struct rabbit_connection *connection, uint16_t number)
{
    struct rabbit_channel *channel = calloc(1, sizeof(*channel));
    assert(channel != NULL);
    channel->connection = connection;
    channel->number = number;
    channel->confirm = (struct sim_event){ .run = on_confirm, .node = connection->rabbit->node };
    list_init(&channel->deliveries);
    list_init(&channel->consumers);
    list_init(&channel->pending);
    list_init(&channel->told);
    return channel;
}
