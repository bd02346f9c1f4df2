/* From a request to a plan, without doing anything: what `explain` prints is what runs.
 *
 * Happy path: the first route that matches; its style, or its sync block where the style cannot
 * carry the method; the plan that the style's transport completes. No route: the call passes
 * through to where it was going, or is refused.
 */
#include <assert.h>
#include <jansson.h>

#include "core/call.h"
#include "core/graphql.h"
#include "core/rewrite.h"
#include "core/route.h"
#include "core/snapshot.h"
#include "core/wire.h"
#include "core/worker.h"
#include "http/websocket.h"
#include "observe/observe.h"

/* RFC 9110 §9.2.1. */
static bool is_safe(struct slice method)
{
    return slice_is(method, "GET") || slice_is(method, "HEAD") || slice_is(method, "OPTIONS") ||
           slice_is(method, "TRACE");
}

/* A browser's question whether it may make a call; only a service can answer it. */
static bool is_preflight(const struct head *request)
{
    return slice_is(request->method, "OPTIONS") &&
           fields_find(&request->fields, FIELD_ORIGIN) != NULL &&
           fields_find(&request->fields, FIELD_ACCESS_CONTROL_REQUEST_METHOD) != NULL;
}

/* Promise 8: a safe method is never an event, and a preflight is always forwarded. */
static enum style style_for(const struct route *route, const struct head *request)
{
    if (is_preflight(request) || (route->style == STYLE_EVENT && is_safe(request->method)))
        return STYLE_SYNC;
    return route->style;
}

/* The transport adds what is its own: from the head alone for what streams, from the whole
 * request for messages. */
static enum reason complete_plan(struct call *call)
{
    if (call->plan.transport->plan == NULL)
        return REASON_none;
    int refused = call->plan.transport->plan(call, call->plan.settings, &call->plan);
    assert(refused <= 0 && -refused < REASONS);
    return (enum reason) - refused;
}

static void plan_pass(struct call *call, bool tunnel)
{
    struct broker *http = call->snapshot->http;
    assert(http != NULL && http->transport != NULL);
    call->style = STYLE_SYNC;
    call->plan = (struct plan){
        .style = STYLE_SYNC,
        .transport = http->transport,
        .broker = http,
        .tunnel = tunnel,
        .max_body = UINT64_MAX,
        .max_reply = UINT64_MAX,
    };
}

/* CONNECT is a tunnel past every route: to port 443 only, and only for applications on this
 * machine. */
static enum reason decide_tunnel(struct call *call)
{
    struct slice host;
    uint16_t port = 0;
    if (host_split(call->request.authority, 0, &host, &port) < 0 || port != 443)
        return REASON_forbidden;
    if (call->listener == NULL || !address_is_loopback(&call->listener->address))
        return REASON_forbidden;
    if (route_matches_host(call->snapshot, call->request.authority))
        observe_event(call->worker, "connect_past_route");
    plan_pass(call, true);
    return complete_plan(call);
}

static enum reason decide_unmatched(struct call *call)
{
    if (!call->snapshot->pass_unmatched)
        return REASON_no_route;
    if (call->request.authority.len == 0)
        return REASON_no_route;
    plan_pass(call, false);
    return complete_plan(call);
}

