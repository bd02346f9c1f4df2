/* A stream on a libuv handle: TCP, or a Unix socket.
 *
 * Happy path of a write: uv_try_write, one system call and no request. What it leaves is lent to
 * one uv_write, which libuv finishes by itself when the kernel has room; then stream_writable.
 * Reads land in the net's one buffer. Failures: an error of a read, a write or a connect goes to
 * stream_fail, which closes; libuv's close callback, after those of all cancelled requests, is
 * the end and frees the memory.
 */
#include <assert.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "net/deserted.h"
#include "net/uv_net.h"

_Static_assert(offsetof(uv_buf_t, base) == offsetof(struct iovec, iov_base) &&
                   offsetof(uv_buf_t, len) == offsetof(struct iovec, iov_len) &&
                   sizeof(uv_buf_t) == sizeof(struct iovec),
               "libuv promises that a buffer is an iovec");

struct uv_stream {
    struct stream stream;
    struct uv_net *net;
    union {
        uv_handle_t handle;
        uv_stream_t any;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    /* One after the other: a stream is written when it is open and shut down when it is written. */
    union {
        uv_connect_t connect;
        uv_write_t write;
        uv_shutdown_t shutdown;
    };
    struct bytes lent; /* being written */
    bool at_end;       /* the peer has said all */
    bool reading;      /* wanted */
};

static const struct stream_driver driver;

static struct uv_stream *self(struct stream *stream)
{
    assert(stream->driver == &driver);
    return thing_of(stream, struct uv_stream, stream);
}

/* --- life ------------------------------------------------------------------------------------ */

struct uv_stream *uv_stream_new(struct uv_net *net, struct worker *worker, int family)
{
    struct uv_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream_init(&stream->stream, worker, &driver);
    stream->net = net;
    int error = family == AF_UNIX ? uv_pipe_init(net->loop, &stream->pipe, 0)
                                  : uv_tcp_init(net->loop, &stream->tcp);
    if (error != 0) {
        free(stream);
        return NULL;
    }
    stream->handle.data = stream;
    net->handles++;
    return stream;
}

uv_stream_t *uv_stream_handle(struct uv_stream *stream)
{
    return &stream->any;
}

struct stream *uv_stream_of(struct uv_stream *stream)
{
    return &stream->stream;
}

static void forget(struct uv_stream *stream)
{
    bytes_free(&stream->lent);
    uv_net_drop(stream->net);
    free(stream);
}

static void on_closed(uv_handle_t *handle)
{
    struct uv_stream *stream = handle->data;
    stream_closed(&stream->stream, 0);
    forget(stream);
}

static void on_discarded(uv_handle_t *handle)
{
    forget(handle->data);
}

void uv_stream_discard(struct uv_stream *stream)
{
    uv_close(&stream->handle, on_discarded);
}

static void close_stream(struct stream *stream)
{
    uv_close(&self(stream)->handle, on_closed);
}

/* By hand, since libuv refuses to reset after a half close. */
static void reset_stream(struct stream *stream)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    uv_os_fd_t descriptor;
    if (uv_fileno(&self(stream)->handle, &descriptor) == 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close_stream(stream);
}

/* --- reading --------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct uv_stream *stream = handle->data;
    const struct stream *base = &stream->stream;
    size_t most = base->events->most != NULL ? base->events->most(base) : READ_BUFFER;
    *buffer = uv_buf_init(stream->net->read_buffer,
                          most < READ_BUFFER ? (unsigned)most : READ_BUFFER);
}

/* Where a reset comes right behind bytes, libuv sees them read and the socket hung up, and calls
 * that the end. What was cut off must not be taken for whole. Negative errno, or 0. */
static int reset_behind(uv_handle_t *handle)
{
    int error = 0;
    socklen_t len = sizeof(error);
    uv_os_fd_t descriptor;
    if (uv_fileno(handle, &descriptor) == 0)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &len);
    assert(error >= 0);
    return -error;
}

/* After each call libuv looks whether reading is still wanted, so uv_read_stop stops its row of
 * reads too. */
static void on_bytes(uv_stream_t *handle, ssize_t count, const uv_buf_t *buffer)
{
    struct uv_stream *stream = handle->data;
    int reset = count == UV_EOF ? reset_behind(&stream->handle) : 0;
    if (reset != 0)
        count = reset;
    if (count > 0) {
        stream_arrived(&stream->stream, slice_of(buffer->base, (size_t)count));
    } else if (count == UV_EOF) {
        stream->at_end = true;
        stream->reading = false;
        uv_read_stop(handle);
        stream_at_end(&stream->stream);
    } else if (count < 0) {
        stream_fail(&stream->stream, (int)count);
    }
}

