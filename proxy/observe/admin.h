/* Admin answers: a transport in the process, on the control thread's own worker.
 *
 *     GET /healthz/live    200 while the control thread runs
 *     GET /healthz/ready   200, or 503; JSON that names what is missing
 *     GET /metrics         Prometheus text
 *
 * Anything else is 404, another method 405. What a browser could be made to send by a page of
 * somebody else is 403 (threat 1). Nothing here changes anything.
 */
#ifndef OBSERVE_ADMIN_H
#define OBSERVE_ADMIN_H

#include "observe/observe.h"

/* The transport's instance; lives as long as the process serves. */
struct admin_context {
    struct snapshot *(*current)(void *context); /* in use now; borrowed for the moment */
    void *context;
    struct stats *stats;
    bool draining;      /* told to stop */
    bool reload_failed; /* the last configuration was refused */
};

extern const struct transport admin_transport;

/* Why a request must not be answered here, or NULL: its Host is neither a loopback name with the
 * admin's port (or none) nor one of `hosts` (ends with NULL, may be NULL), its Origin is another
 * one, or it is what an HTML form sends. On a Unix socket any Host may be named: no browser
 * comes that way. */
const char *admin_guard(const struct head *request, const struct address *listening,
                        const char *const *hosts);

#endif
