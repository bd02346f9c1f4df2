/* What the files of the simulation share; tests include sim.h. */
#ifndef FLOW_SIM_WORLD_H
#define FLOW_SIM_WORLD_H

#include "sim.h"

enum { SIM_NAMES = 16, SIM_READ = 64 * 1024 };

struct sim_name_row {
    char name[64];
    struct address address; /* len 0: unknown */
};

struct sim {
    uint64_t seed, random_state;
    uint64_t now_us, order;
    struct sim_event **heap;
    uint32_t count, cap;
    struct sim_node *nodes[SIM_NODES];
    unsigned node_count;
    void (*after_turn)(void *context);
    void *watcher;

    struct list listenings; /* of struct sim_listening */
    int next_descriptor;
    uint16_t next_port;
    bool hole[SIM_NODES][SIM_NODES]; /* from, to */
    bool refused[SIM_NODES];
    struct sim_name_row names[SIM_NAMES];
    unsigned name_count;
    unsigned connections; /* ends that exist */
    struct kafka *kafka;  /* the one cluster, or NULL: kafka.h */
};

/* One end of a connection. Bytes on their way to it are a row of segments, in order of arrival. */
struct sim_end {
    struct stream stream;
    struct link link;    /* in node->ends */
    struct link waiting; /* in a listening's backlog */
    struct sim_node *node;
    struct sim_end *peer; /* NULL: it is gone, or not there yet */
    unsigned peer_node;   /* its index, also when it is gone */
    bool reading, awaiting;
    bool ended;           /* a FIN was sent */
    bool closing;         /* the owner has closed; the closing event comes */
    struct list segments; /* of struct segment, on their way here */
    uint64_t last_at_us;  /* of the last of them */
    bool broken;          /* the last of them is a reset: nothing follows */
    struct sim_event arrive;
    struct bytes received;
    size_t read;                /* of received */
    size_t window, outstanding; /* the most, and what is on its way or unread */
    bool fin, told_end, reset;  /* what has arrived */
    struct sim_event readable, writable, closed;
    struct sim_event connect, opened; /* of a dialled end */
    struct address target;
    bool refused;
};

struct sim_listening {
    struct link link;
    struct sim *sim;
    struct sim_node *node;
    struct address address;
    int descriptor;
    struct listening *listening; /* NULL: bound, nobody accepts yet */
    bool paused, closing;
    struct list backlog; /* of struct sim_end, by `waiting` */
    struct sim_event accept, closed;
};

/* --- sim_end.c --- */

struct sim_end *sim_end_new(struct sim_node *node, bool dialled);
/* Both know each other from now on. */
void sim_end_join(struct sim_end *a, struct sim_end *b);
/* A reset reaches this end, behind what is on its way (or instead of a part of that). */
void sim_end_send_reset(struct sim_end *to, bool lose_some);
/* Frees an end whose stream nobody has. */
void sim_end_drop(struct sim_end *end);
/* What was held by a hole goes on. */
void sim_end_unblock(struct sim_end *end);
uint64_t sim_latency_us(struct sim *sim);

/* --- sim_net.c --- */

void sim_net_init(struct sim_node *node);
/* Listenings that are still there close. */
void sim_net_clear(struct sim *sim);
/* The SYN of a dialled end is there, or is sent again. */
void sim_net_connect(struct sim_end *end);

#endif
