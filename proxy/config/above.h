/* What stands above a route: the routes that were read before it, found by their path, their host
 * and the first of their further conditions. For cover.c, which asks what they take.
 */
#ifndef CONFIG_ABOVE_H
#define CONFIG_ABOVE_H

#include "config/values.h"

/* Where names of one kind begin; as an id, that there is none. */
enum { ROOT_NONE, ROOT_PATHS, ROOT_REGEXES, ROOT_HOSTS, ROOT_CONDITIONS, ROOTS };

/* What a route matches. */
struct pattern {
    const struct values *route;
    const struct value *hosts, *methods, *headers, *query;
    const char *regex;
    struct slice path;             /* one that has all that it takes; `at` NULL: none */
    struct expression *expression; /* of `regex`, once it was tried */
    bool literal;                  /* the path has no open part, and there is no expression */
    bool apart;                    /* not compared: broken, which is told elsewhere, or too long */
    bool more;                     /* has conditions of a kind that is not known here */
    bool keeps_empty;              /* "//" is more than nothing in it */
};

struct above {
    const struct pattern *pattern;
    struct above *next; /* further below */
};

struct table {
    struct arena arena; /* of all that is found here */
    struct name **names;
    struct group **groups;
    size_t places; /* of both; a power of two */
    uint32_t next_id;
    unsigned deepest; /* segments of the longest path so far */
};

/* For so many routes. */
void table_init(struct table *table, size_t routes);
void table_clear(struct table *table);

/* What a route matches. */
struct pattern pattern_read(struct table *table, const struct values *route);
void table_add(struct table *table, const struct pattern *pattern);

/* The number of a name; ROOT_NONE when it is new and not to be added. */
uint32_t name_id(struct table *table, uint32_t from, struct slice text, bool add);
/* The node behind a segment; all open ones are the same. */
uint32_t segment_id(struct table *table, uint32_t from, struct slice segment, bool add);
/* Of a header or a query parameter; `any`: of any value of it. */
uint32_t condition_id(struct table *table, const char *text, bool header, bool any, bool add);
/* Without port and trailing dot, in small letters. */
struct slice spelled_host(struct table *table, const char *text);
/* The routes in there, or NULL. */
const struct above *above_at(const struct table *table, uint32_t path, uint32_t host,
                             uint32_t condition);

#endif
