/* Questions to c-ares, on the worker's loop. */
#ifndef NET_DNS_H
#define NET_DNS_H

#include <uv.h>

#include "net/address.h"

struct dns;
struct worker;

/* Addresses of one name at most; what a name has beyond that is not used. */
#define DNS_ADDRESSES 16

struct dns_answer {
    struct address addresses[DNS_ADDRESSES]; /* port 0; in the order to try (RFC 6724) */
    unsigned count;
    uint64_t ttl_ms;
    bool failed;       /* of count 0: the servers did not answer, rather than deny the name */
    const char *error; /* of count 0; a constant */
};

struct dns_query {
    /* May come inside dns_ask; not after dns_free. */
    void (*on_answer)(struct dns_query *query, const struct dns_answer *answer);
    struct dns *dns; /* while it is under way */
};

/* NULL: the system's configuration cannot be used. `servers` NULL: those of the system. */
struct dns *dns_new(uv_loop_t *loop, struct worker *worker, const char *servers);
/* `name` ends with a NUL. The query must live until its answer or dns_free. */
void dns_ask(struct dns *dns, struct dns_query *query, const char *name);
/* No answer comes any more. Handles close in later turns; memory goes with the last. */
void dns_free(struct dns *dns);

#endif
