/* Happy path: the question is written as the request that curl would send, parsed by the
 * server's own parser, decided and composed by the functions that run, and told line by line.
 * The call never begins. */
#include "core/explain.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "core/call.h"
#include "core/forwarded.h"
#include "core/rewrite.h"
#include "core/route.h"
#include "core/worker.h"
#include "http/framing.h"
#include "http/server.h"

#define RAW_CAP (1024 * 1024)

static uint64_t no_time(void *context)
{
    (void)context;
    return 0;
}

static uint64_t wall_time(void *context)
{
    (void)context;
    return (uint64_t)time(NULL) * 1000;
}

static void random_bytes(void *context, void *bytes, size_t len)
{
    (void)context;
    arc4random_buf(bytes, len);
}

static bool names_host(const char *const *headers)
{
    for (; *headers != NULL; headers++)
        if (strncasecmp(*headers, "host:", 5) == 0)
            return true;
    return false;
}

/* What curl would send to a listener. NULL, or what is wrong. */
static const char *write_request(const struct question *question, struct bytes *raw)
{
    const char *method = question->method, *rest = question->url;
    if (method == NULL)
        method = question->data != NULL ? "POST" : "GET";
    size_t scheme = strcspn(rest, "/?");
    if (scheme > 0 && rest[scheme - 1] == ':' && strncmp(rest + scheme, "//", 2) == 0) {
        if (strncasecmp(rest, "http:", scheme) != 0)
            return "only calls to http:// can be carried";
        rest += scheme + 2;
    }
    struct slice authority = slice_of(rest, strcspn(rest, "/?"));
    struct slice target = slice_text(rest + authority.len);
    if (authority.len == 0)
        return "the URL names no host";
    int len = (int)authority.len;

    if (strcmp(method, "CONNECT") == 0)
        bytes_printf(raw, "CONNECT %.*s", len, rest);
    else
        bytes_printf(raw, "%s %s%s", method, target.len > 0 && target.at[0] == '/' ? "" : "/",
                     (const char *)target.at);
    bytes_text(raw, " HTTP/1.1\r\n");
    if (!names_host(question->headers))
        bytes_printf(raw, "Host: %.*s\r\n", len, rest);
    for (size_t i = 0; question->headers[i] != NULL; i++)
        bytes_printf(raw, "%s\r\n", question->headers[i]);
    if (question->data != NULL)
        bytes_printf(raw, "Content-Length: %zu\r\n", strlen(question->data));
    bytes_text(raw, "\r\n");
    return NULL;
}

/* The listener that it would come in at: the one that it names, whose `host` then counts, or
 * else the first. */
static void choose_listener(struct call *call)
{
    const struct snapshot *snapshot = call->snapshot;
    call->listener = snapshot->listener_count > 0 ? &snapshot->listeners[0] : NULL;
    for (unsigned i = 0; i < snapshot->listener_count; i++) {
        const struct listener_settings *listener = &snapshot->listeners[i];
        if (listener->host == NULL ||
            !listener_is_named(&listener->address, call->request.authority))
            continue;
        call->listener = listener;
        call->request.authority = slice_text(listener->host);
        return;
    }
}

/* Reads the question as a server would. NULL, or what is wrong. */
static const char *ask(struct call *call, const struct question *question)
{
    struct bytes raw = { .cap = RAW_CAP };
    const char *wrong = write_request(question, &raw);
    struct slice head = arena_copy(&call->arena, bytes_slice(&raw));
    bytes_free(&raw);
    if (head.at == NULL)
        return "the request is too large";
    if (wrong == NULL)
        wrong = head_scan(head);
    if (wrong != NULL)
        return wrong;
    struct head_notes notes = { 0 };
    enum head_verdict verdict = request_parse(head, call->snapshot->limits.head_fields,
                                              &call->arena, &call->request, &notes);
    if (verdict != HEAD_OK)
        return notes.why != NULL ? notes.why : "it is not a valid HTTP request";
    call->upgrade = notes.upgrade;
    call->hops = head_hops(&call->request.fields);
    choose_listener(call);
    if (forwarded_apply(call) != 0)
        return "the request is too large";
    if (question->data != NULL)
        bytes_text(&call->body, question->data);
    return NULL;
}

static void say(struct description *told, const char *name, struct slice value)
{
    int full = fields_add(&told->lines, told->arena, slice_text(name), value);
    assert(full == 0);
}

/* The request as routes see it, before one of them has changed it. */
static struct head as_asked(const struct call *call, struct arena *arena)
{
    struct head asked = call->request;
    asked.fields = (struct fields){ 0 };
    for (uint32_t i = 0; i < call->request.fields.count; i++) {
        const struct field *field = &call->request.fields.at[i];
        int full = fields_add(&asked.fields, arena, field->name, field->value);
        assert(full == 0);
    }
    return asked;
}

static void say_route(const struct call *call, const struct head *asked, struct description *told)
{
    const struct snapshot *snapshot = call->snapshot;
    if (call->route == NULL && asked->oddities != 0) {
        say(told, "route", SLICE("none: the path can be read in several ways"));
        return;
    }
    for (unsigned i = 0; i < snapshot->route_count && &snapshot->routes[i] != call->route; i++) {
        const char *why = route_mismatch(&snapshot->routes[i], asked);
        say(told, "not route",
            arena_printf(told->arena, "%s: %s", snapshot->routes[i].name, why != NULL ? why : "?"));
    }
    if (call->route == NULL) {
        say(told, "route",
            slice_text(snapshot->pass_unmatched ? "none: passes through" : "none: refused"));
        return;
    }
    struct place place = call->route->values->place;
    say(told, "route",
        arena_printf(told->arena, "%s (%s:%u)", call->route->name, place.file, place.line));
}

