/* See h2.h.
 *
 * Happy path: bytes go into nghttp2, whose callbacks gather blocks and pass bodies on; what is
 * submitted is fetched from nghttp2 at the end of the turn, and bodies go from their queue to
 * the stream without a copy of nghttp2's own. Failures: nghttp2's verdict on the protocol, a
 * nuisance, or memory ends the connection.
 */
#include "http/h2.h"

#include <assert.h>
#include <stdlib.h>

#include "observe/observe.h"

enum {
    FRAME_HEAD = 9,
    CONNECTION_WINDOW = 16 << 20,   /* never the bottleneck: streams are */
    ANSWER_BLOCK_MAX = 1024 * 1024, /* what we send */
    TINY_WINDOW = 256,
    RESETS_BURST = 10000, /* of all kinds, and a second */
    RESETS_RATE = 1000,
    RAPID_MS =
        500, /* a stream that is reset after it has had its place for longer cost its peer that */
    LEAST_BLOCK_BOMB = 16, /* times the limit of a block */
};

static void count_nuisance(struct h2 *h2, enum h2_nuisance kind, uint32_t by)
{
    const char *event = nuisance_spend(h2->used, kind, by, worker_now_ms(h2->worker));
    if (event == NULL || h2->broken)
        return;
    observe_event(h2->worker, event);
    h2_break(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* --- coming in -------------------------------------------------------------------------------- */

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

void h2_join(struct h2 *h2, struct h2_stream *stream, int32_t id)
{
    assert(stream->h2 == NULL && stream->block.arena != NULL);
    stream->h2 = h2;
    stream->id = id;
    stream->began_ms = worker_now_ms(h2->worker);
    arena_init(&stream->memory, stream->block.bytes_max * 2);
    stream->memory.spares = &h2->worker->small;
    list_append(&h2->streams, &stream->link);
    h2->count++;
}

static void leave(struct h2_stream *stream, uint32_t error)
{
    struct h2 *h2 = stream->h2;
    assert(h2 != NULL && h2->count > 0);
    if (h2->heading == stream)
        h2->heading = NULL;
    list_leave(&stream->link);
    h2->count--;
    stream->h2 = NULL;
    h2->side->closed(stream, error);
}

/* We reset that stream: what its peer had sent by then is no mistake (RFC 9113 §5.1). */
static bool is_excused(const struct h2 *h2, int32_t id)
{
    for (unsigned i = 0; i < H2_EXCUSED; i++) {
        if (h2->excused[i] == id)
            return true;
    }
    return false;
}

/* A block on a stream that was passed over, or is long gone, which nghttp2 lets pass: RFC 9113
 * §5.1.1. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *own)
{
    struct h2 *h2 = own;
    if (head->type != NGHTTP2_HEADERS || h2->side->begin == NULL)
        return 0;
    if (head->stream_id > h2->highest)
        h2->highest = head->stream_id;
    else if (nghttp2_session_find_stream(session, head->stream_id) == NULL &&
             !is_excused(h2, head->stream_id))
        h2_break(h2, NGHTTP2_PROTOCOL_ERROR);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *own)
{
    struct h2 *h2 = own;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    h2->heading = stream;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    if (stream != NULL) {
        struct h2_block *block = &stream->block;
        if (block->arena == NULL)
            return 0;
        h2_block_start(block, block->arena, block->fields_max, block->bytes_max);
        return 0;
    }
    if (h2->side->begin == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    stream = h2->side->begin(h2, frame->hd.stream_id);
    if (stream == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    h2_join(h2, stream, frame->hd.stream_id);
    h2->heading = stream;
    return nghttp2_session_set_stream_user_data(session, stream->id, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *own)
{
    (void)session;
    struct h2 *h2 = own;
    struct h2_stream *stream = h2->heading;
    if (stream == NULL || stream->id != frame->hd.stream_id || stream->block.arena == NULL)
        return 0;
    h2_block_add(&stream->block, slice_of(name, name_len), slice_of(value, value_len),
                 (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
    if (stream->block.bytes / LEAST_BLOCK_BOMB < stream->block.bytes_max)
        return 0;
    observe_event(h2->worker, "h2_flood_header");
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Malformed fields make the message malformed: RFC 9113 §8.1.1. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *own)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)own;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A stream more than our settings allow. nghttp2 refuses it, or ends the connection of a peer that
 * has acknowledged them (RFC 9113 §5.1.2). */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *own)
{
    struct h2 *h2 = own;
    uint32_t most = nghttp2_session_get_local_settings(session,
                                                       NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    bool opens = frame->hd.type == NGHTTP2_HEADERS && h2->side->begin != NULL &&
                 nghttp2_session_find_stream(session, frame->hd.stream_id) == NULL;
    if (opens &&
        (error == NGHTTP2_ERR_REFUSED_STREAM || (error == NGHTTP2_ERR_PROTO && h2->count >= most)))
        observe_event(h2->worker, "streams_full");
    return 0;
}

/* Until the peer has acknowledged our settings, the window is larger than they say. */
static void widen(struct h2_stream *stream)
{
    nghttp2_session *session = stream->h2->session;
    int32_t most = (int32_t)stream->most;
    if (nghttp2_session_get_stream_effective_local_window_size(session, stream->id) < most &&
        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, stream->id, most) == 0)
        stream->window = stream->most;
}

/* Gives back to the stream's window what has come and may. */
static void settle(struct h2_stream *stream)
{
    size_t bytes = stream->held < stream->credit ? stream->held : stream->credit;
    if (bytes == 0 || stream->h2 == NULL)
        return;
    nghttp2_session *session = stream->h2->session;
    stream->held -= bytes;
    stream->credit -= bytes;
    if (stream->complete)
        return;
    if (stream->content > H2_FIRST_WINDOW && stream->most > stream->window)
        widen(stream);
    nghttp2_session_consume_stream(session, stream->id, bytes);
    worker_defer(stream->h2->worker, &stream->h2->flush);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *own)
{
    (void)flags;
    struct h2 *h2 = own;
    struct h2_stream *stream = stream_of(session, id);
    nghttp2_session_consume_connection(session, len);
    if (stream == NULL) {
        nghttp2_session_consume_stream(session, id, len);
        return 0;
    }
    stream->content += len;
    stream->held += len;
    if (stream->block.arena != NULL)
        h2->side->data(stream, slice_of(data, len));
    settle(stream);
    return 0;
}

static void on_block(struct h2 *h2, struct h2_stream *stream, bool ends)
{
    struct slice status = stream->block.status;
    bool interim = status.len > 0 && status.at[0] == '1', trailing = stream->headed;
    stream->complete |= ends;
    stream->headed |= !interim;
    if (stream->block.arena == NULL)
        return;
    if (!trailing)
        h2->side->head(stream, ends);
    if (ends && stream->block.arena != NULL)
        h2->side->end(stream, trailing);
}

/* A body that begins with few bytes is no nuisance yet: so do the empty messages of gRPC. What goes
 * through a tunnel comes in pieces as small as they are, but none of them is empty. */
static void on_data_end(struct h2 *h2, struct h2_stream *stream, const nghttp2_frame *frame)
{
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    bool first = stream != NULL && frame->hd.length > 0 && stream->content <= frame->hd.length;
    bool piece = stream != NULL && frame->hd.length > 0 && stream->both_ways;
    if (frame->hd.length < FRAME_HEAD && !ends && !first && !piece)
        count_nuisance(h2, H2_TINY_DATA, (uint32_t)(FRAME_HEAD - frame->hd.length));
    if (!ends || stream == NULL)
        return;
    stream->complete = true;
    if (stream->block.arena != NULL)
        h2->side->end(stream, false);
}

/* Not one of a call whose time was up. */
static bool is_rapid_reset(const struct h2 *h2, const struct h2_stream *stream)
{
    return stream == NULL ||
           (!stream->ended && worker_now_ms(h2->worker) - stream->began_ms < RAPID_MS);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *own)
{
    struct h2 *h2 = own;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    bool acknowledges = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (stream != NULL)
            on_block(h2, stream, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
        break;
    case NGHTTP2_DATA:
        on_data_end(h2, stream, frame);
        break;
    case NGHTTP2_RST_STREAM:
        if (is_rapid_reset(h2, stream))
            count_nuisance(h2, H2_RESETS, 1);
        break;
    case NGHTTP2_SETTINGS:
        h2->settled |= !acknowledges;
        count_nuisance(h2, H2_SETTINGS, !acknowledges);
        break;
    case NGHTTP2_PING:
        count_nuisance(h2, H2_PINGS, !acknowledges);
        break;
    case NGHTTP2_PRIORITY:
        count_nuisance(h2, H2_PRIORITIES, 1);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        count_nuisance(h2, H2_TINY_WINDOWS,
                       frame->window_update.window_size_increment < TINY_WINDOW);
        break;
    case NGHTTP2_GOAWAY:
        if (h2->side->goaway != NULL)
            h2->side->goaway(h2, frame->goaway.last_stream_id);
        break;
    default:
        break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *own)
{
    (void)own;
    struct h2_stream *stream = stream_of(session, id);
    if (stream == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    leave(stream, error);
    return 0;
}

/* --- going out -------------------------------------------------------------------------------- */

static void on_reset_sent(struct h2 *h2, struct h2_stream *stream, const nghttp2_frame *frame)
{
    h2->excused[h2->excuses++ % H2_EXCUSED] = frame->hd.stream_id;
    if (stream != NULL && stream->given_up)
        return;
    if (stream != NULL)
        stream->forced = true;
    if (frame->rst_stream.error_code != NGHTTP2_REFUSED_STREAM)
        count_nuisance(h2, H2_FORCED_RESETS, 1);
}

/* A server that has said all and does not want the rest says so (RFC 9113 §8.1). */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *own)
{
    struct h2 *h2 = own;
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS);
    bool resets = frame->hd.type == NGHTTP2_RST_STREAM;
    if (!ends && !resets)
        return 0;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (ends && stream != NULL && !stream->complete && !stream->both_ways &&
        h2->side->begin != NULL) {
        stream->given_up = true;
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
    if (resets)
        on_reset_sent(h2, stream, frame);
    return 0;
}

static void finish(struct h2 *h2)
{
    if (h2->finished)
        return;
    h2->finished = true;
    h2->side->finished(h2);
}

static void on_flush(struct task *task)
{
    struct h2 *h2 = thing_of(task, struct h2, flush);
    assert(!h2->receiving);
    while (stream_queued(h2->stream) < H2_HIGH_WATER) {
        const uint8_t *at;
        ssize_t len = nghttp2_session_mem_send(h2->session, &at);
        if (len < 0) {
            finish(h2);
            return;
        }
        if (len == 0)
            break;
        stream_write_slice(h2->stream, slice_of(at, (size_t)len));
    }
    if (!nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session))
        finish(h2);
}

void h2_grant(struct h2_stream *stream, size_t bytes)
{
    stream->credit = bytes > SIZE_MAX - stream->credit ? SIZE_MAX : stream->credit + bytes;
    settle(stream);
}

void h2_ignore(struct h2_stream *stream)
{
    stream->block.arena = NULL;
    h2_grant(stream, SIZE_MAX);
}

void h2_reset(struct h2_stream *stream, uint32_t error)
{
    struct h2 *h2 = stream->h2;
    if (h2 == NULL || stream->given_up)
        return;
    stream->given_up = true;
    if (nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id, error) != 0)
        abort();
    worker_defer(h2->worker, &h2->flush);
}

