/* A connection that speaks HTTP/2 (RFC 9113), on either side: nghttp2's session on a stream of
 * ours.
 *
 *   bytes ─▶ h2_receive ─▶ begin, head, data, end, closed (side)
 *   h2_answer h2_ask h2_write h2_end h2_reset ─▶ frames, written at the end of the turn ─▶ sent (side)
 *
 * What is the same for server and client lives here: settings, flow control, the way out of
 * bodies, and what a peer may do too often. Flow control is from end to end: a peer may send as
 * much of a body as h2_grant has allowed, and one window more, which is H2_FIRST_WINDOW at first
 * and grows with a body that flows, up to `most`; what is to be sent waits in its stream until the
 * peer's window takes it. The connection's own window is held open, so that one slow stream never
 * stops the others: what all of them hold is bounded by the sum of their windows, whose owners draw
 * them from one budget (core/budget.h).
 * Failures: a connection that breaks the protocol, or is a nuisance, says GOAWAY and ends by
 * `finished`; what is wrong with one stream resets that stream, told by `closed`.
 * Events never run inside a call into this module but h2_receive. On the worker's thread only.
 */
#ifndef HTTP_H2_H
#define HTTP_H2_H

#include "core/worker.h"
#include "http/h2_block.h"
#include "http/h2_nuisance.h"
#include "net/stream.h"

struct h2;
struct h2_stream;

/* So much of what is to be sent waits in the connection; the rest waits in its streams. */
#define H2_HIGH_WATER ((size_t)64 * 1024)
/* What a peer may send on a stream that nobody has granted anything. */
#define H2_FIRST_WINDOW ((size_t)32 * 1024)
/* So many streams that we reset are remembered: their trailers may be on their way. */
#define H2_EXCUSED 64

/* Who uses the connection. */
struct h2_side {
    /* A block begins on a stream that is not known: the stream, its block started; NULL: it
     * cannot be had. Servers only. */
    struct h2_stream *(*begin)(struct h2 *h2, int32_t id);
    /* A block is whole; `ends`: nothing follows it. */
    void (*head)(struct h2_stream *stream, bool ends);
    /* Valid during the call only. */
    void (*data)(struct h2_stream *stream, struct slice bytes);
    /* All is there; `trailing`: the block that came last is trailers. */
    void (*end)(struct h2_stream *stream, bool trailing);
    /* So many bytes of a body have left. */
    void (*sent)(struct h2_stream *stream, size_t bytes);
    /* The last event of a stream, which has no connection any more. NGHTTP2_NO_ERROR: both sides
     * had said all. */
    void (*closed)(struct h2_stream *stream, uint32_t error);
    /* The connection has nothing more to say: a GOAWAY is out or on its way. */
    void (*finished)(struct h2 *h2);
    /* The peer takes no streams behind `last`. Clients only. */
    void (*goaway)(struct h2 *h2, int32_t last);
};

/* One exchange on a connection. Embedded in what its side keeps of it; all 0 at first. */
struct h2_stream {
    struct link link; /* in h2->streams */
    struct h2 *h2;    /* NULL once closed */
    int32_t id;
    struct h2_block block; /* what arrives; without an arena nobody listens any more */
    uint64_t began_ms;
    bool headed;   /* the last block was no interim answer: the next one is trailers */
    bool complete; /* the peer has said all */
    /* coming in */
    uint64_t content; /* body bytes so far */
    size_t held;      /* of these, not yet given back to the window */
    size_t credit;    /* granted, and not yet come */
    size_t most;      /* the window that it may have; H2_FIRST_WINDOW in any case */
    size_t window;    /* that it was given beyond that */
    /* going out */
    struct bytes queue;
    size_t taken;   /* of the queue */
    bool opened;    /* its block has gone to nghttp2 */
    bool both_ways; /* a tunnel: one side may go on when the other has said all */
    bool ended;     /* h2_end, or a block that says all */
    bool asleep;    /* nghttp2 waits for more of its body */
    bool given_up;  /* h2_reset */
    bool forced;    /* reset by us for what the peer sent: its message is malformed */
    struct arena memory;
    struct fields trailers;
};

