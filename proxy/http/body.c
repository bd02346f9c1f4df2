/* See body.h. llhttp sees chunks only: it is primed with a head of our own, and held at the last
 * chunk, so that the trailers can be gathered, scanned and then read in one piece.
 */
#include "http/body.h"

#include <assert.h>

#include "http/framing.h"

enum {
    TRAILERS_MAX = 8 * 1024, /* bytes */
    TRAILER_FIELDS_MAX = 64,
    EXCESS_MAX = 16 * 1024, /* bytes of framing beyond CHUNK_FRAMING each and as much as content */
    CHUNK_FRAMING = 16,
};

static int on_chunk(llhttp_t *parser);
static int on_content(llhttp_t *parser, const char *at, size_t len);
static int on_name(llhttp_t *parser, const char *at, size_t len);
static int on_value(llhttp_t *parser, const char *at, size_t len);
static int on_trailer(llhttp_t *parser);
static int on_complete(llhttp_t *parser);

static const llhttp_settings_t settings = {
    .on_chunk_header = on_chunk,
    .on_body = on_content,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_trailer,
    .on_message_complete = on_complete,
};

static void prime(struct body_reader *reader)
{
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    llhttp_init(&reader->parser, HTTP_REQUEST, &settings);
    reader->parser.data = reader;
    llhttp_errno_t error = llhttp_execute(&reader->parser, head, sizeof head - 1);
    assert(error == HPE_OK);
}

void body_start(struct body_reader *reader, enum framing framing, uint64_t length, bool until_close,
                struct arena *arena)
{
    *reader = (struct body_reader){ .arena = arena, .state = BODY_DONE };
    if (framing == FRAMING_TUNNEL || until_close) {
        reader->state = BODY_ENDLESS;
    } else if (framing == FRAMING_CHUNKED) {
        prime(reader);
        reader->state = BODY_CHUNKED;
    } else if (framing == FRAMING_LENGTH && length > 0) {
        reader->left = length;
        reader->state = BODY_COUNTED;
    }
}

static void refuse(struct body_reader *reader, const char *why)
{
    assert(reader->state != BODY_DONE);
    reader->state = BODY_BAD;
    reader->why = why;
}

static bool pass_on(struct body_reader *reader, struct slice bytes)
{
    reader->content += bytes.len;
    if (reader->sink->content(reader->sink, bytes))
        return true;
    reader->state = BODY_BAD;
    return false;
}

/* --- llhttp's callbacks ----------------------------------------------------------------------- */

/* The last chunk holds llhttp: what follows is gathered first. */
static int on_chunk(llhttp_t *parser)
{
    struct body_reader *reader = parser->data;
    reader->chunks++;
    if (parser->content_length > INT64_MAX) {
        refuse(reader, "a chunk is too large");
        return HPE_USER;
    }
    if (parser->content_length != 0)
        return 0;
    reader->state = BODY_TRAILERS;
    return HPE_PAUSED;
}

static int on_content(llhttp_t *parser, const char *at, size_t len)
{
    struct body_reader *reader = parser->data;
    reader->data += len;
    return pass_on(reader, slice_of(at, len)) ? 0 : HPE_USER;
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    ((struct body_reader *)parser->data)->name = slice_of(at, len);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    ((struct body_reader *)parser->data)->value = slice_of(at, len);
    return 0;
}