void h2_blame(struct h2_stream *stream, uint32_t error)
{
    if (stream->h2 == NULL || stream->given_up)
        return;
    h2_reset(stream, error);
    count_nuisance(stream->h2, H2_FORCED_RESETS, 1);
}

void h2_stop(struct h2_stream *stream)
{
    assert(stream->ended);
    stream->both_ways = false; /* so that it stops with the frame that ends it */
    if (stream->h2 != NULL && !stream->complete &&
        nghttp2_session_get_stream_local_close(stream->h2->session, stream->id) == 1)
        h2_reset(stream, NGHTTP2_NO_ERROR);
}

void h2_stream_free(struct h2_stream *stream)
{
    assert(stream->h2 == NULL);
    bytes_free(&stream->queue);
    arena_clear(&stream->memory);
}

/* --- the connection --------------------------------------------------------------------------- */

void h2_receive(struct h2 *h2, struct slice bytes)
{
    assert(!h2->receiving && h2->session != NULL);
    if (h2->broken || h2->finished)
        return;
    h2->receiving = true;
    ssize_t taken = nghttp2_session_mem_recv(h2->session, bytes.at, bytes.len);
    h2->receiving = false;
    assert(taken < 0 || (size_t)taken == bytes.len);
    if (taken < 0)
        h2_break(h2, taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS ||
                             taken == NGHTTP2_ERR_CALLBACK_FAILURE
                         ? NGHTTP2_ENHANCE_YOUR_CALM
                         : NGHTTP2_PROTOCOL_ERROR);
    worker_defer(h2->worker, &h2->flush);
}

