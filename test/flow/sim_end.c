/* A simulated connection's end: the driver below its stream, and the kernel's part of TCP as far
 * as a program sees it.
 *
 * Happy path: write splits what it takes into segments, each with a time of arrival; arrived
 * bytes wait in `received` and are read in pieces while reading is on; what was read makes room
 * for the other end's await_room.
 * Ends and failures: a FIN travels behind the bytes. Closing with unread bytes, or bytes that
 * arrive at an end that is gone, sends a reset back. A reset is noticed by reading and writing
 * only, as with libuv.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim_world.h"

enum segment_kind { SEGMENT_BYTES, SEGMENT_FIN, SEGMENT_RESET };

struct segment {
    struct link link;
    enum segment_kind kind;
    uint64_t at_us;
    size_t len;
    uint8_t bytes[];
};

static const struct stream_driver driver;

static struct sim_end *self(struct stream *stream)
{
    assert(stream->driver == &driver);
    return thing_of(stream, struct sim_end, stream);
}

/* Mostly a local network's, now and then a pause as of a lost packet. */
uint64_t sim_latency_us(struct sim *sim)
{
    return sim_chance(sim, 2) ? sim_between(sim, 1000, 60 * 1000) : sim_between(sim, 10, 400);
}

/* --- segments --------------------------------------------------------------------------------- */

static void await_arrival(struct sim_end *to)
{
    struct link *first = list_first(&to->segments);
    if (first == NULL || sim_scheduled(&to->arrive))
        return;
    const struct sim *sim = to->node->sim;
    uint64_t at_us = thing_of(first, struct segment, link)->at_us;
    sim_schedule(to->node->sim, &to->arrive, at_us > sim->now_us ? at_us - sim->now_us : 0);
}

static void send_segment(struct sim_end *to, enum segment_kind kind, struct slice bytes)
{
    struct sim *sim = to->node->sim;
    if (to->broken)
        return;
    to->broken = kind == SEGMENT_RESET;
    struct segment *segment = calloc(1, sizeof(*segment) + bytes.len);
    assert(segment != NULL);
    segment->kind = kind;
    segment->len = bytes.len;
    if (bytes.len > 0)
        memcpy(segment->bytes, bytes.at, bytes.len);
    uint64_t at_us = sim->now_us + sim_latency_us(sim);
    if (at_us < to->last_at_us)
        at_us = to->last_at_us;
    segment->at_us = to->last_at_us = at_us;
    to->outstanding += bytes.len;
    list_append(&to->segments, &segment->link);
    await_arrival(to);
}

static void drop_segments(struct sim_end *to, bool keep_some)
{
    list_each_leaving (&to->segments, link) {
        if (keep_some && sim_chance(to->node->sim, 60))
            continue;
        keep_some = false; /* what follows a lost segment is lost */
        struct segment *segment = thing_of(link, struct segment, link);
        to->outstanding -= segment->len;
        list_leave(link);
        free(segment);
    }
}

void sim_end_send_reset(struct sim_end *to, bool lose_some)
{
    if (to->broken)
        return;
    if (lose_some)
        drop_segments(to, true);
    send_segment(to, SEGMENT_RESET, slice_of(NULL, 0));
}

static bool in_hole(const struct sim_end *to)
{
    return to->node->sim->hole[to->peer_node][to->node->index];
}

static void notice(struct sim_end *end)
{
    bool something = end->read < end->received.len || (end->fin && !end->told_end) || end->reset;
    if (!end->reading || !something || end->closing || sim_scheduled(&end->readable))
        return;
    uint64_t after_us = end->node->slow ? sim_between(end->node->sim, 1000, 20 * 1000) : 0;
    sim_schedule(end->node->sim, &end->readable, after_us);
}

static void notice_room(struct sim_end *end)
{
    if (end->awaiting && !sim_scheduled(&end->writable))
        sim_schedule(end->node->sim, &end->writable, sim_between(end->node->sim, 1, 200));
}

/* Bytes for an end whose owner has closed it: the sender learns of that by a reset. */
static void arrive_at_closed(struct sim_end *end)
{
    if (end->peer != NULL)
        sim_end_send_reset(end->peer, false);
}