static void start_reading(struct uv_stream *stream)
{
    int error = uv_read_start(&stream->any, on_alloc, on_bytes);
    assert(error == 0);
}

/* While it is being dialled this is only noted: a Unix socket has no descriptor yet. */
static void read_stream(struct stream *base, bool on)
{
    struct uv_stream *stream = self(base);
    if (on == stream->reading || stream->at_end)
        return;
    stream->reading = on;
    if (base->opening)
        return;
    if (on)
        start_reading(stream);
    else
        uv_read_stop(&stream->any);
}

/* --- connecting ------------------------------------------------------------------------------ */

/* Small writes leave at once; a peer that died without a word is noticed, also behind a tunnel that
 * nobody times. */
static void set_options(uv_tcp_t *tcp)
{
    enum { KEEPALIVE_S = 60 };
    uv_tcp_nodelay(tcp, 1);
    uv_tcp_keepalive(tcp, 1, KEEPALIVE_S);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct uv_stream *stream = request->handle->data;
    if (stream->stream.closing)
        return;
    if (status < 0) {
        stream_fail(&stream->stream, status);
        return;
    }
    if (stream->reading)
        start_reading(stream);
    stream_opened(&stream->stream);
}

int uv_stream_connect(struct uv_stream *stream, const struct address *address)
{
    stream_init_dialled(&stream->stream, stream->stream.worker, &driver);
    if (address->any.sa_family == AF_UNIX) {
        uv_pipe_connect(&stream->connect, &stream->pipe, address->un.sun_path, on_connected);
        return 0;
    }
    int error = uv_tcp_connect(&stream->connect, &stream->tcp, &address->any, on_connected);
    if (error != 0)
        uv_stream_discard(stream);
    else
        set_options(&stream->tcp);
    return error;
}

void uv_stream_accepted(struct uv_stream *stream)
{
    struct address *peer = &stream->stream.peer;
    int len = sizeof(struct sockaddr_in6);
    if (stream->handle.type == UV_TCP) {
        set_options(&stream->tcp);
        if (uv_tcp_getpeername(&stream->tcp, &peer->any, &len) == 0)
            peer->len = (socklen_t)len;
    } else {
        peer->un.sun_family = AF_UNIX;
        peer->len = sizeof(sa_family_t);
    }
}

/* --- writing --------------------------------------------------------------------------------- */

static ssize_t write_stream(struct stream *stream, const struct iovec *parts, int count)
{
    int taken = uv_try_write(&self(stream)->any, (const uv_buf_t *)(const void *)parts,
                             (unsigned)count);
    return taken == UV_EAGAIN ? 0 : taken;
}

static void on_written(uv_write_t *request, int status)
{
    struct uv_stream *stream = request->handle->data;
    bytes_free(&stream->lent);
    if (status < 0)
        stream_fail(&stream->stream, status);
    else
        stream_writable(&stream->stream);
}

static void await_room(struct stream *base)
{
    struct uv_stream *stream = self(base);
    size_t from;
    assert(stream->lent.at == NULL);
    stream->lent = stream_lend(base, &from);
    uv_buf_t rest = uv_buf_init((char *)stream->lent.at + from,
                                (unsigned)(stream->lent.len - from));
    int error = uv_write(&stream->write, &stream->any, &rest, 1, on_written);
    assert(error == 0);
}

static size_t unwritten(const struct stream *base)
{
    const struct uv_stream *stream = thing_of(base, const struct uv_stream, stream);
    return uv_stream_get_write_queue_size(&stream->any);
}

static bool deserted(const struct stream *base)
{
    const struct uv_stream *stream = thing_of(base, const struct uv_stream, stream);
    uv_os_fd_t descriptor;
    return uv_fileno(&stream->handle, &descriptor) == 0 && socket_is_deserted(descriptor);
}

static size_t untaken(const struct stream *base)
{
    const struct uv_stream *stream = thing_of(base, const struct uv_stream, stream);
    uv_os_fd_t descriptor;
    int bytes = 0;
    if (uv_fileno(&stream->handle, &descriptor) != 0 || ioctl(descriptor, SIOCOUTQ, &bytes) != 0)
        return 0;
    return (size_t)bytes;
}

static void on_shut_down(uv_shutdown_t *request, int status)
{
    struct uv_stream *stream = request->handle->data;
    if (status < 0)
        stream_fail(&stream->stream, status);
}

static void end_stream(struct stream *stream)
{
    int error = uv_shutdown(&self(stream)->shutdown, &self(stream)->any, on_shut_down);
    assert(error == 0);
}

static const struct stream_driver driver = {
    .read = read_stream,
    .write = write_stream,
    .await_room = await_room,
    .unwritten = unwritten,
    .deserted = deserted,
    .untaken = untaken,
    .end = end_stream,
    .close = close_stream,
    .reset = reset_stream,
};
