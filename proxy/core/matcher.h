/* A compiled `match`: conditions that must all hold. Only route.c, which makes them and asks them
 * one by one, and those that it is made of look inside: route_index.c, which finds a route without
 * asking every one, and rewrite.c, which says what was captured.
 */
#ifndef CORE_MATCHER_H
#define CORE_MATCHER_H

#include "core/expression.h"
#include "core/route.h"

struct condition {
    bool (*holds)(const struct condition *condition, const struct head *request);
    const char *mismatch;     /* what explain says when it does not */
    bool indexed;             /* it holds for whatever the index proposes: not asked again */
    struct slice *any;        /* methods, or hosts as plain_host leaves them */
    size_t count;             /* of `any` */
    struct slice name, value; /* of a header or a query parameter */
    bool any_value;
    struct slice pattern;          /* of the path */
    const struct graphql *graphql; /* kind, name, field and hash that are asked for */
    struct expression *expression;
};

struct matcher {
    struct condition *conditions;
    size_t count;
    struct condition *hosts, *path, *regex, *graphql; /* among the conditions; NULL: not written */
};

/* Without port and trailing dot; brackets of an IPv6 address are gone as well. Empty when it is
 * no host. */
struct slice plain_host(struct slice authority);

#endif
