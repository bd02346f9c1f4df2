/* Tunnels in time: a tunnel may last as long as bytes pass through it, whatever the call's timeout
 * was until it opened.
 *
 * Happy path: the deadline gives way to a limit on rest; when one side has said all, the other one
 * goes on until its own end, with a shorter limit. Failure: neither side has moved for too long,
 * and both are reset.
 */
#include <assert.h>

#include "core/attempt.h"
#include "core/snapshot.h"

static uint64_t limit_ms(const struct call *call)
{
    const struct limits *limits = &call->snapshot->limits;
    return call->half ? limits->half_tunnel_ms : limits->tunnel_ms;
}

static void on_rest(struct timer *timer)
{
    struct call *call = thing_of(timer, struct call, deadline);
    uint64_t due = call->moved_ms + limit_ms(call), now = worker_now_ms(call->worker);
    assert(!call->over && call->attempt != NULL);
    if (now < due) {
        worker_timer(call->worker, timer, due - now);
        return;
    }
    call->outcome = attempt_cancel(call);
    call_tell_failure(call, REASON_tunnel_idle);
}

static void start(struct call *call)
{
    call->moved_ms = worker_now_ms(call->worker);
    worker_timer(call->worker, &call->deadline, limit_ms(call));
}

void tunnel_begin(struct call *call)
{
    assert(call->response.framing == FRAMING_TUNNEL && !call->over);
    call->deadline.on_timer = on_rest;
    start(call);
}

void tunnel_half(struct call *call)
{
    assert(call->response.framing == FRAMING_TUNNEL && !call->over);
    call->half = true;
    start(call);
}
