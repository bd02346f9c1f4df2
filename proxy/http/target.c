/* Targets are read in one pass over a table of bytes; only a path that is not written in its one
 * spelling is copied.
 *
 * Happy path: every byte of the path is plain and no segment is odd: the slice that came is the
 * answer. With an escape or a character that has to be one, the path is written anew into the
 * arena, decoding what need not be encoded, and its segments are looked at in that form, so that
 * an encoded dot is a dot. Segments end at encoded slashes too when dots are looked for: whoever
 * decodes later finds none.
 * Failures: what could mean two things to two readers, and the arena's cap.
 */
#include "http/target.h"

#include <arpa/inet.h>
#include <assert.h>

#include "base/percent.h"

enum path_byte {
    REFUSED, /* controls, space, '#', '?', '\', and all above '~' */
    PLAIN,   /* unreserved, sub-delims, ':' and '@', '/': RFC 3986 §3.3 */
    ESCAPE,  /* '%' */
    ENCODED, /* printable, but only allowed as an escape */
};

static const uint8_t path_bytes[256] = {
    ['!'] = PLAIN,         ['"'] = ENCODED,       ['$'] = PLAIN,           ['%'] = ESCAPE,
    ['&' ... ';'] = PLAIN, ['<'] = ENCODED,       ['='] = PLAIN,           ['>'] = ENCODED,
    ['@' ... 'Z'] = PLAIN, ['['] = ENCODED,       [']' ... '^'] = ENCODED, ['_'] = PLAIN,
    ['`'] = ENCODED,       ['a' ... 'z'] = PLAIN, ['{' ... '}'] = ENCODED, ['~'] = PLAIN,
};

static bool is_alphanumeric(uint8_t byte)
{
    uint8_t lower = byte | 0x20;
    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9');
}

/* RFC 3986 §2.3. */
static bool is_unreserved(uint8_t byte)
{
    return is_alphanumeric(byte) || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

/* A lead byte of UTF-8 whose sequence is longer than it need be: "%c0%af" is a '/' to careless
 * decoders. */
static bool is_overlong(int value, struct slice rest)
{
    int next = percent_value(rest);
    return ((value == 0xc0 || value == 0xc1) && next >= 0x80 && next <= 0xbf) ||
           (value == 0xe0 && next >= 0x80 && next <= 0x9f) ||
           (value == 0xf0 && next >= 0x80 && next <= 0x8f);
}

static const char *escape_wrong(int value, struct slice rest)
{
    if (value < 0)
        return "the path has a '%' that is not followed by two hex digits";
    if (value == '\\')
        return "the path has an encoded backslash";
    if (value == 0)
        return "the path has an encoded NUL";
    if (is_overlong(value, rest))
        return "the path has overlong UTF-8";
    return NULL;
}

static bool is_dot_segment(struct slice segment)
{
    struct slice bare = slice_first(segment, slice_find(segment, ';'));
    return (bare.len == 1 && bare.at[0] == '.') ||
           (bare.len == 2 && bare.at[0] == '.' && bare.at[1] == '.');
}

/* Where the next slash of a path in its one spelling begins, written as such or encoded. */
static size_t next_slash(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        bool encoded = path.at[i] == '%' && path.len - i >= 3 && path.at[i + 1] == '2' &&
                       path.at[i + 2] == 'F';
        if (path.at[i] == '/' || encoded)
            return i;
    }
    return path.len;
}

/* Looks at segment by segment. NULL, or what is wrong with one. */
static const char *segments_wrong(struct slice path, unsigned *oddities)
{
    assert(path.len > 0 && path.at[0] == '/');
    struct slice rest = slice_from(path, 1);
    for (bool plain = true;;) {
        size_t len = next_slash(rest);
        bool next_plain = len < rest.len && rest.at[len] == '/';
        if (len == 0 && plain && next_plain)
            *oddities |= PATH_EMPTY_SEGMENT;
        if (is_dot_segment(slice_first(rest, len)))
            return "the path has a dot segment";
        if (len == rest.len)
            return NULL;
        if (!next_plain)
            *oddities |= PATH_ENCODED_SLASH;
        rest = slice_from(rest, len + (next_plain ? 1 : 3));
        plain = next_plain;
    }
}

static size_t put_escape(uint8_t *at, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";
    at[0] = '%';
    at[1] = (uint8_t)digits[byte >> 4];
    at[2] = (uint8_t)digits[byte & 15];
    return 3;
}

