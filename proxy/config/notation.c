/* One reader per type, found in a table by the type. Each says what is wrong and what it
 * expected; where the value stands is its caller's business. */
#include "config/notation.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/address.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit duration_units[] = {
    { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { 0 },
};
static const struct unit size_units[] = {
    { "GB", 1 << 30 }, { "MB", 1 << 20 }, { "KB", 1 << 10 }, { "B", 1 }, { 0 },
};

static const struct unit *units_of(const struct setting *row)
{
    return row->type == SETTING_DURATION ? duration_units
           : row->type == SETTING_SIZE   ? size_units
                                         : NULL;
}

void notation_number(const struct setting *row, int64_t number, char *to, size_t room)
{
    const struct unit *unit = units_of(row);
    assert(room >= 32); /* 20 digits, a sign, a unit */
    while (unit != NULL && unit->factor > 1 && number % unit->factor != 0)
        unit++;
    if (number == 0 && unit != NULL)
        unit = row->type == SETTING_DURATION ? &duration_units[2] : &size_units[3]; /* "0s", "0B" */
    if (unit == NULL)
        snprintf(to, room, "%lld", (long long)number);
    else
        snprintf(to, room, "%lld%s", (long long)(number / unit->factor), unit->name);
}

static void join(const char *const *words, char *to, size_t room)
{
    size_t len = strlen(to);
    for (size_t i = 0; words[i] != NULL && len + 1 < room; i++) {
        snprintf(to + len, room - len, "%s%s", i == 0 ? "" : ", ", words[i]);
        len = strlen(to);
    }
}

void notation_expected(const struct setting *row, char *to, size_t room)
{
    static const char *const words[] = {
        [SETTING_FLAG] = "true or false",
        [SETTING_NUMBER] = "a whole number",
        [SETTING_DURATION] = "a duration with a unit (ms, s, m, h), such as \"5s\"",
        [SETTING_SIZE] = "a size with a unit (B, KB, MB, GB), such as \"64KB\"",
        [SETTING_TEXT] = "a string",
        [SETTING_CHOICE] = "one of ",
        [SETTING_TEXTS] = "a string or a list of strings",
        [SETTING_HEADERS] = "strings such as \"name: value\"",
        [SETTING_PROPERTIES] = "strings such as \"name=value\"",
        [SETTING_ADDRESS] = "an address and a port, such as \"127.0.0.1:15001\" or \"[::1]:15001\"",
        [SETTING_HOSTPORT] = "a host and a port, such as \"inventory:8080\"",
        [SETTING_HOSTPORTS] = "hosts with their ports, such as ( \"inventory:8080\" )",
        [SETTING_NETWORKS] = "addresses or networks, such as ( \"10.0.0.0/8\", \"::1\" )",
        [SETTING_URL] = "a URL that begins with ",
        [SETTING_REFERENCE] = "the name of an entry of ",
        [SETTING_GROUP] = "a group { … }",
        [SETTING_GROUPS] = "a list of groups ( { … }, { … } )",
    };
    assert(row->type < sizeof(words) / sizeof(*words) && words[row->type] != NULL);
    snprintf(to, room, "%s", words[row->type]);
    if (row->type == SETTING_CHOICE)
        join(row->choices, to, room);
    size_t len = strlen(to);
    for (unsigned i = 0; row->type == SETTING_URL && row->choices[i] != NULL; i++) {
        snprintf(to + len, room - len, "%s%s://", i > 0 ? " or " : "", row->choices[i]);
        len = strlen(to);
    }
    if (row->type == SETTING_REFERENCE)
        snprintf(to + len, room - len, "'%s'", row->refers);
    else if (row->type == SETTING_ADDRESS && (row->flags & SETTING_UNIX) != 0)
        snprintf(to + len, room - len, ", or \"unix:/path\"");
    else if (row->type == SETTING_HOSTPORT && (row->flags & SETTING_BARE) != 0)
        snprintf(to + len, room - len, ", or a host alone");

    if (row->low != 0 || row->high != 0) {
        char low[32], high[32];
        notation_number(row, row->low, low, sizeof(low));
        notation_number(row, row->high, high, sizeof(high));
        len = strlen(to);
        snprintf(to + len, room - len, "%s from %s to %s", row->type == SETTING_NUMBER ? "" : ",",
                 low, high);
    }
}

static int flawed(const struct setting *row, struct flaw *flaw, const char *what)
{
    assert(what != NULL);
    flaw->what = what;
    notation_expected(row, flaw->expected, sizeof(flaw->expected));
    return -1;
}

