/* The patterns of a match: paths, regular expressions, hosts, methods. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <assert.h>
#include <ctype.h>

#include "config/checks.h"
#include "config/notation.h"

static void tell(struct complaints *complaints, struct place place, const char *what,
                 const char *expected)
{
    struct complaint *complaint = complain(complaints, place, "%s", what);
    complaint_expected(complaints, complaint, "%s", expected);
}

/* What is wrong with one segment, or NULL. */
static const char *segment_flaw(struct slice segment, bool last)
{
    bool brace = slice_find(segment, '{') < segment.len || slice_find(segment, '}') < segment.len;
    bool whole = segment.len > 2 && segment.at[0] == '{' && segment.at[segment.len - 1] == '}';
    if (brace && !whole)
        return "'{name}' is not a whole segment of the path";
    for (size_t i = 1; whole && i + 1 < segment.len; i++) {
        if (!isalnum(segment.at[i]) && segment.at[i] != '_' && segment.at[i] != '-')
            return "the name between '{' and '}' has more than letters, digits, '_' and '-'";
    }
    if (slice_find(segment, '*') < segment.len && (segment.len > 1 || !last))
        return "'*' is not the last segment of the path alone";
    if (slice_is(segment, ".") || slice_is(segment, ".."))
        return "a path with '.' or '..' never arrives, since those are resolved first";
    for (size_t i = 0; i < segment.len; i++) {
        if (segment.at[i] <= ' ' || segment.at[i] == 0x7f || strchr("?#\\", segment.at[i]) != NULL)
            return "a blank, '?', '#' or '\\' in a path";
    }
    return NULL;
}

static bool is_repeated(struct slice segment, const char *path)
{
    const char *first = memmem(path, strlen(path), segment.at, segment.len);
    return segment.len > 0 && segment.at[0] == '{' && (const uint8_t *)first < segment.at;
}

static void check_path(const struct value *value, struct complaints *complaints)
{
    static const char expected[] = "\"/orders\", \"/orders/{id}\" or \"/orders/*\"";
    if (value->text == NULL)
        return;
    if (value->text[0] != '/') {
        tell(complaints, value->place, "the path does not begin with '/'", expected);
        return;
    }
    for (struct slice rest = slice_text(value->text); rest.len > 0;) {
        assert(rest.at[0] == '/');
        size_t len = slice_find(slice_from(rest, 1), '/') + 1;
        assert(len <= rest.len);
        struct slice segment = slice_from(slice_first(rest, len), 1);
        const char *flaw = segment_flaw(segment, len == rest.len);
        if (flaw == NULL && is_repeated(segment, value->text))
            flaw = "a name stands twice in the path";
        if (flaw != NULL) {
            tell(complaints, value->place, flaw, expected);
            return;
        }
        rest = slice_from(rest, len);
    }
}

/* How a string stands in the file, to point into it. */
static const struct node *node_at(const struct document *document, struct place place)
{
    for (const struct node *node = document->root; node != NULL; node = node->next) {
        if (node->value.line == place.line && node->value.column == place.column &&
            strcmp(node->value.file, place.file) == 0)
            return node;
    }
    return NULL;
}

/* The column of the byte that is the `offset`th after escapes are read; the string's own if that
 * cannot be said. */
static struct place inside(const struct document *document, struct place place, size_t offset)
{
    const struct node *node = node_at(document, place);
    struct slice literal = node == NULL ? slice_of(NULL, 0) : node->literal;
    if (literal.len == 0 || memmem(literal.at, literal.len, "${", 2) != NULL)
        return place;
    size_t at = 0;
    for (size_t i = 0; i < offset && at < literal.len; i++) {
        bool escape = literal.at[at] == '\\' && at + 1 < literal.len;
        at += !escape ? 1 : tolower(literal.at[at + 1]) == 'x' ? 4 : 2;
    }
    assert(at <= literal.len + 4); /* an escape that the string's end cuts off */
    place.column++;
    for (size_t i = 0; i < at && i < literal.len; i++)
        place.column += (literal.at[i] & 0xc0) != 0x80;
    return place;
}

static void check_regex(const struct value *value, const struct document *document,
                        struct complaints *complaints)
{
    if (value->text == NULL)
        return;
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)value->text, PCRE2_ZERO_TERMINATED, 0, &error,
                                     &offset, NULL);
    if (code != NULL) {
        pcre2_code_free(code);
        return;
    }
    assert(offset <= strlen(value->text));
    PCRE2_UCHAR text[128] = "";
    pcre2_get_error_message(error, text, sizeof(text));
    struct complaint *complaint = complain(complaints, inside(document, value->place, offset),
                                           "the regular expression is wrong at offset %zu: %s",
                                           (size_t)offset, (const char *)text);
    complaint_expected(complaints, complaint, "an expression of PCRE2");
}

static void check_methods(const struct value *methods, struct complaints *complaints)
{
    for (size_t i = 0; i < methods->count; i++) {
        struct slice method = slice_text(methods->texts[i]);
        bool upper = token_valid(method);
        for (size_t j = 0; j < method.len; j++)
            upper = upper && !islower(method.at[j]);
        if (!upper)
            tell(complaints, methods->places[i], "this is not a method",
                 "one in capital letters, such as \"POST\"");
    }
}

static void check_hosts(const struct value *hosts, struct complaints *complaints)
{
    for (size_t i = 0; i < hosts->count; i++) {
        struct slice host = slice_text(hosts->texts[i]);
        const char *colon = strrchr(hosts->texts[i], ':');
        uint64_t port = 80;
        int bad = 0;
        if (colon != NULL && strchr(colon, ']') == NULL) {
            bad = slice_number(slice_text(colon + 1), &port);
            host.len = (size_t)(colon - hosts->texts[i]);
        }
        if (slice_starts(host, SLICE("*.")))
            host = slice_from(host, 2);
        if (bad != 0 || port == 0 || port > 65535 || !host_valid(host))
            tell(complaints, hosts->places[i], "this is not a host",
                 "a name such as \"inventory\" or \"*.svc\"");
    }
}

void check_match(const struct values *match, const struct document *document,
                 struct complaints *complaints)
{
    check_hosts(values_get(match, "host"), complaints);
    check_methods(values_get(match, "method"), complaints);
    check_path(values_get(match, "path"), complaints);
    check_regex(values_get(match, "path_regex"), document, complaints);
    if (values_has(match, "path") && values_has(match, "path_regex")) {
        struct complaint *complaint = complain(complaints, values_place(match, "path_regex"),
                                               "'path' and 'path_regex' are both there");
        complaint_expected(complaints, complaint, "one of the two");
    }
}

void check_allow(const struct values *allow, struct complaints *complaints)
{
    check_methods(values_get(allow, "method"), complaints);
    check_path(values_get(allow, "path"), complaints);
}