static void take_segment(struct sim_end *end, const struct segment *segment)
{
    switch (segment->kind) {
    case SEGMENT_BYTES:
        if (end->closing)
            arrive_at_closed(end);
        else
            bytes_add(&end->received, slice_of(segment->bytes, segment->len));
        break;
    case SEGMENT_FIN:
        end->fin = true;
        break;
    case SEGMENT_RESET:
        end->reset = true;
        notice_room(end);
        break;
    }
}

/* The kernel's doing, also while the node stands still. */
static void on_arrive(struct sim_event *event)
{
    struct sim_end *end = thing_of(event, struct sim_end, arrive);
    if (in_hole(end))
        return; /* sim_end_unblock goes on */
    struct segment *segment = thing_of(list_take(&end->segments), struct segment, link);
    take_segment(end, segment);
    free(segment);
    await_arrival(end);
    notice(end);
}

void sim_end_unblock(struct sim_end *end)
{
    struct link *first = list_first(&end->segments);
    if (first == NULL || in_hole(end) || sim_scheduled(&end->arrive))
        return;
    sim_schedule(end->node->sim, &end->arrive, sim_between(end->node->sim, 1000, 400 * 1000));
}

/* --- reading ---------------------------------------------------------------------------------- */

static size_t piece(struct sim_end *end, size_t there)
{
    struct sim *sim = end->node->sim;
    size_t most = there < SIM_READ ? there : SIM_READ;
    if (end->node->slow && most > 700)
        most = 700;
    return sim_chance(sim, 70) ? most : 1 + (size_t)sim_below(sim, most);
}

static void read_piece(struct sim_end *end)
{
    size_t len = piece(end, end->received.len - end->read);
    struct slice bytes = slice_of(end->received.at + end->read, len);
    end->read += len;
    end->outstanding -= len;
    if (end->peer != NULL)
        notice_room(end->peer);
    stream_arrived(&end->stream, bytes);
    if (end->read == end->received.len && !end->closing) {
        bytes_free(&end->received);
        end->read = 0;
    }
}

static void on_readable(struct sim_event *event)
{
    struct sim_end *end = thing_of(event, struct sim_end, readable);
    if (!end->reading || end->closing)
        return;
    if (end->read < end->received.len) {
        read_piece(end);
    } else if (end->reset) {
        stream_fail(&end->stream, -ECONNRESET);
    } else if (end->fin && !end->told_end) {
        end->told_end = true;
        stream_at_end(&end->stream);
    }
    notice(end);
}

static void read_stream(struct stream *stream, bool on)
{
    struct sim_end *end = self(stream);
    end->reading = on;
    if (!stream->opening)
        notice(end);
}

/* --- writing ---------------------------------------------------------------------------------- */

static size_t room(const struct sim_end *to)
{
    return to->outstanding < to->window ? to->window - to->outstanding : 0;
}

static void send_pieces(struct sim_end *to, struct slice bytes)
{
    struct sim *sim = to->node->sim;
    while (bytes.len > 0) {
        size_t len = sim_chance(sim, 75) ? bytes.len : 1 + (size_t)sim_below(sim, bytes.len);
        send_segment(to, SEGMENT_BYTES, slice_first(bytes, len));
        bytes = slice_from(bytes, len);
    }
}

static ssize_t write_stream(struct stream *stream, const struct iovec *parts, int count)
{
    struct sim_end *end = self(stream);
    struct sim *sim = end->node->sim;
    assert(!end->ended);
    if (end->reset)
        return sim_chance(sim, 50) ? -EPIPE : -ECONNRESET;

    size_t taken = 0;
    for (int i = 0; i < count; i++) {
        size_t most = end->peer != NULL ? room(end->peer) : SIZE_MAX;
        struct slice part = slice_first(slice_of(parts[i].iov_base, parts[i].iov_len), most);
        if (part.len > 1 && sim_chance(sim, 5))
            part.len = 1 + (size_t)sim_below(sim, part.len);
        if (end->peer != NULL)
            send_pieces(end->peer, part);
        taken += part.len;
        if (part.len < parts[i].iov_len)
            break;
    }
    if (end->peer == NULL && taken > 0)
        sim_end_send_reset(end, false); /* there is nobody any more */
    return (ssize_t)taken;
}

static void await_room(struct stream *stream)
{
    struct sim_end *end = self(stream);
    end->awaiting = true;
    if (end->reset || end->peer == NULL || room(end->peer) > 0)
        notice_room(end);
}

