/* The http transport: lanes, and what a plan says of itself. An attempt's life is in carriage.c.
 *
 * It has no settings of its own: core reads a route's `upstream`. Failures to connect and to
 * carry are told attempt by attempt; a lane is always up.
 */
#include "plugins/http/http.h"

#include <assert.h>
#include <errno.h>
#include <llhttp.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "http/writing.h"
#include "plugins/http/carriage.h"

/* --- instance and lanes ----------------------------------------------------------------------- */

static int open_instance(const struct host *host, struct broker *broker,
                         const struct values *values, struct complaints *complaints,
                         void **instance)
{
    (void)broker;
    (void)values;
    (void)complaints;
    assert(host->abi == SHUNT_ABI);
    *instance = (void *)(uintptr_t)host;
    return 0;
}

static void close_instance(void *instance)
{
    (void)instance;
}

static int attach(void *instance, struct worker *worker, void **lane)
{
    struct http_lane *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    made->host = instance;
    made->worker = worker;
    made->pools = pools_new(worker);
    *lane = made;
    return 0;
}

static void on_pools_closed(struct done *closed, int result)
{
    struct http_lane *lane = thing_of(closed, struct http_lane, closed);
    struct done *done = lane->done;
    assert(done != NULL);
    free(lane);
    done->on_done(done, result);
}

static void detach(void *own, struct done *done)
{
    struct http_lane *lane = own;
    assert(lane->done == NULL && done != NULL);
    lane->done = done;
    lane->closed.on_done = on_pools_closed;
    pools_free(lane->pools, &lane->closed);
}

/* --- what a plan says of itself --------------------------------------------------------------- */

static void say(struct description *description, const char *name, struct slice value)
{
    int full = fields_add(&description->lines, description->arena, slice_text(name), value);
    assert(full == 0);
}

static void say_header(struct description *description, struct slice name, struct slice value)
{
    struct slice line = arena_printf(description->arena, "header %.*s", (int)name.len,
                                     (const char *)name.at);
    struct slice copy = arena_copy(description->arena, value);
    say(description, line.at != NULL ? (const char *)line.at : "header", copy);
}

static void say_destination(struct description *description,
                            const struct upstream_settings *upstream)
{
    if (upstream == NULL) {
        say(description, "upstream", SLICE("none: where the call was going"));
        return;
    }
    assert(upstream->name != NULL && upstream->endpoint_count > 0);
    say(description, "upstream", slice_text(upstream->name));
    for (unsigned i = 0; i < upstream->endpoint_count; i++)
        say(description, "endpoint", slice_text(upstream->endpoints[i]));
}

static void say_request(struct description *description, const struct head *request,
                        const struct plan *made)
{
    struct bytes target = { 0 };
    target_write(request, &target);
    say(description, "method", request->method);
    say(description, "target", arena_copy(description->arena, bytes_slice(&target)));
    bytes_free(&target);
    say_header(description, SLICE("Host"), carriage_authority(request, made));
    for (uint32_t i = 0; i < request->fields.count; i++)
        say_header(description, request->fields.at[i].name, request->fields.at[i].value);
    struct own_fields fields;
    own_fields_of_request(request, &fields);
    for (unsigned i = 0; i < fields.count; i++)
        say_header(description, fields.at[i].name, fields.at[i].value);
}

static void describe(const struct call *call, const struct plan *made,
                     struct description *description)
{
    if (made->tunnel) {
        say(description, "tunnel", call->request.authority);
        return;
    }
    say_destination(description, made->upstream);
    say_request(description, &call->request, made);
}

static const struct setting no_settings[] = { { .key = NULL } };

#define TEXT(number)                 #number
#define VERSION(major, minor, patch) "llhttp " TEXT(major) "." TEXT(minor) "." TEXT(patch)

const struct transport http_transport = {
    .abi = SHUNT_ABI,
    .name = "http",
    .version = VERSION(LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH),
    .styles = STYLE_BIT(STYLE_SYNC),
    .broker = no_settings,
    .route = { no_settings, no_settings, no_settings },
    .subscription = no_settings,
    .open = open_instance,
    .close = close_instance,
    .attach = attach,
    .detach = detach,
    .describe = describe,
    .begin = carriage_begin,
    .body = carriage_body,
    .end = carriage_end,
    .room = carriage_room,
    .cancel = carriage_cancel,
};
