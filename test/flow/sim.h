/* A world in memory, on virtual time, drawn from one seed: whole workers run in it against
 * simulated peers.
 *
 *     test ── nodes (a worker each: sidecars, services, brokers, clients)
 *               │ dial, listen, resolve            │ clock, random
 *               ▼                                  ▼
 *             sim_net: connections with delays,  sim: what happens next, and when
 *             pieces, cuts, holes
 *
 * Happy path: sim_run takes the earliest of all events and timers, sets the time to it and runs
 * it as a turn of its node. Nothing sleeps and nothing reads a real clock, so hours pass in
 * milliseconds, and the same seed gives the same run. Nodes on one host share its loopback
 * addresses. One thread.
 */
#ifndef FLOW_SIM_H
#define FLOW_SIM_H

#include "core/worker.h"
#include "net/net.h"

struct sim;
struct sim_node;

/* Something that will happen. Embedded in whatever it happens to. */
struct sim_event {
    void (*run)(struct sim_event *event);
    struct sim_node *node; /* whose turn it is; NULL: the world's, also while nodes stand still */
    uint64_t at_us, order;
    uint32_t place;   /* in the heap, counted from 1 */
    struct link held; /* of a node that stands still */
};

/* A process: a worker without a loop, and its place in the network. */
struct sim_node {
    struct worker worker;
    struct net net;
    struct sim *sim;
    const char *name;
    unsigned index;
    unsigned host;    /* its address is 10.0.0.host; nodes of one host share 127.0.0.1 */
    bool stopped;     /* SIGSTOP: nothing of its own happens */
    bool severed;     /* no byte leaves or comes any more */
    bool slow;        /* reads little and late */
    struct list held; /* events that wait for it to go on */
    struct list ends; /* of struct sim_end: its connections */
};

enum { SIM_NODES = 16 };

struct sim *sim_new(uint64_t seed);
/* Every connection and listening of every node is closed: runs until that is so, then frees. */
void sim_free(struct sim *sim);

/* --- chance ----------------------------------------------------------------------------------- */

uint64_t sim_random(struct sim *sim);
/* 0 … bound - 1; bound > 0. */
uint64_t sim_below(struct sim *sim, uint64_t bound);
/* low … high */
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high);
bool sim_chance(struct sim *sim, unsigned percent);

/* --- time ------------------------------------------------------------------------------------- */

uint64_t sim_now_us(const struct sim *sim);
uint64_t sim_now_ms(const struct sim *sim);
/* `event->run` and `node` are set; one that is scheduled already is moved. */
void sim_schedule(struct sim *sim, struct sim_event *event, uint64_t after_us);
/* Not scheduled: allowed. */
void sim_unschedule(struct sim *sim, struct sim_event *event);
bool sim_scheduled(const struct sim_event *event);
/* Runs until `done` says so (true), or so much time has passed (false). `done` NULL: the time
 * passes. */
bool sim_run(struct sim *sim, uint64_t for_ms, bool (*done)(void *context), void *context);
/* Called after each turn: the place for invariants. */
void sim_watch(struct sim *sim, void (*after_turn)(void *context), void *context);

/* --- nodes ------------------------------------------------------------------------------------ */

/* The node lives as long as the simulation. */
struct sim_node *sim_node_new(struct sim *sim, const char *name, unsigned host);
/* Another process takes the node's place: a fresh worker. Nothing of the old one is left. */
void sim_node_renew(struct sim_node *node);
/* SIGSTOP and SIGCONT: the kernel goes on taking its connections and bytes, up to their windows. */
void sim_stop(struct sim_node *node);
void sim_continue(struct sim_node *node);
/* Runs a node's deferred tasks, after the test itself has called into it. */
void sim_finish_turn(struct sim_node *node);

/* --- the network ------------------------------------------------------------------------------ */

/* "10.0.0.HOST:PORT" */
struct address sim_address(const struct sim_node *node, uint16_t port);
/* Binds an address on a node, for its net's `listen`; what it returns stands for a descriptor. */
int sim_bind(struct sim_node *node, const struct address *address);
/* What a name resolves to; `ip` NULL: it is unknown, after a while. */
void sim_name(struct sim *sim, const char *name, const char *ip);
/* All connections between the two break; `b` NULL: all of `a`. What was under way arrives in
 * part, or not. */
void sim_cut(struct sim_node *a, struct sim_node *b);
/* Nothing arrives from one at the other, nor do dials, until the hole is gone: then it all does,
 * as TCP would have it. */
void sim_hole(struct sim_node *from, struct sim_node *to, bool there);
/* Dials to the node are refused. */
void sim_refuse(struct sim_node *node, bool refused);
/* SIGKILL as the others see it: every connection breaks, nothing leaves or comes any more. What
 * the process itself does from here on has no effect; it can be ended in its own time. Until
 * sim_revive. */
void sim_sever(struct sim_node *node);
void sim_revive(struct sim_node *node);

#endif