static void say_answer(const struct call *call, struct description *told)
{
    const struct plan *plan = &call->plan;
    uint64_t timeout = call->route != NULL ? call->route->timeout_ms
                                           : call->snapshot->pass_timeout_ms;
    const char *answer = "the upstream's own answer";
    if (plan->style == STYLE_REQUEST_REPLY)
        answer = "the callee's reply, its own status and headers";
    if (plan->style == STYLE_EVENT)
        answer = NULL;
    if (answer != NULL) {
        say(told, "answer",
            arena_printf(told->arena, "%s; ours if none comes within %llu ms", answer,
                         (unsigned long long)timeout));
        return;
    }
    assert(call->route != NULL); /* only a route makes an event of a call */
    long long status = call->route->respond != NULL ? values_number(call->route->respond, "status")
                                                    : 202;
    say(told, "answer",
        arena_printf(told->arena,
                     "%lld as the route's ack says; ours if that is not so within %llu ms", status,
                     (unsigned long long)timeout));
}

static void say_refusal(const struct call *call, enum reason reason, struct description *told)
{
    const struct reason_row *row = &reasons[reason];
    say(told, "refused", slice_text(row->text));
    say(told, "answer",
        arena_printf(told->arena, "%d, reason %s, executed no", row->status, row->name));
    if (call->detail.len != 0)
        say(told, "detail", call->detail);
}

/* A call that goes where it was going may not go everywhere. Of a name only its addresses would
 * tell. */
static enum reason judge_destination(const struct call *call)
{
    struct slice host;
    uint16_t port;
    struct address address;
    if (call->plan.upstream != NULL || call->plan.style != STYLE_SYNC ||
        host_split(call->request.authority, 80, &host, &port) < 0 ||
        address_from_host(host, port, &address) < 0)
        return REASON_none;
    if (address_is_forbidden(&address))
        return REASON_destination_forbidden;
    return snapshot_listens_at(call->snapshot, &address) ? REASON_misdirected : REASON_none;
}

static enum reason tell(struct call *call, struct description *told)
{
    struct head asked = as_asked(call, told->arena);
    enum reason reason = call_decide(call);
    if (reason == REASON_none)
        reason = judge_destination(call);
    say(told, "call",
        arena_printf(told->arena, "%.*s http://%.*s%.*s", (int)asked.method.len,
                     (const char *)asked.method.at, (int)asked.authority.len,
                     (const char *)asked.authority.at, (int)asked.path.len,
                     (const char *)asked.path.at));
    say_route(call, &asked, told);
    struct description changes = { .arena = told->arena };
    rewrite_describe(call, &changes);
    bool message = reason == REASON_none &&
                   (call->plan.transport->whole & STYLE_BIT(call->plan.style));
    if (message && call->upgrade)
        reason = REASON_upgrade_refused;
    if (message && reason == REASON_none && call->body.len > call->plan.max_body)
        reason = REASON_body_too_large;
    if (message && reason == REASON_none)
        reason = call_compose(call);
    if (reason != REASON_none) {
        say_refusal(call, reason, told);
        return reason;
    }
    say(told, "style", slice_text(style_names[call->plan.style]));
    if (call->plan.broker != call->snapshot->fan) /* whose targets say theirs */
        say(told, "broker", slice_text(call->plan.broker->name));
    call->plan.transport->describe(call, &call->plan, told);
    say_answer(call, told);
    for (uint32_t i = 0; i < changes.lines.count; i++)
        say(told, (const char *)changes.lines.at[i].name.at, changes.lines.at[i].value);
    return REASON_none;
}

static void print_text(const struct fields *lines, FILE *out)
{
    for (uint32_t i = 0; i < lines->count; i++) {
        struct bytes line = { 0 };
        bytes_json(&line, lines->at[i].value);
        fprintf(out, "%-24.*s %.*s\n", (int)lines->at[i].name.len,
                (const char *)lines->at[i].name.at, (int)line.len - 2, (const char *)line.at + 1);
        bytes_free(&line);
    }
}

static void print_json(const struct fields *lines, FILE *out)
{
    struct bytes text = { 0 };
    for (uint32_t i = 0; i < lines->count; i++) {
        bytes_text(&text, i == 0 ? "[" : ",\n ");
        bytes_text(&text, "{\"name\":");
        bytes_json(&text, lines->at[i].name);
        bytes_text(&text, ",\"value\":");
        bytes_json(&text, lines->at[i].value);
        bytes_byte(&text, '}');
    }
    fprintf(out, "%.*s]\n", (int)text.len, (const char *)text.at);
    bytes_free(&text);
}

int explain(struct snapshot *snapshot, const struct question *question, FILE *out)
{
    struct worker worker;
    worker_init(&worker, 0, (struct clock){ no_time, wall_time, random_bytes, NULL }, NULL);
    worker.snapshot = snapshot;
    struct call *call = call_new(&worker, NULL, NULL);
    assert(call != NULL);

    int status = 2;
    const char *wrong = ask(call, question);
    if (wrong != NULL) {
        fprintf(stderr, "shunt explain: %s\n", wrong);
    } else {
        struct arena arena;
        arena_init(&arena, 4 * RAW_CAP);
        struct description told = { .arena = &arena };
        status = tell(call, &told) == REASON_none ? 0 : 1;
        (question->json ? print_json : print_text)(&told.lines, out);
        arena_clear(&arena);
    }
    call_discard(call);
    return status;
}
