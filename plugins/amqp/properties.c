/* Properties, as properties.h says. Happy path in: the raw bytes are walked once without trust
 * (lengths, kinds, depth), so that the library's recursive decoder only ever sees what is
 * shallow and consistent; then each header is turned to text. Failures: -1 with a reason for the
 * dead letter; the arena's cap and memory are reasons too. */
#include "plugins/amqp/properties.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Tables in arrays in the table is what RabbitMQ itself writes (x-death); nobody needs more. */
enum { DEPTH_MAX = 4 };
/* RabbitMQ takes no longer expiration than an unsigned number of 32 bits says. */
static const uint64_t ttl_max_ms = UINT32_MAX;
/* Flags, and the length or number of every property that is not a text; three digits' worth of
 * slack. */
enum { FIXED_SIZE = 128 };

/* --- out ------------------------------------------------------------------------------------- */

size_t properties_size(const struct message *message, size_t more)
{
    const struct slice texts[] = { message->content_type, message->content_encoding,
                                   message->message_id,   message->correlation_id,
                                   message->reply_to,     message->app_id };
    size_t size = FIXED_SIZE + more;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        size += 1 + texts[i].len;
    /* Length, name, kind and length of the value; kind and length again for an array. */
    size += message->headers.count * (size_t)(1 + 5 + 5);
    for (uint32_t i = 0; i < message->headers.count; i++)
        size += message->headers.at[i].name.len + message->headers.at[i].value.len;
    return size;
}

const char *properties_flaw(const struct message *message)
{
    const struct {
        struct slice text;
        const char *flaw;
    } rows[] = {
        { message->content_type, "content-type is longer than 255 bytes" },
        { message->content_encoding, "content-encoding is longer than 255 bytes" },
        { message->message_id, "the message's ID is longer than 255 bytes" },
        { message->correlation_id, "the correlation ID is longer than 255 bytes" },
        { message->reply_to, "reply_to is longer than 255 bytes" },
        { message->app_id, "the service's name is longer than 255 bytes" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].text.len > SHORT_MAX)
            return rows[i].flaw;
    for (uint32_t i = 0; i < message->headers.count; i++)
        if (message->headers.at[i].name.len > SHORT_MAX)
            return "a header's name is longer than 255 bytes";
    return NULL;
}

/* Headers by which RabbitMQ sends a message to further queues. A copy that we make of somebody's
 * message goes where we send it and nowhere else; and RabbitMQ closes the channel for one whose
 * value is no array. */
static bool is_address(struct slice name)
{
    return slice_is(name, "CC") || slice_is(name, "BCC");
}

static amqp_field_value_t text_value(struct slice text)
{
    return (amqp_field_value_t){ .kind = AMQP_FIELD_KIND_UTF8,
                                 .value = { .bytes = amqp_from(text) } };
}

/* The `times` values of one name: one text, or an array of texts. 0 or -1. */
static int put_values(const struct field *const *run, uint32_t times, struct arena *scratch,
                      amqp_field_value_t *value)
{
    if (times == 1) {
        *value = text_value(run[0]->value);
        return 0;
    }
    amqp_field_value_t *values = arena_try(scratch, times * sizeof *values);
    if (values == NULL)
        return -1;
    *value = (amqp_field_value_t){ .kind = AMQP_FIELD_KIND_ARRAY,
                                   .value = { .array = { .num_entries = (int)times,
                                                         .entries = values } } };
    for (uint32_t i = 0; i < times; i++)
        values[i] = text_value(run[i]->value);
    return 0;
}

/* By name, and by place where that is the same. */
static int compare(const void *a, const void *b)
{
    const struct field *one = *(const struct field *const *)a,
                       *other = *(const struct field *const *)b;
    if (one->name.len != other->name.len)
        return one->name.len < other->name.len ? -1 : 1;
    int order = one->name.len == 0 ? 0 : memcmp(one->name.at, other->name.at, one->name.len);
    return order != 0 ? order : (one > other) - (one < other);
}

/* The fields, those of one name together: a stranger's message may have so many that comparing
 * each with each would hold up everybody. NULL: no memory. */
static const struct field **sorted(const struct fields *fields, struct arena *scratch)
{
    const struct field **order = arena_try(scratch, ((size_t)fields->count + 1) * sizeof *order);
    if (order == NULL)
        return NULL;
    for (uint32_t i = 0; i < fields->count; i++)
        order[i] = &fields->at[i];
    qsort(order, fields->count, sizeof *order, compare);
    return order;
}

