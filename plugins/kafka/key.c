/* Keys, as key.h says. What a call does not have (no such header, no JSON, no such member) gives no
 * key, and the record goes to any partition: an event is not refused for it. */
#include "plugins/kafka/key.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/percent.h"

static const struct {
    const char *prefix;
    enum key_kind kind;
} kinds[] = {
    { "header:", KEY_HEADER }, { "path:", KEY_PATH }, { "query:", KEY_QUERY },
    { "json:", KEY_JSON },     { "text:", KEY_TEXT },
};

/* --- reading a source ------------------------------------------------------------------------- */

/* The next segment of a path behind its '/'; `rest` is what follows. `at` NULL at the end. */
static struct slice next_segment(struct slice *rest)
{
    if (rest->len == 0 || rest->at[0] != '/')
        return slice_of(NULL, 0);
    struct slice behind = slice_from(*rest, 1);
    struct slice segment = slice_first(behind, slice_find(behind, '/'));
    *rest = slice_from(behind, segment.len);
    return segment;
}

/* Which segment of a route's pattern is `{name}`; 0: none. */
static unsigned segment_named(const char *pattern, const char *name)
{
    struct slice rest = slice_text(pattern), segment;
    unsigned number = 0;
    while ((segment = next_segment(&rest)).at != NULL) {
        number++;
        bool open = segment.len > 2 && segment.at[0] == '{' && segment.at[segment.len - 1] == '}';
        if (open && slice_is(slice_of(segment.at + 1, segment.len - 2), name))
            return number;
    }
    return 0;
}

static const char *read_path(struct key_source *source, const char *pattern)
{
    uint64_t number;
    if (slice_number(slice_text(source->text), &number) == 0) {
        source->segment = number <= 1000 ? (unsigned)number : 0;
        return source->segment > 0 ? NULL : "a path's segments are counted from 1";
    }
    source->segment = pattern != NULL ? segment_named(pattern, source->text) : 0;
    return source->segment > 0 ? NULL : "the route's 'match.path' has no segment of this name";
}

int key_source_read(const char *text, const char *pattern, struct key_source *source,
                    const char **why)
{
    *source = (struct key_source){ .kind = KEY_NONE };
    *why = NULL;
    if (text == NULL)
        return 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t len = strlen(kinds[i].prefix);
        if (strncmp(text, kinds[i].prefix, len) != 0)
            continue;
        source->kind = kinds[i].kind;
        source->text = text + len;
    }
    if (source->kind == KEY_NONE)
        *why = "this names no source of a key";
    else if (source->kind == KEY_JSON)
        *why = *source->text == '\0' || *source->text == '/' ? NULL : "a pointer begins with '/'";
    else if (*source->text == '\0' && source->kind != KEY_TEXT)
        *why = "a name is missing behind the colon";
    else if (source->kind == KEY_PATH)
        *why = read_path(source, pattern);
    return *why == NULL ? 0 : -1;
}

/* --- taking the key from a call --------------------------------------------------------------- */

static struct slice from_header(const char *name, const struct call *call)
{
    const struct field *field = fields_find_name(&call->request.fields, slice_text(name));
    if (field == NULL)
        return slice_of(NULL, 0);
    return field->value.len > 0 ? field->value : SLICE("");
}

static struct slice from_path(unsigned number, const struct call *call)
{
    struct slice rest = call_asked_path(call), segment = slice_of(NULL, 0);
    for (unsigned i = 0; i < number; i++)
        segment = next_segment(&rest);
    return segment;
}

static struct slice from_query(const char *name, const struct call *call, struct arena *arena)
{
    struct slice rest = call->request.query;
    while (rest.len > 0) {
        struct slice pair = slice_first(rest, slice_find(rest, '&'));
        rest = slice_from(rest, pair.len < rest.len ? pair.len + 1 : pair.len);
        size_t equals = slice_find(pair, '=');
        if (!slice_is(form_decode(slice_first(pair, equals), arena), name))
            continue;
        return form_decode(slice_from(pair, equals < pair.len ? equals + 1 : equals), arena);
    }
    return slice_of(NULL, 0);
}

/* One reference token of RFC 6901 §4, unescaped in place of `key`; false when it is too long for
 * any name here. */
static bool read_token(const char **pointer, char key[256])
{
    size_t len = 0;
    const char *at = *pointer + 1; /* behind the '/' */
    for (; *at != '\0' && *at != '/' && len < 255; at++) {
        bool escape = at[0] == '~' && (at[1] == '0' || at[1] == '1');
        key[len++] = escape ? (*++at == '0' ? '~' : '/') : *at;
    }
    key[len] = '\0';
    *pointer = at;
    return *at == '\0' || *at == '/';
}

static const json_t *at_pointer(const json_t *value, const char *pointer)
{
    char key[256];
    while (value != NULL && *pointer == '/') {
        if (!read_token(&pointer, key))
            return NULL;
        uint64_t index;
        if (json_is_object(value))
            value = json_object_get(value, key);
        else
            value = slice_number(slice_text(key), &index) == 0 ? json_array_get(value, index)
                                                               : NULL;
    }
    return value;
}

/* Integers beyond 64 bits would make a document unreadable: there, all numbers are reals. */
static json_t *read_json(struct slice text)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *document = json_loadb((const char *)text.at, text.len, flags, NULL);
    if (document == NULL)
        document = json_loadb((const char *)text.at, text.len, flags | JSON_DECODE_INT_AS_REAL,
                              NULL);
    return document;
}

/* The shortest text that reads as this number again: 0.1, not 0.10000000000000001. */
static struct slice write_real(double real, struct arena *arena)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) >= real && strtod(text, NULL) <= real)
            break;
    }
    return arena_copy(arena, slice_text(text));
}

/* A text, a number or a boolean as one writes it; what is composed of others is no key. */
static struct slice from_json(const char *pointer, const struct call *call, struct arena *arena)
{
    json_t *document = read_json(bytes_slice(&call->body));
    const json_t *value = document != NULL ? at_pointer(document, pointer) : NULL;
    struct slice key = slice_of(NULL, 0);
    if (json_is_string(value))
        key = arena_copy(arena, slice_of(json_string_value(value), json_string_length(value)));
    else if (json_is_integer(value))
        key = arena_printf(arena, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        key = write_real(json_real_value(value), arena);
    else if (json_is_boolean(value))
        key = json_is_true(value) ? SLICE("true") : SLICE("false");
    json_decref(document);
    return key;
}

struct slice key_of(const struct key_source *source, const struct call *call, struct arena *arena)
{
    switch (source->kind) {
    case KEY_NONE:
        break;
    case KEY_HEADER:
        return from_header(source->text, call);
    case KEY_PATH:
        return from_path(source->segment, call);
    case KEY_QUERY:
        return from_query(source->text, call, arena);
    case KEY_JSON:
        return from_json(source->text, call, arena);
    case KEY_TEXT:
        return *source->text != '\0' ? slice_text(source->text) : SLICE("");
    }
    return slice_of(NULL, 0);
}
