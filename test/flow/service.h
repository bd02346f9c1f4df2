/* A local service in the simulation: plain HTTP/1.1 behind a sidecar, answering as the test
 * says. */
#ifndef FLOW_SERVICE_H
#define FLOW_SERVICE_H

#include "http_text.h"
#include "sim.h"

struct service;

struct service_answer {
    int status;
    char body[512];
    char fields[256];  /* further header lines, each with its CRLF */
    uint64_t after_us; /* how long it takes */
    bool hang;         /* no answer, ever */
    bool break_off;    /* resets the connection in the middle of the answer */
};

struct service_events {
    /* A request is there: fill the answer (200 without a body, at once). */
    void (*on_request)(void *context, const struct http_text *request,
                       struct service_answer *answer);
    void *context;
};

/* Listens on port `port` of every address of `host`. */
struct service *service_new(struct sim *sim, const char *name, unsigned host, uint16_t port,
                            struct service_events events);
/* Its connections end; sim_free follows. */
void service_free(struct service *service);
struct sim_node *service_node(struct service *service);
/* SIGKILL, and a new start. */
void service_kill(struct service *service);
void service_start(struct service *service);

#endif
