/* Asks a service that refused connections, again and again, whether it takes them now.
 *
 * probe_start → wait → resolve → dial → opened: on_up, once. Anything else: wait again, twice as
 * long up to 2 s. The waits go on growing over a probe_start that follows soon, until probe_settled
 * says that the service really answers: something that accepts and then refuses is not asked in a
 * tight circle. One worker's thread.
 */
#ifndef DELIVERY_PROBE_H
#define DELIVERY_PROBE_H

#include "core/worker.h"
#include "net/net.h"

struct probe {
    void (*on_up)(struct probe *probe);
    struct worker *worker;
    struct slice host;
    uint16_t port;
    uint64_t timeout_ms; /* of one connection */
    struct timer timer;
    struct lookup lookup;
    bool resolving;
    struct stream *stream; /* being dialled */
    unsigned failures;
};

/* `endpoint` ("host:port") outlives the probe. */
void probe_init(struct probe *probe, struct worker *worker, const char *endpoint,
                uint64_t timeout_ms, void (*on_up)(struct probe *probe));
void probe_start(struct probe *probe);
/* Nothing is told after this. Not under way: allowed. */
void probe_stop(struct probe *probe);
void probe_settled(struct probe *probe);

#endif
