/* Happy path: begin notes the attempt → at the end of the turn the page is rendered and goes up
 * as head, body and end. Failures: the caller goes away first (cancel), also in the middle of
 * our own up-calls; a refusal goes up as attempt_fail, and core makes the answer. The answer is
 * in memory already, so it does not wait for room.
 */
#include "observe/admin.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>

#include "core/problem.h"
#include "core/worker.h"
#include "observe/readiness.h"

struct admin_lane {
    struct admin_context *context;
    struct worker *worker;
    struct task task;
    struct done *done; /* of detach */
};

/* An attempt on its way to its answer. */
struct answer {
    struct task task;
    struct attempt *attempt;
    struct admin_lane *lane;
    bool telling, cancelled; /* in an up-call; and the caller went away in it */
};

/* --- who may ask ------------------------------------------------------------------------------ */

/* Literally loopback: a name that resolves to it may be anybody's. */
static bool names_loopback(struct slice host)
{
    if (slice_is_nocase(host, "localhost"))
        return true;
    char text[INET6_ADDRSTRLEN];
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    if (strlen(text) != host.len)
        return false;

    struct in_addr in;
    struct in6_addr in6;
    if (inet_pton(AF_INET, text, &in) == 1)
        return ntohl(in.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, text, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

/* An entry of `hosts` without a port allows every port. */
static bool is_listed(struct slice authority, struct slice host, const char *const *hosts)
{
    for (; hosts != NULL && *hosts != NULL; hosts++) {
        struct slice entry = slice_text(*hosts);
        if (slice_equal_nocase(authority, entry) || slice_equal_nocase(host, entry))
            return true;
    }
    return false;
}

static bool host_allowed(struct slice authority, const struct address *listening,
                         const char *const *hosts)
{
    if (listening->any.sa_family == AF_UNIX)
        return true;
    struct slice host;
    uint16_t ours = address_port(listening), port;
    if (authority.len == 0 || host_split(authority, ours, &host, &port) < 0)
        return false;
    return (names_loopback(host) && port == ours) || is_listed(authority, host, hosts);
}

/* Same origin, said by the scheme and the very Host of the request (RFC 6454 §7). */
static bool origin_allowed(struct slice origin, struct slice authority)
{
    struct slice scheme = SLICE("http://");
    return slice_starts(origin, scheme) &&
           slice_equal_nocase(slice_from(origin, scheme.len), authority);
}

/* What a form sends without asking first (CORS-safelisted types, Fetch §2.2.2). */
static bool is_form(struct slice content_type)
{
    static const char *const types[] = { "application/x-www-form-urlencoded", "multipart/form-data",
                                         "text/plain" };
    struct slice type = slice_trim(slice_first(content_type, slice_find(content_type, ';')));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (slice_is_nocase(type, types[i]))
            return true;
    }
    return false;
}

const char *admin_guard(const struct head *request, const struct address *listening,
                        const char *const *hosts)
{
    if (!host_allowed(request->authority, listening, hosts))
        return "this Host is not one of the admin listener's; see admin.hosts";
    const struct fields *fields = &request->fields;
    const struct field *origin = fields_find(fields, FIELD_ORIGIN);
    for (; origin != NULL; origin = fields_next(fields, origin)) {
        if (!origin_allowed(origin->value, request->authority))
            return "pages of another origin are not answered";
    }
    const struct field *type = fields_find(fields, FIELD_CONTENT_TYPE);
    for (; type != NULL; type = fields_next(fields, type)) {
        if (is_form(type->value))
            return "forms are not answered";
    }
    return NULL;
}

/* --- pages ------------------------------------------------------------------------------------ */

static int render_live(const struct admin_context *context, struct bytes *out)
{
    (void)context;
    bytes_text(out, "{\"live\":true}\n");
    return 200;
}

static int render_ready(const struct admin_context *context, struct bytes *out)
{
    const struct snapshot *snapshot = context->current(context->context);
    return readiness_render(snapshot, context->stats, context->draining, out) ? 200 : 503;
}

static int render_metrics(const struct admin_context *context, struct bytes *out)
{
    metrics_render(context->stats, context->current(context->context), context->reload_failed, out);
    return 200;
}

static const struct page {
    const char *path, *type;
    int (*render)(const struct admin_context *context, struct bytes *out); /* the status */
} pages[] = {
    { "/healthz/live", "application/json", render_live },
    { "/healthz/ready", "application/json", render_ready },
    { "/metrics", "text/plain; version=0.0.4; charset=utf-8", render_metrics },
};

static const struct page *find_page(struct slice path)
{
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (slice_is(path, pages[i].path))
            return &pages[i];
    }
    return NULL;
}

/* --- answering -------------------------------------------------------------------------------- */

/* Head, body, end. The caller may go away in each of them. */
static void tell(struct answer *answer, const struct head *head, struct slice body)
{
    assert(!answer->telling && !answer->cancelled && head->status >= 200);
    answer->telling = true;
    attempt_head(answer->attempt, head);
    if (!answer->cancelled)
        attempt_body(answer->attempt, body);
    if (!answer->cancelled)
        attempt_end(answer->attempt, NULL);
}