static int in_range(const struct setting *row, int64_t number, struct flaw *flaw)
{
    assert(row->low <= row->high);
    if (number < 0 && row->low >= 0)
        return flawed(row, flaw, "is negative");
    if ((row->low != 0 || row->high != 0) && (number < row->low || number > row->high))
        return flawed(row, flaw, "is out of range");
    return 0;
}

/* Digits, perhaps with a sign; `*rest` is what follows. -1: none, or too many. */
static int read_digits(const char *text, int64_t *number, const char **rest)
{
    bool negative = *text == '-';
    const char *at = text + negative;
    size_t len = strspn(at, "0123456789");
    uint64_t digits;
    if (slice_number(slice_of(at, len), &digits) != 0 || digits > INT64_MAX)
        return -1;
    *number = negative ? -(int64_t)digits : (int64_t)digits;
    *rest = at + len;
    return 0;
}

static int read_flag(const struct setting *row, const char *text, int64_t *number,
                     struct flaw *flaw)
{
    *number = strcmp(text, "true") == 0;
    if (*number == 0 && strcmp(text, "false") != 0)
        return flawed(row, flaw, "is neither true nor false");
    return 0;
}

static int read_number(const struct setting *row, const char *text, int64_t *number,
                       struct flaw *flaw)
{
    const char *rest;
    if (read_digits(text, number, &rest) != 0 || *rest != '\0')
        return flawed(row, flaw, "is not a whole number");
    return in_range(row, *number, flaw);
}

static int read_measure(const struct setting *row, const char *text, int64_t *number,
                        struct flaw *flaw)
{
    const char *rest;
    bool duration = row->type == SETTING_DURATION;
    if (read_digits(text, number, &rest) != 0)
        return flawed(row, flaw, duration ? "is not a duration" : "is not a size");
    if (*rest == '\0') {
        snprintf(flaw->hint, sizeof(flaw->hint), "did you mean \"%s%s\"?", text,
                 duration ? "s" : "KB");
        return flawed(row, flaw, "has no unit");
    }
    if (*rest == '.')
        return flawed(row, flaw, "is not a whole number of its unit");
    for (const struct unit *unit = units_of(row); unit->name != NULL; unit++) {
        if (strcmp(unit->name, rest) != 0)
            continue;
        if (__builtin_mul_overflow(*number, unit->factor, number))
            return flawed(row, flaw, "is out of range");
        return in_range(row, *number, flaw);
    }
    return flawed(row, flaw, "has an unknown unit");
}

static int read_text(const struct setting *row, const char *text, int64_t *number,
                     struct flaw *flaw)
{
    *number = 0;
    if ((row->flags & SETTING_NOT_EMPTY) != 0 && *text == '\0')
        return flawed(row, flaw, "is empty");
    return 0;
}

static int read_choice(const struct setting *row, const char *text, int64_t *number,
                       struct flaw *flaw)
{
    for (*number = 0; row->choices[*number] != NULL; ++*number) {
        if (strcmp(row->choices[*number], text) == 0)
            return 0;
    }
    *number = 0;
    return flawed(row, flaw, "is unknown");
}

bool token_valid(struct slice token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (!isalnum(token.at[i]) && strchr("!#$%&'*+-.^_`|~", token.at[i]) == NULL)
            return false;
    }
    return token.len > 0 && memchr(token.at, 0, token.len) == NULL;
}

static int read_header(const struct setting *row, const char *text, int64_t *number,
                       struct flaw *flaw)
{
    *number = 0;
    struct slice line = slice_text(text);
    size_t colon = slice_find(line, ':');
    if (colon == line.len)
        return flawed(row, flaw, "has no ':'");
    if (!token_valid(slice_first(line, colon)))
        return flawed(row, flaw, "has no valid name before its ':'");
    for (size_t i = colon; i < line.len; i++) {
        if ((line.at[i] < 0x20 && line.at[i] != '\t') || line.at[i] == 0x7f)
            return flawed(row, flaw, "has a control character in it");
    }
    return 0;
}

static int read_property(const struct setting *row, const char *text, int64_t *number,
                         struct flaw *flaw)
{
    *number = 0;
    const char *equals = strchr(text, '=');
    if (equals == NULL)
        return flawed(row, flaw, "has no '='");
    return equals == text ? flawed(row, flaw, "has no name before its '='") : 0;
}

static int read_port(const char *text, size_t len, uint16_t *port)
{
    uint64_t number;
    if (slice_number(slice_of(text, len), &number) != 0 || number == 0 || number > 65535)
        return -1;
    *port = (uint16_t)number;
    return 0;
}

