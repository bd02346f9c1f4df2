/* Header fields and trailers: an ordered list of names and values as they were written, found
 * without case.
 *
 * Names that the proxy itself asks for have a token, resolved once when a field is added, so
 * that a look-up is a walk over small integers. Names and values are slices into memory that
 * lives at least as long as the list (usually the call's arena). Order and case are kept;
 * repeated names stay apart (RFC 9110 §5.3).
 */
#ifndef BASE_FIELDS_H
#define BASE_FIELDS_H

#include "base/arena.h"
#include "base/slice.h"

/* The names we ask for. X(token, "lower-case name") */
#define FIELD_NAMES(X)                                                \
    X(HOST, "host")                                                   \
    X(CONNECTION, "connection")                                       \
    X(KEEP_ALIVE, "keep-alive")                                       \
    X(PROXY_CONNECTION, "proxy-connection")                           \
    X(TE, "te")                                                       \
    X(TRAILER, "trailer")                                             \
    X(TRANSFER_ENCODING, "transfer-encoding")                         \
    X(UPGRADE, "upgrade")                                             \
    X(CONTENT_LENGTH, "content-length")                               \
    X(CONTENT_TYPE, "content-type")                                   \
    X(CONTENT_ENCODING, "content-encoding")                           \
    X(EXPECT, "expect")                                               \
    X(VIA, "via")                                                     \
    X(DATE, "date")                                                   \
    X(SERVER, "server")                                               \
    X(AUTHORIZATION, "authorization")                                 \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                     \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                       \
    X(COOKIE, "cookie")                                               \
    X(SET_COOKIE, "set-cookie")                                       \
    X(FORWARDED, "forwarded")                                         \
    X(X_FORWARDED_FOR, "x-forwarded-for")                             \
    X(X_FORWARDED_HOST, "x-forwarded-host")                           \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                         \
    X(X_REAL_IP, "x-real-ip")                                         \
    X(ORIGIN, "origin")                                               \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method") \
    X(IDEMPOTENCY_KEY, "idempotency-key")                             \
    X(PREFER, "prefer")                                               \
    X(RETRY_AFTER, "retry-after")                                     \
    X(LOCATION, "location")                                           \
    X(PROXY_STATUS, "proxy-status")                                   \
    X(TRACEPARENT, "traceparent")                                     \
    X(TRACESTATE, "tracestate")                                       \
    X(BAGGAGE, "baggage")                                             \
    X(SHUNT_MESSAGE_ID, "shunt-message-id")                           \
    X(SHUNT_ATTEMPT, "shunt-attempt")                                 \
    X(SHUNT_DEADLINE, "shunt-deadline")                               \
    X(SHUNT_HOPS, "shunt-hops")

enum field_name {
    FIELD_OTHER,
#define X(token, text) FIELD_##token,
    FIELD_NAMES(X)
#undef X
        FIELD_NAMES_COUNT
};

struct field {
    struct slice name, value;
    enum field_name token;
    bool secret; /* never to be indexed, as its sender said (RFC 7541 §6.2.3) */
};

struct fields {
    struct field *at;
    uint32_t count, cap;
    size_t bytes; /* of all names and values, for limits */
};

/* The token of a name, whatever its case. */
enum field_name field_token(struct slice name);
/* The name of a token in lower case; for FIELD_OTHER there is none. */
struct slice field_name_text(enum field_name token);

/* Adds at the end; the slices must outlive the list. -1 when the arena is at its cap. */
int fields_add(struct fields *fields, struct arena *arena, struct slice name, struct slice value)
    __attribute__((warn_unused_result));
/* The same after copying both into the arena. */
int fields_add_copy(struct fields *fields, struct arena *arena, struct slice name,
                    struct slice value) __attribute__((warn_unused_result));

/* The same for a name in lower case of which the token is known: only what has none is copied. */
int fields_add_known(struct fields *fields, struct arena *arena, enum field_name token,
                     struct slice name, struct slice value) __attribute__((warn_unused_result));

/* The first field of that name at or after index `from`, or NULL. */
const struct field *fields_find(const struct fields *fields, enum field_name token);
const struct field *fields_next(const struct fields *fields, const struct field *after);
const struct field *fields_find_name(const struct fields *fields, struct slice name);
/* How many fields carry that name. */
unsigned fields_times(const struct fields *fields, enum field_name token);
/* Removes every field of that name, keeping the order of the rest. */
void fields_remove(struct fields *fields, enum field_name token);
/* The same by the name, whether or not it has a token. */
void fields_remove_name(struct fields *fields, struct slice name);
/* The same of every field of which `goes` says so; `what` is passed on to it. */
void fields_remove_where(struct fields *fields,
                         bool (*goes)(const struct field *field, const void *what),
                         const void *what);

/* Hop-by-hop by itself, whatever Connection says (RFC 9110 §7.6.1): never forwarded, never sent
 * to a broker. */
bool field_is_hop_by_hop(enum field_name token);
/* A name that RFC 9110 §5.1 allows: a token of at least one character. */
bool field_name_valid(struct slice name);
/* A value without CR, LF, NUL and other controls but HTAB (RFC 9110 §5.5). */
bool field_value_valid(struct slice value);

#endif
