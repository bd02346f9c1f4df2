/* Whether this sidecar can do its work now, and what is missing if not. */
#ifndef OBSERVE_READINESS_H
#define OBSERVE_READINESS_H

#include "observe/observe.h"

/* Appends {"ready":…,"missing":[…]} and tells whether it is ready. An entry of `missing` has
 * "what" ("draining", "configuration", "listener", "broker", "subscription") and, where it
 * applies, "name", "worker" and "state". Control thread. */
bool readiness_render(const struct snapshot *snapshot, const struct stats *stats, bool draining,
                      struct bytes *out);

#endif
