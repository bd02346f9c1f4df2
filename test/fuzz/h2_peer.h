/* A peer that speaks HTTP/2 as the input says: each byte is a command, those behind it are what
 * the command asks for. Most commands make whole frames, so that the input gets past the framing;
 * others give bytes as they are. What is made is said at `deliver`, many frames in one read. */
#ifndef TEST_FUZZ_H2_PEER_H
#define TEST_FUZZ_H2_PEER_H

#include "http/h2_server.h"
#include "test/fuzz/whole_worker.h"

struct line {
    const char *name, *value;
};

struct peer {
    struct pipes *pipes;
    struct pipe *pipe; /* NULL: there is none yet */
    const uint8_t *at, *end;
    struct bytes frames;
    const struct line *lines;
    unsigned count, usual; /* the first of them make a whole message */
    unsigned asked;        /* how often a client has asked for something */
};

static inline uint8_t next_byte(struct peer *peer)
{
    return peer->at < peer->end ? *peer->at++ : 0;
}

static inline struct slice next_bytes(struct peer *peer, size_t len)
{
    size_t left = (size_t)(peer->end - peer->at);
    struct slice bytes = slice_of(peer->at, len < left ? len : left);
    peer->at += bytes.len;
    return bytes;
}

/* --- frames ----------------------------------------------------------------------------------- */

static inline uint8_t next_stream(struct peer *peer)
{
    return next_byte(peer) & 31;
}

static inline void put_frame(struct peer *peer, uint8_t type, uint8_t flags, uint8_t stream,
                             struct slice payload)
{
    const uint8_t head[] = { (uint8_t)(payload.len >> 16),
                             (uint8_t)(payload.len >> 8),
                             (uint8_t)payload.len,
                             type,
                             flags,
                             0,
                             0,
                             0,
                             stream };
    bytes_add(&peer->frames, slice_of(head, sizeof head));
    bytes_add(&peer->frames, payload);
}

/* A literal that is not indexed, RFC 7541 §6.2.2. */
static inline void put_line(struct bytes *block, struct slice name, struct slice value)
{
    assert(name.len < 127 && value.len < 127);
    bytes_byte(block, 0);
    bytes_byte(block, (uint8_t)name.len);
    bytes_add(block, name);
    bytes_byte(block, (uint8_t)value.len);
    bytes_add(block, value);
}

static inline void make_block(struct peer *peer)
{
    struct bytes block = { 0 };
    uint8_t stream = next_stream(peer), flags = next_byte(peer), lines = next_byte(peer);
    for (unsigned i = 0; (lines & 128) != 0 && i < peer->usual; i++)
        put_line(&block, slice_text(peer->lines[i].name), slice_text(peer->lines[i].value));
    for (unsigned i = 0; i < (lines & 7); i++) {
        uint8_t which = next_byte(peer);
        if (which < peer->count) {
            put_line(&block, slice_text(peer->lines[which].name),
                     slice_text(peer->lines[which].value));
            continue;
        }
        struct slice name = next_bytes(peer, which & 15);
        put_line(&block, name, next_bytes(peer, next_byte(peer) & 63));
    }
    put_frame(peer, 1, flags & 1 ? 5 : 4, stream, bytes_slice(&block));
    bytes_free(&block);
}

static inline void make_data(struct peer *peer)
{
    static const uint8_t much[16384];
    uint8_t stream = next_stream(peer), flags = next_byte(peer);
    struct slice text = next_bytes(peer, next_byte(peer) & 31);
    bool large = (flags & 64) != 0;
    put_frame(peer, 0, flags & 1, stream, large ? slice_of(much, sizeof much) : text);
}

static inline void make_reset(struct peer *peer)
{
    uint8_t stream = next_stream(peer);
    const uint8_t payload[] = { 0, 0, 0, next_byte(peer) & 15 };
    put_frame(peer, 3, 0, stream, slice_of(payload, sizeof payload));
}

static inline void make_setting(struct peer *peer)
{
    static const uint16_t values[] = { 0, 1, 2, 100, 16384, 65535 };
    uint8_t id = next_byte(peer);
    uint16_t value = values[next_byte(peer) % 6];
    const uint8_t payload[] = { 0, id & 7, 0, 0, (uint8_t)(value >> 8), (uint8_t)value };
    put_frame(peer, 4, 0, 0, slice_of(payload, id == 0 ? 0 : sizeof payload));
}

static inline void make_ping(struct peer *peer)
{
    put_frame(peer, 6, next_byte(peer) & 1, 0, SLICE("pingpong"));
}

static inline void make_window(struct peer *peer)
{
    uint8_t stream = next_stream(peer), size = next_byte(peer);
    const uint8_t payload[] = { 0, size & 1 ? 127 : 0, size, size };
    put_frame(peer, 8, 0, stream, slice_of(payload, sizeof payload));
}

static inline void make_goaway(struct peer *peer)
{
    const uint8_t payload[] = { 0, 0, 0, next_stream(peer), 0, 0, 0, next_byte(peer) & 15 };
    put_frame(peer, 7, 0, 0, slice_of(payload, sizeof payload));
}

static inline void make_any_frame(struct peer *peer)
{
    uint8_t type = next_byte(peer), flags = next_byte(peer), stream = next_stream(peer);
    put_frame(peer, type & 15, flags, stream, next_bytes(peer, next_byte(peer) & 63));
}

static inline void make_bytes(struct peer *peer)
{
    bytes_add(&peer->frames, next_bytes(peer, next_byte(peer)));
}

static inline void deliver(struct peer *peer)
{
    if (is_there(peer->pipe) && peer->pipe->reading && peer->frames.len > 0)
        say_bytes(peer->pipe, bytes_slice(&peer->frames));
    peer->frames.len = 0;
}

/* --- what else happens ------------------------------------------------------------------------ */

static inline void read_some(struct peer *peer)
{
    uint8_t room = next_byte(peer);
    if (peer->pipe != NULL && !peer->pipe->closed)
        take_more(peer->pipe, room == 255 ? SIZE_MAX : (size_t)room * 256);
}

static inline void let_time_pass(struct peer *peer)
{
    pass(peer->pipes, 1 + (uint64_t)next_byte(peer) * 50);
}

static inline void leave(struct peer *peer)
{
    if (is_there(peer->pipe))
        hang_up(peer->pipe);
}

/* What may wait for a client that does not read: its window, and the read that went over it. */
static inline void check_memory(const struct pipes *pipes)
{
    list_each (&pipes->worker.servers, link) {
        const struct server *server = thing_of(link, struct server, link);
        list_each (&server->h2, each) {
            struct h2_connection *connection = h2_connection_of(each);
            assert(connection->services <= 200);
            list_each (&connection->h2.streams, one) {
                const struct h2_stream *stream = thing_of(one, struct h2_stream, link);
                assert(h2_queued(stream) <= 384 * 1024);
                assert(stream->queue.len <= 800 * 1024);
            }
        }
    }
}

/* Follows the input; each command is one of `commands`, and can make many calls dial again. */
static inline void follow(struct peer *peer, void (*const commands[])(struct peer *),
                          unsigned count)
{
    while (peer->at < peer->end && peer->pipes->count < MOST_PIPES / 2) {
        commands[next_byte(peer) % count](peer);
        check_memory(peer->pipes);
        for (unsigned i = 0; i < peer->pipes->count; i++)
            peer->pipes->made[i]->said.len = 0;
    }
    deliver(peer);
    bytes_free(&peer->frames);
    end_all(peer->pipes);
}

#endif
