/* The table of reasons, made from reason.def, and what an outcome says to a caller. */
#include "core/reason.h"

#include <assert.h>

#define RETRY    true
#define FINAL    false
#define CLIENT   FAULT_CLIENT
#define UPSTREAM FAULT_UPSTREAM
#define BROKER   FAULT_BROKER
#define SELF     FAULT_SELF

const struct reason_row reasons[REASONS] = {
#define REASON(name, status, proxy_status, retry, fault, text) \
    [REASON_##name] = { #name, status, proxy_status, retry, fault, text },
#include "core/reason.def"
#undef REASON
};

const char *outcome_executed(enum outcome outcome)
{
    static const char *const words[] = {
        [OUTCOME_NOT_SENT] = "no",           [OUTCOME_MAYBE_SENT] = "unknown",
        [OUTCOME_REFUSED_WHOLE] = "no",      [OUTCOME_STORED] = "unknown",
        [OUTCOME_PARTLY_STORED] = "unknown", [OUTCOME_ANSWERED] = "unknown",
    };
    assert((unsigned)outcome < sizeof(words) / sizeof(*words));
    return words[outcome];
}