/* Writes the path's one spelling. `at` has room for three times its length. Its length, or 0
 * with `*why`. */
static size_t respell(struct slice path, uint8_t *at, const char **why)
{
    size_t used = 0;
    for (size_t i = 0; i < path.len; i++) {
        uint8_t byte = path.at[i];
        if (path_bytes[byte] == PLAIN) {
            at[used++] = byte;
            continue;
        }
        if (path_bytes[byte] == ENCODED) {
            used += put_escape(at + used, byte);
            continue;
        }
        assert(byte == '%');
        int value = percent_value(slice_from(path, i));
        *why = escape_wrong(value, slice_from(path, value < 0 ? i : i + 3));
        if (*why != NULL)
            return 0;
        if (is_unreserved((uint8_t)value))
            at[used++] = (uint8_t)value;
        else
            used += put_escape(at + used, (uint8_t)value);
        i += 2;
    }
    assert(used <= 3 * path.len);
    return used;
}

static struct slice no_path(const char **why, const char *what)
{
    *why = what;
    return slice_of(NULL, 0);
}

struct slice path_read(struct slice path, struct arena *arena, unsigned *oddities, const char **why)
{
    *oddities = 0;
    if (path.len == 0 || path.at[0] != '/')
        return no_path(why, "the path does not begin with '/'");
    unsigned seen = 0;
    for (size_t i = 0; i < path.len; i++)
        seen |= 1u << path_bytes[path.at[i]];
    if (seen & (1u << REFUSED))
        return no_path(why, "the path has a character that is not allowed");

    if (seen != 1u << PLAIN) {
        uint8_t *at = arena_try(arena, 3 * path.len);
        if (at == NULL)
            return no_path(why, "the path is too long");
        size_t len = respell(path, at, why);
        if (len == 0)
            return slice_of(NULL, 0);
        path = slice_of(at, len);
    }
    const char *wrong = segments_wrong(path, oddities);
    return wrong == NULL ? path : no_path(why, wrong);
}

/* --- odd paths -------------------------------------------------------------------------------- */

const char *path_oddity_text(unsigned oddities)
{
    assert(oddities != 0);
    return oddities & PATH_ENCODED_SLASH ? "the path has an encoded slash"
                                         : "the path has an empty segment (\"//\")";
}

struct slice path_normalise(struct slice path, struct arena *arena, const char **why)
{
    unsigned oddities;
    path = path_read(path, arena, &oddities, why);
    return oddities == 0 || path.at == NULL ? path : no_path(why, path_oddity_text(oddities));
}

struct slice path_reading(struct slice path, unsigned how, struct arena *arena)
{
    assert(how < PATH_READINGS && path.len > 0 && path.at[0] == '/');
    if (how == 0)
        return path;
    uint8_t *at = arena_try(arena, path.len);
    size_t used = 0;
    for (size_t i = 0; at != NULL && i < path.len; i++) {
        bool encoded = slice_starts(slice_from(path, i), SLICE("%2F")) && (how & PATH_DECODED) != 0;
        uint8_t byte = encoded ? '/' : path.at[i];
        i += encoded ? 2 : 0;
        if (byte != '/' || (how & PATH_MERGED) == 0 || used == 0 || at[used - 1] != '/')
            at[used++] = byte;
    }
    return slice_of(at, used);
}

struct slice path_settle(struct slice path, unsigned oddities, const struct path_rules *rules,
                         struct arena *arena)
{
    if (oddities == 0)
        return path;
    static const struct slice refused = { 0 };
    if ((oddities & PATH_ENCODED_SLASH) != 0 && rules->encoded_slash == PATH_REFUSE)
        return refused;
    unsigned how = rules->encoded_slash == PATH_RESOLVE ? PATH_DECODED : 0;
    how |= rules->double_slash == PATH_RESOLVE ? PATH_MERGED : 0;
    path = path_reading(path, how, arena);
    bool empty = path.len > 0 && memmem(path.at, path.len, "//", 2) != NULL;
    if (empty && (rules->double_slash == PATH_REFUSE || slice_starts(path, SLICE("//"))))
        return refused; /* at the start it could be taken for an authority */
    return path;
}

bool query_valid(struct slice query)
{
    for (size_t i = 0; i < query.len; i++) {
        if (query.at[i] <= ' ' || query.at[i] > '~' || query.at[i] == '#')
            return false;
    }
    return true;
}

