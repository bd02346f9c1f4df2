/* Replies, as replies.h says. The channel is walked up in one order: declare, qos, consume.
 * Acknowledged in one go at the end of a turn: what was on its way when the connection broke
 * comes again, and finds nobody waiting. */
#include "plugins/amqp/replies.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/amqp/lane.h"

enum { FIRST_ROOM = 64, PREFETCH = 512, EXPIRES_MS = 60000, AGAIN_MS = 1000 };

/* --- the table -------------------------------------------------------------------------------- */

/* Tokens are our own random bits, so their first ones spread over the buckets as they are. */
static struct waiter **bucket(const struct replies *replies, const uint8_t token[TOKEN_BYTES])
{
    uint64_t first;
    memcpy(&first, token, sizeof first);
    return &replies->buckets[first & (replies->room - 1)];
}

static void put(struct replies *replies, struct waiter *waiter)
{
    struct waiter **at = bucket(replies, waiter->token);
    waiter->next = *at;
    *at = waiter;
}

static void grow(struct replies *replies)
{
    size_t before = replies->room;
    struct waiter **old = replies->buckets;
    replies->room = before == 0 ? FIRST_ROOM : before * 2;
    replies->buckets = calloc(replies->room, sizeof *replies->buckets);
    if (replies->buckets == NULL) {
        fprintf(stderr, "shunt: out of memory for %zu calls that wait\n", replies->room);
        abort();
    }
    for (size_t i = 0; i < before; i++) {
        for (struct waiter *waiter = old[i], *next; waiter != NULL; waiter = next) {
            next = waiter->next;
            put(replies, waiter);
        }
    }
    free(old);
}

int replies_join(struct replies *replies, struct waiter *waiter)
{
    assert(!waiter->joined && waiter->on_reply != NULL);
    if (replies->count >= WAITERS_MAX)
        return -1;
    if (replies->count >= replies->room)
        grow(replies);
    put(replies, waiter);
    waiter->joined = true;
    replies->count++;
    return 0;
}

void replies_leave(struct replies *replies, struct waiter *waiter)
{
    if (!waiter->joined)
        return;
    struct waiter **at = bucket(replies, waiter->token);
    while (*at != waiter) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    assert(replies->count > 0);
    *at = waiter->next;
    waiter->joined = false;
    replies->count--;
}

struct waiter *replies_find(const struct replies *replies, const uint8_t token[TOKEN_BYTES])
{
    if (replies->room == 0)
        return NULL;
    struct waiter *waiter = *bucket(replies, token);
    while (waiter != NULL && memcmp(waiter->token, token, TOKEN_BYTES) != 0)
        waiter = waiter->next;
    return waiter;
}

/* --- the queue -------------------------------------------------------------------------------- */

static void set_state(struct replies *replies, enum replies_state state)
{
    if (replies->state == state)
        return;
    replies->state = state;
    replies->on_change(replies);
}

/* Durable, since RabbitMQ 4 retires what is not; not exclusive, since that locks us out while a
 * half-open connection of ours lives on; gone by itself a minute after we are. */
static void declare(struct replies *replies)
{
    amqp_table_entry_t arguments[] = {
        { .key = amqp_cstring_bytes("x-expires"),
          .value = { .kind = AMQP_FIELD_KIND_I32, .value = { .i32 = EXPIRES_MS } } },
        { .key = amqp_cstring_bytes("x-queue-type"),
          .value = { .kind = AMQP_FIELD_KIND_UTF8,
                     .value = { .bytes = amqp_cstring_bytes("classic") } } },
    };
    amqp_queue_declare_t declare = {
        .queue = amqp_from(replies->queue),
        .durable = 1,
        .arguments = { .num_entries = sizeof arguments / sizeof *arguments, .entries = arguments },
    };
    channel_send(&replies->channel, AMQP_QUEUE_DECLARE_METHOD, &declare);
}

static void on_open(struct channel *channel)
{
    declare(thing_of(channel, struct replies, channel));
}

static void on_method(struct channel *channel, const amqp_method_t *method)
{
    struct replies *replies = thing_of(channel, struct replies, channel);
    amqp_basic_qos_t qos = { .prefetch_count = PREFETCH };
    amqp_basic_consume_t consume = { .queue = amqp_from(replies->queue),
                                     .consumer_tag = amqp_empty_bytes };
    switch (method->id) {
    case AMQP_QUEUE_DECLARE_OK_METHOD:
        channel_send(channel, AMQP_BASIC_QOS_METHOD, &qos);
        break;
    case AMQP_BASIC_QOS_OK_METHOD:
        channel_send(channel, AMQP_BASIC_CONSUME_METHOD, &consume);
        break;
    case AMQP_BASIC_CONSUME_OK_METHOD:
        replies->complained = false;
        set_state(replies, REPLIES_READY);
        break;
    case AMQP_BASIC_CANCEL_METHOD: /* somebody deleted it */
        lane_log(replies->lane, LEVEL_WARNING, "the reply queue was deleted; it is declared again");
        set_state(replies, REPLIES_OPENING);
        declare(replies);
        break;
    default:
        break;
    }
}

