/* What the service's answer means for a message (promise 14): success, again later, or never again.
 * An answer of gRPC is judged by the HTTP status that says the same as its grpc-status.
 *
 * Patterns: a status ("404"), a class ("5xx"), or "json:/pointer" (RFC 6901), which holds when the
 * answer's body has something there that is neither null nor empty. The most particular pattern
 * decides: a pointer before a status before a class; of two alike, dead before retry before ok.
 * What no pattern takes is dead.
 */
#ifndef DELIVERY_RESULT_H
#define DELIVERY_RESULT_H

#include "base/arena.h"
#include "config/values.h"

enum verdict { VERDICT_DEAD, VERDICT_RETRY, VERDICT_OK };

/* Bytes of an answer's body that patterns can look into; of a longer one, no pointer holds. */
#define RESULT_BODY_MAX (256 * 1024)

struct result_pattern;

struct result_rules {
    struct result_pattern *patterns;
    size_t count;
    bool needs_body; /* some pattern is a pointer */
};

/* Reads a `result` group, which was checked when it was loaded. */
void result_read(struct result_rules *rules, const struct values *result, struct arena *arena);
/* `body` is the whole body, or empty when it is not wanted or too long. */
enum verdict result_judge(const struct result_rules *rules, int status, struct slice body);

#endif
