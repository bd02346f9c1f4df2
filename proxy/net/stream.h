/* A connection: bytes in, bytes out, in order, with an end. TCP now; a layer such as TLS is
 * another driver.
 *
 * Happy path: stream_dial → on_open; on_read while reading is on; on_eof when the peer has said
 * all; stream_close → on_close. Failure at any point: on_close with the error (a negative
 * errno), and nothing after it.
 *
 * Events never run inside a call into the stream: a write that fails is told by on_close in a
 * later turn. on_close is the last event, comes exactly once, and the stream's memory goes when
 * it returns. The owner keeps the pointer until then and may be told of nothing else between
 * stream_close and on_close.
 *
 * Writing takes everything: what is small waits for the end of the loop turn, so that head, body
 * and the answers of many calls leave in one system call; what the kernel does not take is
 * copied and kept. The owner looks at stream_queued, stops feeding at its high-water mark
 * (STREAM_GATHER or more) and goes on at on_room. A stream with nothing queued holds no buffer.
 * Called on the worker's thread only.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <sys/uio.h>

#include "base/bytes.h"
#include "base/slice.h"
#include "base/timer.h"
#include "core/task.h"
#include "net/address.h"

struct stream;
struct worker;

/* So much waits for the end of the turn; what makes it more leaves at once, together with what
 * waited. */
#define STREAM_GATHER ((size_t)16 * 1024)

struct stream_events {
    void (*on_open)(struct stream *stream); /* dialled streams only */
    /* Valid during the call only. */
    void (*on_read)(struct stream *stream, struct slice bytes);
    /* The peer will send no more; we may still write. */
    void (*on_eof)(struct stream *stream);
    /* Everything queued has left. Comes only after stream_queued was not 0 at the end of a turn,
     * which it surely is when it has reached STREAM_GATHER. May be NULL. */
    void (*on_room)(struct stream *stream);
    void (*on_close)(struct stream *stream, int error); /* 0: stream_close was called */
    /* How much on_read wants at once, if it is less than usual. NULL: it never is. */
    size_t (*most)(const struct stream *stream);
};

/* What lies below: libuv's TCP, a simulated pipe, later TLS above another driver. None of these
 * calls back at once. */
struct stream_driver {
    void (*read)(struct stream *stream, bool on);
    /* Bytes taken, which may be 0; negative errno. */
    ssize_t (*write)(struct stream *stream, const struct iovec *parts, int count);
    /* write took less than it was given: stream_writable is called when it may take more. The
     * driver may take over what is queued (stream_lend), and then calls when all of that is out. */
    void (*await_room)(struct stream *stream);
    /* Half close. Nothing is written after it. */
    void (*end)(struct stream *stream);
    /* stream_closed is called in a later turn. */
    void (*close)(struct stream *stream);
    /* Reset rather than close, so that the peer sees an error and never a clean end. */
    void (*reset)(struct stream *stream);
    /* Of what was lent, how much is not yet written. NULL: that is not known before all of it
     * is. */
    size_t (*unwritten)(const struct stream *stream);
    /* See stream_is_deserted. NULL: never known. */
    bool (*deserted)(const struct stream *stream);
    /* Bytes that were written and that the peer has not taken. NULL: that is not known. */
    size_t (*untaken)(const struct stream *stream);
};

struct stream {
    const struct stream_driver *driver;
    const struct stream_events *events;
    void *owner;
    struct worker *worker;
    struct address peer;
    struct task flush;
    struct timer dialling; /* the dial's own timeout */
    struct bytes queue;    /* not yet taken by the driver */
    size_t sent;           /* of the queue */
    size_t lent;           /* bytes that the driver has taken over and not yet written */
    uint64_t written;      /* bytes in all, for stream_is_stuck: */
    uint64_t taken;        /* of these, what the peer had taken when it last looked */
    uint64_t moved_ms;     /* when that last changed, or something was there to take */
    bool idle;             /* when it last looked, nothing waited */
    unsigned takings;      /* how often the driver was given something and took it, or waits to */
    int error;             /* what went wrong, to be told by on_close */
    bool opening;          /* dialled, not yet open */
    bool ending, ended;    /* half close wanted; done */
    bool finishing;        /* and a close behind it */
    bool closing;          /* stream_close was called or an error came */
    bool waiting;          /* await_room is under way */
    bool postponed;        /* the flush let others go first, once */
};

/* Dials; NULL with *error (a negative errno) when it cannot even begin. `timeout_ms` 0: none. */
struct stream *stream_dial(struct worker *worker, const struct address *address,
                           uint64_t timeout_ms, const struct stream_events *events, void *owner,
                           int *error);
/* Reading is off until it is turned on. */
void stream_read(struct stream *stream, bool on);
/* Takes everything; see above. After stream_close it does nothing. */
void stream_write(struct stream *stream, const struct iovec *parts, int count);
void stream_write_slice(struct stream *stream, struct slice bytes);
/* Bytes written and not yet taken by the kernel. */
size_t stream_queued(const struct stream *stream);
/* The same, and those that the kernel has and the peer does not. A system call: not for every
 * turn. */
size_t stream_untaken(const struct stream *stream);
/* Whether bytes wait here and the peer has not taken any for so long. The kernel takes far more
 * than a slow peer does: what counts is the peer. To be asked now and then. */
bool stream_is_stuck(struct stream *stream, uint64_t patience_ms);
/* Half close once the queue is out. */
void stream_end(struct stream *stream);
/* Closes once the queue is out: for when the peer has said all as well. */
void stream_finish(struct stream *stream);
/* After on_eof: whether surely nobody reads at the other end any more. False when that is not
 * known. */
bool stream_is_deserted(const struct stream *stream);
/* Closes at once; what is queued is lost unless the kernel takes it now. on_close follows. Twice
 * is allowed. */
void stream_close(struct stream *stream);
void stream_reset(struct stream *stream);

/* --- for drivers and layers ------------------------------------------------------------------- */

/* An open stream. `events` and `owner` are for whoever gets it to set. */
void stream_init(struct stream *stream, struct worker *worker, const struct stream_driver *driver);
/* The same for one that is being dialled: writes are kept until stream_opened. */
void stream_init_dialled(struct stream *stream, struct worker *worker,
                         const struct stream_driver *driver);
void stream_opened(struct stream *stream);
/* Bytes for on_read, and the end for on_eof. Nothing happens when the stream is closing. */
void stream_arrived(struct stream *stream, struct slice bytes);
void stream_at_end(struct stream *stream);
/* In await_room: moves what is queued to the driver, from its first unsent byte on. */
struct bytes stream_lend(struct stream *stream, size_t *from);
void stream_writable(struct stream *stream);
/* An error below: the driver is told to close, on_close follows with the error. Twice is
 * allowed. */
void stream_fail(struct stream *stream, int error);
/* The answer to close, or an error that closed at once (0: what was said before counts): runs
 * on_close. The driver frees its memory afterwards. */
void stream_closed(struct stream *stream, int error);

#endif
