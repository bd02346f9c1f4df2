/* Letters, as post.h says.
 *
 * A delayed message waits in a queue that nobody consumes, `<queue>.delay.<ms>`: its messages
 * expire together after that time, and the broker moves each back to the subscription's queue.
 * Such a queue vanishes by itself some minutes after its last declaration, whatever is in it, so
 * it is declared again well before that, on the channel on which the message follows: in order,
 * without a wait. Failure: a declaration that the broker refuses closes that channel, and the
 * letters on it are unknown.
 */
#include "plugins/amqp/post.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/amqp/token.h"

/* 32 bits are what RabbitMQ takes for x-message-ttl and x-expires. */
#define DELAY_MAX_MS     UINT64_C(3000000000)
#define DECLARE_EVERY_MS UINT64_C(60000)
#define EXPIRES_AFTER_MS UINT64_C(600000)

/* A letter on its way. */
struct posted {
    struct ticket ticket;
    struct consumer *consumer; /* stays as long as the letter's arrival is unsettled */
    enum letter_kind kind;
    struct done *done;
};

/* The queue that it went to is not there: somebody deleted it. The next one that is posted finds
 * it again. */
static void restore_queue(const struct posted *posted)
{
    struct consumer *consumer = posted->consumer;
    if (posted->kind == LETTER_DEAD)
        consumer_restore_dead(consumer);
    else if (posted->kind == LETTER_DELAYED)
        memset(consumer->delays, 0, sizeof consumer->delays);
}

static void on_verdict(struct ticket *ticket, enum verdict verdict, const char *why)
{
    (void)why; /* logged where it happened */
    static const enum outcome outcomes[VERDICTS] = {
        [VERDICT_CONFIRMED] = OUTCOME_STORED,      [VERDICT_RETURNED] = OUTCOME_REFUSED_WHOLE,
        [VERDICT_REFUSED] = OUTCOME_REFUSED_WHOLE, /* letters go to one queue each */
        [VERDICT_UNSTORED] = OUTCOME_NOT_SENT,     /* another letter may be why: once more */
        [VERDICT_LOST] = OUTCOME_MAYBE_SENT,
    };
    struct posted *posted = thing_of(ticket, struct posted, ticket);
    struct done *done = posted->done;
    if (verdict == VERDICT_RETURNED)
        restore_queue(posted);
    free(posted);
    done->on_done(done, (int)outcomes[verdict]);
}

/* --- delay queues ----------------------------------------------------------------------------- */

uint64_t post_delay_step(uint64_t ms)
{
    static const uint64_t steps[] = { 10, 15, 20, 30, 45, 70 };
    if (ms > DELAY_MAX_MS)
        return DELAY_MAX_MS;
    for (uint64_t scale = 1;; scale *= 10)
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
            if (steps[i] * scale >= ms)
                return steps[i] * scale;
}

static amqp_table_entry_t text_argument(const char *key, struct slice text)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = { .kind = AMQP_FIELD_KIND_UTF8, .value = { .bytes = amqp_from(text) } },
    };
}

static amqp_table_entry_t number_argument(const char *key, uint64_t number)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = { .kind = AMQP_FIELD_KIND_I64, .value = { .i64 = (int64_t)number } },
    };
}

static void declare(struct consumer *consumer, struct channel *channel, struct slice name,
                    uint64_t ms)
{
    amqp_table_entry_t arguments[] = {
        text_argument("x-queue-type", consumer->quorum ? SLICE("quorum") : SLICE("classic")),
        number_argument("x-message-ttl", ms),
        number_argument("x-expires", ms + EXPIRES_AFTER_MS),
        text_argument("x-dead-letter-exchange", SLICE("")),
        text_argument("x-dead-letter-routing-key", consumer->queue),
        /* for quorum queues only: the way back is confirmed, too */
        text_argument("x-dead-letter-strategy", SLICE("at-least-once")),
        text_argument("x-overflow", SLICE("reject-publish")),
    };
    int count = sizeof arguments / sizeof *arguments;
    amqp_queue_declare_t declare = {
        .queue = amqp_from(name),
        .durable = 1,
        .nowait = 1,
        .arguments = { .num_entries = consumer->quorum ? count : count - 2, .entries = arguments },
    };
    channel_send(channel, AMQP_QUEUE_DECLARE_METHOD, &declare);
}