/* -1: the call's arena is full. */
static int add_fields(struct head *head, struct arena *arena, const char *type)
{
    if (fields_add(&head->fields, arena, SLICE("Content-Type"), slice_text(type)) < 0)
        return -1;
    return fields_add(&head->fields, arena, SLICE("Cache-Control"), SLICE("no-store"));
}

static void answer_page(struct answer *answer, const struct page *page)
{
    struct bytes body = { 0 };
    struct head head = { .minor = 1, .framing = FRAMING_LENGTH };
    head.status = page->render(answer->lane->context, &body);
    head.length = body.len;
    if (body.full || add_fields(&head, &answer->attempt->call->arena, page->type) < 0)
        attempt_fail(answer->attempt, OUTCOME_NOT_SENT, REASON_overloaded, NULL);
    else
        tell(answer, &head, bytes_slice(&body));
    bytes_free(&body);
}

/* The reason's own answer, but for the methods that it names. */
static void answer_wrong_method(struct answer *answer)
{
    struct call *call = answer->attempt->call;
    struct head head;
    struct slice text = problem_render(&call->arena, call->snapshot->service,
                                       REASON_method_not_allowed, OUTCOME_NOT_SENT,
                                       call->message_id, "only GET is answered here", &head);
    for (uint32_t i = 0; i < head.fields.count; i++) {
        if (slice_is_nocase(head.fields.at[i].name, "allow"))
            head.fields.at[i].value = SLICE("GET");
    }
    tell(answer, &head, text);
}

static void on_turn_end(struct task *task)
{
    struct answer *answer = thing_of(task, struct answer, task);
    const struct call *call = answer->attempt->call;
    assert(answer->attempt->own == answer && call->listener->admin);
    const struct page *page = find_page(call->request.path);
    const char *refused = admin_guard(&call->request, &call->listener->address,
                                      call->snapshot->admin_hosts);
    if (refused != NULL)
        attempt_fail(answer->attempt, OUTCOME_NOT_SENT, REASON_forbidden, refused);
    else if (page == NULL)
        attempt_fail(answer->attempt, OUTCOME_NOT_SENT, REASON_not_found,
                     "there are /healthz/live, /healthz/ready and /metrics");
    else if (!slice_is(call->request.method, "GET"))
        answer_wrong_method(answer);
    else
        answer_page(answer, page);
    free(answer);
}

/* --- the transport ---------------------------------------------------------------------------- */

static int attach(void *instance, struct worker *worker, void **lane)
{
    struct admin_lane *made = calloc(1, sizeof *made);
    if (made == NULL)
        abort();
    made->context = instance;
    made->worker = worker;
    *lane = made;
    return 0;
}

static void on_detached(struct task *task)
{
    struct admin_lane *lane = thing_of(task, struct admin_lane, task);
    struct done *done = lane->done;
    assert(done != NULL);
    free(lane);
    done->on_done(done, 0);
}

/* Answers begun before are told before: tasks run in order. */
static void detach(void *instance, struct done *done)
{
    struct admin_lane *lane = instance;
    assert(lane->done == NULL && done != NULL);
    lane->done = done;
    lane->task.run = on_detached;
    worker_defer(lane->worker, &lane->task);
}

static void describe(const struct call *call, const struct plan *made,
                     struct description *description)
{
    (void)call;
    (void)made;
    (void)description;
}

static int begin(struct attempt *attempt)
{
    struct admin_lane *lane = attempt->lane;
    assert(lane->done == NULL && attempt->call->listener != NULL && attempt->call->listener->admin);
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        return -REASON_overloaded;
    *answer = (struct answer){ .task.run = on_turn_end, .attempt = attempt, .lane = lane };
    attempt->own = answer;
    worker_defer(lane->worker, &answer->task);
    return 0;
}

/* Nothing is ever wanted of a request's body, so none comes. */
static void body(struct attempt *attempt, struct slice bytes)
{
    (void)bytes;
    assert(attempt == NULL);
}

static void end(struct attempt *attempt, const struct fields *trailers)
{
    (void)attempt;
    (void)trailers;
}

static enum outcome cancel(struct attempt *attempt)
{
    struct answer *answer = attempt->own;
    assert(answer != NULL && answer->attempt == attempt);
    if (answer->telling) {
        answer->cancelled = true;
    } else {
        list_leave(&answer->task.link);
        free(answer);
    }
    return OUTCOME_NOT_SENT;
}

static const struct setting no_settings[] = { { .key = NULL } };

const struct transport admin_transport = {
    .abi = SHUNT_ABI,
    .name = "admin",
    .version = "",
    .styles = STYLE_BIT(STYLE_SYNC),
    .broker = no_settings,
    .route = { no_settings, no_settings, no_settings },
    .subscription = no_settings,
    .attach = attach,
    .detach = detach,
    .describe = describe,
    .begin = begin,
    .body = body,
    .end = end,
    .cancel = cancel,
};
