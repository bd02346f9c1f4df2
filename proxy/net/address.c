/* Reading, writing and judging socket addresses. Text from peers and files is refused with -1,
 * never asserted.
 *
 * One address has many spellings: IPv4 inside IPv6 in three forms, inet_aton's decimal, hex and
 * octal. `plain` brings the former to one form before anything is compared or judged,
 * address_from_host reads the latter as resolvers do.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ifaddrs.h>
#include <stddef.h>
#include <stdio.h>

enum { MOST_HOST = 253 + 2 };

/* --- text ------------------------------------------------------------------------------------ */

static void set_in(struct address *address, struct in_addr in, uint16_t port)
{
    *address = (struct address){ .len = sizeof(struct sockaddr_in) };
    address->in = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr = in,
        .sin_port = htons(port),
    };
}

static void set_in6(struct address *address, struct in6_addr in6, uint16_t port)
{
    *address = (struct address){ .len = sizeof(struct sockaddr_in6) };
    address->in6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6,
        .sin6_addr = in6,
        .sin6_port = htons(port),
    };
}

/* What inet_aton takes, less the blanks and what follows them. */
static bool is_number_form(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789abcdefABCDEFxX.")] == '\0';
}

int address_from_host(struct slice host, uint16_t port, struct address *address)
{
    if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
        host = slice_of(host.at + 1, host.len - 2);
    char text[MOST_HOST + 1];
    if (host.len == 0 || host.len > MOST_HOST || memchr(host.at, '\0', host.len) != NULL)
        return -1;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';

    struct in_addr in;
    struct in6_addr in6;
    if (is_number_form(text) && inet_aton(text, &in) != 0) {
        set_in(address, in, port);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &in6) == 1) {
        set_in6(address, in6, port);
        return 0;
    }
    return -1;
}

static int parse_unix(struct slice path, struct address *address)
{
    if (path.len == 0 || path.len >= sizeof(address->un.sun_path) ||
        memchr(path.at, '\0', path.len) != NULL)
        return -1;
    *address = (struct address){ .un.sun_family = AF_UNIX };
    memcpy(address->un.sun_path, path.at, path.len);
    address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    return 0;
}

/* What a name has none of: delimiters of a URL, and what confuses whoever reads it. */
static bool is_name_byte(uint8_t byte)
{
    static const bool strange[128] = {
        ['/'] = true, ['?'] = true, ['#'] = true, ['@'] = true, ['\\'] = true, [':'] = true,
        ['['] = true, [']'] = true, ['"'] = true, ['<'] = true, ['>'] = true,  ['^'] = true,
        ['`'] = true, ['{'] = true, ['|'] = true, ['}'] = true,
    };
    return byte > ' ' && byte < 0x7f && !strange[byte];
}

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_name_byte(text.at[i]))
            return false;
    }
    return text.len > 0;
}

static bool is_v6(struct slice text)
{
    struct address address;
    return slice_find(text, ':') < text.len && slice_find(text, '[') == text.len &&
           address_from_host(text, 0, &address) == 0;
}

static int split_bracketed(struct slice authority, struct slice *host, struct slice *port)
{
    size_t end = slice_find(authority, ']');
    if (end == authority.len)
        return -1;
    *host = slice_of(authority.at + 1, end - 1);
    *port = slice_from(authority, end + 1);
    if (port->len > 0) {
        if (port->at[0] != ':')
            return -1;
        *port = slice_from(*port, 1);
    }
    return is_v6(*host) ? 0 : -1;
}

/* `port` is empty when it is not written. */
static int split(struct slice authority, struct slice *host, struct slice *port)
{
    if (authority.len > 0 && authority.at[0] == '[')
        return split_bracketed(authority, host, port);
    size_t colon = slice_find(authority, ':');
    *host = slice_first(authority, colon);
    *port = slice_from(authority, colon < authority.len ? colon + 1 : colon);
    if (slice_find(*port, ':') == port->len)
        return is_name(*host) ? 0 : -1;
    *host = authority; /* two colons: IPv6 without brackets and port */
    *port = slice_of(NULL, 0);
    return is_v6(*host) ? 0 : -1;
}

static int read_port(struct slice text, uint16_t *port)
{
    uint64_t number;
    if (slice_number(text, &number) != 0 || number > UINT16_MAX)
        return -1;
    *port = (uint16_t)number;
    return 0;
}

int host_split(struct slice authority, uint16_t fallback, struct slice *host, uint16_t *port)
{
    struct slice text;
    if (split(authority, host, &text) != 0)
        return -1;
    *port = fallback;
    return text.len == 0 ? 0 : read_port(text, port);
}

