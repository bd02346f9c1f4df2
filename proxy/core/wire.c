/* What crosses between HTTP and messages, in both directions; see wire.h.
 *
 * Going out: pseudo-headers first, then fields in lower case, then trailers. Names that end at the
 * next hop, secrets, and names that belong to Shunt or to a broker stay behind. Failure: a name too
 * long for a broker's short string, a value or name that is none in HTTP, the arena's cap. Coming
 * in: nothing is believed. Each header is a pseudo-header (known, once), a trailer or a field,
 * checked byte by byte; what could change the connection, the destination or an identity is ignored
 * and counted; anything illegal refuses the whole message, so that no part of it is ever seen on a
 * wire.
 */
#include "core/wire.h"

#include <assert.h>

#include "core/worker.h"
#include "http/target.h"

enum {
    NAME_BYTES_MAX = 255,         /* AMQP's short string */
    FIELDS_MAX = 1000,            /* fields of one message */
    FIELD_BYTES_MAX = 128 * 1024, /* of their names and values: what one AMQP frame can hold */
    METHOD_BYTES_MAX = 32,
};

static const char trailer_prefix[] = ":trailer.";

enum pseudo { PSEUDO_METHOD, PSEUDO_PATH, PSEUDO_AUTHORITY, PSEUDO_SCHEME, PSEUDO_STATUS, PSEUDOS };

static const char *const pseudo_names[PSEUDOS] = {
    [PSEUDO_METHOD] = ":method", [PSEUDO_PATH] = ":path",     [PSEUDO_AUTHORITY] = ":authority",
    [PSEUDO_SCHEME] = ":scheme", [PSEUDO_STATUS] = ":status",
};

#define REQUEST_PSEUDOS \
    (1u << PSEUDO_METHOD | 1u << PSEUDO_PATH | 1u << PSEUDO_AUTHORITY | 1u << PSEUDO_SCHEME)
#define RESPONSE_PSEUDOS (1u << PSEUDO_STATUS)

/* --- names ------------------------------------------------------------------------------------ */

/* A family of names: those that start with it, or that very name. */
struct family {
    const char *name;
    bool prefix;
};

/* What Shunt and brokers say of a message among themselves (promise 10). Nobody else may say it. */
static const struct family own_names[] = {
    { "shunt-", true },         { "x-death", false },
    { "x-delay", false },       { "x-delivery-count", false },
    { "x-first-death-", true }, { "x-last-death-", true },
};
static const struct family cloudevents_names[] = { { "ce-", true } };
/* Who the client is, as somebody before us claims (promise 11). */
static const struct family identity_names[] = { { "x-forwarded-", true },
                                                { "forwarded", false },
                                                { "x-real-ip", false } };

/* Some servers read '_' as '-', so a claim in either spelling is the same claim. */
static bool same_spelling(uint8_t a, uint8_t b)
{
    if (a >= 'A' && a <= 'Z')
        a = (uint8_t)(a + ('a' - 'A'));
    return (a == '_' ? '-' : a) == b;
}

static bool in_family(struct slice name, const struct family *family)
{
    size_t len = strlen(family->name);
    if (name.len < len || (!family->prefix && name.len != len))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!same_spelling(name.at[i], (uint8_t)family->name[i]))
            return false;
    return true;
}

#define IN_FAMILIES(name, families) \
    in_families(name, families, sizeof(families) / sizeof(*(families)))

static bool in_families(struct slice name, const struct family *families, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (in_family(name, &families[i]))
            return true;
    return false;
}

bool wire_is_secret(enum field_name token)
{
    return token == FIELD_AUTHORIZATION || token == FIELD_COOKIE || token == FIELD_SET_COOKIE ||
           token == FIELD_PROXY_AUTHORIZATION;
}

/* Ends at this hop, or is made anew by whoever sends (RFC 9110 §7.6.1, §7.2, §8.6, §10.1.1). */
static bool ends_here(enum field_name token)
{
    return field_is_hop_by_hop(token) || token == FIELD_HOST || token == FIELD_CONTENT_LENGTH ||
           token == FIELD_EXPECT || token == FIELD_TRAILER;
}

static bool is_listed(struct slice name, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++)
        if (slice_is_nocase(name, *list))
            return true;
    return false;
}

bool wire_is_own(struct slice name)
{
    return IN_FAMILIES(name, own_names);
}

bool wire_is_identity(struct slice name)
{
    return IN_FAMILIES(name, identity_names);
}

/* --- HTTP → message --------------------------------------------------------------------------- */

/* What a message is being written into. */
struct writer {
    struct arena *arena;
    struct message *message;
    bool copy; /* values live elsewhere and must be copied */
    int error; /* a negative REASON_…, once something went wrong */
};

static void refuse(struct writer *writer, enum reason reason)
{
    if (writer->error == 0)
        writer->error = -(int)reason;
}