static int put_headers(const struct fields *fields, const struct field *extra,
                       struct arena *scratch, amqp_table_t *table)
{
    amqp_table_entry_t *entries = arena_try(scratch, ((size_t)fields->count + 1) * sizeof *entries);
    const struct field **order = sorted(fields, scratch);
    if (entries == NULL || order == NULL)
        return -1;
    *table = (amqp_table_t){ .entries = entries };
    for (uint32_t i = 0, times; i < fields->count; i += times) {
        for (times = 1; i + times < fields->count; times++)
            if (!slice_equal(order[i + times]->name, order[i]->name))
                break;
        amqp_table_entry_t *entry =
            &entries[order[i] - fields->at]; /* where the first one stands */
        entry->key = amqp_from(order[i]->name);
        if (!is_address(order[i]->name) && put_values(&order[i], times, scratch, &entry->value) < 0)
            return -1;
    }
    for (uint32_t i = 0; i < fields->count; i++)
        if (entries[i].value.kind != 0)
            entries[table->num_entries++] = entries[i];
    if (extra != NULL)
        entries[table->num_entries++] = (amqp_table_entry_t){ .key = amqp_from(extra->name),
                                                              .value = text_value(extra->value) };
    return 0;
}

static void set_text(amqp_basic_properties_t *properties, amqp_flags_t flag, amqp_bytes_t *to,
                     struct slice text)
{
    if (text.len == 0)
        return;
    assert(text.len <= SHORT_MAX);
    properties->_flags |= flag;
    *to = amqp_from(text);
}

static void set_properties(amqp_basic_properties_t *to, const struct message *message,
                           char expiration[24])
{
    set_text(to, AMQP_BASIC_CONTENT_TYPE_FLAG, &to->content_type, message->content_type);
    set_text(to, AMQP_BASIC_CONTENT_ENCODING_FLAG, &to->content_encoding,
             message->content_encoding);
    set_text(to, AMQP_BASIC_CORRELATION_ID_FLAG, &to->correlation_id, message->correlation_id);
    set_text(to, AMQP_BASIC_REPLY_TO_FLAG, &to->reply_to, message->reply_to);
    set_text(to, AMQP_BASIC_MESSAGE_ID_FLAG, &to->message_id, message->message_id);
    set_text(to, AMQP_BASIC_APP_ID_FLAG, &to->app_id, message->app_id);
    if (message->ttl_ms > 0) {
        uint64_t ttl_ms = message->ttl_ms < ttl_max_ms ? message->ttl_ms : ttl_max_ms;
        snprintf(expiration, 24, "%" PRIu64, ttl_ms);
        set_text(to, AMQP_BASIC_EXPIRATION_FLAG, &to->expiration, slice_text(expiration));
    }
    if (message->timestamp_ms > 0) {
        to->_flags |= AMQP_BASIC_TIMESTAMP_FLAG;
        to->timestamp = message->timestamp_ms / 1000;
    }
    to->_flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
    to->delivery_mode = message->durable ? AMQP_DELIVERY_PERSISTENT : AMQP_DELIVERY_NONPERSISTENT;
}

int properties_put(struct bytes *out, uint16_t channel, const struct message *message,
                   const struct field *extra, uint32_t frame_max)
{
    assert(extra == NULL || extra->name.len <= SHORT_MAX);
    const size_t most = frame_max - FRAME_OVERHEAD - CONTENT_HEAD;
    size_t size = properties_size(message,
                                  extra == NULL ? 0 : 16 + extra->name.len + extra->value.len);
    struct arena scratch;
    arena_init(&scratch, (size_t)FRAME_MAX * 64);
    amqp_basic_properties_t properties = { 0 };
    char expiration[24];

    set_properties(&properties, message, expiration);
    int result = put_headers(&message->headers, extra, &scratch, &properties.headers);
    if (properties.headers.num_entries > 0)
        properties._flags |= AMQP_BASIC_HEADERS_FLAG;
    if (result == 0)
        result = frame_put_header(out, channel, message->body.len, &properties,
                                  size < most ? size : most);
    arena_clear(&scratch);
    return result;
}

/* --- in: the walk that trusts nothing --------------------------------------------------------- */

/* Bytes of a value whose length its kind alone tells; -1: it says its own length, or is no kind. */
static int fixed_length(uint8_t kind)
{
    static const int8_t lengths[] = {
        [AMQP_FIELD_KIND_BOOLEAN] = 1,   [AMQP_FIELD_KIND_I8] = 1,  [AMQP_FIELD_KIND_U8] = 1,
        [AMQP_FIELD_KIND_I16] = 2,       [AMQP_FIELD_KIND_U16] = 2, [AMQP_FIELD_KIND_I32] = 4,
        [AMQP_FIELD_KIND_U32] = 4,       [AMQP_FIELD_KIND_I64] = 8, [AMQP_FIELD_KIND_U64] = 8,
        [AMQP_FIELD_KIND_F32] = 4,       [AMQP_FIELD_KIND_F64] = 8, [AMQP_FIELD_KIND_DECIMAL] = 5,
        [AMQP_FIELD_KIND_TIMESTAMP] = 8,
    };
    if (kind == AMQP_FIELD_KIND_VOID)
        return 0;
    if (kind >= sizeof lengths || lengths[kind] == 0)
        return -1;
    return lengths[kind];
}