int address_parse(struct slice text, struct address *address)
{
    if (slice_starts(text, SLICE("unix:")))
        return parse_unix(slice_from(text, 5), address);
    struct slice host, port_text;
    uint16_t port;
    if (split(text, &host, &port_text) != 0 || read_port(port_text, &port) != 0)
        return -1;
    return address_from_host(host, port, address);
}

void address_text(const struct address *address, char text[ADDRESS_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->in.sin_addr, ip, sizeof(ip));
        snprintf(text, ADDRESS_TEXT, "%s:%u", ip, address_port(address));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &address->in6.sin6_addr, ip, sizeof(ip));
        snprintf(text, ADDRESS_TEXT, "[%s]:%u", ip, address_port(address));
        break;
    case AF_UNIX:
        snprintf(text, ADDRESS_TEXT, "unix:%.*s", (int)sizeof(address->un.sun_path),
                 address->un.sun_path);
        break;
    default:
        snprintf(text, ADDRESS_TEXT, "?");
    }
}

/* --- ports and equality ----------------------------------------------------------------------- */

uint16_t address_port(const struct address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohs(address->in.sin_port);
    case AF_INET6:
        return ntohs(address->in6.sin6_port);
    default:
        return 0;
    }
}

void address_set_port(struct address *address, uint16_t port)
{
    assert(address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6);
    if (address->any.sa_family == AF_INET)
        address->in.sin_port = htons(port);
    else
        address->in6.sin6_port = htons(port);
}

/* ::ffff:0:0/96, which holds IPv4 (RFC 4291 §2.5.5.2). */
static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

/* An address as bytes: 4, 16, or none for what is no IP. */
struct ip {
    uint8_t at[16];
    size_t len;
};

static bool ip_starts(const struct ip *ip, const uint8_t *prefix, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(ip->at, prefix, whole) != 0)
        return false;
    return rest == 0 || (ip->at[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

/* IPv4 in IPv6 (mapped, compatible, NAT64: RFC 4291 §2.5.5, RFC 6052 §2.1) becomes IPv4. */
static struct ip plain(const struct address *address)
{
    static const uint8_t compatible[12] = { 0 };
    static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
    struct ip ip = { .len = 0 };
    if (address->any.sa_family == AF_INET) {
        ip.len = 4;
        memcpy(ip.at, &address->in.sin_addr, 4);
        return ip;
    }
    if (address->any.sa_family != AF_INET6)
        return ip;

    ip.len = 16;
    memcpy(ip.at, &address->in6.sin6_addr, 16);
    bool own = IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr) ||
               IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
    if (!own && (ip_starts(&ip, mapped, 96) || ip_starts(&ip, compatible, 96) ||
                 ip_starts(&ip, nat64, 96))) {
        ip.len = 4;
        memmove(ip.at, ip.at + 12, 4);
    }
    return ip;
}

static bool ip_equal(const struct ip *a, const struct ip *b)
{
    return a->len == b->len && memcmp(a->at, b->at, a->len) == 0;
}

static bool same_path(const struct address *a, const struct address *b)
{
    return strncmp(a->un.sun_path, b->un.sun_path, sizeof(a->un.sun_path)) == 0;
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    switch (a->any.sa_family) {
    case AF_INET:
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_port == b->in6.sin6_port &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
    case AF_UNIX:
        return same_path(a, b);
    default:
        return false;
    }
}

/* --- judging ---------------------------------------------------------------------------------- */

bool address_is_loopback(const struct address *address)
{
    if (address->any.sa_family == AF_UNIX)
        return true;
    struct ip ip = plain(address);
    return ip.len == 4 ? ip.at[0] == 127
                       : ip.len == 16 && IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
}

bool address_is_forbidden(const struct address *address)
{
    static const struct prefix {
        size_t len;
        uint8_t at[16];
        unsigned bits;
    } prefixes[] = {
        { 4, { 0 }, 8 },                                            /* this network, unspecified */
        { 4, { 169, 254 }, 16 },                                    /* link-local, metadata */
        { 4, { 100, 100, 100, 200 }, 32 },                          /* metadata */
        { 4, { 224 }, 4 },                                          /* multicast */
        { 4, { 255, 255, 255, 255 }, 32 },                          /* broadcast */
        { 16, { 0 }, 128 },                                         /* unspecified */
        { 16, { 0xfe, 0x80 }, 10 },                                 /* link-local */
        { 16, { 0xff }, 8 },                                        /* multicast */
        { 16, { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54 }, 128 }, /* metadata */
    };
    struct ip ip = plain(address);
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
        if (prefixes[i].len == ip.len && ip_starts(&ip, prefixes[i].at, prefixes[i].bits))
            return true;
    }
    return false;
}