/* Where the ':' before a port stands, or NULL: the last one, behind the ']' of an IPv6 address. */
static const char *port_colon(const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *bracket = strrchr(text, ']');
    return bracket != NULL && colon < bracket ? NULL : colon;
}

static bool read_ip(struct slice host, uint8_t bytes[16])
{
    char text[64];
    bool six = host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';
    if (six)
        host = slice_first(slice_from(host, 1), host.len - 2);
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    if (six)
        return inet_pton(AF_INET6, text, bytes) == 1;
    memcpy(bytes, (uint8_t[]){ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 12);
    return inet_pton(AF_INET, text, bytes + 12) == 1;
}

int endpoint_read(const char *text, struct endpoint *endpoint)
{
    *endpoint = (struct endpoint){ 0 };
    if (strncmp(text, "unix:", 5) == 0) {
        endpoint->local = true;
        endpoint->path = text + 5;
        return *endpoint->path == '/' && strlen(endpoint->path) < 108
                   ? 0
                   : -1; /* sun_path holds no more */
    }
    const char *colon = port_colon(text);
    if (colon == NULL || read_port(colon + 1, strlen(colon + 1), &endpoint->port) != 0)
        return -1;
    return read_ip(slice_of(text, (size_t)(colon - text)), endpoint->bytes) ? 0 : -1;
}

static bool is_wildcard(const struct endpoint *endpoint, bool *four)
{
    static const uint8_t six[16] = { 0 };
    static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff };
    *four = memcmp(endpoint->bytes, mapped, 12) == 0;
    return memcmp(endpoint->bytes, six, 16) == 0 || memcmp(endpoint->bytes, mapped, 16) == 0;
}

