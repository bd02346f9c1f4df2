/* Queues and messages of the simulated RabbitMQ.
 *
 * Happy path: rabbit_route stores a copy in each queue that exchange and key lead to; dispatch
 * hands the oldest to a consumer; an acknowledgement forgets it. Expiry is looked at from the
 * queue's head only, as RabbitMQ does, and what expires or is rejected goes to the dead-letter
 * exchange, without its expiration.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rabbit_state.h"
#include "seeds.h"

enum { GHOST_US = 100 * 1000 };

/* --- messages --------------------------------------------------------------------------------- */

struct rabbit_told *rabbit_told_hold(struct rabbit_told *told)
{
    told->refs++;
    return told;
}

void rabbit_told_release(struct rabbit_told *told)
{
    assert(told->refs > 0);
    if (--told->refs == 0)
        free(told);
}

struct rabbit_message *rabbit_message_new(void)
{
    struct rabbit_message *message = calloc(1, sizeof(*message));
    struct rabbit_told *told = calloc(1, sizeof(*told));
    assert(message != NULL && told != NULL);
    told->refs = 1;
    message->told = told;
    return message;
}

void rabbit_message_free(struct rabbit_message *message)
{
    if (message == NULL)
        return;
    assert(!link_joined(&message->link));
    rabbit_told_release(message->told);
    bytes_free(&message->properties);
    bytes_free(&message->body);
    free(message);
}

static struct rabbit_message *copy_message(const struct rabbit_message *from)
{
    struct rabbit_message *message = calloc(1, sizeof(*message));
    assert(message != NULL);
    *message = *from;
    message->link = (struct link){ NULL, NULL };
    message->told = rabbit_told_hold(from->told);
    message->properties = message->body = (struct bytes){ 0 };
    bytes_add(&message->properties, bytes_slice(&from->properties));
    bytes_add(&message->body, bytes_slice(&from->body));
    return message;
}

amqp_basic_properties_t *rabbit_properties(const struct rabbit_message *message, amqp_pool_t *pool)
{
    void *decoded = NULL;
    int result = amqp_decode_properties(AMQP_BASIC_CLASS, pool,
                                        amqp_from(bytes_slice(&message->properties)), &decoded);
    assert(result >= 0);
    return decoded;
}

static void encode_properties(struct rabbit_message *message, amqp_basic_properties_t *properties)
{
    struct bytes encoded = { 0 };
    uint8_t *to = bytes_reserve(&encoded, RABBIT_FRAME_MAX);
    assert(to != NULL);
    int len = amqp_encode_properties(AMQP_BASIC_CLASS, properties,
                                     (amqp_bytes_t){ .len = RABBIT_FRAME_MAX, .bytes = to });
    assert(len >= 0);
    encoded.len = (size_t)len;
    bytes_free(&message->properties);
    bytes_add(&message->properties, bytes_slice(&encoded));
    bytes_free(&encoded);
}

/* --- queues ----------------------------------------------------------------------------------- */

struct rabbit_queue *rabbit_find_queue(const struct rabbit *rabbit, struct slice name)
{
    list_each (&rabbit->queues, link) {
        struct rabbit_queue *queue = thing_of(link, struct rabbit_queue, link);
        if (slice_is(name, queue->name))
            return queue;
    }
    return NULL;
}

static void drop_messages(struct list *messages)
{
    struct link *link;
    while ((link = list_take(messages)) != NULL)
        rabbit_message_free(thing_of(link, struct rabbit_message, link));
}

void rabbit_queue_drop(struct rabbit_queue *queue)
{
    struct rabbit *rabbit = queue->rabbit;
    trace(rabbit->sim, "rabbit: queue %s is gone with %zu messages", queue->name,
          queue->ready_count + queue->unacked_count);
    rabbit_cancel_consumers(queue);
    rabbit_forget_queue(rabbit, queue);
    list_each_leaving (&rabbit->bindings, link) {
        struct rabbit_binding *binding = thing_of(link, struct rabbit_binding, link);
        if (binding->queue != queue)
            continue;
        list_leave(link);
        free(binding);
    }
    sim_unschedule(rabbit->sim, &queue->dispatch);
    sim_unschedule(rabbit->sim, &queue->expire);
    sim_unschedule(rabbit->sim, &queue->idle);
    drop_messages(&queue->ready);
    drop_messages(&queue->unacked);
    drop_messages(&queue->ghosts);
    bytes_free(&queue->arguments);
    list_leave(&queue->link);
    free(queue);
}

