/* The keys are those of the table in config/tables.c. Nothing here fails but a path that does
 * not fit the arena, which counts as not allowed. */
#include "delivery/policy.h"

#include <assert.h>

#include "core/path.h"

static void read_allow(struct policy *policy, const struct values *values, struct arena *arena)
{
    const struct value *list = values_get(values, "allow");
    policy->allow = arena_get(arena, (list->count + 1) * sizeof(*policy->allow));
    policy->allow_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        const struct values *entry = list->groups[i];
        struct allowance *allowance = &policy->allow[i];
        allowance->methods = values_get(entry, "method");
        allowance->paths = (struct path_rules){
            (enum path_rule)values_number(entry, "encoded_slash"),
            (enum path_rule)values_number(entry, "double_slash"),
        };
        const char *path = values_text(entry, "path");
        if (path == NULL)
            continue;
        const char *why;
        allowance->path = path_pattern(slice_text(path), arena, &why);
        if (allowance->path.at == NULL)
            allowance->path = SLICE(""); /* no path is like it: it allows nothing */
    }
}

void policy_read(struct policy *policy, const struct values *values, struct arena *arena)
{
    const struct values *retry = values_group(values, "retry");
    *policy = (struct policy){
        .trust = (const char *const *)values_get(values, "trust")->texts,
        .timeout_ms = values_ms(values, "timeout"),
        .concurrency = (unsigned)values_number(values, "concurrency"),
        .max_body = values_bytes(values, "max_body"),
        .max_reply = values_bytes(values, "max_reply"),
        .attempts = (unsigned)values_number(retry, "attempts"),
        .backoff_ms = values_ms(retry, "backoff"),
        .max_backoff_ms = values_ms(retry, "max_backoff"),
        .max_age_ms = values_ms(retry, "max_age"),
        .hold_ms = values_ms(retry, "hold"),
    };
    assert(policy->concurrency > 0 && policy->attempts > 0 && policy->timeout_ms > 0);
    read_allow(policy, values, arena);
    result_read(&policy->result, values_group(values, "result"), arena);
}

static bool method_listed(const struct value *methods, struct slice method)
{
    for (size_t i = 0; i < methods->count; i++)
        if (slice_is(method, methods->texts[i]))
            return true;
    return methods->count == 0;
}

/* Gives the request the path that the allowance reads, if it takes that. */
static bool takes_path(const struct allowance *allowance, struct head *request, struct arena *arena)
{
    struct slice path = path_settle(request->path, request->oddities, &allowance->paths, arena);
    if (path.at == NULL || (allowance->path.at != NULL && !path_fits(allowance->path, path)))
        return false;
    request->path = path;
    request->oddities = 0;
    return true;
}

static bool allows(const struct policy *policy, struct head *request, struct arena *arena)
{
    for (size_t i = 0; i < policy->allow_count; i++) {
        const struct allowance *allowance = &policy->allow[i];
        if (method_listed(allowance->methods, request->method) &&
            takes_path(allowance, request, arena))
            return true;
    }
    return false;
}

static bool is_root(const struct head *request)
{
    return slice_is(request->path, "/") && !request->has_query;
}

bool policy_aim(const struct policy *policy, const struct message *message, struct slice prefix,
                struct arena *arena, struct head *request)
{
    assert(request->path.len > 0 && request->path.at[0] == '/');
    bool names = fields_find_name(&message->headers, SLICE(":method")) != NULL ||
                 fields_find_name(&message->headers, SLICE(":path")) != NULL;
    bool itself = is_root(request) && slice_is(request->method, "POST");
    if (names && !itself && !allows(policy, request, arena))
        return false;
    assert(request->oddities == 0);
    if (prefix.len == 0)
        return true;
    if (slice_is(request->path, "/")) {
        request->path = prefix;
        return true;
    }
    request->path = arena_printf(arena, "%.*s%.*s", (int)prefix.len, (const char *)prefix.at,
                                 (int)request->path.len, (const char *)request->path.at);
    return request->path.at != NULL;
}

unsigned policy_share(const struct policy *policy, unsigned worker, unsigned workers)
{
    assert(workers > 0 && worker < workers);
    return policy->concurrency / workers + (worker < policy->concurrency % workers);
}
