/* Heads of requests and answers: from raw bytes to a struct head, with everything refused that
 * two readers could understand differently (RFC 9112 §11.2).
 *
 * llhttp reads the head in one piece; what its strict mode still lets through is checked here,
 * on the raw bytes and on the fields that decide about framing. Pure: nothing here knows of
 * connections.
 */
#ifndef HTTP_FRAMING_H
#define HTTP_FRAMING_H

#include "core/call.h"

/* Length of a complete head (through CRLFCRLF) at the start of `bytes`, or 0 when it is not
 * complete. `from` is how much was searched before. */
size_t head_length(struct slice bytes, size_t from);

/* Refuses bare CR, bare LF, NUL, obs-fold, an empty name, in a head or the beginning of one.
 * NULL, or what is wrong. RFC 9112 §2.2, §5.2. */
const char *head_scan(struct slice head);

enum head_verdict {
    HEAD_OK,
    HEAD_BAD,
    HEAD_VERSION,
    HEAD_NOT_IMPLEMENTED,
    HEAD_TOO_LARGE,
    HEAD_EXPECTATION
};

/* Why a request of such a head is refused. */
enum reason head_reason(enum head_verdict verdict);

/* What concerns the connection and nobody behind it. */
struct head_notes {
    bool close;           /* the connection ends after this request and its answer */
    bool keep_alive;      /* HTTP/1.0 that asks for the connection to stay */
    bool expect_continue; /* Expect: 100-continue */
    bool upgrade;         /* asks for an upgrade, or is a 101; `protocol` says which */
    bool te_trailers;
    bool absolute;    /* the target was in absolute form */
    bool foreign;     /* where a version should be is a word that no protocol's is */
    bool until_close; /* an answer whose body ends with the connection; its framing says CHUNKED */
    struct slice protocol;
    const char *why; /* what is wrong, for the answer */
};

/* What is surely wrong in the first line of a request of which `part` is there, so that nobody waits
 * for the rest: HEAD_OK, or a verdict with `notes->why`. head_scan has nothing against the part. */
enum head_verdict request_foresee(struct slice part, struct head_notes *notes);

/* The whole of a request's head: `bytes` end with CRLFCRLF and are already the call's (slices
 * point into them). Fills `request` with framing (RFC 9112 §6), target (http/target.h),
 * end-to-end fields (hop-by-hop names and those that Connection nominates removed, Host taken
 * out) and tells what concerns the connection. An upgrade is told only where it can be served:
 * HTTP/1.1, no body, one protocol, not h2c. */
enum head_verdict request_parse(struct slice bytes, size_t max_fields, struct arena *arena,
                                struct head *request, struct head_notes *notes);

/* The same for an answer to `method`. HEAD_BAD and HEAD_TOO_LARGE are its only failures. Where
 * there is no body (response_has_body), framing and length still say what the head said. */
enum head_verdict response_parse(struct slice bytes, size_t max_fields, struct slice method,
                                 struct arena *arena, struct head *response,
                                 struct head_notes *notes);

/* Whether an answer of `status` to `method` is followed by a body at all (RFC 9112 §6.3). */
bool response_has_body(struct slice method, int status);

/* Whether two authorities of http say the same: the port 80 need not be written. */
bool authority_equal(struct slice a, struct slice b);

/* What certain methods ask of a request, by whatever version it came; its framing is known. TRACE
 * has no content (RFC 9110 §9.3.8). Where Max-Forwards counts, it is one less for who comes next;
 * at 0 the request is not forwarded, and Shunt has no answer of its own to it; several, or none
 * that is a number, could end its way in two places (§7.6.2). HEAD_OK, or a verdict with `*why`. */
enum head_verdict method_judge(struct head *request, struct arena *arena, const char **why);

/* How many Shunts a request has passed: its Via entries with our name, and what Shunt-Hops says. */
unsigned head_hops(const struct fields *fields);

#endif