static void on_dispatch(struct sim_event *event)
{
    rabbit_deliver(thing_of(event, struct rabbit_queue, dispatch));
}

void rabbit_dispatch_soon(struct rabbit_queue *queue)
{
    struct rabbit *rabbit = queue->rabbit;
    if (!sim_scheduled(&queue->dispatch) && !list_empty(&queue->consumers))
        sim_schedule(rabbit->sim, &queue->dispatch,
                     sim_between(rabbit->sim, 1, rabbit->habits.deliver_most_us));
}

static void on_idle(struct sim_event *event)
{
    struct rabbit_queue *queue = thing_of(event, struct rabbit_queue, idle);
    if (list_empty(&queue->consumers))
        rabbit_queue_drop(queue);
}

void rabbit_queue_touch(struct rabbit_queue *queue)
{
    if (queue->expires_us > 0)
        sim_schedule(queue->rabbit->sim, &queue->idle, queue->expires_us);
}

static void copy_text(char *to, struct slice text)
{
    size_t len = text.len < RABBIT_NAME - 1 ? text.len : RABBIT_NAME - 1;
    memcpy(to, text.at, len);
    to[len] = '\0';
}

static uint64_t number_of(const amqp_field_value_t *value)
{
    switch (value->kind) {
    case AMQP_FIELD_KIND_I8:
        return (uint64_t)value->value.i8;
    case AMQP_FIELD_KIND_I16:
        return (uint64_t)value->value.i16;
    case AMQP_FIELD_KIND_I32:
        return (uint64_t)value->value.i32;
    case AMQP_FIELD_KIND_I64:
        return (uint64_t)value->value.i64;
    default:
        return 0;
    }
}

static void read_argument(struct rabbit_queue *queue, const amqp_table_entry_t *entry)
{
    struct slice key = amqp_slice(entry->key);
    const amqp_field_value_t *value = &entry->value;
    bool is_text = value->kind == AMQP_FIELD_KIND_UTF8;
    struct slice text = is_text ? amqp_slice(value->value.bytes) : SLICE("");
    if (slice_is(key, "x-expires")) {
        queue->expires_us = number_of(value) * 1000;
    } else if (slice_is(key, "x-message-ttl")) {
        queue->ttl_us = number_of(value) * 1000;
    } else if (slice_is(key, "x-max-length")) {
        queue->max_length = number_of(value);
    } else if (slice_is(key, "x-overflow")) {
        queue->rejects = slice_is(text, "reject-publish");
    } else if (slice_is(key, "x-dead-letter-exchange")) {
        queue->has_dead_exchange = true;
        copy_text(queue->dead_exchange, text);
    } else if (slice_is(key, "x-dead-letter-routing-key")) {
        copy_text(queue->dead_key, text);
    }
}

static void encode_arguments(struct bytes *out, const amqp_table_t *arguments)
{
    uint8_t *to = bytes_reserve(out, 4096);
    size_t offset = 0;
    int result = amqp_encode_table((amqp_bytes_t){ .len = 4096, .bytes = to },
                                   (amqp_table_t *)(uintptr_t)arguments, &offset);
    assert(result == 0);
    out->len = offset;
}

static void on_expire(struct sim_event *event);

static struct rabbit_queue *make_queue(struct rabbit *rabbit, struct slice name)
{
    struct rabbit_queue *queue = calloc(1, sizeof(*queue));
    assert(queue != NULL && name.len < RABBIT_NAME);
    queue->rabbit = rabbit;
    copy_text(queue->name, name);
    list_init(&queue->ready);
    list_init(&queue->unacked);
    list_init(&queue->consumers);
    list_init(&queue->ghosts);
    queue->dispatch = (struct sim_event){ .run = on_dispatch, .node = rabbit->node };
    queue->expire = (struct sim_event){ .run = on_expire, .node = rabbit->node };
    queue->idle = (struct sim_event){ .run = on_idle, .node = rabbit->node };
    list_append(&rabbit->queues, &queue->link);
    return queue;
}