void h2_room(struct h2 *h2)
{
    if (h2->session == NULL)
        return;
    worker_defer(h2->worker, &h2->flush);
}

uint32_t h2_peer_streams(const struct h2 *h2)
{
    return nghttp2_session_get_remote_settings(h2->session,
                                               NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool h2_peer_connects(const struct h2 *h2)
{
    return nghttp2_session_get_remote_settings(h2->session,
                                               NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

void h2_ping(struct h2 *h2)
{
    if (nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL) != 0)
        abort();
    worker_defer(h2->worker, &h2->flush);
}

void h2_break(struct h2 *h2, uint32_t error)
{
    if (h2->session == NULL || h2->broken)
        return;
    h2->broken = true;
    if (nghttp2_session_terminate_session(h2->session, error) != 0)
        abort();
    worker_defer(h2->worker, &h2->flush);
}

void h2_leave(struct h2 *h2, bool at_once)
{
    if (h2->session == NULL || h2->broken)
        return;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    int refused = at_once ? nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last,
                                                  NGHTTP2_NO_ERROR, NULL, 0)
                          : nghttp2_submit_shutdown_notice(h2->session);
    if (refused != 0)
        abort();
    worker_defer(h2->worker, &h2->flush);
}

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        abort();
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_send_data);
    return callbacks;
}

