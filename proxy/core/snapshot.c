/* From a checked configuration to what workers run on; see snapshot.h.
 *
 * Happy path: brokers are shared or opened, upstreams and routes compiled, subscriptions
 * planned, sockets bound. Any complaint undoes all of it: what was opened is released, what was
 * bound is closed.
 */
#include "core/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/resource.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/fan.h"
#include "core/registry.h"
#include "core/rewrite.h"
#include "core/route.h"
#include "net/listener.h"

#define SNAPSHOT_ARENA_CAP ((size_t)256 * 1024 * 1024)

/* What the parts of building share. */
struct building {
    struct snapshot *snapshot;
    struct registry *registry;
    const struct values *top;
    bool dry;
    struct complaints *complaints;
};

struct snapshot *snapshot_hold(struct snapshot *snapshot)
{
    unsigned before = atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    assert(before > 0);
    return snapshot;
}

static void close_descriptors(struct snapshot *snapshot, struct listener_settings *listener)
{
    for (unsigned i = 0; listener->descriptors != NULL && i < snapshot->workers; i++)
        if (listener->descriptors[i] >= 0)
            close(listener->descriptors[i]);
}

static void release_targets(const struct fan_settings *fan)
{
    for (unsigned i = 0; i < fan->count; i++) {
        const struct fan_target *target = &fan->targets[i];
        if (target->settings != NULL && target->broker->transport->release != NULL)
            target->broker->transport->release(target->settings);
    }
}

static void release_route(struct route *route)
{
    if (route->matcher != NULL)
        matcher_free(route->matcher);
    for (unsigned style = 0; style < STYLES; style++) {
        struct style_block *block = &route->block[style];
        if (block->fan != NULL)
            release_targets(block->fan);
        else if (block->settings != NULL && block->broker->transport->release != NULL)
            block->broker->transport->release(block->settings);
    }
}

static void destroy(struct snapshot *snapshot)
{
    assert(atomic_load(&snapshot->refs) == 0);
    for (unsigned i = 0; i < snapshot->listener_count; i++)
        close_descriptors(snapshot, &snapshot->listeners[i]);
    if (snapshot->admin != NULL && snapshot->admin->descriptors != NULL &&
        snapshot->admin->descriptors[0] >= 0)
        close(snapshot->admin->descriptors[0]);
    for (unsigned i = 0; i < snapshot->route_count; i++)
        release_route(&snapshot->routes[i]);
    route_index_free(snapshot->route_index);
    for (unsigned i = 0; i < snapshot->broker_count; i++)
        broker_release(snapshot->brokers[i]);
    struct arena arena = snapshot->arena;
    config_release(snapshot->config);
    arena_clear(&arena);
}

void snapshot_release(struct snapshot *snapshot)
{
    unsigned before = atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        destroy(snapshot);
}

bool snapshot_listens_at(const struct snapshot *snapshot, const struct address *address)
{
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        if (address_reaches(address, &snapshot->listeners[i].address))
            return true;
    }
    return snapshot->admin != NULL && address_reaches(address, &snapshot->admin->address);
}

/* --- brokers ---------------------------------------------------------------------------------- */

static struct broker *broker_named(const struct snapshot *snapshot, const char *name)
{
    if (name == NULL)
        return NULL;
    for (unsigned i = 0; i < snapshot->broker_count; i++)
        if (strcmp(snapshot->brokers[i]->name, name) == 0)
            return snapshot->brokers[i];
    return NULL;
}

static void build_brokers(struct building *building)
{
    struct snapshot *snapshot = building->snapshot;
    const struct value *groups = values_get(building->top, "brokers");
    snapshot->brokers = arena_get(&snapshot->arena,
                                  (groups->count + 3) * sizeof *snapshot->brokers);
    for (size_t i = 0; i < groups->count; i++) {
        const struct values *values = groups->groups[i];
        struct broker *broker = registry_broker(building->registry, values_text(values, "name"),
                                                values, snapshot->config, building->complaints);
        if (broker != NULL)
            snapshot->brokers[snapshot->broker_count++] = broker;
    }
    snapshot->http = broker_hold(building->registry->http);
    snapshot->brokers[snapshot->broker_count++] = snapshot->http;
    snapshot->fan = broker_hold(building->registry->fan);
    snapshot->brokers[snapshot->broker_count++] = snapshot->fan;
    if (building->registry->admin != NULL) {
        snapshot->admin_broker = broker_hold(building->registry->admin);
        snapshot->brokers[snapshot->broker_count++] = snapshot->admin_broker;
    }
}