static unsigned compare(const struct rabbit_queue *queue, const amqp_queue_declare_t *declare,
                        struct slice arguments, const char **why)
{
    if (queue->durable == (bool)declare->durable &&
        queue->auto_delete == (bool)declare->auto_delete &&
        (queue->owner != NULL) == (bool)declare->exclusive &&
        slice_equal(bytes_slice(&queue->arguments), arguments))
        return 0;
    *why = "PRECONDITION_FAILED - inequivalent arg for queue";
    return AMQP_PRECONDITION_FAILED;
}

unsigned rabbit_declare(struct rabbit *rabbit, const amqp_queue_declare_t *declare,
                        struct slice name, struct rabbit_connection *owner, const char **why)
{
    struct rabbit_queue *queue = rabbit_find_queue(rabbit, name);
    if (queue != NULL && queue->owner != NULL && queue->owner != owner) {
        *why = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue";
        return AMQP_RESOURCE_LOCKED;
    }
    if (queue == NULL && declare->passive) {
        *why = "NOT_FOUND - no queue";
        return AMQP_NOT_FOUND;
    }
    struct bytes arguments = { 0 };
    encode_arguments(&arguments, &declare->arguments);
    unsigned code = 0;
    if (queue != NULL) {
        if (!declare->passive)
            code = compare(queue, declare, bytes_slice(&arguments), why);
        bytes_free(&arguments);
    } else {
        queue = make_queue(rabbit, name);
        queue->durable = declare->durable;
        queue->auto_delete = declare->auto_delete;
        queue->owner = declare->exclusive ? owner : NULL;
        queue->arguments = arguments;
        for (int i = 0; i < declare->arguments.num_entries; i++)
            read_argument(queue, &declare->arguments.entries[i]);
        trace(rabbit->sim, "rabbit: queue %s declared", queue->name);
    }
    rabbit_queue_touch(queue);
    return code;
}

/* --- storing ---------------------------------------------------------------------------------- */

static void watch_head(struct rabbit_queue *queue)
{
    struct sim *sim = queue->rabbit->sim;
    struct link *first = list_first(&queue->ready);
    uint64_t at_us = first == NULL ? 0 : thing_of(first, struct rabbit_message, link)->expires_us;
    if (at_us == 0)
        sim_unschedule(sim, &queue->expire);
    else
        sim_schedule(sim, &queue->expire, at_us > sim_now_us(sim) ? at_us - sim_now_us(sim) : 0);
}

/* A message's expiration and the queue's own: the shorter one. */
static uint64_t expiry_of(const struct rabbit_queue *queue, const struct rabbit_message *message)
{
    amqp_pool_t pool;
    init_amqp_pool(&pool, 4096);
    const amqp_basic_properties_t *properties = rabbit_properties(message, &pool);
    uint64_t ms = 0, now_us = sim_now_us(queue->rabbit->sim);
    uint64_t at_us = queue->ttl_us > 0 ? now_us + queue->ttl_us : 0;
    if ((properties->_flags & AMQP_BASIC_EXPIRATION_FLAG) != 0 &&
        slice_number(amqp_slice(properties->expiration), &ms) == 0 &&
        (at_us == 0 || now_us + ms * 1000 < at_us))
        at_us = now_us + (ms == 0 ? 1 : ms * 1000);
    empty_amqp_pool(&pool);
    return at_us;
}

static bool store(struct rabbit_queue *queue, const struct rabbit_message *message)
{
    if (queue->max_length > 0 && queue->ready_count >= queue->max_length) {
        if (queue->rejects)
            return false;
        struct link *oldest = list_first(&queue->ready);
        list_leave(oldest);
        queue->ready_count--;
        rabbit_message_free(thing_of(oldest, struct rabbit_message, link));
    }
    struct rabbit_message *copy = copy_message(message);
    copy->expires_us = expiry_of(queue, message);
    list_append(&queue->ready, &copy->link);
    queue->ready_count++;
    watch_head(queue);
    rabbit_dispatch_soon(queue);
    return true;
}