/* A byte of a name in lower case; servers that make variables of names take '_' for '-'. */
static uint8_t as_variable(uint8_t byte)
{
    if (byte == '_')
        return '-';
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

static bool begins_as(struct slice name, struct slice row)
{
    for (size_t i = 0; i < row.len; i++) {
        if (i == name.len || as_variable(name.at[i]) != row.at[i])
            return false;
    }
    return true;
}

bool trailer_is_idle(struct slice name)
{
    /* with a '*': all names that begin so */
    static const struct slice idle[] = {
        SLICE_ROW("age"),
        SLICE_ROW("authorization"),
        SLICE_ROW("cache-control"),
        SLICE_ROW("content-encoding"),
        SLICE_ROW("content-range"),
        SLICE_ROW("content-type"),
        SLICE_ROW("cookie"),
        SLICE_ROW("date"),
        SLICE_ROW("expect"),
        SLICE_ROW("expires"),
        SLICE_ROW("forwarded"),
        SLICE_ROW("host"),
        SLICE_ROW("idempotency-key"),
        SLICE_ROW("if-*"),
        SLICE_ROW("location"),
        SLICE_ROW("max-forwards"),
        SLICE_ROW("pragma"),
        SLICE_ROW("prefer"),
        SLICE_ROW("range"),
        SLICE_ROW("retry-after"),
        SLICE_ROW("set-cookie"),
        SLICE_ROW("shunt-*"),
        SLICE_ROW("trailer"),
        SLICE_ROW("vary"),
        SLICE_ROW("via"),
        SLICE_ROW("www-authenticate"),
        SLICE_ROW("x-forwarded-*"),
        SLICE_ROW("x-http-method*"),
        SLICE_ROW("x-original-url"),
        SLICE_ROW("x-real-ip"),
        SLICE_ROW("x-rewrite-url"),
    };
    uint8_t first = name.len > 0 ? as_variable(name.at[0]) : '\0';
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++) {
        if (idle[i].at[0] != first)
            continue;
        bool open = idle[i].at[idle[i].len - 1] == '*';
        struct slice row = slice_first(idle[i], idle[i].len - open);
        if (begins_as(name, row) && (open || name.len == row.len))
            return true;
    }
    return field_is_hop_by_hop(field_token(name));
}

static int on_trailer(llhttp_t *parser)
{
    struct body_reader *reader = parser->data;
    struct slice name = reader->name, value = slice_trim(reader->value);
    reader->name = reader->value = slice_of(NULL, 0);
    if (reader->state != BODY_TRAILERS)
        return 0; /* our own head */
    enum field_name token = field_token(name);
    if (name.len == 0)
        refuse(reader, "a trailer has no name");
    else if (token == FIELD_CONTENT_LENGTH || token == FIELD_TRANSFER_ENCODING)
        refuse(reader, "a trailer is about framing");
    else if (reader->trailers.count == TRAILER_FIELDS_MAX)
        refuse(reader, "there are too many trailers");
    else if (!trailer_is_idle(name) &&
             fields_add(&reader->trailers, reader->arena, name, value) != 0)
        refuse(reader, "the trailers are too large");
    return reader->state == BODY_TRAILERS ? 0 : HPE_USER;
}

static int on_complete(llhttp_t *parser)
{
    struct body_reader *reader = parser->data;
    if (reader->state == BODY_TRAILERS)
        reader->state = BODY_DONE;
    return 0;
}

/* --- chunks ----------------------------------------------------------------------------------- */

/* Framing may cost so much a chunk and as much as the content; more is an attack on our time. */
static bool is_excessive(struct body_reader *reader, size_t consumed)
{
    assert(consumed >= reader->data);
    size_t allowed = reader->chunks * CHUNK_FRAMING + reader->data;
    size_t framing = reader->excess + (consumed - reader->data);
    reader->excess = framing > allowed ? framing - allowed : 0;
    return reader->excess > EXCESS_MAX;
}

/* Bytes that were chunks; up to the end of the last chunk's line. */
static size_t read_chunks(struct body_reader *reader, struct slice bytes)
{
    reader->chunks = reader->data = 0;
    llhttp_errno_t error = llhttp_execute(&reader->parser, (const char *)bytes.at, bytes.len);
    if (reader->state == BODY_BAD)
        return bytes.len;
    size_t consumed = bytes.len;
    if (error == HPE_PAUSED) {
        const char *at = llhttp_get_error_pos(&reader->parser);
        consumed = (size_t)(at - (const char *)bytes.at);
        llhttp_resume(&reader->parser);
    } else if (error != HPE_OK) {
        refuse(reader, llhttp_get_error_reason(&reader->parser));
        return bytes.len;
    }
    assert(consumed <= bytes.len);
    if (is_excessive(reader, consumed))
        refuse(reader, "the chunks are more framing than content");
    return consumed;
}

/* --- trailers --------------------------------------------------------------------------------- */