static void session_new(struct h2 *h2, bool server)
{
    nghttp2_session_callbacks *callbacks = callbacks_new();
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0)
        abort();
    nghttp2_option_set_no_auto_window_update(option, 1);
    /* Resets are counted here, with regard to what they cost. */
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_BURST, RESETS_RATE);
    nghttp2_option_set_no_closed_streams(option, 1); /* 200 bytes each, up to the most at once */
    nghttp2_option_set_max_send_header_block_length(option, ANSWER_BLOCK_MAX);
    int refused = server ? nghttp2_session_server_new2(&h2->session, callbacks, h2, option)
                         : nghttp2_session_client_new2(&h2->session, callbacks, h2, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (refused != 0)
        abort();
}

void h2_open(struct h2 *h2, struct worker *worker, struct stream *stream,
             const struct h2_side *side, const struct h2_terms *terms)
{
    *h2 = (struct h2){ .side = side, .worker = worker, .stream = stream, .flush.run = on_flush };
    session_new(h2, terms->server);
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_FIRST_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)terms->block_bytes },
        { terms->server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
          terms->server ? terms->streams : 0 },
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 }, /* RFC 8441; a server's to say */
    };
    size_t count = sizeof settings / sizeof *settings - !terms->server;
    if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, count) != 0 ||
        nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW) != 0)
        abort();
    list_init(&h2->streams);
    nuisance_start(h2->used, worker_now_ms(worker));
    worker_defer(worker, &h2->flush);
}

void h2_close(struct h2 *h2)
{
    assert(!h2->receiving);
    if (h2->session == NULL)
        return;
    list_leave(&h2->flush.link);
    nghttp2_session_del(h2->session);
    h2->session = NULL;
    while (!list_empty(&h2->streams))
        leave(thing_of(list_first(&h2->streams), struct h2_stream, link), NGHTTP2_CONNECT_ERROR);
    assert(h2->count == 0);
    h2_lines_free(&h2->lines);
}
