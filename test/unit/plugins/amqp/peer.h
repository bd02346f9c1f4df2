/* A broker in the test's hand: it logs in, opens channels and declares by itself, and notes
 * everything else; what it says of messages is the test's to decide. One worker with one lane,
 * on a clock that the test moves.
 *
 * Calls and messages have one-letter names. What happened is one line of text, such as "q:a q:b;
 * stored a", compared by expect(). Channels of the publishing connection: 1 to queues, 2 to
 * exchanges, 3 letters, 4 delayed, 5 the pulse; of the consuming one: 1 replies, then one per
 * subscription (or those from 1 where no route awaits).
 */
#ifndef PEER_H
#define PEER_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/snapshot.h"
#include "plugins/amqp/consumer.h"
#include "plugins/amqp/lane.h"
#include "test/unit/hand_clock.h"

enum { MOST_PEERS = 16, MOST_CALLS = 16, WALL_MS = 1000000 };

struct stand;

/* The broker's end of one connection. */
struct peer {
    struct stream stream;
    struct stand *stand;
    struct bytes sent; /* by the plugin, not yet read here */
    struct frames frames;
    amqp_pool_t pool;
    bool greeted, open, closing, gone;
    amqp_basic_publish_t
        publish[CHANNELS]; /* what is coming in on a channel; its texts in the stand's arena */
    uint64_t published[CHANNELS];
};

struct call_on {
    struct call call;
    struct attempt attempt;
    char name;
};

struct stand {
    struct worker worker;
    struct snapshot snapshot;
    struct net net;
    struct host host;
    struct broker_settings settings;
    struct lane *lane;
    struct lookup *lookups[2];
    struct peer *peers[MOST_PEERS];
    unsigned peer_count;
    struct hand_clock clock;
    struct bytes trace;
    struct arena arena;
    struct call_on calls[MOST_CALLS];
    unsigned call_count;
    struct message last; /* the last message that was published, the pulse apart */
    bool silent;         /* nothing is answered: the broker stands still */
    const char *missing; /* a queue that is not there: looking for it closes the channel */
    bool flow_waits;     /* channel.flow is not answered */
    bool detached;
};

static struct stand *the_stand; /* for the host's functions, which know no context */

__attribute__((format(printf, 1, 2))) static inline void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (the_stand->trace.len > 0)
        bytes_text(&the_stand->trace, "; ");
    bytes_vprintf(&the_stand->trace, format, args);
    va_end(args);
}

#define expect(stand, expected) expect_at(stand, expected, __FILE__, __LINE__)

static inline void expect_at(struct stand *stand, const char *expected, const char *file, int line)
{
    bytes_byte(&stand->trace, '\0');
    _assert_string_equal((const char *)stand->trace.at, expected, file, line);
    stand->trace.len = 0;
}

/* --- what the broker says --------------------------------------------------------------------- */

static inline void say(struct peer *peer, uint16_t channel, amqp_method_number_t id,
                       const void *method)
{
    struct bytes out = { 0 };
    frame_put_method(&out, channel, id, method);
    stream_arrived(&peer->stream, bytes_slice(&out));
    bytes_free(&out);
}

static inline void say_content(struct peer *peer, uint16_t channel, amqp_method_number_t id,
                               const void *method, const struct message *message)
{
    struct bytes out = { 0 };
    frame_put_method(&out, channel, id, method);
    assert_int_equal(properties_put(&out, channel, message, NULL, FRAME_MAX), 0);
    if (message->body.len > 0) {
        frame_put_body_head(&out, channel, (uint32_t)message->body.len);
        bytes_add(&out, message->body);
        bytes_add(&out, slice_of(frame_end_mark, 1));
    }
    stream_arrived(&peer->stream, bytes_slice(&out));
    bytes_free(&out);
}

static inline struct peer *publishing(struct stand *stand)
{
    return thing_of(stand->lane->publishing.stream, struct peer, stream);
}

static inline struct peer *consuming(struct stand *stand)
{
    return thing_of(stand->lane->consuming.stream, struct peer, stream);
}

static inline void say_ack(struct stand *stand, uint16_t channel, uint64_t tag, bool multiple)
{
    amqp_basic_ack_t ack = { .delivery_tag = tag, .multiple = multiple };
    say(publishing(stand), channel, AMQP_BASIC_ACK_METHOD, &ack);
}

static inline void say_nack(struct stand *stand, uint16_t channel, uint64_t tag)
{
    amqp_basic_nack_t nack = { .delivery_tag = tag };
    say(publishing(stand), channel, AMQP_BASIC_NACK_METHOD, &nack);
}