static bool id_usable(struct slice id)
{
    if (id.len == 0 || id.len > MESSAGE_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (id.at[i] <= ' ' || id.at[i] > '~')
            return false;
    return true;
}

/* `message_id = "header:NAME"`: the caller's own ID where it gave a usable one. */
static void take_id_from_header(struct call *call)
{
    const char *source = call->route->message_id;
    if (source == NULL || strncmp(source, "header:", 7) != 0)
        return;
    const struct field *field = fields_find_name(&call->request.fields, slice_text(source + 7));
    if (field != NULL && id_usable(field->value))
        call->message_id = field->value;
}

static const json_t *json_at(const json_t *value, const char *pointer)
{
    char key[256];
    while (value != NULL && *pointer == '/') {
        size_t len = strcspn(++pointer, "/");
        if (len >= sizeof key)
            return NULL;
        memcpy(key, pointer, len);
        key[len] = '\0';
        pointer += len;
        value = json_is_array(value) ? json_array_get(value, strtoul(key, NULL, 10))
                                     : json_object_get(value, key);
    }
    return value;
}

/* `message_id = "json:/pointer"`: a string or a number in the request's body. */
static void take_id_from_body(struct call *call)
{
    const char *source = call->route->message_id;
    if (source == NULL || strncmp(source, "json:", 5) != 0)
        return;
    json_t *document = json_loadb((const char *)call->body.at, call->body.len, 0, NULL);
    const json_t *value = json_at(document, source + 5);
    struct slice id = { 0 };
    if (json_is_string(value))
        id = arena_copy(&call->arena,
                        slice_of(json_string_value(value), json_string_length(value)));
    else if (json_is_integer(value))
        id = arena_printf(&call->arena, "%lld", (long long)json_integer_value(value));
    if (id.at != NULL && id_usable(id))
        call->message_id = id;
    json_decref(document);
}

/* Of upgrades HTTP/2 has none but the WebSocket's (RFC 9113 §8.6, RFC 8441). */
static enum reason judge_upgrade(struct call *call)
{
    const struct upstream_settings *upstream = call->plan.upstream;
    const struct head *request = &call->request;
    if (upstream == NULL || !upstream->h2 || request->upgrade.len == 0)
        return REASON_none;
    if (!websocket_wanted(request))
        return REASON_upgrade_refused;
    if (websocket_complete(request))
        return REASON_none;
    call->detail = SLICE("a WebSocket is asked for by GET, with one Sec-WebSocket-Key");
    return REASON_bad_request;
}

static enum reason plan_route(struct call *call)
{
    const struct route *route = call->route;
    const struct style_block *block = &route->block[call->style];
    if (!block->present)
        return call->style == route->style ? REASON_internal : REASON_method_not_allowed;

    assert(block->broker != NULL && block->broker->transport->styles & STYLE_BIT(call->style));
    bool message = block->broker->transport->whole & STYLE_BIT(call->style);
    call->plan = (struct plan){
        .style = call->style,
        .transport = block->broker->transport,
        .broker = block->broker,
        .settings = block->settings,
        .upstream = block->upstream,
        .await = call->style == STYLE_REQUEST_REPLY,
        .max_body = message || route->max_body_written ? route->max_body : UINT64_MAX,
        .max_reply = route->max_reply,
    };
    if (message)
        return REASON_none;
    enum reason reason = judge_upgrade(call);
    return reason == REASON_none ? complete_plan(call) : reason;
}

/* A path that nobody's rules have settled is one that two readers could read in two ways. */
static enum reason refuse_odd(struct call *call)
{
    call->detail = slice_text(path_oddity_text(call->request.oddities));
    return REASON_bad_request;
}

/* Which headers were there counts, and which a rewrite has left: an ID can be taken from either,
 * the later one first. */
static enum reason rewrite(struct call *call)
{
    take_id_from_header(call);
    if (call->route->rewrite == NULL)
        return REASON_none;
    enum reason reason = rewrite_request(call);
    take_id_from_header(call);
    return reason;
}

static enum reason decide_route(struct call *call)
{
    struct head *request = &call->request;
    bool odd = request->oddities != 0;
    call->route = odd ? route_find_odd(call->snapshot, request, &call->arena)
                      : route_find(call->snapshot, request);
    if (call->route == NULL)
        return odd ? refuse_odd(call) : decide_unmatched(call);
    call->style = style_for(call->route, request);
    enum reason reason = rewrite(call);
    return reason == REASON_none ? plan_route(call) : reason;
}

/* What routes with a `graphql` ask about; without it they do not match. */
static void read_graphql(struct call *call)
{
    struct head *request = &call->request;
    if (call->snapshot->graphql_count == 0 || !graphql_is_likely(request))
        return;
    struct graphql *graphql = arena_try(&call->arena, sizeof *graphql);
    if (graphql != NULL &&
        graphql_of_request(request, bytes_slice(&call->body), &call->arena, graphql))
        request->graphql = graphql;
}

const struct route *call_awaits_body(const struct call *call)
{
    const struct snapshot *snapshot = call->snapshot;
    const struct head *request = &call->request;
    if (snapshot->graphql_count == 0 || !head_has_body(request) ||
        !slice_is(request->method, "POST") || !graphql_is_likely(request))
        return NULL;
    for (unsigned i = 0; i < snapshot->graphql_count; i++) {
        if (route_mismatch_but_graphql(snapshot->graphql_routes[i], request) == NULL)
            return snapshot->graphql_routes[i];
    }
    return NULL;
}

enum reason call_decide(struct call *call)
{
    assert(call->route == NULL && call->plan.transport == NULL);
    read_graphql(call);
    if (call->listener != NULL && call->listener->admin) {
        if (call->request.oddities != 0)
            return refuse_odd(call);
        plan_pass(call, false);
        call->plan.broker = call->snapshot->admin_broker;
        call->plan.transport = call->plan.broker->transport;
        return REASON_none;
    }
    if (call->request.framing == FRAMING_TUNNEL)
        return decide_tunnel(call);
    return decide_route(call);
}

enum reason call_compose(struct call *call)
{
    const struct route *route = call->route;
    assert(route != NULL);
    take_id_from_body(call);

    struct message *message = &call->plan.message;
    struct wire_rules rules = { .carry = route->carry, .secrets = call->plan.await };
    int refused = wire_from_request(call, &rules, message);
    if (refused < 0)
        return (enum reason) - refused;
    message->message_id = call->message_id;
    message->app_id = slice_text(call->snapshot->service);
    message->timestamp_ms = worker_wall_ms(call->worker);
    message->durable = !call->plan.await;
    message->body = bytes_slice(&call->body);
    return complete_plan(call);
}
