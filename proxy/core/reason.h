/* Why a call ended. The table is reason.def; the response, the log line and the metric all come
 * from it. */
#ifndef CORE_REASON_H
#define CORE_REASON_H

#include <stdbool.h>

enum reason {
#define REASON(name, status, proxy_status, retry, fault, text) REASON_##name,
#include "core/reason.def"
#undef REASON
    REASONS
};

enum fault { FAULT_CLIENT, FAULT_UPSTREAM, FAULT_BROKER, FAULT_SELF };

struct reason_row {
    const char *name;
    int status;
    const char *proxy_status; /* RFC 9209 §2.3 */
    bool retry;               /* a retry doubles nothing and may succeed: Retry-After */
    enum fault fault;
    const char *text;
};

extern const struct reason_row reasons[REASONS];

/* How far an attempt came. This alone decides between 503 and 504, retry, fallback, and what
 * `executed` says. */
enum outcome {
    OUTCOME_NOT_SENT,      /* nothing left us: executed "no" */
    OUTCOME_MAYBE_SENT,    /* it may have arrived: "unknown" */
    OUTCOME_REFUSED_WHOLE, /* the other side said that it did not take it: "no" */
    OUTCOME_STORED,        /* a broker confirmed it */
    OUTCOME_PARTLY_STORED, /* some targets have it: "unknown" */
    OUTCOME_ANSWERED,      /* the other side answered */
};

/* "no" or "unknown", the value of `executed` in our answers (promise 1). */
const char *outcome_executed(enum outcome outcome);

#endif