static bool nests(uint8_t kind)
{
    return kind == AMQP_FIELD_KIND_TABLE || kind == AMQP_FIELD_KIND_ARRAY;
}

static bool take(struct slice *bytes, size_t len)
{
    if (len > bytes->len)
        return false;
    *bytes = slice_from(*bytes, len);
    return true;
}

/* Takes a name off the front: a byte that says how long it is, and that much. */
static bool take_short(struct slice *bytes)
{
    return bytes->len > 0 && take(bytes, 1 + (size_t)bytes->at[0]);
}

/* Whether these values, each behind its name in a table, are consistent and nest `levels` deep
 * at most. Each length is within the one around it: the decoder would follow an inner length
 * past an outer one, and recurse for ever. */
static const char *walk_values(struct slice values, bool named, unsigned levels)
{
    while (values.len > 0) {
        if (named && !take_short(&values))
            return "a header's name is cut off";
        if (values.len == 0)
            return "a header's value is cut off";
        uint8_t kind = values.at[0];
        int fixed = fixed_length(kind);
        struct slice rest = slice_from(values, 1);
        if (fixed < 0 && !nests(kind) && kind != AMQP_FIELD_KIND_UTF8 &&
            kind != AMQP_FIELD_KIND_BYTES)
            return "a header is of an unknown type";
        if (fixed < 0 && rest.len < 4)
            return "a header's value is cut off";
        size_t len = fixed >= 0 ? (size_t)fixed : 4 + (size_t)number_32(rest.at);
        if (len > rest.len)
            return "a header's value is cut off";
        if (nests(kind)) {
            if (levels == 0)
                return "headers are nested too deep";
            const char *why = walk_values(slice_of(rest.at + 4, len - 4),
                                          kind == AMQP_FIELD_KIND_TABLE, levels - 1);
            if (why != NULL)
                return why;
        }
        values = slice_from(rest, len);
    }
    return NULL;
}

/* What is wrong with the header table in raw properties, or NULL. Flags first, then texts, then
 * the table (§4.2.6.1). */
static const char *walk_headers(struct slice raw)
{
    if (raw.len < 2)
        return "the properties are cut off";
    unsigned flags = (unsigned)raw.at[0] << 8 | raw.at[1];
    if ((flags & 1) != 0)
        return "the properties have unknown flags";
    struct slice rest = slice_from(raw, 2);
    if ((flags & AMQP_BASIC_CONTENT_TYPE_FLAG) != 0 && !take_short(&rest))
        return "the properties are cut off";
    if ((flags & AMQP_BASIC_CONTENT_ENCODING_FLAG) != 0 && !take_short(&rest))
        return "the properties are cut off";
    if ((flags & AMQP_BASIC_HEADERS_FLAG) == 0)
        return NULL;
    if (rest.len < 4 || number_32(rest.at) > rest.len - 4)
        return "the headers are cut off";
    return walk_values(slice_of(rest.at + 4, number_32(rest.at)), true, DEPTH_MAX);
}

/* --- in: values to text ----------------------------------------------------------------------- */

/* A table or array that brokers and their plugins add by themselves, and that no HTTP header
 * ever was. */
static bool brokers_own(struct slice name)
{
    return slice_is(name, "x-death") || slice_is(name, "x-shovelled") ||
           slice_is(name, "x-received-from");
}

static struct slice decimal_text(struct arena *arena, amqp_decimal_t decimal)
{
    return arena_printf(arena, "%" PRIu32 "e-%u", decimal.value, decimal.decimals);
}

