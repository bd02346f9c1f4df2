/* A worker on a clock that stands still, and a call that is over, for whoever observes them. */
#ifndef TEST_OBSERVE_FIXTURE_H
#define TEST_OBSERVE_FIXTURE_H

#include "core/worker.h"
#include "observe/observe.h"

#define FIXTURE_WALL_MS UINT64_C(1764107520123) /* 2025-11-25T21:52:00.123Z */
#define FIXTURE_WALL    "2025-11-25T21:52:00.123Z"
#define FIXTURE_TOOK_MS 12

static inline uint64_t fixture_monotonic_ms(void *context)
{
    (void)context;
    return 1000 + FIXTURE_TOOK_MS;
}

static inline uint64_t fixture_wall_ms(void *context)
{
    (void)context;
    return FIXTURE_WALL_MS;
}

static inline struct worker fixture_worker(unsigned index, struct log *log, struct stats *stats)
{
    return (struct worker){
        .index = index,
        .clock = { .monotonic_ms = fixture_monotonic_ms, .wall_ms = fixture_wall_ms },
        .observer = observer_new(log, stats, index),
    };
}

static const struct caller fixture_http = { .kind = "http" };
static const struct transport fixture_transport = { .name = "http" };

/* A forwarded POST that was answered with 200. */
static inline struct call fixture_call(const struct route *route, struct snapshot *snapshot)
{
    static const struct listener_settings listener = { .name = "outbound" };
    static const struct upstream_settings upstream = { .name = "inventory" };
    return (struct call){
        .caller = &fixture_http,
        .snapshot = snapshot,
        .route = route,
        .listener = &listener,
        .request = {
            .method = SLICE("POST"),
            .authority = SLICE("inventory:8080"),
            .path = SLICE("/reservations"),
        },
        .plan = { .transport = &fixture_transport, .upstream = &upstream },
        .began_ms = 1000,
        .status = 200,
        .outcome = OUTCOME_ANSWERED,
        .attempts = 1,
        .bytes_in = 17,
        .bytes_out = 4,
        .message_id = SLICE("0123456789abcdef0123456789abcdef"),
        .traceparent = SLICE("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        .peer = SLICE("127.0.0.1:40000"),
    };
}

#endif
