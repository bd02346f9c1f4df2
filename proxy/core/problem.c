/* An answer of our own, written for two readers: Proxy-Status for whoever is next on the way, JSON
 * for the caller.
 *
 * Happy path: both texts are built in growing bytes and copied into the arena, which the head then
 * points into. Failure: at the arena's cap (or out of memory) the body is empty and fields are
 * missing; the status still says it.
 */
#include "core/problem.h"

#include <assert.h>

#include "base/bytes.h"

/* Details come from peers too: an answer never grows by more than this. */
enum { DETAIL_MAX = 512 };

static bool is_letter(uint8_t byte)
{
    uint8_t low = byte | 0x20;
    return low >= 'a' && low <= 'z';
}

/* RFC 8941 §3.3.4: what may stand as a token, without quotes. */
static bool is_sf_token(struct slice text)
{
    if (text.len == 0 || (!is_letter(text.at[0]) && text.at[0] != '*'))
        return false;
    for (size_t i = 1; i < text.len; i++) {
        uint8_t byte = text.at[i];
        bool digit = byte >= '0' && byte <= '9';
        if (!is_letter(byte) && !digit && (byte == 0 || strchr("!#$%&'*+-.^_`|~:/", byte) == NULL))
            return false;
    }
    return true;
}

/* RFC 8941 §3.3.3: printable ASCII only; anything else becomes '?'. */
static void add_sf_string(struct bytes *out, struct slice text)
{
    bytes_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (byte == '"' || byte == '\\')
            bytes_byte(out, '\\');
        bytes_byte(out, byte < ' ' || byte > '~' ? '?' : byte);
    }
    bytes_byte(out, '"');
}

static void add_proxy_status(struct bytes *out, struct slice service, enum reason reason,
                             struct slice detail)
{
    if (is_sf_token(service))
        bytes_add(out, service);
    else
        add_sf_string(out, service);
    if (reasons[reason].proxy_status[0] != '\0')
        bytes_printf(out, "; error=%s", reasons[reason].proxy_status);
    bytes_text(out, "; details=");
    add_sf_string(out, detail);
}

static void add_member(struct bytes *out, const char *name, struct slice value)
{
    bytes_printf(out, ",\"%s\":", name);
    bytes_json(out, value);
}

/* Where all have the same state, `executed` has said it. */
static bool differ(const struct fields *targets)
{
    for (uint32_t i = 1; i < targets->count; i++)
        if (!slice_equal(targets->at[i].value, targets->at[0].value))
            return true;
    return false;
}

static void add_targets(struct bytes *out, const struct fields *targets)
{
    bytes_text(out, ",\"partial\":[");
    for (uint32_t i = 0; i < targets->count; i++) {
        bytes_text(out, i > 0 ? ",{\"target\":" : "{\"target\":");
        bytes_json(out, targets->at[i].name);
        add_member(out, "state", targets->at[i].value);
        bytes_byte(out, '}');
    }
    bytes_byte(out, ']');
}

/* RFC 9457 §3.1, with reason, message_id and executed as extension members (§3.2). */
static void add_body(struct bytes *out, const struct reason_row *row, const char *executed,
                     struct slice message_id, struct slice detail, const struct fields *targets)
{
    bytes_text(out, "{\"type\":\"about:blank\",\"title\":");
    bytes_json(out, slice_text(row->text));
    bytes_printf(out, ",\"status\":%d", row->status);
    if (detail.len > 0)
        add_member(out, "detail", detail);
    add_member(out, "reason", slice_text(row->name));
    if (message_id.len > 0)
        add_member(out, "message_id", message_id);
    add_member(out, "executed", slice_text(executed));
    if (targets != NULL && differ(targets))
        add_targets(out, targets);
    bytes_text(out, "}\n");
}

/* What was built, moved into the arena; `at` NULL when it does not fit. */
static struct slice settle(struct arena *arena, struct bytes *built)
{
    struct slice copy = slice_of(NULL, 0);
    if (!built->full)
        copy = arena_copy(arena, bytes_slice(built));
    bytes_free(built);
    return copy;
}

/* A field that does not fit is left out. */
static void add_field(struct head *head, struct arena *arena, const char *name, struct slice value)
{
    if (value.at != NULL && fields_add(&head->fields, arena, slice_text(name), value) < 0)
        assert(head->fields.count <= head->fields.cap);
}

struct slice problem_render(struct arena *arena, const char *service, enum reason reason,
                            enum outcome outcome, struct slice message_id, const char *detail,
                            struct head *head)
{
    return problem_render_partial(arena, service, reason, outcome, message_id, detail, NULL, head);
}

struct slice problem_render_partial(struct arena *arena, const char *service, enum reason reason,
                                    enum outcome outcome, struct slice message_id,
                                    const char *detail, const struct fields *targets,
                                    struct head *head)
{
    assert(reason > REASON_none && reason < REASONS && service != NULL);
    const struct reason_row *row = &reasons[reason];
    const char *executed = outcome_executed(outcome);
    struct slice more = slice_first(slice_text(detail), DETAIL_MAX);

    struct bytes text = { 0 };
    add_body(&text, row, executed, message_id, more, targets);
    struct slice body = settle(arena, &text);
    add_proxy_status(&text, slice_text(service), reason,
                     more.len > 0 ? more : slice_text(row->text));
    struct slice proxy_status = settle(arena, &text);

    *head = (struct head){
        .status = row->status, .minor = 1, .framing = FRAMING_LENGTH, .length = body.len
    };
    if (body.len > 0)
        add_field(head, arena, "content-type", SLICE("application/problem+json"));
    add_field(head, arena, "proxy-status", proxy_status);
    /* Promise 2: whoever is told to try again doubles nothing. */
    if (row->retry && strcmp(executed, "no") == 0)
        add_field(head, arena, "retry-after", SLICE("1"));
    /* RFC 9110 §15.5.6; the only calls refused so are safe methods of a route that is an event. */
    if (reason == REASON_method_not_allowed)
        add_field(head, arena, "allow", SLICE("POST, PUT, PATCH, DELETE"));
    return body;
}
