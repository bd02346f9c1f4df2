/* The simulated RabbitMQ as tests handle it: made, disturbed, looked into. */
#include "rabbit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rabbit_state.h"
#include "seeds.h"

static void on_unlistened(struct listening *listening)
{
    struct rabbit *rabbit = thing_of(listening, struct rabbit, listening);
    assert(list_empty(&rabbit->connections) && rabbit->leaving);
    free(rabbit);
}

struct rabbit *rabbit_new(struct sim *sim, unsigned host, uint16_t port)
{
    struct rabbit *rabbit = calloc(1, sizeof(*rabbit));
    assert(rabbit != NULL);
    rabbit->sim = sim;
    rabbit->node = sim_node_new(sim, "rabbit", host);
    rabbit->running = true;
    rabbit->habits = (struct rabbit_habits){
        .confirm_least_us = 100,
        .confirm_most_us = 5000,
        .deliver_most_us = 1000,
        .multiple_percent = 50,
    };
    list_init(&rabbit->queues);
    list_init(&rabbit->connections);
    list_init(&rabbit->bindings);
    rabbit->listening = (struct listening){ .on_accept = rabbit_on_accept,
                                            .on_closed = on_unlistened };
    struct address address = sim_address(rabbit->node, port);
    struct net *net = &rabbit->node->net;
    int error = net->listen(net, &rabbit->node->worker, sim_bind(rabbit->node, &address),
                            &rabbit->listening);
    assert(error == 0);
    return rabbit;
}

static bool has_no_connection(void *context)
{
    const struct rabbit *rabbit = context;
    return list_empty(&rabbit->connections);
}

void rabbit_free(struct rabbit *rabbit)
{
    rabbit->leaving = true;
    sim_continue(rabbit->node);
    list_each_leaving (&rabbit->connections, link)
        rabbit_connection_die(thing_of(link, struct rabbit_connection, link));
    bool gone = sim_run(rabbit->sim, 1000, has_no_connection, rabbit);
    assert(gone);
    struct link *link;
    while ((link = list_take(&rabbit->queues)) != NULL)
        rabbit_queue_drop(thing_of(link, struct rabbit_queue, link));
    while ((link = list_take(&rabbit->bindings)) != NULL)
        free(thing_of(link, struct rabbit_binding, link));
    struct net *net = &rabbit->node->net;
    net->unlisten(net, &rabbit->listening);
}

struct sim_node *rabbit_node(struct rabbit *rabbit)
{
    return rabbit->node;
}

struct rabbit_habits *rabbit_habits(struct rabbit *rabbit)
{
    return &rabbit->habits;
}

void rabbit_alarm(struct rabbit *rabbit, bool on)
{
    trace(rabbit->sim, "rabbit: alarm %s", on ? "on" : "off");
    rabbit->alarm = on;
    if (on)
        return;
    list_each_leaving (&rabbit->connections, link)
        rabbit_unblock(thing_of(link, struct rabbit_connection, link));
    sim_finish_turn(rabbit->node);
}

void rabbit_delete_queue(struct rabbit *rabbit, const char *name)
{
    struct rabbit_queue *queue = rabbit_find_queue(rabbit, slice_text(name));
    if (queue == NULL || !rabbit->running)
        return;
    rabbit_queue_drop(queue);
    sim_finish_turn(rabbit->node);
}

/* --- looking in ------------------------------------------------------------------------------- */

bool rabbit_has_queue(const struct rabbit *rabbit, const char *queue)
{
    return rabbit_find_queue(rabbit, slice_text(queue)) != NULL;
}

size_t rabbit_depth(const struct rabbit *rabbit, const char *name)
{
    const struct rabbit_queue *queue = rabbit_find_queue(rabbit, slice_text(name));
    return queue == NULL ? 0 : queue->ready_count + queue->unacked_count;
}

void rabbit_each(const struct rabbit *rabbit, const char *name,
                 void (*each)(const struct rabbit_message *message, void *context), void *context)
{
    const struct rabbit_queue *queue = rabbit_find_queue(rabbit, slice_text(name));
    if (queue == NULL)
        return;
    list_each (&queue->ready, link)
        each(thing_of(link, struct rabbit_message, link), context);
    list_each (&queue->unacked, link)
        each(thing_of(link, struct rabbit_message, link), context);
}

static bool find_header(const amqp_basic_properties_t *properties, const char *name,
                        struct slice *value)
{
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) == 0)
        return false;
    for (int i = 0; i < properties->headers.num_entries; i++) {
        const amqp_table_entry_t *entry = &properties->headers.entries[i];
        if (!slice_is(amqp_slice(entry->key), name) || entry->value.kind != AMQP_FIELD_KIND_UTF8)
            continue;
        *value = amqp_slice(entry->value.value.bytes);
        return true;
    }
    return false;
}

static bool find_text(const amqp_basic_properties_t *properties, const char *name,
                      struct slice *value)
{
    const struct {
        const char *name;
        amqp_flags_t flag;
        amqp_bytes_t value;
    } rows[] = {
        { "message_id", AMQP_BASIC_MESSAGE_ID_FLAG, properties->message_id },
        { "correlation_id", AMQP_BASIC_CORRELATION_ID_FLAG, properties->correlation_id },
        { "reply_to", AMQP_BASIC_REPLY_TO_FLAG, properties->reply_to },
        { "expiration", AMQP_BASIC_EXPIRATION_FLAG, properties->expiration },
        { "app_id", AMQP_BASIC_APP_ID_FLAG, properties->app_id },
        { "content_type", AMQP_BASIC_CONTENT_TYPE_FLAG, properties->content_type },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        *value = amqp_slice(rows[i].value);
        return (properties->_flags & rows[i].flag) != 0;
    }
    return find_header(properties, name, value);
}

bool rabbit_text(const struct rabbit_message *message, const char *name, char *text, size_t room)
{
    amqp_pool_t pool;
    init_amqp_pool(&pool, 4096);
    struct slice value = { 0 };
    bool found = find_text(rabbit_properties(message, &pool), name, &value) && value.len < room;
    if (found) {
        memcpy(text, value.at, value.len);
        text[value.len] = '\0';
    }
    empty_amqp_pool(&pool);
    return found;
}

struct slice rabbit_body(const struct rabbit_message *message)
{
    return bytes_slice(&message->body);
}

void rabbit_publish(struct rabbit *rabbit, const char *queue, struct slice body,
                    const char *const *headers)
{
    struct rabbit_message *message = rabbit_message_new();
    amqp_table_entry_t entries[16];
    int count = 0;
    for (; headers != NULL && headers[0] != NULL; headers += 2)
        entries[count++] = (amqp_table_entry_t){
            .key = amqp_cstring_bytes(headers[0]),
            .value = { .kind = AMQP_FIELD_KIND_UTF8,
                       .value.bytes = amqp_cstring_bytes(headers[1]) },
        };
    assert(count <= 16);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_HEADERS_FLAG,
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .headers = { .num_entries = count, .entries = entries },
    };
    uint8_t *to = bytes_reserve(&message->properties, RABBIT_FRAME_MAX);
    int len = amqp_encode_properties(AMQP_BASIC_CLASS, &properties,
                                     (amqp_bytes_t){ .len = RABBIT_FRAME_MAX, .bytes = to });
    assert(len >= 0);
    message->properties.len = (size_t)len;
    message->persistent = message->told->confirmed = true;
    snprintf(message->key, sizeof(message->key), "%s", queue);
    bytes_add(&message->body, body);
    bool refused;
    rabbit_route(rabbit, message, &refused);
    rabbit_message_free(message);
    sim_finish_turn(rabbit->node);
}