/* --- upstreams -------------------------------------------------------------------------------- */

static void build_upstreams(struct building *building)
{
    struct snapshot *snapshot = building->snapshot;
    const struct value *groups = values_get(building->top, "upstreams");
    snapshot->upstreams = arena_get(&snapshot->arena,
                                    (groups->count + 1) * sizeof *snapshot->upstreams);
    for (size_t i = 0; i < groups->count; i++) {
        const struct values *values = groups->groups[i];
        const struct value *endpoints = values_get(values, "endpoints");
        snapshot->upstreams[snapshot->upstream_count++] = (struct upstream_settings){
            .name = values_text(values, "name"),
            .endpoints = endpoints->texts,
            .endpoint_count = (unsigned)endpoints->count,
            .connect_timeout_ms = values_ms(values, "connect_timeout"),
            .idle_ms = values_ms(values, "idle"),
            .connections = (unsigned)values_number(values, "connections"),
            .waiting = (unsigned)values_number(values, "waiting"),
            .h2 = values_number(values, "protocol") == 1,
        };
    }
    snapshot->pass = (struct upstream_settings){
        .name = "pass",
        .connect_timeout_ms = 3000,
        .idle_ms = 30000,
        .connections = 1024,
        .waiting = 1000,
    };
    snapshot->pass_timeout_ms = 60000;
}

/* What a block refers to: references were counted when they were checked. */
static const struct upstream_settings *upstream_of(const struct snapshot *snapshot,
                                                   const struct values *block)
{
    int64_t index = values_number(block, "upstream");
    assert(index >= 0 && index < snapshot->upstream_count);
    return &snapshot->upstreams[index];
}

/* --- routes ----------------------------------------------------------------------------------- */

/* One of several targets. Whether it can be carried to. */
static bool build_target(struct building *building, struct route *route,
                         const struct values *values, struct fan_target *target)
{
    target->broker = broker_named(building->snapshot, values_text(values, "broker"));
    if (target->broker == NULL)
        return false;
    const struct transport *transport = target->broker->transport;
    return transport->prepare == NULL ||
           transport->prepare(target->broker->instance, STYLE_EVENT, route->values, values,
                              building->complaints, &target->settings) == 0;
}

static void build_targets(struct building *building, struct route *route, struct style_block *block)
{
    struct arena *arena = &building->snapshot->arena;
    const struct value *groups = values_get(block->values, "targets");
    struct fan_settings *fan = arena_get(arena, sizeof *fan);
    fan->targets = arena_get(arena, (groups->count + 1) * sizeof *fan->targets);
    block->fan = fan;
    block->settings = fan;
    block->broker = building->snapshot->fan;
    block->present = true;
    for (size_t i = 0; i < groups->count; i++)
        block->present &= build_target(building, route, groups->groups[i],
                                       &fan->targets[fan->count++]);
}

static void build_block(struct building *building, struct route *route, enum style style)
{
    if (!values_has(route->values, style_names[style]))
        return;
    struct snapshot *snapshot = building->snapshot;
    struct style_block *block = &route->block[style];
    block->values = values_group(route->values, style_names[style]);
    if (style == STYLE_SYNC) {
        block->broker = snapshot->http;
        block->upstream = upstream_of(snapshot, block->values);
        block->present = block->upstream != NULL;
    } else if (style == STYLE_EVENT && values_get(block->values, "targets")->count > 0) {
        build_targets(building, route, block);
        return;
    } else {
        block->broker = broker_named(snapshot, values_text(block->values, "broker"));
        block->present = block->broker != NULL;
    }
    if (!block->present) {
        assert(building->complaints->errors > 0);
        return;
    }
    const struct transport *transport = block->broker->transport;
    if (transport->prepare != NULL)
        block->present = transport->prepare(block->broker->instance, style, route->values,
                                            block->values, building->complaints,
                                            &block->settings) == 0;
}

