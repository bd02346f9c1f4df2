/* The line of one call. */
#ifndef OBSERVE_ACCESS_LOG_H
#define OBSERVE_ACCESS_LOG_H

#include "core/call.h"
#include "observe/line.h"

/* Appends the line of a call that is over. `subscription` is the one that it belongs to, or
 * NULL. Never what may be secret: no query, no userinfo, no field's value. */
void access_log_render(struct bytes *out, bool json, const struct call *call,
                       const char *subscription, const char *time, uint64_t duration_ms);

/* How loud it is: a failure that is not the client's is a warning, a bug of ours an error. */
enum level access_log_level(const struct call *call);

#endif