/* --- networks --------------------------------------------------------------------------------- */

/* Clears what is behind the bits that count; whether there was something. */
static bool network_trim(struct network *network)
{
    bool extra = false;
    for (unsigned i = network->bits; i < 8 * network->len; i++) {
        uint8_t bit = (uint8_t)(0x80 >> i % 8);
        extra |= (network->at[i / 8] & bit) != 0;
        network->at[i / 8] &= (uint8_t)~bit;
    }
    return extra;
}

int network_parse(struct slice text, struct network *network)
{
    size_t slash = slice_find(text, '/');
    char host[INET6_ADDRSTRLEN];
    if (slash >= sizeof(host) || memchr(text.at, '\0', slash) != NULL)
        return -1;
    memcpy(host, text.at, slash);
    host[slash] = '\0';
    bool six = strchr(host, ':') != NULL;
    *network = (struct network){ .len = six ? 16 : 4 };
    uint64_t bits = 8 * network->len;
    if (inet_pton(six ? AF_INET6 : AF_INET, host, network->at) != 1)
        return -1;
    if (slash < text.len && slice_number(slice_from(text, slash + 1), &bits) != 0)
        return -1;
    if (bits > 8 * network->len)
        return -1;
    network->bits = (unsigned)bits;
    int extra = network_trim(network);
    if (six && bits >= 96 && memcmp(network->at, mapped, sizeof(mapped)) == 0) {
        memmove(network->at, network->at + 12, 4);
        network->len = 4;
        network->bits -= 96;
    }
    return extra;
}

bool network_has(const struct network *network, const struct address *address)
{
    struct ip ip = { .len = 0 };
    if (address->any.sa_family == AF_INET) {
        ip.len = 4;
        memcpy(ip.at, &address->in.sin_addr, 4);
    } else if (address->any.sa_family == AF_INET6) {
        const uint8_t *at = address->in6.sin6_addr.s6_addr;
        bool four = memcmp(at, mapped, sizeof(mapped)) == 0;
        ip.len = four ? 4 : 16;
        memcpy(ip.at, four ? at + 12 : at, ip.len);
    }
    return ip.len == network->len && ip_starts(&ip, network->at, network->bits);
}

/* --- ourselves -------------------------------------------------------------------------------- */

static bool is_unspecified(const struct ip *ip)
{
    static const uint8_t zeros[16];
    return ip->len > 0 && memcmp(ip->at, zeros, ip->len) == 0;
}

/* Whether an interface of this machine has the address. When they cannot be listed, it is taken
 * to be so. */
static bool is_ours(const struct address *address)
{
    struct ip ip = plain(address);
    if (address_is_loopback(address) || is_unspecified(&ip))
        return true;
    struct ifaddrs *interfaces;
    if (getifaddrs(&interfaces) != 0)
        return true;

    bool found = false;
    for (struct ifaddrs *i = interfaces; i != NULL && !found; i = i->ifa_next) {
        struct address one = { .len = 0 };
        if (i->ifa_addr == NULL)
            continue;
        if (i->ifa_addr->sa_family == AF_INET)
            memcpy(&one.in, i->ifa_addr, sizeof(one.in));
        else if (i->ifa_addr->sa_family == AF_INET6)
            memcpy(&one.in6, i->ifa_addr, sizeof(one.in6));
        struct ip its = plain(&one);
        found = its.len > 0 && ip_equal(&its, &ip);
    }
    freeifaddrs(interfaces);
    return found;
}

bool address_reaches(const struct address *target, const struct address *listening)
{
    if (target->any.sa_family == AF_UNIX || listening->any.sa_family == AF_UNIX)
        return target->any.sa_family == listening->any.sa_family && same_path(target, listening);
    if (address_port(target) != address_port(listening))
        return false;

    struct ip to = plain(target), at = plain(listening);
    bool to_loopback = address_is_loopback(target) || is_unspecified(&to);
    bool at_loopback = address_is_loopback(listening) || is_unspecified(&at);
    if (ip_equal(&to, &at) || (to_loopback && at_loopback))
        return true;
    /* 0.0.0.0 takes IPv4 only, :: takes both. */
    return is_unspecified(&at) && (at.len == 16 || to.len == 4) && is_ours(target);
}
