/* An array in an arena, walked from its start: messages have tens of fields, not thousands.
 *
 * field_token is on the path of every field of every head: it puts eight bytes at a time into
 * lower case. For each length there is a comparison with just the names of that length, which the
 * compiler makes from FIELD_NAMES: all others vanish, since lengths are constants there. Failure:
 * the arena's cap, when the array grows or a copy is asked for.
 */
#include "base/fields.h"

#include <assert.h>

enum { FIRST_CAP = 16 };

/* The lengths that names have. */
/* clang-format off */
#define LENGTHS(X)                                                            \
    X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)     \
    X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26)   \
    X(27) X(28) X(29)
/* clang-format on */

/* Never instantiated: as large as the longest name and its NUL. */
union longest_name {
#define X(token, text) char token[sizeof(text)];
    FIELD_NAMES(X)
#undef X
};

enum { SHORTEST_NAME = 2, LONGEST_NAME = 29 };
_Static_assert(sizeof(union longest_name) == LONGEST_NAME + 1, "LENGTHS has every length");

static inline uint8_t lower(uint8_t byte)
{
    return (uint8_t)(byte + ((uint8_t)(byte - 'A') < 26) * ('a' - 'A'));
}

/* The same of eight bytes. Added to the lower seven bits of a byte, the first number sets its
 * eighth from 'A' on, the second behind 'Z'. */
static inline uint64_t lower_all(uint64_t bytes)
{
    const uint64_t each = 0x0101010101010101;
    uint64_t seven = bytes & (each * 0x7f);
    uint64_t upper = (seven + each * (0x80 - 'A')) & ~(seven + each * (0x7f - 'Z')) & ~bytes &
                     (each * 0x80);
    return bytes | upper >> 2;
}

__attribute__((always_inline)) static inline enum field_name among_length(const uint8_t *name,
                                                                          size_t len)
{
#define X(token, text)                                           \
    if (sizeof(text) - 1 == len && memcmp(name, text, len) == 0) \
        return FIELD_##token;
    FIELD_NAMES(X)
#undef X
    return FIELD_OTHER;
}

enum field_name field_token(struct slice name)
{
    if (name.len < SHORTEST_NAME || name.len > LONGEST_NAME)
        return FIELD_OTHER;
    uint64_t low[(LONGEST_NAME + 7) / 8] = { 0 };
    memcpy(low, name.at, name.len);
    for (size_t i = 0; i < (name.len + 7) / 8; i++)
        low[i] = lower_all(low[i]);

    switch (name.len) {
#define X(len) \
    case len:  \
        return among_length((const uint8_t *)low, len);
        LENGTHS(X)
#undef X
    default:
        return FIELD_OTHER;
    }
}

struct slice field_name_text(enum field_name token)
{
    static const struct slice names[FIELD_NAMES_COUNT] = {
#define X(token, text) [FIELD_##token] = SLICE_ROW(text),
        FIELD_NAMES(X)
#undef X
    };
    assert(token > FIELD_OTHER && token < FIELD_NAMES_COUNT);
    return names[token];
}

static int grow(struct fields *fields, struct arena *arena)
{
    uint32_t cap = fields->cap == 0 ? FIRST_CAP : fields->cap * 2;
    assert(cap > fields->cap);
    struct field *at = arena_try(arena, cap * sizeof(*at));
    if (at == NULL)
        return -1;
    if (fields->count > 0)
        memcpy(at, fields->at, fields->count * sizeof(*at));
    fields->at = at;
    fields->cap = cap;
    return 0;
}

static int append(struct fields *fields, struct arena *arena, struct field field)
{
    assert(fields->count <= fields->cap);
    if (fields->count == fields->cap && grow(fields, arena) != 0)
        return -1;
    fields->at[fields->count++] = field;
    fields->bytes += field.name.len + field.value.len;
    return 0;
}

int fields_add(struct fields *fields, struct arena *arena, struct slice name, struct slice value)
{
    return append(fields, arena,
                  (struct field){ .name = name, .value = value, .token = field_token(name) });
}

int fields_add_copy(struct fields *fields, struct arena *arena, struct slice name,
                    struct slice value)
{
    struct slice name_copy = arena_copy(arena, name);
    struct slice value_copy = arena_copy(arena, value);
    if (name_copy.at == NULL || value_copy.at == NULL)
        return -1;
    return fields_add(fields, arena, name_copy, value_copy);
}