struct h2 {
    const struct h2_side *side;
    struct worker *worker;
    struct stream *stream;
    nghttp2_session *session;
    struct task flush;
    struct h2_lines lines;     /* for what is being said */
    struct list streams;       /* of struct h2_stream */
    unsigned count;            /* of them */
    struct h2_stream *heading; /* whose block is coming in; NULL: nobody's */
    int32_t highest;           /* the latest stream that the peer began */
    int32_t excused[H2_EXCUSED];
    unsigned excuses;
    struct h2_allowance used[H2_NUISANCES];
    bool settled;   /* the peer's settings have come */
    bool receiving; /* in h2_receive */
    bool broken;    /* h2_break: nothing more is read */
    bool finished;  /* was told */
};

struct h2_terms {
    bool server;
    uint32_t streams;   /* the most at a time that a peer may begin */
    size_t block_bytes; /* as it is told to peers */
};

/* Begins on an open stream, whose events are its owner's. */
void h2_open(struct h2 *h2, struct worker *worker, struct stream *stream,
             const struct h2_side *side, const struct h2_terms *terms);
/* The stream has closed, or has nothing more to say: each stream still there is told so by
 * `closed`. Not inside an event but `finished`. Twice is allowed. */
void h2_close(struct h2 *h2);
void h2_receive(struct h2 *h2, struct slice bytes);
/* The stream has room again. */
void h2_room(struct h2 *h2);
/* Takes no more streams; those there are go on. `at_once`: without a warning that gives what is
 * on its way the time to arrive. */
void h2_leave(struct h2 *h2, bool at_once);
/* Says GOAWAY, and ends. */
void h2_break(struct h2 *h2, uint32_t error);

/* How many streams the peer allows at a time. */
uint32_t h2_peer_streams(const struct h2 *h2);
/* Whether it takes extended CONNECTs (RFC 8441 §3); known once h2->settled. */
bool h2_peer_connects(const struct h2 *h2);
void h2_ping(struct h2 *h2);

/* Sends a block that was put into h2->lines: an interim one, or an answer's head. `ends`:
 * nothing follows it. */
void h2_interim(struct h2_stream *stream);
void h2_answer(struct h2_stream *stream, bool ends);
/* The same for a request on a new stream: 0, or -1 when the connection takes no more. */
int h2_ask(struct h2 *h2, struct h2_stream *stream, bool ends) __attribute__((warn_unused_result));
void h2_write(struct h2_stream *stream, struct slice bytes);
/* `trailers` may be NULL; they are copied. */
void h2_end(struct h2_stream *stream, const struct fields *trailers);
/* Body bytes that wait. */
size_t h2_queued(const struct h2_stream *stream);
/* Room for so many more bytes of what comes in. */
void h2_grant(struct h2_stream *stream, size_t bytes);
/* Whoever listened to the stream does not any more: what still comes is thrown away. */
void h2_ignore(struct h2_stream *stream);
/* `closed` follows at the end of the turn. */
void h2_reset(struct h2_stream *stream, uint32_t error);
/* The same for what the peer sent, which it may do only so often. */
void h2_blame(struct h2_stream *stream, uint32_t error);
/* A tunnel that was ended is over. A peer that has not said all is told to stop, once that end is
 * out. */
void h2_stop(struct h2_stream *stream);
/* Frees what a stream holds; it is closed, or was never begun. */
void h2_stream_free(struct h2_stream *stream);

/* --- between h2.c and h2_sending.c ------------------------------------------------------------ */

/* The stream is one of the connection's from now on. */
void h2_join(struct h2 *h2, struct h2_stream *stream, int32_t id);
/* nghttp2's send_data: a frame of a body, from its stream's queue. */
int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                 nghttp2_data_source *source, void *own);

#endif
