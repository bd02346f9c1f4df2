/* HTTP ↔ message, the same for every broker (design: "What a call looks like on a broker").
 *
 * Pure functions: what crosses, what is stripped, what is refused. What arrives from a broker is as
 * untrusted as what arrives by HTTP.
 */
#ifndef CORE_WIRE_H
#define CORE_WIRE_H

#include "core/call.h"

struct wire_rules {
    /* Secret names that may cross (promise 10); may be NULL. */
    const char *const *carry;
    /* All secrets cross: await requests, in transient messages. */
    bool secrets;
    /* Identity headers that are taken from messages (promise 11); may be NULL. */
    const char *const *trust;
};

/* Fills message->headers, content_type, content_encoding from a call's request: pseudo-headers
 * first, then end-to-end fields in lower case without hop-by-hop names, secrets, and names that
 * are ours or a broker's; then shunt-hops, this Shunt counted; trailers last. 0, or a negative
 * REASON_…. Memory: the call's arena. */
int wire_from_request(const struct call *call, const struct wire_rules *rules,
                      struct message *message);

/* A request's head from an arrived message: method and path as it says (POST and "/" when it
 * does not), fields checked by RFC 9110 §5.1 and §5.5; shunt-*, x-death and the like are left
 * out; hop-by-hop names, host, content-length, expect, and identity headers that `trust` does
 * not name are ignored and counted in `*ignored`. 0, or -1 with `*why` (a constant) when it
 * cannot be an HTTP request. An odd path is only told (http/target.h). Slices are copied into the arena, but for `authority`, the
 * service's. The body's framing is set from message->body. `*trailers` is empty before. */
int wire_to_request(const struct message *message, const struct wire_rules *rules,
                    struct slice authority, struct arena *arena, struct head *request,
                    struct fields *trailers, unsigned *ignored, const char **why)
    __attribute__((warn_unused_result));

/* A reply's headers from an HTTP answer (":status" first), everything copied into the arena. 0,
 * or a negative REASON_…. */
int wire_from_response(const struct head *response, const struct fields *trailers,
                       struct arena *arena, struct message *message)
    __attribute__((warn_unused_result));

/* An answer's head from a reply: ":status" or 200 when there is none (a plain RPC server). 0, or
 * -1 with `*why`. */
int wire_to_response(const struct message *message, struct arena *arena, struct head *response,
                     struct fields *trailers, const char **why) __attribute__((warn_unused_result));

/* What must not rest in a broker (promise 10): authorization, cookie and the like. */
bool wire_is_secret(enum field_name token);
/* What Shunt and brokers say among themselves: shunt-*, x-death, x-delay, …. */
bool wire_is_own(struct slice name);
/* Who the client is, as somebody claims: x-forwarded-*, forwarded, x-real-ip, also with '_'. */
bool wire_is_identity(struct slice name);

#endif