static void build_route(struct building *building, struct route *route, const struct values *values)
{
    struct snapshot *snapshot = building->snapshot;
    *route = (struct route){
        .name = values_text(values, "name"),
        .values = values,
        .style = (enum style)values_number(values, "style"),
        .timeout_ms = values_ms(values, "timeout"),
        .max_body = values_bytes(values, "max_body"),
        .max_body_written = values_has(values, "max_body"),
        .max_reply = values_bytes(values, "max_reply"),
        .message_id = values_text(values, "message_id"),
        .carry = values_get(values, "carry")->texts,
        .paths = { (enum path_rule)values_number(values, "encoded_slash"),
                   (enum path_rule)values_number(values, "double_slash") },
    };
    assert((unsigned)route->style < STYLES);
    if (values_has(values, "match"))
        route->matcher = matcher_compile(values_group(values, "match"), &snapshot->arena,
                                         building->complaints);
    route->rewrite = rewrite_compile(values, route->matcher, &snapshot->arena);
    for (unsigned style = 0; style < STYLES; style++)
        build_block(building, route, (enum style)style);
    const struct style_block *event = &route->block[STYLE_EVENT];
    if (event->present && values_has(event->values, "respond"))
        route->respond = values_group(event->values, "respond");
    if (building->registry->stats != NULL)
        route->stats = stats_route(building->registry->stats, "route", route->name);
}

static void build_routes(struct building *building)
{
    struct snapshot *snapshot = building->snapshot;
    const struct value *groups = values_get(building->top, "routes");
    snapshot->routes = arena_get(&snapshot->arena, (groups->count + 1) * sizeof *snapshot->routes);
    for (size_t i = 0; i < groups->count; i++)
        build_route(building, &snapshot->routes[snapshot->route_count++], groups->groups[i]);
    snapshot->graphql_routes = arena_get(&snapshot->arena,
                                         (groups->count + 1) * sizeof *snapshot->graphql_routes);
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        if (route_asks_graphql(&snapshot->routes[i]))
            snapshot->graphql_routes[snapshot->graphql_count++] = &snapshot->routes[i];
    }
    snapshot->route_index = route_index_build(snapshot->routes, snapshot->route_count,
                                              &snapshot->arena);
    if (building->registry->stats != NULL)
        snapshot->unmatched_stats = stats_route(building->registry->stats, "unmatched", "");
}

/* --- subscriptions ---------------------------------------------------------------------------- */

/* "http://127.0.0.1:8080/base" → authority and path prefix; the table has checked the form.
 * Whether it is HTTP/2's. */
static bool split_deliver(struct slice url, struct slice *authority, struct slice *prefix)
{
    bool h2 = slice_starts(url, SLICE("h2c://"));
    assert(h2 || slice_starts(url, SLICE("http://")));
    struct slice rest = slice_from(url, strlen(h2 ? "h2c://" : "http://"));
    size_t slash = slice_find(rest, '/');
    *authority = slice_first(rest, slash);
    *prefix = slice_from(rest, slash);
    assert(rest.at != NULL);
    while (prefix->len > 0 && rest.at[slash + prefix->len - 1] == '/')
        prefix->len--;
    return h2;
}