static bool has_upper(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] >= 'A' && name.at[i] <= 'Z')
            return true;
    return false;
}

/* `prefix` and the name in lower case; the name itself where that is the same. `at` NULL at the
 * arena's cap. */
static struct slice lowered(struct writer *writer, struct slice prefix, struct slice name)
{
    if (prefix.len == 0 && !writer->copy && !has_upper(name))
        return name;
    uint8_t *at = arena_try(writer->arena, prefix.len + name.len + 1);
    if (at == NULL)
        return slice_of(NULL, 0);
    if (prefix.len > 0)
        memcpy(at, prefix.at, prefix.len);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t byte = name.at[i];
        at[prefix.len + i] = byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
    }
    return slice_of(at, prefix.len + name.len);
}

static void put(struct writer *writer, struct slice name, struct slice value)
{
    assert(name.len <= NAME_BYTES_MAX);
    if (writer->copy)
        value = arena_copy(writer->arena, value);
    if (name.at == NULL || value.at == NULL ||
        fields_add(&writer->message->headers, writer->arena, name, value) < 0)
        refuse(writer, REASON_fields_too_large);
}

/* An empty value has no bytes, but it is a value. */
static void put_text(struct writer *writer, const char *name, struct slice value)
{
    put(writer, slice_text(name), value.at == NULL ? SLICE("") : value);
}

/* A property of the message rather than a header, where it fits one: plain clients look there. */
static bool put_property(struct writer *writer, struct slice *property, struct slice value)
{
    if (property->len > 0 || value.len == 0 || value.len > NAME_BYTES_MAX)
        return false;
    *property = writer->copy ? arena_copy(writer->arena, value) : value;
    if (property->at == NULL)
        refuse(writer, REASON_fields_too_large);
    return true;
}

static void put_field(struct writer *writer, struct slice prefix, const struct field *field)
{
    if (!field_name_valid(field->name) || !field_value_valid(field->value)) {
        refuse(writer, REASON_bad_request);
        return;
    }
    if (prefix.len + field->name.len > NAME_BYTES_MAX) {
        refuse(writer, REASON_fields_too_large);
        return;
    }
    struct message *message = writer->message;
    bool header = prefix.len == 0;
    if (header && field->token == FIELD_CONTENT_TYPE &&
        put_property(writer, &message->content_type, field->value))
        return;
    if (header && field->token == FIELD_CONTENT_ENCODING &&
        put_property(writer, &message->content_encoding, field->value))
        return;
    put(writer, lowered(writer, prefix, field->name),
        field->value.at == NULL ? SLICE("") : field->value);
}

static void put_trailers(struct writer *writer, const struct fields *trailers,
                         const struct wire_rules *rules)
{
    for (uint32_t i = 0; trailers != NULL && i < trailers->count; i++) {
        const struct field *field = &trailers->at[i];
        bool kept_back = wire_is_secret(field->token) && rules != NULL && !rules->secrets;
        if (!ends_here(field->token) && !kept_back && !wire_is_own(field->name))
            put_field(writer, slice_of(trailer_prefix, sizeof(trailer_prefix) - 1), field);
    }
}

static bool request_field_crosses(const struct field *field, const struct wire_rules *rules)
{
    if (ends_here(field->token) || wire_is_own(field->name) ||
        IN_FAMILIES(field->name, cloudevents_names))
        return false;
    return !wire_is_secret(field->token) || rules->secrets || is_listed(field->name, rules->carry);
}

/* Path and query as one, the way HTTP/2 writes them. */
static struct slice whole_path(struct arena *arena, const struct head *request)
{
    if (!request->has_query)
        return request->path;
    size_t len = request->path.len + 1 + request->query.len;
    uint8_t *at = arena_try(arena, len + 1);
    if (at == NULL)
        return slice_of(NULL, 0);
    memcpy(at, request->path.at, request->path.len);
    at[request->path.len] = '?';
    if (request->query.len > 0)
        memcpy(at + request->path.len + 1, request->query.at, request->query.len);
    return slice_of(at, len);
}

int wire_from_request(const struct call *call, const struct wire_rules *rules,
                      struct message *message)
{
    assert(rules != NULL && message->headers.count == 0);
    /* The call is only looked at, but what is made of it lives in its arena. */
    struct arena *arena = (struct arena *)&call->arena;
    struct writer writer = { .arena = arena, .message = message };
    const struct head *request = &call->request;

