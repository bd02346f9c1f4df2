/* Heads and chunks as they are written (RFC 9112): the fields that came, then those of our own.
 *
 * Heads go into a buffer that the owner of the connection reuses and hands to its stream in one
 * piece.
 */
#ifndef HTTP_WRITING_H
#define HTTP_WRITING_H

#include "base/bytes.h"
#include "core/call.h"
#include "net/stream.h"

#define OWN_FIELDS  8
#define NUMBER_TEXT 24

/* Fields that we add to a head, in the order in which they are written, behind all others. */
struct own_fields {
    struct field at[OWN_FIELDS];
    unsigned count;
    char length[NUMBER_TEXT];
};

/* Whether trailers are announced (RFC 9110 §6.6.2) behind a body whose length is known, as only
 * HTTP/2 has them: HTTP/1 has them behind chunks only, which then take the length's place. */
bool trailers_need_chunks(const struct head *head);

/* What a request gets from us: Via, framing, and what of the connection's own it keeps (TE,
 * Upgrade, Expect). */
void own_fields_of_request(const struct head *request, struct own_fields *own);
/* The same for HTTP/2, which has no framing but a length, and no connection. */
void own_fields_of_h2_request(const struct head *request, struct own_fields *own);
/* The request line, Host, the fields that came, ours. `authority` is what Host says. */
void request_write(const struct head *request, struct slice authority, struct bytes *out);
/* The target as a server gets it: origin-form, or "*". */
void target_write(const struct head *request, struct bytes *out);

/* How an answer goes to this client. */
struct answer_terms {
    bool close;      /* "Connection: close" */
    bool keep_alive; /* "Connection: keep-alive", for HTTP/1.0 */
    bool has_body;   /* NONE then is a length of 0 */
    bool chunks;    /* the client knows chunks; else CHUNKED says nothing and lasts until the end */
    bool forwarded; /* it is somebody else's: Via */
    struct slice date;       /* for an answer without one */
    struct slice message_id; /* for an answer without one; may be empty */
};
void response_write(const struct head *response, const struct answer_terms *terms,
                    struct bytes *out);
void own_fields_of_h2_response(const struct head *response, const struct answer_terms *terms,
                               struct own_fields *own);
/* 1xx: status line and fields, nothing of ours. */
void interim_write(const struct head *interim, struct bytes *out);

/* One chunk; nothing for an empty slice, which would be the last one. */
void chunk_write(struct stream *stream, struct slice bytes);
/* The last chunk and the trailers, which may be NULL. */
void last_chunk_write(const struct fields *trailers, struct bytes *out);

/* Writes what was built, and empties the buffer; a large one is given back. */
void built_write(struct stream *stream, struct bytes *built);

#endif
