/* How long to wait before the next try, so that what comes back is not trampled by everybody at
 * once. */
#ifndef DELIVERY_BACKOFF_H
#define DELIVERY_BACKOFF_H

#include "base/fields.h"
#include "core/worker.h"

/* The wait after `failures` earlier ones in milliseconds: doubles from `first` to `most`, of
 * which between half and all ("equal jitter"). At least 1. */
uint64_t backoff_ms(struct worker *worker, uint64_t first, uint64_t most, unsigned failures);

/* What Retry-After asks for (RFC 9110 §10.2.3: seconds, or a date), in milliseconds from now; 0:
 * nothing readable. */
uint64_t retry_after_ms(const struct fields *fields, uint64_t wall_ms);

#endif