static int route_by_bindings(struct rabbit *rabbit, struct rabbit_message *message, bool *refused)
{
    int stored = 0;
    bool exists = false;
    list_each (&rabbit->bindings, link) {
        struct rabbit_binding *binding = thing_of(link, struct rabbit_binding, link);
        if (strcmp(binding->exchange, message->exchange) != 0)
            continue;
        exists = true;
        if (binding->queue == NULL || (!binding->fanout && strcmp(binding->key, message->key) != 0))
            continue;
        if (store(binding->queue, message))
            stored++;
        else
            *refused = true;
    }
    return exists ? stored : -1;
}

int rabbit_route(struct rabbit *rabbit, struct rabbit_message *message, bool *refused)
{
    *refused = false;
    if (message->exchange[0] != '\0')
        return route_by_bindings(rabbit, message, refused);
    struct rabbit_queue *queue = rabbit_find_queue(rabbit, slice_text(message->key));
    if (queue == NULL)
        return 0;
    *refused = !store(queue, message);
    return 1;
}

/* --- leaving ---------------------------------------------------------------------------------- */

/* RabbitMQ takes the expiration away and adds where it came from. */
static void dead_letter(struct rabbit_queue *queue, struct rabbit_message *message)
{
    if (!queue->has_dead_exchange)
        return;
    amqp_pool_t pool;
    init_amqp_pool(&pool, 4096);
    amqp_basic_properties_t *properties = rabbit_properties(message, &pool);
    properties->_flags &= ~(amqp_flags_t)AMQP_BASIC_EXPIRATION_FLAG;
    properties->_flags |= AMQP_BASIC_HEADERS_FLAG;
    int count = properties->headers.num_entries;
    amqp_table_entry_t *entries = calloc((size_t)count + 1, sizeof(*entries));
    if (count > 0)
        memcpy(entries, properties->headers.entries, (size_t)count * sizeof(*entries));
    entries[count] = (amqp_table_entry_t){
        .key = amqp_cstring_bytes("x-first-death-queue"),
        .value = { .kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(queue->name) },
    };
    properties->headers = (amqp_table_t){ .num_entries = count + 1, .entries = entries };
    struct rabbit_message *letter = copy_message(message);
    encode_properties(letter, properties);
    copy_text(letter->exchange, slice_text(queue->dead_exchange));
    if (queue->dead_key[0] != '\0')
        copy_text(letter->key, slice_text(queue->dead_key));
    letter->redelivered = false;
    letter->told->confirmed = true; /* nobody waits for a confirm of this */
    bool refused;
    rabbit_route(queue->rabbit, letter, &refused);
    rabbit_message_free(letter);
    free(entries);
    empty_amqp_pool(&pool);
}

static void on_expire(struct sim_event *event)
{
    struct rabbit_queue *queue = thing_of(event, struct rabbit_queue, expire);
    uint64_t now_us = sim_now_us(queue->rabbit->sim);
    struct link *first;
    while ((first = list_first(&queue->ready)) != NULL) {
        struct rabbit_message *message = thing_of(first, struct rabbit_message, link);
        if (message->expires_us == 0 || message->expires_us > now_us)
            break;
        list_leave(first);
        queue->ready_count--;
        trace(queue->rabbit->sim, "rabbit: a message expires in %s", queue->name);
        dead_letter(queue, message);
        rabbit_message_free(message);
    }
    watch_head(queue);
}

struct rabbit_message *rabbit_take(struct rabbit_queue *queue)
{
    on_expire(&queue->expire);
    struct link *first = list_first(&queue->ready);
    if (first == NULL)
        return NULL;
    list_leave(first);
    list_append(&queue->unacked, first);
    queue->ready_count--;
    queue->unacked_count++;
    watch_head(queue);
    return thing_of(first, struct rabbit_message, link);
}

static void leave_unacked(struct rabbit_queue *queue, struct rabbit_message *message)
{
    assert(queue->unacked_count > 0);
    list_leave(&message->link);
    queue->unacked_count--;
}

void rabbit_give_back(struct rabbit_queue *queue, struct rabbit_message *message, bool requeue)
{
    leave_unacked(queue, message);
    if (!requeue) {
        dead_letter(queue, message);
        rabbit_message_free(message);
        return;
    }
    message->redelivered = true;
    list_prepend(&queue->ready, &message->link);
    queue->ready_count++;
    watch_head(queue);
    rabbit_dispatch_soon(queue);
}