    put_text(&writer, ":method", request->method);
    put(&writer, SLICE(":path"), whole_path(arena, request));
    put_text(&writer, ":authority", request->authority);
    put_text(&writer, ":scheme", request->scheme.len > 0 ? request->scheme : SLICE("http"));
    for (uint32_t i = 0; i < request->fields.count; i++) {
        const struct field *field = &request->fields.at[i];
        if (request_field_crosses(field, rules))
            put_field(&writer, slice_of(NULL, 0), field);
    }
    put(&writer, SLICE("shunt-hops"), arena_printf(arena, "%u", call->hops + 1));
    put_trailers(&writer, &call->request_trailers, rules);
    return writer.error;
}

int wire_from_response(const struct head *response, const struct fields *trailers,
                       struct arena *arena, struct message *message)
{
    assert(response->status >= 100 && response->status <= 999 && message->headers.count == 0);
    struct writer writer = { .arena = arena, .message = message, .copy = true };
    char status[4] = {
        (char)('0' + response->status / 100),
        (char)('0' + response->status / 10 % 10),
        (char)('0' + response->status % 10),
        '\0',
    };
    put_text(&writer, ":status", slice_text(status));
    for (uint32_t i = 0; i < response->fields.count; i++) {
        const struct field *field = &response->fields.at[i];
        if (!ends_here(field->token) && !wire_is_own(field->name))
            put_field(&writer, slice_of(NULL, 0), field);
    }
    put_trailers(&writer, trailers, NULL);
    return writer.error;
}

/* --- message → HTTP --------------------------------------------------------------------------- */

/* A message being read. */
struct reader {
    struct arena *arena;
    const struct wire_rules *rules; /* NULL: an answer, which may claim whatever it likes */
    struct fields *fields, *trailers;
    unsigned allowed;             /* bits of the pseudo-headers that may stand here */
    struct slice pseudo[PSEUDOS]; /* `at` NULL: not there */
    unsigned ignored;
    const char *why; /* what is wrong, once something is */
};

static void give_up(struct reader *reader, const char *why)
{
    assert(why != NULL);
    if (reader->why == NULL)
        reader->why = why;
}

static void take_pseudo(struct reader *reader, const struct field *header)
{
    for (unsigned i = 0; i < PSEUDOS; i++) {
        if (!(reader->allowed & 1u << i) || !slice_is(header->name, pseudo_names[i]))
            continue;
        if (reader->pseudo[i].at != NULL)
            give_up(reader, "a pseudo-header stands twice");
        reader->pseudo[i] = header->value.at == NULL ? SLICE("") : header->value;
        return;
    }
    give_up(reader, "an unknown pseudo-header");
}

/* NULL, or what makes this no field of HTTP. */
static const char *field_wrong(struct slice name, struct slice value)
{
    if (name.len == 0)
        return "a header has no name";
    if (name.len > NAME_BYTES_MAX)
        return "a header's name is too long";
    if (!field_name_valid(name))
        return "a header's name has bytes that HTTP forbids";
    if (!field_value_valid(value))
        return "a header's value has bytes that HTTP forbids";
    return NULL;
}

static void add(struct reader *reader, struct fields *to, struct slice name, struct slice value)
{
    const char *wrong = field_wrong(name, value);
    if (wrong != NULL)
        give_up(reader, wrong);
    else if (fields_add_copy(to, reader->arena, name, value) < 0)
        give_up(reader, "the headers are too large");
}

/* Whether a field that came in a message counts. What should not have been there is counted. */
static bool counts(struct reader *reader, struct slice name)
{
    if (wire_is_own(name))
        return false;
    bool claimed = reader->rules != NULL && wire_is_identity(name) &&
                   !is_listed(name, reader->rules->trust);
    if (!claimed && !ends_here(field_token(name)))
        return true;
    reader->ignored++;
    return false;
}

static void take_field(struct reader *reader, const struct field *header)
{
    if (counts(reader, header->name))
        add(reader, reader->fields, header->name, header->value);
}

static void take_trailer(struct reader *reader, const struct field *header)
{
    struct slice name = slice_from(header->name, sizeof(trailer_prefix) - 1);
    if (counts(reader, name))
        add(reader, reader->trailers, name, header->value);
}

static void take_header(struct reader *reader, const struct field *header)
{
    if (slice_starts(header->name, slice_of(trailer_prefix, sizeof(trailer_prefix) - 1)))
        take_trailer(reader, header);
    else if (header->name.len > 0 && header->name.at[0] == ':')
        take_pseudo(reader, header);
    else
        take_field(reader, header);
}

static void take_property(struct reader *reader, const char *name, struct slice value)
{
    if (value.len > 0)
        add(reader, reader->fields, slice_text(name), value);
}

static void read_message(struct reader *reader, const struct message *message)
{
    const struct fields *headers = &message->headers;
    if (headers->count > FIELDS_MAX || headers->bytes > FIELD_BYTES_MAX) {
        give_up(reader, "the headers are too large");
        return;
    }
    take_property(reader, "content-type", message->content_type);
    take_property(reader, "content-encoding", message->content_encoding);
    for (uint32_t i = 0; i < headers->count && reader->why == NULL; i++)
        take_header(reader, &headers->at[i]);
}

