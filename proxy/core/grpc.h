/* What gRPC adds to HTTP (the protocol's own text, "gRPC over HTTP2"): deadlines in a field, and
 * a status of its own in the trailers.
 *
 * A call is gRPC's when its content type says so; it is carried like any other. Our own answers
 * to it are trailers alone, so that its client reads a status rather than a broken stream.
 */
#ifndef CORE_GRPC_H
#define CORE_GRPC_H

#include "core/call.h"

#define GRPC_STATUS_NONE -1
#define GRPC_STATUSES    17

/* Whether the request is a gRPC call: a POST of application/grpc, or such with a suffix. */
bool grpc_is_call(const struct head *request);

/* What grpc-timeout allows, in ms, at least 1; UINT64_MAX without one, or with a malformed one. */
uint64_t grpc_timeout_ms(const struct fields *fields);

/* The status that fields, a head's or trailers, say; GRPC_STATUS_NONE. */
int grpc_status(const struct fields *fields);

/* The status that stands for a failure: UNAVAILABLE, which clients try again, only when nothing
 * was done. */
int grpc_status_of(enum reason reason, enum outcome outcome);

/* The status of HTTP that says the same as an answer whose own status is 200 (google.rpc.Code's
 * mapping); 500 for GRPC_STATUS_NONE, since an answer without a status is none. */
int grpc_http_status(int status);

/* A problem (core/problem.h) made into gRPC's answer: the same fields, with 200 and a status, and
 * no body. Memory from the arena; what does not fit is left out. */
void grpc_problem(struct arena *arena, enum reason reason, enum outcome outcome, const char *detail,
                  struct head *head);

/* The answer to a call that became an event: an empty message, and `trailers` that say that all
 * is well. */
struct slice grpc_stored(struct arena *arena, struct head *head, struct fields *trailers);

#endif
