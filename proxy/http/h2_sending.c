/* The way out of an HTTP/2 connection: blocks, and bodies, which wait in their streams until the
 * peer's window takes them.
 *
 * Happy path: a block goes to nghttp2 at once; bytes are added to the stream's queue, which
 * nghttp2 asks for as windows open, and are written from there without a copy of nghttp2's own.
 * Failures: what memory or nghttp2 refuses resets the stream.
 */
#include <assert.h>

#include "http/h2.h"

enum {
    FRAME_HEAD = 9,
    KEPT_QUEUE = 16 * 1024,
};

static void queue_compact(struct h2_stream *stream)
{
    struct bytes *queue = &stream->queue;
    if (stream->taken < queue->len)
        return;
    if (queue->room > KEPT_QUEUE)
        bytes_free(queue);
    queue->len = stream->taken = 0;
}

size_t h2_queued(const struct h2_stream *stream)
{
    assert(stream->taken <= stream->queue.len);
    return stream->queue.len - stream->taken;
}

/* nghttp2 asks how much of a body there is. */
static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t len,
                       uint32_t *flags, nghttp2_data_source *source, void *own)
{
    (void)buffer;
    struct h2 *h2 = own;
    struct h2_stream *stream = source->ptr;
    size_t queued = h2_queued(stream), now = queued < len ? queued : len;
    if (now == 0 && !stream->ended) {
        stream->asleep = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (now < queued || !stream->ended)
        return (ssize_t)now;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers.count > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        h2_lines_trailers(&h2->lines, &stream->trailers);
        if (nghttp2_submit_trailer(session, id, h2->lines.at, h2->lines.count) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)now;
}

/* And wants it written behind the frame's head. Nothing is padded. */
int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                 nghttp2_data_source *source, void *own)
{
    (void)session;
    struct h2 *h2 = own;
    struct h2_stream *stream = source->ptr;
    assert(frame->data.padlen == 0 && len <= h2_queued(stream));
    const struct iovec parts[] = {
        { .iov_base = (void *)(uintptr_t)head, .iov_len = FRAME_HEAD },
        { .iov_base = len > 0 ? stream->queue.at + stream->taken : NULL, .iov_len = len },
    };
    stream_write(h2->stream, parts, len > 0 ? 2 : 1);
    stream->taken += len;
    queue_compact(stream);
    nuisance_answered(h2->used);
    if (len > 0)
        h2->side->sent(stream, len);
    return 0;
}

static void wake(struct h2_stream *stream)
{
    struct h2 *h2 = stream->h2;
    if (h2 == NULL)
        return;
    if (stream->asleep) {
        stream->asleep = false;
        int gone = nghttp2_session_resume_data(h2->session, stream->id);
        (void)gone; /* it was reset in this turn */
    }
    worker_defer(h2->worker, &h2->flush);
}

void h2_write(struct h2_stream *stream, struct slice bytes)
{
    assert(!stream->ended);
    if (stream->h2 == NULL || bytes.len == 0)
        return;
    if (stream->taken > KEPT_QUEUE && stream->taken > h2_queued(stream)) {
        memmove(stream->queue.at, stream->queue.at + stream->taken, h2_queued(stream));
        stream->queue.len -= stream->taken;
        stream->taken = 0;
    }
    bytes_add(&stream->queue, bytes);
    if (stream->queue.full)
        h2_reset(stream, NGHTTP2_INTERNAL_ERROR);
    wake(stream);
}

void h2_end(struct h2_stream *stream, const struct fields *trailers)
{
    assert(!stream->ended);
    stream->ended = true;
    for (uint32_t i = 0; stream->h2 != NULL && trailers != NULL && i < trailers->count; i++) {
        const struct field *field = &trailers->at[i];
        if (fields_add_copy(&stream->trailers, &stream->memory, field->name, field->value) != 0) {
            h2_reset(stream, NGHTTP2_INTERNAL_ERROR);
            break;
        }
        stream->trailers.at[stream->trailers.count - 1].secret = field->secret;
    }
    wake(stream);
}

static nghttp2_data_provider provider_of(struct h2_stream *stream)
{
    return (nghttp2_data_provider){ .source.ptr = stream, .read_callback = on_body };
}

void h2_interim(struct h2_stream *stream)
{
    struct h2 *h2 = stream->h2;
    if (h2 == NULL)
        return;
    assert(!stream->opened);
    if (nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, h2->lines.at,
                               h2->lines.count, NULL) != 0)
        h2_reset(stream, NGHTTP2_INTERNAL_ERROR);
    worker_defer(h2->worker, &h2->flush);
}

void h2_answer(struct h2_stream *stream, bool ends)
{
    struct h2 *h2 = stream->h2;
    assert(!stream->opened);
    stream->opened = true;
    stream->ended = ends;
    if (h2 == NULL)
        return;
    nghttp2_data_provider provider = provider_of(stream);
    if (nghttp2_submit_response(h2->session, stream->id, h2->lines.at, h2->lines.count,
                                ends ? NULL : &provider) != 0)
        h2_reset(stream, NGHTTP2_INTERNAL_ERROR);
    worker_defer(h2->worker, &h2->flush);
}

int h2_ask(struct h2 *h2, struct h2_stream *stream, bool ends)
{
    nghttp2_data_provider provider = provider_of(stream);
    int32_t id = nghttp2_submit_request(h2->session, NULL, h2->lines.at, h2->lines.count,
                                        ends ? NULL : &provider, stream);
    if (id < 0)
        return -1;
    h2_join(h2, stream, id);
    stream->opened = true;
    stream->ended = ends;
    worker_defer(h2->worker, &h2->flush);
    return 0;
}