static void build_subscription(struct building *building, struct subscription_settings *settings,
                               const struct values *values)
{
    struct snapshot *snapshot = building->snapshot;
    settings->name = values_text(values, "name");
    settings->values = values;
    settings->broker = broker_named(snapshot, values_text(values, "broker"));
    bool h2 = split_deliver(slice_text(values_text(values, "deliver")), &settings->authority,
                            &settings->prefix);

    struct slice host;
    uint16_t port;
    if (host_split(settings->authority, 80, &host, &port) < 0) {
        complain(building->complaints, values_place(values, "deliver"), "the URL names no host");
        return;
    }
    const char **endpoints = arena_get(&snapshot->arena, 2 * sizeof *endpoints);
    const char *shape = slice_find(host, ':') < host.len ? "[%.*s]:%u" : "%.*s:%u";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    endpoints[0] = (const char *)arena_printf(&snapshot->arena, shape, (int)host.len,
                                              (const char *)host.at, port)
                       .at;
#pragma GCC diagnostic pop
    settings->upstream = (struct upstream_settings){
        .name = settings->name,
        .endpoints = endpoints,
        .endpoint_count = 1,
        .connect_timeout_ms = 1000,
        .idle_ms = 30000,
        .h2 = h2,
        .connections =
            UINT16_MAX, /* `concurrency` bounds them; after a reload two subscriptions share the pool */
        .waiting = 1,
    };
    settings->plan = (struct plan){
        .style = STYLE_SYNC,
        .transport = snapshot->http->transport,
        .broker = snapshot->http,
        .upstream = &settings->upstream,
        .max_body = UINT64_MAX,
        .max_reply = UINT64_MAX,
    };
    if (building->registry->stats != NULL)
        settings->stats = stats_route(building->registry->stats, "subscription", settings->name);
    const struct source *source = settings->broker != NULL ? settings->broker->transport->source
                                                           : NULL;
    if (source != NULL && source->check != NULL &&
        source->check(values, snapshot->service, building->complaints) < 0)
        assert(building->complaints->errors > 0);
}

static void build_subscriptions(struct building *building)
{
    struct snapshot *snapshot = building->snapshot;
    const struct value *groups = values_get(building->top, "subscriptions");
    snapshot->subscriptions = arena_get(&snapshot->arena,
                                        (groups->count + 1) * sizeof *snapshot->subscriptions);
    for (size_t i = 0; i < groups->count; i++)
        build_subscription(building, &snapshot->subscriptions[snapshot->subscription_count++],
                           groups->groups[i]);
}

/* --- listeners -------------------------------------------------------------------------------- */

static const struct listener_settings *serving_at(const struct snapshot *serving,
                                                  const struct address *address)
{
    if (serving == NULL)
        return NULL;
    if (serving->admin != NULL && address_equal(&serving->admin->address, address))
        return serving->admin;
    for (unsigned i = 0; i < serving->listener_count; i++)
        if (address_equal(&serving->listeners[i].address, address))
            return &serving->listeners[i];
    return NULL;
}

/* An address that is served already keeps its sockets: nothing is bound for it. When a listener
 * and admin change places, both are bound beside the sockets in use, which close once the
 * snapshot is adopted. */
static void bind_listener(struct building *building, struct listener_settings *listener,
                          const struct values *values, unsigned sockets)
{
    assert(sockets > 0 && sockets <= building->snapshot->workers);
    listener->descriptors = arena_get(&building->snapshot->arena,
                                      building->snapshot->workers * sizeof(int));
    for (unsigned i = 0; i < building->snapshot->workers; i++)
        listener->descriptors[i] = -1;
    const struct listener_settings *served = serving_at(building->registry->serving,
                                                        &listener->address);
    if (building->dry || (served != NULL && served->admin == listener->admin))
        return;
    for (unsigned i = 0; i < sockets; i++) {
        bool first = i == 0 && served == NULL;
        listener->descriptors[i] = first ? listener_bind(&listener->address)
                                         : listener_bind_beside(&listener->address);
        if (listener->descriptors[i] >= 0)
            continue;
        complain(building->complaints, values_place(values, "address"), "cannot listen on %s: %s",
                 values_text(values, "address"), strerror(-listener->descriptors[i]));
        return;
    }
}

static void build_listener(struct building *building, struct listener_settings *listener,
                           const struct values *values)
{
    listener->name = values_text(values, "name");
    listener->host = values_text(values, "host");
    int bad = address_parse(slice_text(values_text(values, "address")), &listener->address);
    if (bad < 0) {
        complain(building->complaints, values_place(values, "address"), "'%s' is no address",
                 values_text(values, "address"));
        return;
    }
    listener->hop = hop_rules_of(values, &listener->address, &building->snapshot->arena);
    listener->cancels_half_closed = strcmp(values_text(values, "half_closed"), "cancel") == 0;
    bind_listener(building, listener, values, building->snapshot->workers);
}