/* The last published message comes back. */
static inline void say_return(struct stand *stand, uint16_t channel, const char *key)
{
    amqp_basic_return_t returned = { .reply_code = 312, .routing_key = amqp_cstring_bytes(key) };
    say_content(publishing(stand), channel, AMQP_BASIC_RETURN_METHOD, &returned, &stand->last);
}

static inline void say_deliver(struct stand *stand, uint16_t channel, uint64_t tag,
                               const struct message *message)
{
    amqp_basic_deliver_t deliver = { .consumer_tag = amqp_cstring_bytes("shunt"),
                                     .delivery_tag = tag };
    say_content(consuming(stand), channel, AMQP_BASIC_DELIVER_METHOD, &deliver, message);
}

static inline void say_channel_close(struct peer *peer, uint16_t channel, uint16_t code,
                                     const char *text)
{
    amqp_channel_close_t close = { .reply_code = code, .reply_text = amqp_cstring_bytes(text) };
    say(peer, channel, AMQP_CHANNEL_CLOSE_METHOD, &close);
}

/* For a message that the broker would not take. */
static inline void say_channel_close_publish(struct peer *peer, uint16_t channel, uint16_t code,
                                             const char *text)
{
    amqp_channel_close_t close = { .reply_code = code,
                                   .reply_text = amqp_cstring_bytes(text),
                                   .class_id = AMQP_BASIC_PUBLISH_METHOD >> 16,
                                   .method_id = AMQP_BASIC_PUBLISH_METHOD & 0xffff };
    say(peer, channel, AMQP_CHANNEL_CLOSE_METHOD, &close);
}

/* --- what the broker does by itself ----------------------------------------------------------- */

static inline void answer_declare(struct peer *peer, uint16_t channel,
                                  const amqp_queue_declare_t *declare)
{
    struct slice name = amqp_slice(declare->queue);
    if (!slice_starts(name, SLICE("shunt.reply.")))
        note("%s %.*s", declare->passive ? "look for" : "declare", (int)name.len,
             (const char *)name.at);
    if (declare->passive && peer->stand->missing != NULL && slice_is(name, peer->stand->missing)) {
        say_channel_close(peer, channel, AMQP_NOT_FOUND, "NOT_FOUND");
        return;
    }
    amqp_queue_declare_ok_t ok = { .queue = declare->queue };
    if (!declare->nowait)
        say(peer, channel, AMQP_QUEUE_DECLARE_OK_METHOD, &ok);
}

static inline void note_settlement(const amqp_method_t *method)
{
    const amqp_basic_ack_t *ack = method->decoded;
    const amqp_basic_nack_t *nack = method->decoded;
    if (method->id == AMQP_BASIC_ACK_METHOD)
        note("ack %d%s", (int)ack->delivery_tag, ack->multiple ? " and before" : "");
    else
        note("give back %d", (int)nack->delivery_tag);
}

static inline void answer(struct peer *peer, uint16_t channel, const amqp_method_t *method)
{
    amqp_connection_tune_t tune = { .channel_max = 2047, .frame_max = 131072, .heartbeat = 60 };
    amqp_basic_cancel_ok_t cancelled = { .consumer_tag = amqp_cstring_bytes("shunt") };
    amqp_basic_consume_ok_t consumed = { .consumer_tag = amqp_cstring_bytes("shunt") };
    const amqp_basic_qos_t *qos = method->decoded;
    switch (method->id) {
    case AMQP_CONNECTION_START_OK_METHOD:
        say(peer, 0, AMQP_CONNECTION_TUNE_METHOD, &tune);
        break;
    case AMQP_CONNECTION_OPEN_METHOD:
        say(peer, 0, AMQP_CONNECTION_OPEN_OK_METHOD, &(amqp_connection_open_ok_t){ 0 });
        break;
    case AMQP_CONNECTION_CLOSE_METHOD:
        note("good-bye");
        say(peer, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &(amqp_connection_close_ok_t){ 0 });
        break;
    case AMQP_CHANNEL_OPEN_METHOD:
        peer->published[channel] = 0;
        say(peer, channel, AMQP_CHANNEL_OPEN_OK_METHOD, &(amqp_channel_open_ok_t){ 0 });
        break;
    case AMQP_CHANNEL_CLOSE_METHOD:
        say(peer, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &(amqp_channel_close_ok_t){ 0 });
        break;
    case AMQP_CONFIRM_SELECT_METHOD:
        say(peer, channel, AMQP_CONFIRM_SELECT_OK_METHOD, &(amqp_confirm_select_ok_t){ 0 });
        break;
    case AMQP_QUEUE_DECLARE_METHOD:
        answer_declare(peer, channel, method->decoded);
        break;
    case AMQP_BASIC_QOS_METHOD:
        note("qos %d", qos->prefetch_count);
        say(peer, channel, AMQP_BASIC_QOS_OK_METHOD, &(amqp_basic_qos_ok_t){ 0 });
        break;
    case AMQP_BASIC_CONSUME_METHOD:
        note("consume");
        say(peer, channel, AMQP_BASIC_CONSUME_OK_METHOD, &consumed);
        break;
    case AMQP_BASIC_CANCEL_METHOD:
        note("cancel");
        say(peer, channel, AMQP_BASIC_CANCEL_OK_METHOD, &cancelled);
        break;
    case AMQP_BASIC_ACK_METHOD:
    case AMQP_BASIC_NACK_METHOD:
        note_settlement(method);
        break;
    case AMQP_CHANNEL_FLOW_METHOD:
        note("flow");
        if (!peer->stand->flow_waits)
            say(peer, channel, AMQP_CHANNEL_FLOW_OK_METHOD, &(amqp_channel_flow_ok_t){ 1 });
        break;
    case AMQP_QUEUE_DELETE_METHOD:
        note("delete the reply queue");
        break;
    default:
        break;
    }
}

