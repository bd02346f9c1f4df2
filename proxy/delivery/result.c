/* Patterns are tried one by one and the most particular one that holds decides. A body is parsed
 * once, and only for a subscription that looks into bodies; what is no JSON has nothing at any
 * pointer. Nothing here fails. */
#include "delivery/result.h"

#include <assert.h>
#include <jansson.h>

/* In the order of how particular they are. */
enum pattern_kind { PATTERN_CLASS, PATTERN_STATUS, PATTERN_POINTER };

struct result_pattern {
    enum pattern_kind kind;
    enum verdict verdict;
    int status;           /* of PATTERN_STATUS; of PATTERN_CLASS, its first digit */
    struct slice pointer; /* of PATTERN_POINTER */
};

static struct result_pattern read_pattern(const char *text, enum verdict verdict)
{
    struct slice written = slice_text(text);
    if (slice_starts(written, SLICE("json:")))
        return (struct result_pattern){ PATTERN_POINTER, verdict,
                                        .pointer = slice_from(written, 5) };
    assert(written.len == 3 && written.at[0] >= '1' && written.at[0] <= '9');
    if (slice_is(slice_from(written, 1), "xx"))
        return (struct result_pattern){ PATTERN_CLASS, verdict, .status = written.at[0] - '0' };
    uint64_t status = 0;
    int bad = slice_number(written, &status);
    assert(bad == 0);
    return (struct result_pattern){ PATTERN_STATUS, verdict, .status = (int)status };
}

void result_read(struct result_rules *rules, const struct values *result, struct arena *arena)
{
    static const struct {
        const char *key;
        enum verdict verdict;
    } lists[] = { { "dead", VERDICT_DEAD }, { "retry", VERDICT_RETRY }, { "ok", VERDICT_OK } };
    enum { LISTS = sizeof(lists) / sizeof(*lists) };

    size_t room = 0;
    for (size_t i = 0; i < LISTS; i++)
        room += values_get(result, lists[i].key)->count;
    *rules = (struct result_rules){ .patterns = arena_get(arena,
                                                          (room + 1) * sizeof(*rules->patterns)) };
    for (size_t i = 0; i < LISTS; i++) {
        const struct value *list = values_get(result, lists[i].key);
        for (size_t j = 0; j < list->count; j++) {
            struct result_pattern pattern = read_pattern(list->texts[j], lists[i].verdict);
            rules->needs_body |= pattern.kind == PATTERN_POINTER;
            rules->patterns[rules->count++] = pattern;
        }
    }
    assert(rules->count == room);
}

/* One reference token of RFC 6901 §4, unescaped; false when it is too long to be the name of
 * anything. */
static bool unescape(struct slice token, char *key, size_t room, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < token.len && *len < room; i++) {
        char byte = (char)token.at[i];
        if (byte == '~' && i + 1 < token.len && (token.at[i + 1] == '0' || token.at[i + 1] == '1'))
            byte = token.at[++i] == '0' ? '~' : '/';
        key[(*len)++] = byte;
    }
    return *len < room;
}

static const json_t *member(const json_t *value, struct slice token)
{
    if (json_is_array(value)) {
        uint64_t index;
        bool plain = token.len == 1 || (token.len > 1 && token.at[0] != '0');
        return plain && slice_number(token, &index) == 0 ? json_array_get(value, (size_t)index)
                                                         : NULL;
    }
    char key[256];
    size_t len;
    if (!unescape(token, key, sizeof(key), &len))
        return NULL;
    key[len] = '\0';
    return strlen(key) == len ? json_object_get(value, key) : NULL;
}

static const json_t *at_pointer(const json_t *value, struct slice pointer)
{
    while (value != NULL && pointer.len > 0) {
        pointer = slice_from(pointer, 1); /* the '/' */
        size_t end = slice_find(pointer, '/');
        value = member(value, slice_first(pointer, end));
        pointer = slice_from(pointer, end);
    }
    return value;
}

static bool is_something(const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return false;
    if (json_is_string(value))
        return json_string_length(value) > 0;
    if (json_is_array(value))
        return json_array_size(value) > 0;
    return !json_is_object(value) || json_object_size(value) > 0;
}

static bool holds(const struct result_pattern *pattern, int status, const json_t *document)
{
    switch (pattern->kind) {
    case PATTERN_CLASS:
        return status / 100 == pattern->status;
    case PATTERN_STATUS:
        return status == pattern->status;
    case PATTERN_POINTER:
        return is_something(at_pointer(document, pattern->pointer));
    }
    return false;
}

enum verdict result_judge(const struct result_rules *rules, int status, struct slice body)
{
    json_t *document = NULL;
    if (rules->needs_body && body.len > 0 && body.len <= RESULT_BODY_MAX)
        document = json_loadb((const char *)body.at, body.len,
                              JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);

    const struct result_pattern *deciding = NULL;
    for (size_t i = 0; i < rules->count; i++) {
        const struct result_pattern *pattern = &rules->patterns[i];
        if (holds(pattern, status, document) &&
            (deciding == NULL || pattern->kind > deciding->kind))
            deciding = pattern;
    }
    json_decref(document);
    return deciding == NULL ? VERDICT_DEAD : deciding->verdict;
}
