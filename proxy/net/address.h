/* A socket address, and what the text of one means. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/slice.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
    socklen_t len;
};

#define ADDRESS_TEXT 128

/* "127.0.0.1:80", "[::1]:80", "unix:/path": 0, or -1 when it is none of them (names are not
 * resolved here). */
int address_parse(struct slice text, struct address *address) __attribute__((warn_unused_result));
/* A literal IP (with or without brackets) and a port. inet_aton's other spellings (decimal, hex,
 * octal) are taken too, since resolvers take them. -1: a name. */
int address_from_host(struct slice host, uint16_t port, struct address *address)
    __attribute__((warn_unused_result));
/* Writes "host:port" with a NUL. */
void address_text(const struct address *address, char text[ADDRESS_TEXT]);
uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);
bool address_equal(const struct address *a, const struct address *b);

/* Splits "host:port", "host", "[v6]:port", "v6" into host (without brackets) and port
 * (`fallback` when absent): 0 or -1. RFC 3986 §3.2. */
int host_split(struct slice authority, uint16_t fallback, struct slice *host, uint16_t *port)
    __attribute__((warn_unused_result));

/* Addresses that begin with the same bits. */
struct network {
    uint8_t at[16];
    unsigned len, bits; /* bytes of an address, and how many bits of it count */
};

/* "10.0.0.0/8", "fd00::/8", or one address: 0; 1 when it has bits behind those that count, which
 * are cleared; -1 when it is none of them. */
int network_parse(struct slice text, struct network *network) __attribute__((warn_unused_result));
/* IPv4 as a socket of IPv6 has it (::ffff:a.b.c.d) is IPv4. */
bool network_has(const struct network *network, const struct address *address);

/* Loopback, 127/8, ::1, mapped forms, unix sockets. */
bool address_is_loopback(const struct address *address);
/* What a call is never sent to unless an upstream names it: link-local (169.254/16, fe80::/10),
 * metadata (169.254.169.254, fd00:ec2::254, 100.100.100.200), unspecified, multicast, broadcast;
 * mapped forms alike. */
bool address_is_forbidden(const struct address *address);
/* Whether connecting to `target` would reach a socket that listens on `listening` of this
 * machine: same port, and the same address, or a wildcard with a local address (all interfaces'
 * addresses are asked for). Loopback addresses and wildcards count as one, ::1 and 127.0.0.1
 * alike: rather too much is ours than too little (threat 2). */
bool address_reaches(const struct address *target, const struct address *listening);

#endif