static inline struct slice kept(struct stand *stand, amqp_bytes_t text)
{
    struct slice copy = arena_copy(&stand->arena, amqp_slice(text));
    assert_non_null(copy.at);
    return copy;
}

static inline void on_published(struct peer *peer, uint16_t channel)
{
    struct stand *stand = peer->stand;
    struct slice key = amqp_slice(peer->publish[channel].routing_key);
    peer->published[channel]++;
    if (!slice_starts(key, SLICE("shunt.pulse.")))
        note("%.*s:%.*s", (int)key.len, (const char *)key.at, (int)stand->last.body.len,
             (const char *)stand->last.body.at);
    else if (!stand->silent)
        say_ack(stand, channel, peer->published[channel], false);
}

static inline void on_peer_frame(struct peer *peer, const struct frame *frame)
{
    struct stand *stand = peer->stand;
    amqp_method_t method;
    const char *why;
    if (frame->type == AMQP_FRAME_METHOD) {
        method.id = number_32(frame->payload.at);
        amqp_bytes_t rest = amqp_from(slice_from(frame->payload, 4));
        assert_true(amqp_decode_method(method.id, &peer->pool, rest, &method.decoded) >= 0);
        if (method.id == AMQP_BASIC_PUBLISH_METHOD) {
            amqp_basic_publish_t *publish = &peer->publish[frame->channel];
            *publish = *(amqp_basic_publish_t *)method.decoded;
            publish->routing_key = amqp_from(kept(stand, publish->routing_key));
            publish->exchange = amqp_from(kept(stand, publish->exchange));
        } else if (!stand->silent) {
            answer(peer, frame->channel, &method);
        }
    } else if (frame->type == AMQP_FRAME_HEADER) {
        uint64_t size = number_64(frame->payload.at + 4);
        if (slice_starts(amqp_slice(peer->publish[frame->channel].routing_key),
                         SLICE("shunt.pulse."))) {
            on_published(peer, frame->channel);
            return;
        }
        struct slice raw = kept(stand, amqp_from(slice_from(frame->payload, CONTENT_HEAD)));
        stand->last = (struct message){ 0 };
        assert_int_equal(properties_read(raw, &peer->pool, &stand->arena, &stand->last, &why), 0);
        if (size == 0)
            on_published(peer, frame->channel);
    } else if (frame->type == AMQP_FRAME_BODY) {
        stand->last.body = kept(stand, amqp_from(frame->payload));
        on_published(peer, frame->channel);
    }
}

static inline void read_sent(struct peer *peer)
{
    struct bytes sent = peer->sent;
    peer->sent = (struct bytes){ 0 };
    struct slice bytes = bytes_slice(&sent);
    struct frame frame;
    if (!peer->greeted && bytes.len >= 8) {
        assert_true(slice_starts(bytes, SLICE("AMQP\0\0\x09\x01")));
        bytes = slice_from(bytes, 8);
        peer->greeted = true;
        amqp_connection_start_t start = { .version_minor = 9,
                                          .mechanisms = amqp_cstring_bytes("AMQPLAIN PLAIN") };
        if (!peer->stand->silent)
            say(peer, 0, AMQP_CONNECTION_START_METHOD, &start);
    }
    while (frames_next(&peer->frames, &bytes, &frame) == 1) {
        on_peer_frame(peer, &frame);
        recycle_amqp_pool(&peer->pool);
    }
    assert_int_equal(bytes.len, 0);
    bytes_free(&sent);
}

