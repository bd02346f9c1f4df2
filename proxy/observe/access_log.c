/* One structured line per call, the same fields for every style, so that a call can be followed
 * from the caller's sidecar to the callee's by its message, correlation and trace IDs. What is
 * empty is left out.
 *
 * A call can end before anything of it is known (a malformed head), so every part may be
 * missing; and what a peer sent may be shaped to look like a secret-free path and hold one: only
 * a target that was understood is written. */
#include "observe/access_log.h"

#include <assert.h>

#include "core/snapshot.h"

enum {
    PATH_MAX_LOGGED = 1024,
    NAME_MAX_LOGGED = 255,
    METHOD_MAX_LOGGED = 32,
    DETAIL_MAX_LOGGED = 255
};

static const enum level levels[] = {
    [FAULT_CLIENT] = LEVEL_INFO,
    [FAULT_UPSTREAM] = LEVEL_WARNING,
    [FAULT_BROKER] = LEVEL_WARNING,
    [FAULT_SELF] = LEVEL_WARNING,
};

enum level access_log_level(const struct call *call)
{
    assert(call->reason < REASONS);
    if (call->reason == REASON_none)
        return LEVEL_INFO;
    return call->reason == REASON_internal ? LEVEL_ERROR : levels[reasons[call->reason].fault];
}

/* Host and port without what stands before the last '@'. */
static struct slice host_of(const struct call *call)
{
    struct slice host = call->asked.path.at != NULL ? call->asked.authority
                                                    : call->request.authority;
    for (size_t at; (at = slice_find(host, '@')) < host.len;)
        host = slice_from(host, at + 1);
    return host;
}

/* The path without its query, or nothing when it is none. */
static struct slice path_of(const struct call *call)
{
    struct slice path = call_asked_path(call);
    if (path.len == 0 || (path.at[0] != '/' && !slice_is(path, "*")))
        return (struct slice){ 0 };
    return slice_first(path, slice_find(path, '?'));
}

static void put_where(struct line *line, const struct call *call, const char *subscription)
{
    if (call->listener != NULL)
        line_value(line, "listener", slice_text(call->listener->name), NAME_MAX_LOGGED);
    if (subscription != NULL)
        line_value(line, "subscription", slice_text(subscription), NAME_MAX_LOGGED);
    if (call->route != NULL)
        line_value(line, "route", slice_text(call->route->name), NAME_MAX_LOGGED);
    assert((unsigned)call->style < STYLES);
    line_word(line, "style", style_names[call->style]);
    if (call->request.h2)
        line_word(line, "protocol", "h2");
    line_value(line, "method", call->request.method, METHOD_MAX_LOGGED);
    line_value(line, "host", host_of(call), NAME_MAX_LOGGED);
    line_value(line, "path", path_of(call), PATH_MAX_LOGGED);
}

static void put_result(struct line *line, const struct call *call, uint64_t duration_ms)
{
    line_number(line, "status", (uint64_t)call->status);
    if (call->grpc && call->grpc_status >= 0)
        line_number(line, "grpc_status", (uint64_t)call->grpc_status);
    line_word(line, "reason", reasons[call->reason].name);
    if (call->reason != REASON_none) {
        line_value(line, "detail", call->detail, DETAIL_MAX_LOGGED);
        line_word(line, "executed", outcome_executed(call->outcome));
    }
    line_number(line, "bytes_in", call->bytes_in);
    line_number(line, "bytes_out", call->bytes_out);
    line_number(line, "duration_ms", duration_ms);
    line_number(line, "attempts", call->attempts);
}

static void put_names(struct line *line, const struct call *call)
{
    const struct plan *plan = &call->plan;
    if (plan->upstream != NULL && plan->upstream->name != NULL)
        line_value(line, "upstream", slice_text(plan->upstream->name), NAME_MAX_LOGGED);
    if (plan->broker != NULL && plan->broker->values != NULL)
        line_value(line, "broker", slice_text(plan->broker->name), NAME_MAX_LOGGED);
    line_value(line, "message_id", call->message_id, MESSAGE_ID_MAX);
    line_value(line, "correlation_id", plan->message.correlation_id, NAME_MAX_LOGGED);
    line_value(line, "traceparent", call->traceparent, NAME_MAX_LOGGED);
    line_value(line, "peer", call->peer, NAME_MAX_LOGGED);
}

void access_log_render(struct bytes *out, bool json, const struct call *call,
                       const char *subscription, const char *time, uint64_t duration_ms)
{
    struct line line = { .out = out, .json = json };
    line_begin(&line, time, access_log_level(call), call->caller->kind);
    put_where(&line, call, subscription);
    put_result(&line, call, duration_ms);
    put_names(&line, call);
    line_end(&line);
}