/* The text of a value that is not composed of others; `at` NULL with `*why` where there is none. */
static struct slice value_text(const amqp_field_value_t *value, struct arena *arena,
                               const char **why)
{
    *why = "no memory for a header";
    switch ((amqp_field_value_kind_t)value->kind) {
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES:
        return value->value.bytes.len == 0 ? SLICE("") : amqp_slice(value->value.bytes);
    case AMQP_FIELD_KIND_BOOLEAN:
        return value->value.boolean ? SLICE("true") : SLICE("false");
    case AMQP_FIELD_KIND_I8:
        return arena_printf(arena, "%d", value->value.i8);
    case AMQP_FIELD_KIND_U8:
        return arena_printf(arena, "%u", value->value.u8);
    case AMQP_FIELD_KIND_I16:
        return arena_printf(arena, "%d", value->value.i16);
    case AMQP_FIELD_KIND_U16:
        return arena_printf(arena, "%u", value->value.u16);
    case AMQP_FIELD_KIND_I32:
        return arena_printf(arena, "%" PRId32, value->value.i32);
    case AMQP_FIELD_KIND_U32:
        return arena_printf(arena, "%" PRIu32, value->value.u32);
    case AMQP_FIELD_KIND_I64:
        return arena_printf(arena, "%" PRId64, value->value.i64);
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP:
        return arena_printf(arena, "%" PRIu64, value->value.u64);
    case AMQP_FIELD_KIND_F32:
        return arena_printf(arena, "%.9g", (double)value->value.f32);
    case AMQP_FIELD_KIND_F64:
        return arena_printf(arena, "%.17g", value->value.f64);
    case AMQP_FIELD_KIND_DECIMAL:
        return decimal_text(arena, value->value.decimal);
    case AMQP_FIELD_KIND_ARRAY:
    case AMQP_FIELD_KIND_TABLE:
    case AMQP_FIELD_KIND_VOID:
        break;
    }
    *why = "a header's value is neither text nor number nor boolean";
    return slice_of(NULL, 0);
}

static const char *read_value(struct slice name, const amqp_field_value_t *value,
                              struct arena *arena, struct fields *headers)
{
    const char *why;
    struct slice text = value_text(value, arena, &why);
    if (text.at == NULL)
        return why;
    return fields_add(headers, arena, name, text) < 0 ? "no memory for a header" : NULL;
}

static const char *read_headers(const amqp_table_t *table, struct arena *arena,
                                struct fields *headers)
{
    for (int i = 0; i < table->num_entries; i++) {
        const amqp_field_value_t *value = &table->entries[i].value;
        struct slice name = amqp_slice(table->entries[i].key);
        const char *why = NULL;
        if (nests(value->kind) && brokers_own(name))
            continue;
        if (value->kind != AMQP_FIELD_KIND_ARRAY)
            why = read_value(name, value, arena, headers);
        for (int j = 0; value->kind == AMQP_FIELD_KIND_ARRAY &&
                        j < value->value.array.num_entries && why == NULL;
             j++)
            why = read_value(name, &value->value.array.entries[j], arena, headers);
        if (why != NULL)
            return why;
    }
    return NULL;
}

static void read_texts(const amqp_basic_properties_t *from, struct message *message)
{
    const struct {
        amqp_flags_t flag;
        amqp_bytes_t text;
        struct slice *to;
    } rows[] = {
        { AMQP_BASIC_CONTENT_TYPE_FLAG, from->content_type, &message->content_type },
        { AMQP_BASIC_CONTENT_ENCODING_FLAG, from->content_encoding, &message->content_encoding },
        { AMQP_BASIC_CORRELATION_ID_FLAG, from->correlation_id, &message->correlation_id },
        { AMQP_BASIC_REPLY_TO_FLAG, from->reply_to, &message->reply_to },
        { AMQP_BASIC_MESSAGE_ID_FLAG, from->message_id, &message->message_id },
        { AMQP_BASIC_APP_ID_FLAG, from->app_id, &message->app_id },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((from->_flags & rows[i].flag) != 0)
            *rows[i].to = amqp_slice(rows[i].text);

    if ((from->_flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0 && from->timestamp < UINT64_MAX / 1000)
        message->timestamp_ms = from->timestamp * 1000;
    if ((from->_flags & AMQP_BASIC_EXPIRATION_FLAG) != 0 &&
        slice_number(amqp_slice(from->expiration), &message->ttl_ms) < 0)
        message->ttl_ms = 0;
    message->durable = (from->_flags & AMQP_BASIC_DELIVERY_MODE_FLAG) != 0 &&
                       from->delivery_mode == AMQP_DELIVERY_PERSISTENT;
}

int properties_read(struct slice raw, amqp_pool_t *pool, struct arena *arena,
                    struct message *message, const char **why)
{
    *why = walk_headers(raw);
    if (*why != NULL)
        return -1;
    void *decoded = NULL;
    if (amqp_decode_properties(AMQP_BASIC_CLASS, pool, amqp_from(raw), &decoded) < 0) {
        *why = "the properties cannot be decoded";
        return -1;
    }
    const amqp_basic_properties_t *properties = decoded;
    read_texts(properties, message);
    if ((properties->_flags & AMQP_BASIC_HEADERS_FLAG) != 0)
        *why = read_headers(&properties->headers, arena, &message->headers);
    return *why == NULL ? 0 : -1;
}
