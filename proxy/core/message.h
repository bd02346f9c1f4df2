/* A message as every broker knows it: what a call becomes on the wire, and what a delivery is
 * made from.
 *
 * Header names are lower-case; the request's or answer's first line travels as HTTP/2's
 * pseudo-headers (":method", ":path", ":authority", ":scheme", ":status"), trailers as
 * ":trailer.NAME". A repeated name stays repeated, in order. Every slice lives as long as the
 * message does: in the call's arena for what goes out, with the source for what comes.
 */
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H

#include "base/fields.h"

struct message {
    struct fields headers;
    struct slice content_type, content_encoding;
    struct slice message_id, correlation_id, reply_to, app_id;
    struct slice body;
    uint64_t timestamp_ms; /* since the epoch; 0: none */
    uint64_t ttl_ms;       /* the broker drops it after that long; 0: never (promise 5) */
    bool durable;
};

#endif