/* Declares the queue for that delay unless this channel did so a short while ago. */
static void ensure_delay_queue(struct consumer *consumer, struct channel *channel,
                               struct slice name, uint64_t ms)
{
    uint64_t now_ms = worker_now_ms(consumer->lane->worker);
    struct delay *known = &consumer->delays[0];
    for (size_t i = 0; i < DELAYS_KNOWN; i++) {
        struct delay *delay = &consumer->delays[i];
        if (delay->ms == ms) {
            known = delay;
            break;
        }
        if (delay->declared_ms < known->declared_ms)
            known = delay;
    }
    if (known->ms == ms && known->generation == channel->generation &&
        now_ms - known->declared_ms < DECLARE_EVERY_MS)
        return;
    *known = (struct delay){ .ms = ms, .declared_ms = now_ms, .generation = channel->generation };
    declare(consumer, channel, name, ms);
}

/* --- publishing ------------------------------------------------------------------------------- */

static int post(struct consumer *consumer, enum letter_kind kind, const struct outgoing *outgoing,
                const uint8_t token[TOKEN_BYTES], struct done *done)
{
    struct publisher *publisher =
        &consumer->lane->publishers[kind == LETTER_DELAYED ? DELAYS : LETTERS];
    struct posted *posted = calloc(1, sizeof *posted);
    if (posted == NULL)
        return -REASON_overloaded;
    posted->consumer = consumer;
    posted->kind = kind;
    posted->done = done;
    posted->ticket.on_verdict = on_verdict;
    posted->ticket.destination = destination_hash(outgoing->exchange, outgoing->routing_key);
    memcpy(posted->ticket.token, token, TOKEN_BYTES);
    int refused = publisher_publish(publisher, outgoing, &posted->ticket);
    if (refused < 0)
        free(posted);
    return refused;
}

/* A reply is known by where it goes and what it answers; a plain RPC client sees no header of
 * ours in it. */
static int send_reply(struct consumer *consumer, const struct letter *letter, struct done *done)
{
    const struct message *message = letter->message;
    struct outgoing outgoing = { .exchange = SLICE(""),
                                 .routing_key = message->reply_to,
                                 .message = message };
    uint8_t token[TOKEN_BYTES];
    token_of_reply(message->reply_to, message->correlation_id, token);
    return post(consumer, letter->kind, &outgoing, token, done);
}

static int send_to_queue(struct consumer *consumer, struct slice queue, const struct letter *letter,
                         struct done *done)
{
    uint8_t token[TOKEN_BYTES], digits[TOKEN_DIGITS];
    token_draw(consumer->lane->worker, token);
    token_write(token, digits);
    struct field extra = { .name = token_header, .value = slice_of(digits, TOKEN_DIGITS) };
    struct outgoing outgoing = {
        .exchange = SLICE(""), .routing_key = queue, .message = letter->message, .extra = &extra
    };
    return post(consumer, letter->kind, &outgoing, token, done);
}

static int send_delayed(struct consumer *consumer, const struct letter *letter, struct done *done)
{
    struct publisher *publisher = &consumer->lane->publishers[DELAYS];
    if (!publisher->ready)
        return -REASON_broker_down;
    char name[SHORT_MAX + 1];
    uint64_t ms = post_delay_step(letter->delay_ms);
    int len = snprintf(name, sizeof name, "%.*s.delay.%llu", (int)consumer->queue.len,
                       (const char *)consumer->queue.at, (unsigned long long)ms);
    assert(len > 0 && len <= SHORT_MAX);
    ensure_delay_queue(consumer, &publisher->channel, slice_text(name), ms);
    return send_to_queue(consumer, slice_text(name), letter, done);
}

int post_publish(void *subscription, const struct letter *letter, struct done *done)
{
    struct consumer *consumer = subscription;
    struct lane *lane = consumer->lane;
    int refused = lane_refusal(lane);
    if (refused < 0)
        return refused;
    if (letter->message->body.len > lane->settings->max_message)
        return -REASON_message_too_large;
    if (properties_flaw(letter->message) != NULL)
        return -REASON_fields_too_large;
    switch (letter->kind) {
    case LETTER_REPLY:
        return send_reply(consumer, letter, done);
    case LETTER_DEAD:
        return send_to_queue(consumer, consumer->dead, letter, done);
    case LETTER_DELAYED:
        return send_delayed(consumer, letter, done);
    }
    assert(false);
    return -REASON_internal;
}
