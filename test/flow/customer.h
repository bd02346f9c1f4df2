/* An application's HTTP client in the simulation: it makes calls to a sidecar and keeps what
 * came of each. */
#ifndef FLOW_CUSTOMER_H
#define FLOW_CUSTOMER_H

#include "http_text.h"
#include "sim.h"

struct customer;

/* One call, owned by the customer; `over` once its answer is whole or its connection has ended. */
struct purchase {
    struct link link;
    struct customer *customer;
    unsigned number;
    struct stream *stream;
    struct http_text text;
    struct bytes request;
    bool over;
    int status;        /* 0: no answer */
    char executed[16]; /* of our problem body: "no", "unknown"; "": another body */
    char reason[48], message_id[256];
    char body[512]; /* the beginning of the answer's */
    uint64_t began_ms, ended_ms;
    void *own; /* the test's */
};

struct customer *customer_new(struct sim *sim, const char *name, unsigned host);
/* Its connections end; sim_free follows. */
void customer_free(struct customer *customer);
struct sim_node *customer_node(struct customer *customer);

/* Sends a request to `address`: "POST", "/orders", header lines with CRLF each or "", a body. */
struct purchase *customer_call(struct customer *customer, const struct address *address,
                               const char *method, const char *target, const char *fields,
                               struct slice body);
/* Goes away in the middle of it. */
void customer_hang_up(struct purchase *purchase);
/* Whether every call is over. */
bool customer_done(const struct customer *customer);

#endif