/* The body of a message has a length; only trailers need chunks. */
static void set_framing(struct head *head, const struct message *message, bool may_have_none,
                        const struct fields *trailers)
{
    head->length = message->body.len;
    head->framing = FRAMING_LENGTH;
    if (trailers->count > 0)
        head->framing = FRAMING_CHUNKED;
    else if (may_have_none && message->body.len == 0)
        head->framing = FRAMING_NONE;
}

/* RFC 9110 §9.3: methods whose requests say nothing by an empty body. */
static bool method_has_no_body(struct slice method)
{
    return slice_is(method, "GET") || slice_is(method, "HEAD") || slice_is(method, "DELETE") ||
           slice_is(method, "OPTIONS") || slice_is(method, "TRACE");
}

static void read_method(struct reader *reader, struct head *request)
{
    struct slice method = reader->pseudo[PSEUDO_METHOD];
    if (method.at == NULL) {
        request->method = SLICE("POST");
        return;
    }
    if (method.len > METHOD_BYTES_MAX || !field_name_valid(method))
        give_up(reader, ":method is no method");
    else if (slice_is(method, "CONNECT"))
        give_up(reader, "a message cannot ask for a tunnel");
    request->method = arena_copy(reader->arena, method);
    if (request->method.at == NULL)
        give_up(reader, "the headers are too large");
}

/* A path only: it begins with one '/', so that nothing in it can become an authority. */
static void read_path(struct reader *reader, struct head *request)
{
    struct slice whole = reader->pseudo[PSEUDO_PATH];
    request->path = SLICE("/");
    if (whole.at == NULL)
        return;
    whole = arena_copy(reader->arena, whole);
    if (whole.at == NULL) {
        give_up(reader, "the headers are too large");
        return;
    }
    size_t mark = slice_find(whole, '?');
    struct slice path = slice_first(whole, mark);
    if (path.len == 0 || path.at[0] != '/') {
        give_up(reader, ":path does not begin with '/'");
        return;
    }
    const char *why = NULL;
    request->path = path_read(path, reader->arena, &request->oddities, &why);
    if (request->path.at == NULL) {
        give_up(reader, why != NULL ? why : ":path is ambiguous");
        return;
    }
    assert(request->path.len > 0 && request->path.at[0] == '/');
    if (mark == whole.len)
        return;
    request->has_query = true;
    request->query = slice_from(whole, mark + 1);
    if (!query_valid(request->query))
        give_up(reader, ":path has a query that HTTP forbids");
}

int wire_to_request(const struct message *message, const struct wire_rules *rules,
                    struct slice authority, struct arena *arena, struct head *request,
                    struct fields *trailers, unsigned *ignored, const char **why)
{
    assert(rules != NULL && authority.len > 0 && trailers->count == 0);
    *request = (struct head){ .minor = 1, .scheme = SLICE("http"), .authority = authority };
    struct reader reader = {
        .arena = arena,
        .rules = rules,
        .fields = &request->fields,
        .trailers = trailers,
        .allowed = REQUEST_PSEUDOS,
    };
    read_message(&reader, message);
    if (reader.why == NULL)
        read_method(&reader, request);
    if (reader.why == NULL)
        read_path(&reader, request);
    set_framing(request, message, method_has_no_body(request->method), trailers);
    *ignored = reader.ignored;
    *why = reader.why;
    return reader.why == NULL ? 0 : -1;
}

/* An answer that is final: 200 to 999 (RFC 9110 §15 knows up to 599, and what is beyond passes). */
static void read_status(struct reader *reader, struct head *response)
{
    struct slice status = reader->pseudo[PSEUDO_STATUS];
    uint64_t number = 200; /* a plain RPC server sets none */
    if (status.at != NULL && (status.len != 3 || slice_number(status, &number) < 0 || number < 200))
        give_up(reader, ":status is no final status");
    response->status = (int)number;
}

int wire_to_response(const struct message *message, struct arena *arena, struct head *response,
                     struct fields *trailers, const char **why)
{
    assert(trailers->count == 0);
    *response = (struct head){ .minor = 1 };
    struct reader reader = {
        .arena = arena,
        .fields = &response->fields,
        .trailers = trailers,
        .allowed = RESPONSE_PSEUDOS,
    };
    read_message(&reader, message);
    if (reader.why == NULL)
        read_status(&reader, response);

    bool bodiless = response->status == 204 || response->status == 304;
    if (bodiless && (message->body.len > 0 || trailers->count > 0))
        give_up(&reader, "a status without a body came with one"); /* RFC 9112 §6.3 */
    set_framing(response, message, bodiless, trailers);
    *why = reader.why;
    return reader.why == NULL ? 0 : -1;
}