void rabbit_acknowledged(struct rabbit_queue *queue, struct rabbit_message *message)
{
    uint64_t now_us = sim_now_us(queue->rabbit->sim);
    leave_unacked(queue, message);
    struct link *first;
    while ((first = list_take(&queue->ghosts)) != NULL) {
        struct rabbit_message *ghost = thing_of(first, struct rabbit_message, link);
        if (ghost->acked_us + GHOST_US > now_us) {
            list_prepend(&queue->ghosts, first);
            break;
        }
        rabbit_message_free(ghost);
    }
    message->acked_us = now_us;
    list_append(&queue->ghosts, &message->link);
}

/* --- a kill ----------------------------------------------------------------------------------- */

static bool survives(struct rabbit *rabbit, const struct rabbit_message *message)
{
    return message->persistent && (message->told->confirmed || sim_chance(rabbit->sim, 50));
}

static void move_all(struct list *from, struct list *to)
{
    struct link *link;
    while ((link = list_take(from)) != NULL)
        list_append(to, link);
}

static void put_back(struct rabbit_queue *queue, struct rabbit_message *message)
{
    list_append(&queue->ready, &message->link);
    queue->ready_count++;
}

static void recover(struct rabbit_queue *queue)
{
    struct rabbit *rabbit = queue->rabbit;
    uint64_t now_us = sim_now_us(rabbit->sim);
    struct list before, ghosts;
    struct link *link;
    list_init(&before);
    list_init(&ghosts);
    move_all(&queue->ready, &before);
    move_all(&queue->ghosts, &ghosts);
    queue->ready_count = 0;
    while ((link = list_take(&ghosts)) != NULL) {
        struct rabbit_message *ghost = thing_of(link, struct rabbit_message, link);
        bool fresh = ghost->acked_us + GHOST_US >= now_us;
        ghost->redelivered = true;
        if (fresh && sim_chance(rabbit->sim, 30) && survives(rabbit, ghost))
            put_back(queue, ghost);
        else
            rabbit_message_free(ghost);
    }
    while ((link = list_take(&before)) != NULL) {
        struct rabbit_message *message = thing_of(link, struct rabbit_message, link);
        if (survives(rabbit, message))
            put_back(queue, message);
        else
            rabbit_message_free(message);
    }
    watch_head(queue);
}

/* Every connection is dead, so nothing is unacknowledged. */
static void recover_all(struct rabbit *rabbit)
{
    struct list before;
    struct link *link;
    list_init(&before);
    move_all(&rabbit->queues, &before);
    while ((link = list_take(&before)) != NULL) {
        struct rabbit_queue *queue = thing_of(link, struct rabbit_queue, link);
        assert(queue->unacked_count == 0 && list_empty(&queue->consumers));
        list_append(&rabbit->queues, link);
        if (queue->durable)
            recover(queue);
        else
            rabbit_queue_drop(queue);
    }
}

void rabbit_kill(struct rabbit *rabbit)
{
    if (!rabbit->running)
        return;
    trace(rabbit->sim, "rabbit: killed");
    rabbit->running = rabbit->alarm = false;
    sim_continue(rabbit->node);
    sim_refuse(rabbit->node, true);
    sim_cut(rabbit->node, NULL);
    list_each_leaving (&rabbit->connections, link)
        rabbit_connection_die(thing_of(link, struct rabbit_connection, link));
    recover_all(rabbit);
    list_each (&rabbit->queues, link) {
        struct rabbit_queue *queue = thing_of(link, struct rabbit_queue, link);
        sim_unschedule(rabbit->sim, &queue->idle);
        sim_unschedule(rabbit->sim, &queue->expire);
    }
}

void rabbit_start(struct rabbit *rabbit)
{
    if (rabbit->running)
        return;
    trace(rabbit->sim, "rabbit: started");
    rabbit->running = true;
    sim_refuse(rabbit->node, false);
    list_each (&rabbit->queues, link) {
        struct rabbit_queue *queue = thing_of(link, struct rabbit_queue, link);
        rabbit_queue_touch(queue);
        watch_head(queue);
    }
}
