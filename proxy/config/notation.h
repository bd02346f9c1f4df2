/* How single values are written: numbers, durations, sizes, addresses, hosts, URLs, header
 * lines. */
#ifndef CONFIG_NOTATION_H
#define CONFIG_NOTATION_H

#include <stdbool.h>

#include "base/slice.h"
#include "config/setting.h"

/* What is wrong with a value, told without repeating it. */
struct flaw {
    const char *what; /* "has no unit" */
    char expected[256];
    char hint[128]; /* repeats it: not to be told of a secret */
};

/* Reads one value for a row: 0 with the number if it has one, or -1 with the flaw. */
int notation_read(const struct setting *row, const char *text, int64_t *number, struct flaw *flaw)
    __attribute__((warn_unused_result));
/* What a row expects, in words: "a duration from 1ms to 24h". */
void notation_expected(const struct setting *row, char *to, size_t room);
/* Writes a number as a row's type has it: "90s", "64KB". */
void notation_number(const struct setting *row, int64_t number, char *to, size_t room);

/* A literal address and port, taken apart, so that two ways to write it compare equal. */
struct endpoint {
    bool local; /* a Unix socket: `path` */
    const char *path;
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t port;
};

/* "127.0.0.1:80", "[::1]:80", "unix:/path": 0 or -1. */
int endpoint_read(const char *text, struct endpoint *endpoint) __attribute__((warn_unused_result));
/* Whether both cannot be listened on at once. */
bool endpoint_overlaps(const struct endpoint *a, const struct endpoint *b);
bool endpoint_is_loopback(const struct endpoint *endpoint);
/* A name or an address without a port. */
bool host_valid(struct slice host);
/* A token of RFC 9110 §5.6.2, as methods and names of headers are. */
bool token_valid(struct slice token);

#endif
