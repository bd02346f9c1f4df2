/* What every stream has, whatever carries it: the queue of what is to be written, and the order
 * of events.
 *
 * Happy path of a write: it joins the queue; at the end of the turn the driver takes the whole
 * queue in one call and the queue's memory goes. What makes the queue larger than STREAM_GATHER
 * leaves at once, the queue and the new bytes as one vector, without a copy.
 * The driver takes less: the rest is queued, the driver is asked to tell (await_room), and
 * nothing is offered to it until it does; then on_room once all is out.
 * Failure: the driver is told to close, the queue is dropped, and on_close says why in a later
 * turn. No memory for the queue is such a failure too.
 *
 * Pure: no library is used here, so that plugins link it.
 */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>

#include "core/worker.h"
#include "net/net.h"

enum { MOST_PARTS = 15 };

static void on_flush(struct task *task);
static void on_dial_timeout(struct timer *timer);

/* --- the end -------------------------------------------------------------------------------- */

/* The queue's memory goes; a block of the usual size to the next that needs one. */
static void empty_queue(struct stream *stream)
{
    struct bytes *queue = &stream->queue;
    if (queue->room == SPARE_BYTES) {
        spare_give(&stream->worker->spares, queue->at);
        queue->at = NULL;
    }
    bytes_free(queue);
    stream->sent = 0;
}

static void drop_output(struct stream *stream)
{
    empty_queue(stream);
    list_leave(&stream->flush.link);
    worker_timer_stop(stream->worker, &stream->dialling);
}

static void begin_closing(struct stream *stream, int error)
{
    assert(!stream->closing && error <= 0);
    stream->closing = true;
    stream->error = error;
    drop_output(stream);
}

void stream_fail(struct stream *stream, int error)
{
    assert(error < 0);
    if (stream->closing)
        return;
    begin_closing(stream, error);
    stream->driver->close(stream);
}

void stream_closed(struct stream *stream, int error)
{
    if (!stream->closing)
        begin_closing(stream, 0);
    if (stream->error == 0)
        stream->error = error;
    assert(!link_joined(&stream->flush.link) && stream->queue.at == NULL);
    stream->events->on_close(stream, stream->error);
}

/* --- writing -------------------------------------------------------------------------------- */

static size_t unsent(const struct stream *stream)
{
    assert(stream->sent <= stream->queue.len);
    return stream->queue.len - stream->sent;
}

size_t stream_queued(const struct stream *stream)
{
    bool known = stream->lent > 0 && stream->driver->unwritten != NULL;
    return unsent(stream) + (known ? stream->driver->unwritten(stream) : stream->lent);
}

size_t stream_untaken(const struct stream *stream)
{
    bool known = stream->driver->untaken != NULL && !stream->closing && !stream->opening;
    return stream_queued(stream) + (known ? stream->driver->untaken(stream) : 0);
}

bool stream_is_stuck(struct stream *stream, uint64_t patience_ms)
{
    stream->idle = stream_queued(stream) == 0;
    if (stream->idle) {
        stream->taken = stream->written;
        return false;
    }
    uint64_t now = worker_now_ms(stream->worker);
    size_t untaken = stream_untaken(stream);
    uint64_t taken = stream->written > untaken ? stream->written - untaken : 0;
    if (taken != stream->taken) {
        stream->taken = taken;
        stream->moved_ms = now;
    }
    return now - stream->moved_ms >= patience_ms;
}

static void count_written(struct stream *stream, size_t bytes)
{
    stream->written += bytes;
    if (!stream->idle)
        return;
    stream->idle = false;
    stream->moved_ms = worker_now_ms(stream->worker);
}

/* How much the driver took. The stream may have failed afterwards. */
static size_t offer(struct stream *stream, const struct iovec *parts, int count)
{
    assert(!stream->waiting && !stream->opening && !stream->closing && !stream->ended);
    ssize_t taken = stream->driver->write(stream, parts, count);
    if (taken >= 0) {
        stream->takings++;
        return (size_t)taken;
    }
    stream_fail(stream, (int)taken);
    return 0;
}

