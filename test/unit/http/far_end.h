/* The other end of an HTTP/2 connection, in the test's hand: nghttp2's own session on a pipe
 * (pipes.h), as a client or as a server, whose events become a transcript:
 *
 *   head 1 :status=200 a=b end | data 1 hello end | reset 1 8 | goaway 1 0 | ping | ack
 *
 * A field that is never to be indexed is "name!=value", in what is sent as well. Fields that say
 * nothing to a test (date, via, traceparent, shunt-message-id) are left out. */
#ifndef TEST_FAR_END_H
#define TEST_FAR_END_H

#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "pipes.h"

struct far_end {
    struct pipe *pipe;
    nghttp2_session *session;
    struct bytes transcript, line;
    size_t data; /* bytes of bodies so far */
    struct slice sending;
    bool more; /* behind what is being sent */
};

static inline void far_line(struct far_end *end, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void far_line(struct far_end *end, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (end->transcript.len > 0)
        bytes_add(&end->transcript, SLICE(" | "));
    bytes_add(&end->transcript, slice_text(text));
    bytes_add(&end->transcript, bytes_slice(&end->line));
    end->line.len = 0;
}

static int far_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                      size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                      void *own)
{
    static const char *const dull[] = { "date", "via", "traceparent", "shunt-message-id" };
    struct far_end *end = own;
    (void)session;
    (void)frame;
    for (size_t i = 0; i < sizeof dull / sizeof *dull; i++) {
        if (slice_is(slice_of(name, name_len), dull[i]))
            return 0;
    }
    bytes_byte(&end->line, ' ');
    bytes_add(&end->line, slice_of(name, name_len));
    if ((flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0)
        bytes_byte(&end->line, '!');
    bytes_byte(&end->line, '=');
    bytes_add(&end->line, slice_of(value, value_len));
    return 0;
}

static int far_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                    size_t len, void *own)
{
    struct far_end *end = own;
    (void)session;
    (void)flags;
    (void)id;
    end->data += len;
    bytes_byte(&end->line, ' ');
    bytes_add(&end->line, len <= 20 ? slice_of(data, len) : SLICE("..."));
    return 0;
}

static int far_frame(nghttp2_session *session, const nghttp2_frame *frame, void *own)
{
    struct far_end *end = own;
    int32_t id = frame->hd.stream_id;
    (void)session;
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        bytes_add(&end->line, SLICE(" end"));
    if (frame->hd.type == NGHTTP2_HEADERS)
        far_line(end, "head %d", id);
    else if (frame->hd.type == NGHTTP2_DATA)
        far_line(end, "data %d", id);
    else if (frame->hd.type == NGHTTP2_RST_STREAM)
        far_line(end, "reset %d %u", id, frame->rst_stream.error_code);
    else if (frame->hd.type == NGHTTP2_GOAWAY)
        far_line(end, "goaway %d %u", frame->goaway.last_stream_id, frame->goaway.error_code);
    else if (frame->hd.type == NGHTTP2_PING)
        far_line(end, frame->hd.flags & NGHTTP2_FLAG_ACK ? "ack" : "ping");
    return 0;
}

/* Both sides say all that they have to say. */
static inline void far_pump(struct far_end *end)
{
    bool went = true;
    while (went) {
        const uint8_t *at;
        ssize_t len = nghttp2_session_mem_send(end->session, &at);
        went = len > 0;
        if (went && end->pipe->reading && !end->pipe->closing)
            say_bytes(end->pipe, slice_of(at, (size_t)len));
        struct bytes said = end->pipe->said;
        end->pipe->said = (struct bytes){ 0 };
        if (said.len > 0) {
            went = true;
            len = nghttp2_session_mem_recv(end->session, said.at, said.len);
            assert(len == (ssize_t)said.len || len < 0);
        }
        bytes_free(&said);
    }
}

/* What happened since the last time; valid until the next call. */
static inline const char *told(struct far_end *end)
{
    far_pump(end);
    bytes_byte(&end->transcript, '\0');
    end->transcript.len = 0;
    return (const char *)end->transcript.at;
}

/* `greedy`: opens windows again as it reads. `streams`: the most that it takes, for a server, which
 * takes extended CONNECTs too. */
