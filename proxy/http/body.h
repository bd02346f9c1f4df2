/* Bodies as they arrive: from the bytes of a connection to the bytes of the content, and where
 * they end.
 *
 * A length is counted, chunks go through llhttp, everything else lasts until the connection
 * ends. Nothing is kept: content is handed on as slices of what was read. Only trailers are
 * gathered, and stay in the arena.
 * Failures, told by BODY_BAD and `why`: malformed chunks, framing that is larger than what it
 * frames, trailers that are malformed, too large, or say something about framing.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <llhttp.h>

#include "core/call.h"

enum body_state {
    BODY_COUNTED,  /* `left` bytes are to come */
    BODY_CHUNKED,  /* chunks */
    BODY_TRAILERS, /* behind the last chunk */
    BODY_ENDLESS,  /* until the connection ends */
    BODY_DONE,
    BODY_BAD
};

/* Who gets the content. */
struct body_sink {
    /* Valid during the call only. False: the sink wants no more. */
    bool (*content)(struct body_sink *sink, struct slice bytes);
};

struct body_reader {
    enum body_state state;
    uint64_t left;
    uint64_t content;       /* bytes handed on */
    const char *why;        /* with BODY_BAD */
    struct fields trailers; /* with BODY_DONE */
    /* chunks */
    struct body_sink *sink; /* during body_read */
    size_t chunks, data;    /* seen in this read */
    size_t excess;          /* framing beyond what is reasonable */
    struct arena *arena;
    uint8_t *held; /* trailers so far */
    size_t held_len;
    struct slice name, value;
    llhttp_t parser;
};

/* `until_close`: with FRAMING_CHUNKED, the body of an answer that ends with its connection. */
void body_start(struct body_reader *reader, enum framing framing, uint64_t length, bool until_close,
                struct arena *arena);

/* Reads on and returns how many bytes were the body's; the rest belongs to what follows it.
 * After the sink's `false` the state is BODY_BAD without a reason. The reader's memory must
 * outlast the call even if the sink ends the call that it belongs to, as memory of calls does. */
size_t body_read(struct body_reader *reader, struct slice bytes, struct body_sink *sink);

/* What is wrong with chunks of which these are the first bytes, or NULL: before anybody else hears
 * of a request, what is there of it is looked at. Nothing is kept. */
const char *body_foresee(enum framing framing, struct slice bytes, struct arena *arena);

/* RFC 9110 §6.5.1: what says something about routing, access, the request as a whole or how its
 * content is read is no trailer; it is left out. */
bool trailer_is_idle(struct slice name);

/* The connection has ended: whether that completes the body. */
bool body_eof(struct body_reader *reader);

#endif