static void build_listeners(struct building *building)
{
    struct snapshot *snapshot = building->snapshot;
    const struct value *groups = values_get(building->top, "listeners");
    snapshot->listeners = arena_get(&snapshot->arena,
                                    (groups->count + 1) * sizeof *snapshot->listeners);
    for (size_t i = 0; i < groups->count; i++)
        build_listener(building, &snapshot->listeners[snapshot->listener_count++],
                       groups->groups[i]);

    if (!values_has(building->top, "admin"))
        return;
    const struct values *admin = values_group(building->top, "admin");
    snapshot->admin = arena_get(&snapshot->arena, sizeof *snapshot->admin);
    snapshot->admin->name = "admin";
    snapshot->admin->admin = true;
    snapshot->admin_hosts = values_get(admin, "hosts")->texts;
    if (address_parse(slice_text(values_text(admin, "address")), &snapshot->admin->address) == 0)
        bind_listener(building, snapshot->admin, admin, 1);
}

/* --- all together ----------------------------------------------------------------------------- */

static const char *own_host_name(struct arena *arena)
{
    char name[HOST_NAME_MAX + 1] = "shunt";
    gethostname(name, sizeof name - 1);
    return (const char *)arena_copy(arena, slice_text(name)).at;
}

/* A quarter of what the process may have open is left to upstreams, brokers and admin: with no
 * descriptor to spare, nobody could even be refused. */
static unsigned most_connections(const struct values *limits)
{
    int64_t most = values_number(limits, "connections");
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 4 * 3 < (rlim_t)most)
        most = (int64_t)(files.rlim_cur / 4 * 3);
    return (unsigned)most;
}

static void build_top(struct building *building)
{
    struct snapshot *snapshot = building->snapshot;
    const struct values *top = building->top, *limits = values_group(top, "limits"),
                        *timeouts = values_group(top, "timeouts");
    snapshot->service = values_text(top, "service");
    snapshot->instance = values_has(top, "instance") ? values_text(top, "instance")
                                                     : own_host_name(&snapshot->arena);
    snapshot->workers = (unsigned)values_number(top, "workers");
    if (building->registry->workers != 0)
        snapshot->workers = building->registry->workers;
    assert(snapshot->workers > 0 && snapshot->workers <= WORKERS_MAX);
    snapshot->pass_unmatched = strcmp(values_text(top, "unmatched"), "pass") == 0;
    snapshot->grace_ms = values_ms(top, "grace");
    snapshot->limits = (struct limits){
        .connections = most_connections(limits),
        .streams = (unsigned)values_number(limits, "streams"),
        .head = values_bytes(limits, "head"),
        .head_fields = (size_t)values_number(limits, "head_fields"),
        .memory = values_bytes(limits, "memory"),
        .head_ms = values_ms(timeouts, "head"),
        .idle_ms = values_ms(timeouts, "idle"),
        .body_ms = values_ms(timeouts, "body"),
        .tunnel_ms = values_ms(timeouts, "tunnel"),
        .half_tunnel_ms = values_ms(timeouts, "half_tunnel"),
    };
}

struct snapshot *snapshot_build(struct config *config, struct registry *registry, bool dry,
                                struct complaints *complaints)
{
    assert(config != NULL && complaints->errors == 0);
    struct arena arena;
    arena_init(&arena, SNAPSHOT_ARENA_CAP);
    struct snapshot *snapshot = arena_get(&arena, sizeof *snapshot);
    snapshot->arena = arena;
    snapshot->refs = 1;
    snapshot->config = config;
    snapshot->generation = registry->generation + 1;

    struct building building = { .snapshot = snapshot,
                                 .registry = registry,
                                 .top = config->top,
                                 .dry = dry,
                                 .complaints = complaints };
    build_top(&building);
    build_brokers(&building);
    build_upstreams(&building);
    build_routes(&building);
    build_subscriptions(&building);
    if (complaints->errors == 0)
        build_listeners(&building);
    if (complaints->errors == 0)
        return snapshot;
    snapshot_release(snapshot);
    return NULL;
}