int fields_add_known(struct fields *fields, struct arena *arena, enum field_name token,
                     struct slice name, struct slice value)
{
    name = token == FIELD_OTHER ? arena_copy(arena, name) : field_name_text(token);
    value = arena_copy(arena, value);
    if (name.at == NULL || value.at == NULL)
        return -1;
    return append(fields, arena, (struct field){ .name = name, .value = value, .token = token });
}

static const struct field *find_from(const struct fields *fields, uint32_t from,
                                     enum field_name token)
{
    for (uint32_t i = from; i < fields->count; i++) {
        if (fields->at[i].token == token)
            return &fields->at[i];
    }
    return NULL;
}

static const struct field *find_name_from(const struct fields *fields, uint32_t from,
                                          struct slice name)
{
    for (uint32_t i = from; i < fields->count; i++) {
        if (slice_equal_nocase(fields->at[i].name, name))
            return &fields->at[i];
    }
    return NULL;
}

const struct field *fields_find(const struct fields *fields, enum field_name token)
{
    assert(token > FIELD_OTHER && token < FIELD_NAMES_COUNT);
    return find_from(fields, 0, token);
}

const struct field *fields_next(const struct fields *fields, const struct field *after)
{
    assert(after >= fields->at && after < fields->at + fields->count);
    uint32_t from = (uint32_t)(after - fields->at) + 1;
    return after->token == FIELD_OTHER ? find_name_from(fields, from, after->name)
                                       : find_from(fields, from, after->token);
}

const struct field *fields_find_name(const struct fields *fields, struct slice name)
{
    enum field_name token = field_token(name);
    return token == FIELD_OTHER ? find_name_from(fields, 0, name) : find_from(fields, 0, token);
}

unsigned fields_times(const struct fields *fields, enum field_name token)
{
    assert(token > FIELD_OTHER && token < FIELD_NAMES_COUNT);
    unsigned times = 0;
    for (uint32_t i = 0; i < fields->count; i++)
        times += fields->at[i].token == token;
    return times;
}

void fields_remove_where(struct fields *fields,
                         bool (*goes)(const struct field *field, const void *what),
                         const void *what)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        struct field *field = &fields->at[i];
        if (goes(field, what))
            fields->bytes -= field->name.len + field->value.len;
        else
            fields->at[kept++] = *field;
    }
    fields->count = kept;
}

static bool has_token(const struct field *field, const void *token)
{
    return field->token == *(const enum field_name *)token;
}

void fields_remove(struct fields *fields, enum field_name token)
{
    assert(token > FIELD_OTHER && token < FIELD_NAMES_COUNT);
    fields_remove_where(fields, has_token, &token);
}

static bool has_name(const struct field *field, const void *name)
{
    return slice_equal_nocase(field->name, *(const struct slice *)name);
}

void fields_remove_name(struct fields *fields, struct slice name)
{
    fields_remove_where(fields, has_name, &name);
}

bool field_is_hop_by_hop(enum field_name token)
{
    static const bool hop_by_hop[FIELD_NAMES_COUNT] = {
        [FIELD_CONNECTION] = true,
        [FIELD_KEEP_ALIVE] = true,
        [FIELD_PROXY_CONNECTION] = true,
        [FIELD_TE] = true,
        [FIELD_TRANSFER_ENCODING] = true,
        [FIELD_UPGRADE] = true,
        /* RFC 9110 §11.7: for the next proxy or client only. */
        [FIELD_PROXY_AUTHENTICATE] = true,
        [FIELD_PROXY_AUTHORIZATION] = true,
    };
    assert(token < FIELD_NAMES_COUNT);
    return hop_by_hop[token];
}

static bool is_token_byte(uint8_t byte)
{
    static const bool punctuation[128] = {
        ['!'] = true,  ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true,
        ['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true,
        ['^'] = true,  ['_'] = true, ['`'] = true, ['|'] = true, ['~'] = true,
    };
    uint8_t low = lower(byte);
    return (low >= 'a' && low <= 'z') || (byte >= '0' && byte <= '9') ||
           (byte < sizeof(punctuation) && punctuation[byte]);
}

bool field_name_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_token_byte(name.at[i]))
            return false;
    }
    return name.len > 0;
}

bool field_value_valid(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t byte = value.at[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}