/* --- the network below ------------------------------------------------------------------------ */

static inline struct peer *peer_of(struct stream *stream)
{
    return thing_of(stream, struct peer, stream);
}

static inline void driver_read(struct stream *stream, bool on)
{
    (void)stream;
    (void)on;
}

static inline ssize_t driver_write(struct stream *stream, const struct iovec *parts, int count)
{
    size_t before = peer_of(stream)->sent.len;
    for (int i = 0; i < count; i++)
        bytes_add(&peer_of(stream)->sent, slice_of(parts[i].iov_base, parts[i].iov_len));
    return (ssize_t)(peer_of(stream)->sent.len - before);
}

static inline void driver_close(struct stream *stream)
{
    peer_of(stream)->closing = true;
}

static const struct stream_driver stand_driver = {
    .read = driver_read,
    .write = driver_write,
    .end = driver_close,
    .close = driver_close,
    .reset = driver_close,
};

static inline struct stream *net_dial(struct net *net, struct worker *worker,
                                      const struct address *address, int *error)
{
    struct stand *stand = thing_of(net, struct stand, net);
    (void)address;
    (void)error;
    struct peer *peer = calloc(1, sizeof *peer);
    assert_true(peer != NULL && stand->peer_count < MOST_PEERS);
    stand->peers[stand->peer_count++] = peer;
    peer->stand = stand;
    peer->frames = (struct frames){ .max = FRAME_MAX, .channels = CHANNELS - 1 };
    init_amqp_pool(&peer->pool, 4096);
    stream_init_dialled(&peer->stream, worker, &stand_driver);
    return &peer->stream;
}

static inline void net_resolve(struct net *net, struct worker *worker, struct slice host,
                               uint16_t port, struct lookup *lookup)
{
    struct stand *stand = thing_of(net, struct stand, net);
    (void)worker;
    (void)host;
    (void)port;
    stand->lookups[stand->lookups[0] == NULL ? 0 : 1] = lookup;
}

static inline void net_forget(struct net *net, struct lookup *lookup)
{
    struct stand *stand = thing_of(net, struct stand, net);
    for (int i = 0; i < 2; i++)
        if (stand->lookups[i] == lookup)
            stand->lookups[i] = NULL;
}

static inline void peer_gone(struct peer *peer, int error)
{
    if (peer->gone)
        return;
    peer->gone = true;
    stream_closed(&peer->stream, error);
    bytes_free(&peer->sent);
    bytes_free(&peer->frames.gathered);
    empty_amqp_pool(&peer->pool);
}

/* One turn of the loop: names are answered, streams open and close, the broker reads and
 * answers, tasks run. */
static inline void turn(struct stand *stand)
{
    struct address address = { .in = { .sin_family = AF_INET }, .len = sizeof(struct sockaddr_in) };
    worker_begin_turn(&stand->worker);
    for (int i = 0; i < 2; i++) {
        struct lookup *lookup = stand->lookups[i];
        stand->lookups[i] = NULL;
        if (lookup != NULL)
            lookup->on_resolved(lookup, &address, 1, NULL);
    }
    for (unsigned i = 0; i < stand->peer_count; i++) {
        struct peer *peer = stand->peers[i];
        if (peer->closing) {
            peer_gone(peer, 0);
        } else if (!peer->gone && !peer->open) {
            peer->open = true;
            stream_opened(&peer->stream);
        } else if (!peer->gone && peer->sent.len > 0) {
            read_sent(peer);
        }
    }
    worker_finish_turn(&stand->worker);
}

/* As many turns as it takes until nothing more happens at this moment. */
static inline void settle(struct stand *stand)
{
    for (int i = 0; i < 40; i++)
        turn(stand);
}

static inline void advance(struct stand *stand, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 50) {
        stand->clock.now_ms += 50;
        turn(stand);
        turn(stand);
    }
    settle(stand);
}

/* The connection breaks. */
static inline void lose(struct stand *stand, struct peer *peer)
{
    worker_begin_turn(&stand->worker);
    peer_gone(peer, -ECONNRESET);
    worker_finish_turn(&stand->worker);
}

#endif
