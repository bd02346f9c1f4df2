/* What a request says of the hops behind it: X-Forwarded-For, -Proto and -Host, Forwarded (RFC 7239),
 * and the count that stands in for Via.
 *
 * Done to a call before anything is decided of it, the same for every style and for explain, as
 * the listener that it came in at says: claims of the caller are kept, added to, said anew, or
 * left out. What a route sets or removes comes later, and so has the last word.
 */
#ifndef CORE_FORWARDED_H
#define CORE_FORWARDED_H

#include "core/call.h"
#include "net/address.h"

struct values;

/* In the order of the setting's choices. */
enum forwarded_rule { FORWARDED_KEEP, FORWARDED_APPEND, FORWARDED_REPLACE, FORWARDED_REMOVE };
enum forwarded_form { FORM_X_FORWARDED, FORM_FORWARDED, FORM_BOTH };
/* Which messages get a Via of ours. */
enum via_rule { VIA_BOTH, VIA_REQUEST, VIA_OFF };

struct hop_rules {
    enum forwarded_rule forwarded;
    enum forwarded_form form;
    enum via_rule via;
    const struct network *trusted; /* who is believed; others' claims are replaced */
    size_t trusted_count;          /* 0: everybody is */
};

/* The rules of a listener at `address`, from its block. Not written, claims are believed of this
 * machine's own callers only. `trusted` lives in the arena. */
struct hop_rules hop_rules_of(const struct values *listener, const struct address *address,
                              struct arena *arena);

/* 0, or -1 at the arena's cap. A call without a listener stays as it is. */
int forwarded_apply(struct call *call) __attribute__((warn_unused_result));

/* Whether the answer goes to its caller with a Via of ours. */
bool call_signs_answer(const struct call *call);

#endif
