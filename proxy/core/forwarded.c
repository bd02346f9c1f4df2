/* Happy path: nothing to do, since the rule is to keep; else claims are taken out, and what this
 * hop knows for sure is written: the address of the other end of the connection, the host that was
 * called, and that it was plain HTTP. So it goes with claims of callers that are not trusted, too.
 * An address that is not known, as in explain, is "unknown" (RFC 7239 §6.2) and in no network.
 * Failure: the arena's cap.
 */
#include "core/forwarded.h"

#include <assert.h>

#include "config/values.h"
#include "core/snapshot.h"
#include "core/wire.h"

static const struct network *networks_of(const struct value *value, struct arena *arena)
{
    struct network *networks = arena_get(arena, (value->count + 1) * sizeof *networks);
    for (size_t i = 0; i < value->count; i++) {
        int bad = network_parse(slice_text(value->texts[i]), &networks[i]);
        assert(bad == 0); /* it was checked as it was read */
    }
    return networks;
}

struct hop_rules hop_rules_of(const struct values *listener, const struct address *address,
                              struct arena *arena)
{
    const struct value *trusted = values_get(listener, "trusted_proxies");
    struct hop_rules rules = {
        .forwarded = trusted->count > 0             ? FORWARDED_APPEND
                     : address_is_loopback(address) ? FORWARDED_KEEP
                                                    : FORWARDED_REPLACE,
        .trusted = networks_of(trusted, arena),
        .trusted_count = trusted->count,
        .form = (enum forwarded_form)values_number(listener, "forwarded_as"),
        .via = (enum via_rule)values_number(listener, "via"),
    };
    if (values_has(listener, "forwarded"))
        rules.forwarded = (enum forwarded_rule)values_number(listener, "forwarded");
    assert(rules.form <= FORM_BOTH && rules.via <= VIA_OFF);
    return rules;
}

static bool is_claim(const struct field *field, const void *what)
{
    (void)what;
    return wire_is_identity(field->name);
}

/* The caller's address without its port. */
static int find_caller(const struct call *call, struct slice *host, struct address *address)
{
    uint16_t port;
    if (host_split(call->peer, 0, host, &port) < 0)
        return -1;
    return address_from_host(*host, port, address);
}

/* As nginx and HAProxy write it. */
static struct slice address_of_caller(const struct call *call)
{
    struct slice host;
    struct address address;
    return find_caller(call, &host, &address) == 0 ? host : SLICE("unknown");
}

static bool is_trusted(const struct call *call, const struct hop_rules *rules)
{
    struct slice host;
    struct address address;
    if (rules->trusted_count == 0)
        return true;
    if (find_caller(call, &host, &address) < 0)
        return false;
    for (size_t i = 0; i < rules->trusted_count; i++) {
        if (network_has(&rules->trusted[i], &address))
            return true;
    }
    return false;
}

/* One element of Forwarded. What is no token is quoted; no host and no address has a quote. */
static struct slice forwarded_element(const struct call *call, struct arena *arena)
{
    struct slice node = address_of_caller(call), host = call->request.authority;
    bool v6 = slice_find(node, ':') < node.len;
    const char *open = v6 ? "\"[" : "", *close = v6 ? "]\"" : "";
    const char *quote = field_name_valid(host) ? "" : "\"";
    if (host.len == 0)
        return arena_printf(arena, "for=%s%.*s%s;proto=http", open, (int)node.len,
                            (const char *)node.at, close);
    return arena_printf(arena, "for=%s%.*s%s;host=%s%.*s%s;proto=http", open, (int)node.len,
                        (const char *)node.at, close, quote, (int)host.len, (const char *)host.at,
                        quote);
}

/* Behind what the last field of that name says, or in a field of its own. */
static int append(struct call *call, enum field_name token, struct slice name, struct slice value)
{
    struct fields *fields = &call->request.fields;
    uint32_t i = fields->count;
    while (i > 0 && fields->at[i - 1].token != token)
        i--;
    if (value.at == NULL)
        return -1;
    if (i == 0 || fields->at[i - 1].value.len == 0)
        return fields_add(fields, &call->arena, name, value);
    struct field *last = &fields->at[i - 1];
    struct slice both = arena_printf(&call->arena, "%.*s, %.*s", (int)last->value.len,
                                     (const char *)last->value.at, (int)value.len,
                                     (const char *)value.at);
    if (both.at == NULL)
        return -1;
    fields->bytes += both.len - last->value.len;
    last->value = both;
    return 0;
}

/* Whoever was first knows best: only -For is a list. */
static int add_if_missing(struct call *call, enum field_name token, struct slice name,
                          struct slice value)
{
    struct fields *fields = &call->request.fields;
    if (value.len == 0 || fields_find(fields, token) != NULL)
        return 0;
    return fields_add(fields, &call->arena, name, value);
}

static int add_hop(struct call *call, enum forwarded_form form)
{
    int full = 0;
    if (form != FORM_FORWARDED) {
        full |= append(call, FIELD_X_FORWARDED_FOR, SLICE("X-Forwarded-For"),
                       address_of_caller(call));
        full |= add_if_missing(call, FIELD_X_FORWARDED_PROTO, SLICE("X-Forwarded-Proto"),
                               SLICE("http"));
        full |= add_if_missing(call, FIELD_X_FORWARDED_HOST, SLICE("X-Forwarded-Host"),
                               call->request.authority);
    }
    if (form != FORM_X_FORWARDED)
        full |= append(call, FIELD_FORWARDED, SLICE("Forwarded"),
                       forwarded_element(call, &call->arena));
    return full;
}

/* Loops are found all the same (http/framing.h, head_hops). */
static int count_instead(struct call *call)
{
    struct head *request = &call->request;
    request->no_via = true;
    fields_remove(&request->fields, FIELD_SHUNT_HOPS);
    struct slice hops = arena_printf(&call->arena, "%u", call->hops + 1);
    return hops.at == NULL ? -1
                           : fields_add(&request->fields, &call->arena, SLICE("Shunt-Hops"), hops);
}

bool call_signs_answer(const struct call *call)
{
    return call->from_upstream && (call->listener == NULL || call->listener->hop.via == VIA_BOTH);
}

int forwarded_apply(struct call *call)
{
    if (call->listener == NULL)
        return 0;
    const struct hop_rules *rules = &call->listener->hop;
    enum forwarded_rule rule = rules->forwarded;
    if (rule < FORWARDED_REPLACE && !is_trusted(call, rules))
        rule = FORWARDED_REPLACE;
    if (rule >= FORWARDED_REPLACE)
        fields_remove_where(&call->request.fields, is_claim, NULL);
    int full = 0;
    if (rule == FORWARDED_APPEND || rule == FORWARDED_REPLACE)
        full |= add_hop(call, rules->form);
    if (rules->via == VIA_OFF)
        full |= count_instead(call);
    return full;
}