static void await_room(struct stream *stream)
{
    stream->waiting = true;
    stream->driver->await_room(stream);
}

static void offer_queue(struct stream *stream)
{
    struct iovec rest = { .iov_base = stream->queue.at + stream->sent, .iov_len = unsent(stream) };
    size_t taken = offer(stream, &rest, 1);
    if (stream->closing)
        return;
    assert(taken <= rest.iov_len);
    stream->sent += taken;
    if (unsent(stream) > 0) {
        await_room(stream);
        return;
    }
    empty_queue(stream);
}

/* Offers what is queued; once nothing is left, the half close that waited for that. */
static void drain(struct stream *stream)
{
    if (unsent(stream) > 0)
        offer_queue(stream);
    if (stream->closing || stream->waiting || !stream->ending || stream->ended)
        return;
    stream->ended = true;
    if (stream->finishing)
        stream_close(stream);
    else
        stream->driver->end(stream);
}

/* Other tasks of this turn may write as well: they go first, once. */
static void on_flush(struct task *task)
{
    struct stream *stream = thing_of(task, struct stream, flush);
    if (stream->closing || stream->waiting || stream->opening)
        return;
    if (!stream->postponed && !list_empty(&stream->worker->tasks)) {
        stream->postponed = true;
        worker_defer(stream->worker, task);
        return;
    }
    stream->postponed = false;
    drain(stream);
}

/* All the parts but the first `skip` bytes of them. */
static void enqueue(struct stream *stream, const struct iovec *parts, int count, size_t skip)
{
    struct bytes *queue = &stream->queue;
    if (queue->at == NULL && (queue->at = spare_take(&stream->worker->spares)) != NULL)
        queue->room = SPARE_BYTES;
    for (int i = 0; i < count; i++) {
        size_t gone = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        skip -= gone;
        bytes_add(queue,
                  slice_of((const uint8_t *)parts[i].iov_base + gone, parts[i].iov_len - gone));
    }
    assert(skip == 0);
    if (queue->full)
        stream_fail(stream, -ENOMEM);
}

/* The queue and the new parts as one vector; what is not taken is queued. */
static void write_now(struct stream *stream, const struct iovec *parts, int count)
{
    struct iovec all[MOST_PARTS + 1];
    size_t before = unsent(stream);
    int used = 0;
    if (before > 0)
        all[used++] = (struct iovec){ .iov_base = stream->queue.at + stream->sent,
                                      .iov_len = before };
    for (int i = 0; i < count; i++)
        all[used++] = parts[i];

    size_t taken = offer(stream, all, used);
    if (stream->closing)
        return;
    size_t from_queue = taken < before ? taken : before;
    stream->sent += from_queue;
    if (unsent(stream) == 0)
        empty_queue(stream);
    enqueue(stream, parts, count, taken - from_queue);
    if (!stream->closing && unsent(stream) > 0)
        await_room(stream);
}

void stream_write(struct stream *stream, const struct iovec *parts, int count)
{
    if (stream->closing)
        return;
    assert(!stream->ending && count >= 0);
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    if (total == 0)
        return;
    count_written(stream, total);

    bool held_back = stream->opening || stream->waiting;
    bool large = !held_back && unsent(stream) + total >= STREAM_GATHER;
    if (large && count <= MOST_PARTS) {
        write_now(stream, parts, count);
        return;
    }
    enqueue(stream, parts, count, 0);
    if (stream->closing || held_back)
        return;
    if (large)
        drain(stream);
    else
        worker_defer(stream->worker, &stream->flush);
}

void stream_write_slice(struct stream *stream, struct slice bytes)
{
    struct iovec part = { .iov_base = (void *)(uintptr_t)bytes.at, .iov_len = bytes.len };
    stream_write(stream, &part, 1);
}

void stream_end(struct stream *stream)
{
    if (stream->closing || stream->ending)
        return;
    stream->ending = true;
    if (!stream->waiting && !stream->opening)
        worker_defer(stream->worker, &stream->flush);
}

