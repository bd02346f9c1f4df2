/* Header blocks of HTTP/2 (RFC 9113 §8) as heads, and heads as header blocks.
 *
 * A block is gathered line by line into a head's fields and judged when it is whole: by the same
 * rules as a head of HTTP/1, so that whatever came by HTTP/2 can be said in HTTP/1 and means the
 * same there. nghttp2 has checked names, values and pseudo-header fields before. Pure: nothing
 * here knows of connections.
 * Failures: verdicts as in http/framing.h. The first that is wrong decides; what follows it is
 * counted and not kept.
 */
#ifndef HTTP_H2_BLOCK_H
#define HTTP_H2_BLOCK_H

#include <nghttp2/nghttp2.h>

#include "base/bytes.h"
#include "http/framing.h"
#include "http/writing.h"

/* A block that arrives. */
struct h2_block {
    struct arena *arena; /* where all that it says is copied */
    struct fields fields;
    size_t fields_max, bytes_max;
    size_t count, bytes; /* all lines so far, also those that are not kept */
    struct slice method, scheme, authority, path, status, protocol;
    struct slice host, length, expect;
    bool te_trailers;
    enum head_verdict verdict;
    const char *why;
};

void h2_block_start(struct h2_block *block, struct arena *arena, size_t fields_max,
                    size_t bytes_max);
/* One line of it, copied; `secret`: its sender never wants it indexed. */
void h2_block_add(struct h2_block *block, struct slice name, struct slice value, bool secret);

/* A whole block as a request; `ends`: nothing follows it. */
enum head_verdict h2_block_request(struct h2_block *block, bool ends, struct head *request);
/* As an answer to `method`. HEAD_BAD and HEAD_TOO_LARGE are its only failures. */
enum head_verdict h2_block_response(struct h2_block *block, bool ends, struct slice method,
                                    struct head *response);
/* As trailers: what has no business there is left out, and framing is refused. */
enum head_verdict h2_block_trailers(struct h2_block *block, struct fields *trailers);

/* A block to be sent. Reused from one to the next: the lines point into the head that they were
 * made from, and into this. */
struct h2_lines {
    nghttp2_nv *at;
    size_t count, room;
    struct bytes target;
    struct own_fields own;
    char status[4];
};

void h2_lines_free(struct h2_lines *lines);
void h2_lines_request(struct h2_lines *lines, const struct head *request, struct slice authority);
void h2_lines_response(struct h2_lines *lines, const struct head *response,
                       const struct answer_terms *terms);
void h2_lines_interim(struct h2_lines *lines, const struct head *interim);
void h2_lines_trailers(struct h2_lines *lines, const struct fields *trailers);

#endif
