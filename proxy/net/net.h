/* The seam of the network: where streams, listeners and names come from. libuv and c-ares
 * (net/uv.c), or a simulation. */
#ifndef NET_NET_H
#define NET_NET_H

#include "net/address.h"
#include "net/stream.h"

struct worker;

/* A name being resolved. Embedded in whoever waits. */
struct lookup {
    /* `count` addresses in the order to try, valid during the call; 0 with an error text. Never
     * inside net_resolve. */
    void (*on_resolved)(struct lookup *lookup, const struct address *addresses, unsigned count,
                        const char *error);
    void *own; /* the net's, while it is under way */
};

/* A listening socket on one worker. */
struct listening {
    /* A new connection; reading is off; `events` and `owner` are to be set at once. */
    void (*on_accept)(struct listening *listening, struct stream *stream);
    void (*on_closed)(struct listening *listening);
    void *own;
};

/* Somebody else's descriptor on the loop: the eventfd by which a library's threads wake it. */
struct watched {
    /* It is readable. Comes again until what is there has been read. */
    void (*on_ready)(struct watched *watched);
    void *own; /* the net's */
};

struct net {
    struct stream *(*dial)(struct net *net, struct worker *worker, const struct address *address,
                           int *error);
    /* Listens on a bound socket, whose descriptor it takes; 0 or a negative errno. */
    int (*listen)(struct net *net, struct worker *worker, int descriptor,
                  struct listening *listening);
    /* on_closed follows in a later turn. */
    void (*unlisten)(struct net *net, struct listening *listening);
    /* Stops accepting for a while (a connection cap is reached), or goes on. */
    void (*pause)(struct net *net, struct listening *listening, bool paused);
    /* Addresses of `host` with `port`, cached for their TTL (1 s to 60 s; failures 1 s).
     * Literals too. */
    void (*resolve)(struct net *net, struct worker *worker, struct slice host, uint16_t port,
                    struct lookup *lookup);
    /* No callback comes after this. Not under way: allowed. */
    void (*forget)(struct net *net, struct lookup *lookup);
    /* Watches a non-blocking descriptor, which stays its owner's. 0 or a negative errno. */
    int (*watch)(struct net *net, struct worker *worker, int descriptor, struct watched *watched);
    /* No callback comes after this; the descriptor may be closed at once. */
    void (*unwatch)(struct net *net, struct watched *watched);
};

#endif