void stream_finish(struct stream *stream)
{
    if (stream->closing)
        return;
    stream->finishing = true;
    if (stream->ended)
        stream_close(stream);
    else
        stream_end(stream);
}

bool stream_is_deserted(const struct stream *stream)
{
    return !stream->closing && stream->driver->deserted != NULL && stream->driver->deserted(stream);
}

/* --- for owners ----------------------------------------------------------------------------- */

struct stream *stream_dial(struct worker *worker, const struct address *address,
                           uint64_t timeout_ms, const struct stream_events *events, void *owner,
                           int *error)
{
    assert(events->on_open != NULL && events->on_read != NULL && events->on_close != NULL);
    struct stream *stream = worker->net->dial(worker->net, worker, address, error);
    if (stream == NULL) {
        assert(*error < 0);
        return NULL;
    }
    stream->events = events;
    stream->owner = owner;
    stream->peer = *address;
    if (timeout_ms > 0)
        worker_timer(worker, &stream->dialling, timeout_ms);
    return stream;
}

static void on_dial_timeout(struct timer *timer)
{
    struct stream *stream = thing_of(timer, struct stream, dialling);
    assert(!stream->closing);
    stream_fail(stream, -ETIMEDOUT);
}

void stream_read(struct stream *stream, bool on)
{
    if (!stream->closing)
        stream->driver->read(stream, on);
}

void stream_close(struct stream *stream)
{
    if (stream->closing)
        return;
    if (!stream->waiting && !stream->opening && unsent(stream) > 0) {
        offer_queue(stream);
        if (stream->closing)
            return;
    }
    begin_closing(stream, 0);
    stream->driver->close(stream);
}

void stream_reset(struct stream *stream)
{
    if (stream->closing)
        return;
    begin_closing(stream, 0);
    stream->driver->reset(stream);
}

/* --- for drivers ---------------------------------------------------------------------------- */

void stream_init(struct stream *stream, struct worker *worker, const struct stream_driver *driver)
{
    *stream = (struct stream){
        .driver = driver,
        .worker = worker,
        .idle = true,
        .flush.run = on_flush,
        .dialling.on_timer = on_dial_timeout,
    };
}

void stream_init_dialled(struct stream *stream, struct worker *worker,
                         const struct stream_driver *driver)
{
    stream_init(stream, worker, driver);
    stream->opening = true;
}

/* The driver has room again: on, and the owner is told once all that waited is out. */
static void resume(struct stream *stream, bool had_waited)
{
    drain(stream);
    if (had_waited && !stream->closing && !stream->waiting && stream->events->on_room != NULL)
        stream->events->on_room(stream);
}

void stream_opened(struct stream *stream)
{
    if (stream->closing)
        return;
    assert(stream->opening);
    stream->opening = false;
    worker_timer_stop(stream->worker, &stream->dialling);

    bool had_waited = unsent(stream) > 0;
    stream->events->on_open(stream);
    if (!stream->closing && !stream->waiting)
        resume(stream, had_waited);
}

void stream_arrived(struct stream *stream, struct slice bytes)
{
    assert(!stream->opening && bytes.len > 0);
    if (!stream->closing)
        stream->events->on_read(stream, bytes);
}

void stream_at_end(struct stream *stream)
{
    assert(!stream->opening);
    if (!stream->closing)
        stream->events->on_eof(stream);
}

struct bytes stream_lend(struct stream *stream, size_t *from)
{
    assert(stream->waiting && stream->lent == 0 && unsent(stream) > 0);
    struct bytes bytes = stream->queue;
    *from = stream->sent;
    stream->lent = unsent(stream);
    stream->queue = (struct bytes){ .cap = bytes.cap };
    stream->sent = 0;
    return bytes;
}

void stream_writable(struct stream *stream)
{
    if (stream->closing)
        return;
    assert(stream->waiting);
    stream->waiting = false;
    stream->lent = 0;
    resume(stream, true);
}