static void on_closed(struct channel *channel, unsigned code, const char *why)
{
    struct replies *replies = thing_of(channel, struct replies, channel);
    replies->last_tag = 0;
    if (code == 0) {
        worker_timer_stop(replies->connection->worker, &replies->again);
        set_state(replies, REPLIES_OFF);
        return;
    }
    if (!replies->complained)
        lane_log(replies->lane, LEVEL_WARNING, "the broker refuses the reply queue %.*s: %u %s",
                 (int)replies->queue.len, (const char *)replies->queue.at, code, why);
    replies->complained = true;
    worker_timer(replies->connection->worker, &replies->again, AGAIN_MS);
    set_state(replies, REPLIES_REFUSED);
}

/* --- what comes ------------------------------------------------------------------------------- */

static struct waiter *waiter_of(const struct replies *replies, const struct content *content)
{
    uint8_t token[TOKEN_BYTES];
    if (token_read(content->message.correlation_id, token) < 0)
        return NULL;
    return replies_find(replies, token);
}

static bool wants(struct channel *channel, const struct content *content)
{
    const struct waiter *waiter = waiter_of(thing_of(channel, struct replies, channel), content);
    return waiter != NULL && content->size <= waiter->max_reply && content->malformed == NULL;
}

static void on_ack(struct task *task)
{
    struct replies *replies = thing_of(task, struct replies, ack);
    if (replies->last_tag == 0 || !channel_is_open(&replies->channel))
        return;
    amqp_basic_ack_t ack = { .delivery_tag = replies->last_tag, .multiple = 1 };
    channel_send(&replies->channel, AMQP_BASIC_ACK_METHOD, &ack);
    replies->last_tag = 0;
}

static void on_content(struct channel *channel, struct content *content)
{
    struct replies *replies = thing_of(channel, struct replies, channel);
    replies->last_tag = content->tag;
    worker_defer(replies->connection->worker, &replies->ack);

    struct waiter *waiter = waiter_of(replies, content);
    if (waiter == NULL) {
        lane_count(replies->lane, "replies_dropped", 1);
        return;
    }
    assert(waiter->joined);
    replies_leave(replies, waiter);
    lane_count(replies->lane, "replies", 1);
    if (content->malformed != NULL)
        waiter->on_reply(waiter, REPLY_MALFORMED, NULL, content->malformed);
    else if (content->size > waiter->max_reply)
        waiter->on_reply(waiter, REPLY_TOO_LARGE, NULL, NULL);
    else
        waiter->on_reply(waiter, REPLY_WHOLE, &content->message, NULL);
}

static const struct channel_events channel_events = {
    .content = AMQP_BASIC_DELIVER_METHOD,
    .on_open = on_open,
    .on_method = on_method,
    .wants = wants,
    .on_content = on_content,
    .on_closed = on_closed,
};

/* --- for owners ------------------------------------------------------------------------------- */

static void on_again(struct timer *timer)
{
    replies_start(thing_of(timer, struct replies, again));
}

void replies_init(struct replies *replies, struct lane *lane, struct connection *connection,
                  struct slice queue)
{
    assert(queue.len <= SHORT_MAX);
    replies->lane = lane;
    replies->connection = connection;
    replies->queue = queue;
    replies->again.on_timer = on_again;
    replies->ack.run = on_ack;
}

void replies_free(struct replies *replies)
{
    assert(replies->count == 0 && replies->channel.state == CHANNEL_CLOSED);
    worker_timer_stop(replies->connection->worker, &replies->again);
    list_leave(&replies->ack.link);
    free(replies->buckets);
}

void replies_start(struct replies *replies)
{
    if (replies->channel.state != CHANNEL_CLOSED)
        return;
    if (channel_open(&replies->channel, replies->connection, &channel_events) == 0)
        set_state(replies, REPLIES_OPENING);
    else if (connection_up(replies->connection))
        lane_log(replies->lane, LEVEL_ERROR, "no channel is left for replies");
}

void replies_abandon(struct replies *replies)
{
    if (!channel_is_open(&replies->channel))
        return;
    amqp_queue_delete_t delete = { .queue = amqp_from(replies->queue), .nowait = 1 };
    channel_send(&replies->channel, AMQP_QUEUE_DELETE_METHOD, &delete);
}