/* --- authorities ------------------------------------------------------------------------------ */

/* RFC 3986 §3.2.3: it may be empty, and then says nothing. */
static bool port_valid(struct slice port)
{
    uint64_t number = 0;
    return port.len == 0 || (slice_number(port, &number) == 0 && number <= UINT16_MAX);
}

static bool literal_valid(struct slice literal)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (literal.len >= sizeof text)
        return false;
    memcpy(text, literal.at, literal.len);
    text[literal.len] = '\0';
    return strlen(text) == literal.len && inet_pton(AF_INET6, text, &address) == 1;
}

static bool host_valid(struct slice host)
{
    static const char sub_delims[] = "!$&'()*+;="; /* no ',': it would make a list of one Host */
    for (size_t i = 0; i < host.len; i++) {
        uint8_t byte = host.at[i];
        if (!is_unreserved(byte) && (byte == '\0' || strchr(sub_delims, byte) == NULL))
            return false;
    }
    return host.len > 0;
}

bool authority_valid(struct slice authority)
{
    struct slice host = slice_first(authority, slice_find(authority, ':'));
    if (authority.len > 0 && authority.at[0] == '[') {
        size_t end = slice_find(authority, ']');
        if (end == authority.len || !literal_valid(slice_of(authority.at + 1, end - 1)))
            return false;
        host = slice_first(authority, end + 1);
    } else if (!host_valid(host)) {
        return false;
    }
    struct slice rest = slice_from(authority, host.len);
    return rest.len == 0 || (rest.at[0] == ':' && port_valid(slice_from(rest, 1)));
}

static bool has_port(struct slice authority)
{
    size_t i = authority.len;
    while (i > 0 && authority.at[i - 1] >= '0' && authority.at[i - 1] <= '9')
        i--;
    return i > 0 && i < authority.len && authority.at[i - 1] == ':';
}

/* --- the four forms --------------------------------------------------------------------------- */

static int refuse(const char **why, const char *what)
{
    *why = what;
    return -1;
}

static int origin_form(struct slice target, struct arena *arena, struct head *request,
                       const char **why)
{
    size_t mark = slice_find(target, '?');
    request->path = path_read(slice_first(target, mark), arena, &request->oddities, why);
    if (request->path.at == NULL)
        return -1;
    request->has_query = mark < target.len;
    request->query = slice_from(target, request->has_query ? mark + 1 : mark);
    if (!query_valid(request->query))
        return refuse(why, "the query has a character that is not allowed");
    return 0;
}

static int authority_form(struct slice target, struct head *request, const char **why)
{
    if (!authority_valid(target) || !has_port(target))
        return refuse(why, "CONNECT asks for something else than host:port");
    request->authority = target;
    return 0;
}

static int absolute_form(struct slice target, struct slice method, struct arena *arena,
                         struct head *request, const char **why)
{
    const struct slice scheme = SLICE("http://");
    if (!slice_equal_nocase(slice_first(target, scheme.len), scheme))
        return refuse(why, "the target is neither a path nor an http URL");
    struct slice rest = slice_from(target, scheme.len);
    size_t end = 0;
    while (end < rest.len && rest.at[end] != '/' && rest.at[end] != '?')
        end++;
    request->authority = slice_first(rest, end);
    if (!authority_valid(request->authority))
        return refuse(why, "the target's host and port are malformed");

    rest = slice_from(rest, end);
    if (rest.len > 0 && rest.at[0] == '/')
        return origin_form(rest, arena, request, why);
    request->path = rest.len == 0 && slice_is(method, "OPTIONS") ? SLICE("*") : SLICE("/");
    request->has_query = rest.len > 0;
    request->query = slice_from(rest, rest.len > 0 ? 1 : 0);
    if (!query_valid(request->query))
        return refuse(why, "the query has a character that is not allowed");
    return 0;
}

int target_parse(struct slice target, struct slice method, struct arena *arena,
                 struct head *request, const char **why)
{
    request->scheme = SLICE("http");
    if (target.len == 0)
        return refuse(why, "there is no target");
    if (slice_is(method, "CONNECT"))
        return authority_form(target, request, why);
    if (target.at[0] == '/')
        return origin_form(target, arena, request, why);
    if (!slice_is(target, "*"))
        return absolute_form(target, method, arena, request, why);
    if (!slice_is(method, "OPTIONS"))
        return refuse(why, "only OPTIONS can ask for \"*\"");
    request->path = target;
    return 0;
}