static void on_writable(struct sim_event *event)
{
    struct sim_end *end = thing_of(event, struct sim_end, writable);
    if (!end->awaiting || end->closing)
        return;
    if (!end->reset && end->peer != NULL && room(end->peer) == 0)
        return; /* something took the room; reading tells again */
    end->awaiting = false;
    stream_writable(&end->stream);
}

static void send_fin(struct sim_end *end)
{
    if (!end->ended && end->peer != NULL)
        send_segment(end->peer, SEGMENT_FIN, slice_of(NULL, 0));
    end->ended = true;
}

static void end_stream(struct stream *stream)
{
    send_fin(self(stream));
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_opened(struct sim_event *event)
{
    struct sim_end *end = thing_of(event, struct sim_end, opened);
    if (end->closing)
        return;
    if (end->refused)
        stream_fail(&end->stream, -ECONNREFUSED);
    else
        stream_opened(&end->stream);
    notice(end);
}

static void on_connect(struct sim_event *event)
{
    sim_net_connect(thing_of(event, struct sim_end, connect));
}

static bool bytes_are_coming(const struct sim_end *end)
{
    list_each (&end->segments, link) {
        if (thing_of(link, struct segment, link)->kind == SEGMENT_BYTES)
            return true;
    }
    return false;
}

void sim_end_drop(struct sim_end *end)
{
    struct sim *sim = end->node->sim;
    struct sim_event *events[] = { &end->arrive, &end->readable, &end->writable,
                                   &end->closed, &end->connect,  &end->opened };
    for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
        sim_unschedule(sim, events[i]);
    if (end->peer != NULL) {
        if (bytes_are_coming(end))
            sim_end_send_reset(end->peer, false);
        end->peer->peer = NULL;
        notice_room(end->peer);
    }
    drop_segments(end, false);
    bytes_free(&end->received);
    list_leave(&end->waiting);
    list_leave(&end->link);
    assert(sim->connections > 0);
    sim->connections--;
    free(end);
}

static void on_closed(struct sim_event *event)
{
    struct sim_end *end = thing_of(event, struct sim_end, closed);
    stream_closed(&end->stream, 0);
    sim_end_drop(end);
}

static void begin_closing(struct sim_end *end)
{
    assert(!end->closing);
    end->closing = true;
    sim_unschedule(end->node->sim, &end->connect);
    sim_schedule(end->node->sim, &end->closed, sim_below(end->node->sim, 50));
}

static void close_stream(struct stream *stream)
{
    struct sim_end *end = self(stream);
    bool unread = end->read < end->received.len;
    if (end->peer != NULL && unread && !end->reset)
        sim_end_send_reset(end->peer, false);
    else
        send_fin(end);
    begin_closing(end);
}

static void reset_stream(struct stream *stream)
{
    struct sim_end *end = self(stream);
    if (end->peer != NULL)
        sim_end_send_reset(end->peer, false);
    begin_closing(end);
}

static const struct stream_driver driver = {
    .read = read_stream,
    .write = write_stream,
    .await_room = await_room,
    .end = end_stream,
    .close = close_stream,
    .reset = reset_stream,
};

struct sim_end *sim_end_new(struct sim_node *node, bool dialled)
{
    static const size_t windows[] = { 1500, 16 * 1024, 64 * 1024, 256 * 1024 };
    struct sim_end *end = calloc(1, sizeof(*end));
    assert(end != NULL);
    if (dialled)
        stream_init_dialled(&end->stream, &node->worker, &driver);
    else
        stream_init(&end->stream, &node->worker, &driver);
    end->node = node;
    end->window = windows[sim_below(node->sim, sizeof(windows) / sizeof(*windows))];
    list_init(&end->segments);
    end->arrive.run = on_arrive;
    end->connect.run = on_connect;
    end->readable = (struct sim_event){ .run = on_readable, .node = node };
    end->writable = (struct sim_event){ .run = on_writable, .node = node };
    end->closed = (struct sim_event){ .run = on_closed, .node = node };
    end->opened = (struct sim_event){ .run = on_opened, .node = node };
    list_append(&node->ends, &end->link);
    node->sim->connections++;
    return end;
}

void sim_end_join(struct sim_end *a, struct sim_end *b)
{
    assert(a->peer == NULL && b->peer == NULL);
    a->peer = b;
    b->peer = a;
    a->peer_node = b->node->index;
    b->peer_node = a->node->index;
}