static inline struct far_end *far_new(struct pipe *pipe, bool server, bool greedy, uint32_t streams)
{
    struct far_end *end = calloc(1, sizeof *end);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    int bad = nghttp2_session_callbacks_new(&callbacks) | nghttp2_option_new(&option);
    assert(end != NULL && bad == 0);
    end->pipe = pipe;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, far_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, far_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, far_frame);
    nghttp2_option_set_no_auto_window_update(option, !greedy);
    bad = server ? nghttp2_session_server_new2(&end->session, callbacks, end, option)
                 : nghttp2_session_client_new2(&end->session, callbacks, end, option);
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams },
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 },
    };
    bad |= nghttp2_submit_settings(end->session, 0, settings, server ? 2 : 0);
    assert(bad == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    far_pump(end);
    return end;
}

static inline void far_free(struct far_end *end)
{
    nghttp2_session_del(end->session);
    bytes_free(&end->transcript);
    bytes_free(&end->line);
    free(end);
}

/* A block of "name=value" words, on a stream, or with -1 a new one: its number. */
static inline int32_t far_head(struct far_end *end, int32_t id, const char *words, bool ends)
{
    nghttp2_nv lines[32];
    size_t count = 0;
    struct slice rest = slice_text(words);
    while (rest.len > 0) {
        struct slice word = slice_first(rest, slice_find(rest, ' '));
        rest = slice_from(rest, word.len < rest.len ? word.len + 1 : word.len);
        size_t mark = slice_find(word, '=');
        bool secret = mark > 0 && word.at[mark - 1] == '!';
        lines[count++] = (nghttp2_nv){
            .name = (uint8_t *)(uintptr_t)word.at,
            .namelen = mark - secret,
            .value = (uint8_t *)(uintptr_t)word.at + mark + 1,
            .valuelen = word.len - mark - 1,
            .flags = secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
        };
        assert(count < 32 && mark < word.len);
    }
    int32_t made = nghttp2_submit_headers(end->session, ends ? NGHTTP2_FLAG_END_STREAM : 0, id,
                                          NULL, lines, count, NULL);
    assert(made >= 0);
    return made;
}

static ssize_t far_more(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t len,
                        uint32_t *flags, nghttp2_data_source *source, void *own)
{
    struct far_end *end = own;
    (void)session;
    (void)id;
    (void)source;
    size_t now = end->sending.len < len ? end->sending.len : len;
    memcpy(buffer, end->sending.at, now);
    end->sending = slice_from(end->sending, now);
    if (end->sending.len == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF | (end->more ? NGHTTP2_DATA_FLAG_NO_END_STREAM : 0);
    return (ssize_t)now;
}

/* Body bytes; more may follow. They are all out when this returns, or wait for windows. */
static inline void far_body(struct far_end *end, int32_t id, struct slice bytes, bool ends)
{
    const nghttp2_data_provider provider = { .read_callback = far_more };
    end->sending = bytes;
    end->more = !ends;
    int bad = nghttp2_submit_data(end->session, NGHTTP2_FLAG_END_STREAM, id, &provider);
    assert(bad == 0);
    far_pump(end);
}

static inline void far_reset(struct far_end *end, int32_t id, uint32_t error)
{
    int bad = nghttp2_submit_rst_stream(end->session, 0, id, error);
    assert(bad == 0);
    far_pump(end);
}

/* A frame as it is, whatever nghttp2 would say to it. */
static inline void far_raw(struct far_end *end, uint8_t type, uint8_t flags, int32_t id,
                           struct slice payload)
{
    struct bytes frame = { 0 };
    const uint8_t head[] = { (uint8_t)(payload.len >> 16),
                             (uint8_t)(payload.len >> 8),
                             (uint8_t)payload.len,
                             type,
                             flags,
                             0,
                             0,
                             0,
                             (uint8_t)id };
    bytes_add(&frame, slice_of(head, sizeof head));
    bytes_add(&frame, payload);
    if (end->pipe->reading && !end->pipe->closing)
        say_bytes(end->pipe, bytes_slice(&frame));
    bytes_free(&frame);
}

#endif