/* The length of a trailer section with the empty line that ends it, or 0 when it is not
 * complete. */
static size_t section_length(struct slice bytes)
{
    if (slice_starts(bytes, SLICE("\r\n")))
        return 2;
    return head_length(bytes, 0);
}

/* Of a section, or the beginning of one: what is surely wrong need not be waited for. */
static const char *section_wrong(struct slice section)
{
    if (section.at[0] == ' ' || section.at[0] == '\t')
        return "a trailer begins with a space";
    return head_scan(section);
}

static void read_section(struct body_reader *reader, struct slice section)
{
    const char *wrong = section_wrong(section);
    if (wrong != NULL) {
        refuse(reader, wrong);
        return;
    }
    llhttp_errno_t error = llhttp_execute(&reader->parser, (const char *)section.at, section.len);
    if (reader->state == BODY_TRAILERS)
        refuse(reader, error == HPE_OK ? "the trailers do not end"
                                       : llhttp_get_error_reason(&reader->parser));
}

/* Gathers until the section is complete: bytes that were taken. */
static size_t read_trailers(struct body_reader *reader, struct slice bytes)
{
    if (reader->held == NULL && slice_starts(bytes, SLICE("\r\n"))) {
        read_section(reader, slice_first(bytes, 2));
        return 2;
    }
    if (reader->held == NULL)
        reader->held = arena_try(reader->arena, TRAILERS_MAX);
    size_t before = reader->held_len, room = TRAILERS_MAX - before;
    size_t taken = bytes.len < room ? bytes.len : room;
    if (reader->held == NULL || taken == 0) {
        refuse(reader, "the trailers are too large");
        return bytes.len;
    }
    memcpy(reader->held + before, bytes.at, taken);
    reader->held_len += taken;
    struct slice held = slice_of(reader->held, reader->held_len);
    size_t length = section_length(held);
    if (length > 0) {
        assert(length > before);
        read_section(reader, slice_first(held, length));
        return length - before;
    }
    const char *wrong = section_wrong(held);
    if (wrong != NULL)
        refuse(reader, wrong);
    return taken;
}

/* --- all bodies ------------------------------------------------------------------------------- */

static size_t read_counted(struct body_reader *reader, struct slice bytes)
{
    assert(reader->left > 0);
    struct slice content = reader->left < bytes.len ? slice_first(bytes, (size_t)reader->left)
                                                    : bytes;
    reader->left -= content.len;
    if (pass_on(reader, content) && reader->left == 0)
        reader->state = BODY_DONE;
    return content.len;
}

static size_t read_endless(struct body_reader *reader, struct slice bytes)
{
    pass_on(reader, bytes);
    return bytes.len;
}

size_t body_read(struct body_reader *reader, struct slice bytes, struct body_sink *sink)
{
    static size_t (*const read[BODY_BAD])(struct body_reader *, struct slice) = {
        [BODY_COUNTED] = read_counted,
        [BODY_CHUNKED] = read_chunks,
        [BODY_TRAILERS] = read_trailers,
        [BODY_ENDLESS] = read_endless,
    };
    size_t taken = 0;
    reader->sink = sink;
    while (taken < bytes.len && reader->state < BODY_DONE)
        taken += read[reader->state](reader, slice_from(bytes, taken));
    reader->sink = NULL;
    assert(taken <= bytes.len);
    return taken;
}

bool body_eof(struct body_reader *reader)
{
    if (reader->state == BODY_ENDLESS)
        reader->state = BODY_DONE;
    return reader->state == BODY_DONE;
}

static bool on_foreseen(struct body_sink *sink, struct slice bytes)
{
    assert(sink->content == on_foreseen && bytes.len > 0);
    return true;
}

const char *body_foresee(enum framing framing, struct slice bytes, struct arena *arena)
{
    if (framing != FRAMING_CHUNKED || bytes.len == 0)
        return NULL;
    struct body_sink sink = { .content = on_foreseen };
    struct body_reader reader;
    body_start(&reader, framing, 0, false, arena);
    body_read(&reader, bytes, &sink);
    return reader.state == BODY_BAD ? reader.why : NULL;
}
