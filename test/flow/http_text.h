/* HTTP/1.1 as test peers speak it: whole messages in and out, strict about what Shunt may send,
 * and not fast. */
#ifndef FLOW_HTTP_TEXT_H
#define FLOW_HTTP_TEXT_H

#include "base/bytes.h"

enum { HTTP_FIELDS = 64 };

struct http_text {
    struct bytes bytes;     /* what has come; slices below point into it */
    bool response, to_head; /* what is expected: an answer (to a HEAD) */
    /* of the message at the start of `bytes`, after http_text_parse said 1 */
    struct slice method, target;
    int status;
    struct {
        struct slice name, value;
    } fields[HTTP_FIELDS];
    size_t field_count;
    struct bytes body;
    size_t length; /* how much of `bytes` it was */
};

/* 1: a whole message is there; 0: not yet; -1: this is no HTTP. `at_end`: no more bytes will
 * come. Interim answers (1xx) are skipped. */
int http_text_parse(struct http_text *text, bool at_end);
/* Forgets the parsed message; what follows it stays. */
void http_text_next(struct http_text *text);
void http_text_free(struct http_text *text);
/* The first value of a field, or an empty slice with `at` NULL. */
struct slice http_text_field(const struct http_text *text, const char *name);
/* The value of a member in a flat JSON object, without its quotes; empty: not there. */
struct slice http_text_json(struct slice json, const char *member);

#endif