bool endpoint_overlaps(const struct endpoint *a, const struct endpoint *b)
{
    if (a->local || b->local)
        return a->local && b->local && strcmp(a->path, b->path) == 0;
    bool a_four, b_four;
    bool a_all = is_wildcard(a, &a_four), b_all = is_wildcard(b, &b_four);
    if (a->port != b->port)
        return false;
    if ((a_all && (!a_four || b_four)) || (b_all && (!b_four || a_four)))
        return true;
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool endpoint_is_loopback(const struct endpoint *endpoint)
{
    static const uint8_t six[16] = { [15] = 1 };
    bool four;
    is_wildcard(endpoint, &four);
    return endpoint->local ||
           (four ? endpoint->bytes[12] == 127 : memcmp(endpoint->bytes, six, 16) == 0);
}

bool host_valid(struct slice host)
{
    uint8_t bytes[16];
    if (host.len > 0 && host.at[0] == '[')
        return read_ip(host, bytes);
    if (host.len == 0 || host.len > 253 || host.at[0] == '.' || host.at[0] == '-')
        return false;
    for (size_t i = 0; i < host.len; i++) {
        bool dots = host.at[i] == '.' && i > 0 && host.at[i - 1] == '.';
        if (dots ||
            (!isalnum(host.at[i]) && host.at[i] != '-' && host.at[i] != '_' && host.at[i] != '.'))
            return false;
    }
    return true;
}

static int read_address(const struct setting *row, const char *text, int64_t *number,
                        struct flaw *flaw)
{
    struct endpoint endpoint;
    *number = 0;
    bool local = strncmp(text, "unix:", 5) == 0;
    if (local && (row->flags & SETTING_UNIX) == 0)
        return flawed(row, flaw, "is a Unix socket, which this cannot be");
    if (endpoint_read(text, &endpoint) == 0)
        return 0;
    if (local)
        return flawed(row, flaw, "is no absolute path of at most 107 bytes");

    const char *colon = port_colon(text);
    uint16_t port;
    if (colon == NULL)
        return flawed(row, flaw, "has no port");
    if (read_port(colon + 1, strlen(colon + 1), &port) != 0)
        return flawed(row, flaw, "has no port from 1 to 65535");
    if (strncmp(text, "localhost:", 10) == 0)
        snprintf(flaw->hint, sizeof(flaw->hint), "did you mean \"127.0.0.1%s\"?", colon);
    else if (colon == text || strncmp(text, "*:", 2) == 0)
        snprintf(flaw->hint, sizeof(flaw->hint), "did you mean \"0.0.0.0%s\"?", colon);
    return flawed(row, flaw, "is no numeric address");
}

static int read_hostport(const struct setting *row, const char *text, int64_t *number,
                         struct flaw *flaw)
{
    *number = 0;
    const char *colon = port_colon(text);
    struct slice host = slice_of(text, colon == NULL ? strlen(text) : (size_t)(colon - text));
    uint16_t port;
    if (strstr(text, "://") != NULL)
        return flawed(row, flaw, "is a URL");
    if (colon == NULL && (row->flags & SETTING_BARE) == 0)
        return flawed(row, flaw, "has no port");
    if (colon != NULL && read_port(colon + 1, strlen(colon + 1), &port) != 0)
        return flawed(row, flaw, "has no port from 1 to 65535");
    return host_valid(host) ? 0 : flawed(row, flaw, "has no valid host");
}

static int read_network(const struct setting *row, const char *text, int64_t *number,
                        struct flaw *flaw)
{
    *number = 0;
    struct network network;
    int extra = network_parse(slice_text(text), &network);
    if (extra == 0)
        return 0;
    if (extra < 0)
        return flawed(row, flaw, "is no address and no network");
    char base[INET6_ADDRSTRLEN];
    if (inet_ntop(network.len == 4 ? AF_INET : AF_INET6, network.at, base, sizeof(base)) == NULL)
        abort();
    snprintf(flaw->hint, sizeof(flaw->hint), "did you mean \"%s/%u\"?", base, network.bits);
    return flawed(row, flaw, "has bits that its length leaves out");
}

/* The host and port of a URL, behind any `user:password@`. */
static int read_authority(const struct setting *row, const char *at, size_t len, bool http,
                          struct flaw *flaw)
{
    char text[300];
    const char *user = memrchr(at, '@', len);
    if (user != NULL && http)
        return flawed(row, flaw, "has a user in it, which HTTP has no place for");
    if (user != NULL) {
        len -= (size_t)(user + 1 - at);
        at = user + 1;
    }
    if (len >= sizeof(text))
        return flawed(row, flaw, "has no valid host");
    memcpy(text, at, len);
    text[len] = '\0';
    const char *colon = port_colon(text);
    uint16_t port;
    if (colon != NULL && read_port(colon + 1, strlen(colon + 1), &port) != 0)
        return flawed(row, flaw, "has no port from 1 to 65535");
    struct slice host = slice_of(text, colon == NULL ? len : (size_t)(colon - text));
    return host_valid(host) ? 0 : flawed(row, flaw, "has no valid host");
}

static int read_url(const struct setting *row, const char *text, int64_t *number, struct flaw *flaw)
{
    *number = 0;
    const char *colon = strstr(text, "://");
    if (colon == NULL)
        return flawed(row, flaw, "is no URL");
    for (; row->choices[*number] != NULL; ++*number) {
        const char *scheme = row->choices[*number];
        if (strlen(scheme) == (size_t)(colon - text) && strncmp(scheme, text, strlen(scheme)) == 0)
            break;
    }
    if (row->choices[*number] == NULL) {
        *number = 0;
        return flawed(row, flaw, "has a scheme that is not known here");
    }
    for (const char *at = text; *at != '\0'; at++) {
        if ((uint8_t)*at <= ' ' || *at == 0x7f)
            return flawed(row, flaw, "has a blank in it");
    }
    bool http = strncmp(text, "http", 4) == 0 || strncmp(text, "h2c", 3) == 0;
    if (http && strpbrk(colon, "?#") != NULL)
        return flawed(row, flaw, "has a query or fragment, which it cannot have");
    const char *host = colon + 3;
    return read_authority(row, host, strcspn(host, "/?#"), http, flaw);
}

int notation_read(const struct setting *row, const char *text, int64_t *number, struct flaw *flaw)
{
    static int (*const readers[])(const struct setting *, const char *, int64_t *,
                                  struct flaw *) = {
        [SETTING_FLAG] = read_flag,           [SETTING_NUMBER] = read_number,
        [SETTING_DURATION] = read_measure,    [SETTING_SIZE] = read_measure,
        [SETTING_TEXT] = read_text,           [SETTING_CHOICE] = read_choice,
        [SETTING_TEXTS] = read_text,          [SETTING_HEADERS] = read_header,
        [SETTING_PROPERTIES] = read_property, [SETTING_ADDRESS] = read_address,
        [SETTING_HOSTPORT] = read_hostport,   [SETTING_HOSTPORTS] = read_hostport,
        [SETTING_NETWORKS] = read_network,    [SETTING_URL] = read_url,
        [SETTING_REFERENCE] = read_text,
    };
    assert(row->type < sizeof(readers) / sizeof(*readers));
    *flaw = (struct flaw){ 0 };
    assert(text != NULL && readers[row->type] != NULL);
    int result = readers[row->type](row, text, number, flaw);
    assert((result == 0) == (flaw->what == NULL));
    return result;
}
