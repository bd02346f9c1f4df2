/* The receiving half: what becomes of a message that arrived, written once for every source.
 *
 *   arrival ─▶ allowed? ─▶ HTTP request ─▶ call to the service ─▶ result
 *      │ no                 │ cannot be      │ answer            │ ok: reply if wanted, settle
 *      ▼                    ▼                ▼                   │ retry: wait, or a delay queue
 *   dead letter or error reply ◀─────────────────────────────────┘ dead: dead letter, then settle
 *
 * Service down: requests that wait are answered at once; events pause the subscription (credit 0,
 * everything given back, nothing counted) until the service takes connections again, or are put off
 * for a while where requests come as well. Every wait has a bound, every message ends in exactly one of: settled, given back, lost with its connection (and
 * then comes again).
 */
#ifndef DELIVERY_DELIVERY_H
#define DELIVERY_DELIVERY_H

#include "core/snapshot.h"
#include "core/worker.h"

struct subscription;

/* The subscription whose link in worker->subscriptions this is. */
struct subscription *subscription_of(struct link *link);
/* subscription_stop was called. */
bool subscription_stopping(const struct subscription *subscription);
/* Starts one subscription on a worker; joins worker->subscriptions; holds the snapshot. NULL: no
 * lane. */
struct subscription *subscription_start(struct worker *worker, struct snapshot *snapshot,
                                        const struct subscription_settings *settings);
const struct subscription_settings *subscription_settings(const struct subscription *subscription);
/* Stops consuming, lets calls and letters finish, hands back what only waits, then leaves the
 * worker's list, tells worker_check_drained and frees itself. */
void subscription_stop(struct subscription *subscription);
/* Whether messages are being consumed: the source is ready, the service is not known to be down. */
bool subscription_ready(const struct subscription *subscription);

#endif
