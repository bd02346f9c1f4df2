/* One attempt to forward a call: a connection sought, the request sent on it, its answer passed
 * on.
 *
 *            pool_seek                on_client, head sent           answer's head … end
 *   begin ─────────────▶ SEEKING ────────────────────────▶ ON ITS WAY ─────────────────▶ done
 *                           ▲ │ none to be had ▶ fail           │ closed before it answered: once more on a
 *                           └─┼─────────────────────────────────┘ connection that nobody has used, if that is safe
 *                             └ cancel, anywhere
 */
#ifndef HTTP_CARRIAGE_H
#define HTTP_CARRIAGE_H

#include "plugin.h"
#include "upstream/pool.h"

/* What `attach` made: this worker's connections to upstreams. */
struct http_lane {
    const struct host *host;
    struct worker *worker;
    struct pools *pools;
    struct done closed; /* of the pools */
    struct done *done;  /* of detach */
};

int carriage_begin(struct attempt *attempt);
void carriage_body(struct attempt *attempt, struct slice bytes);
void carriage_end(struct attempt *attempt, const struct fields *trailers);
void carriage_room(struct attempt *attempt, size_t bytes);
enum outcome carriage_cancel(struct attempt *attempt);

/* What Host says: where the call was going, or the upstream itself if it did not say. */
struct slice carriage_authority(const struct head *request, const struct plan *plan);

#endif
