/* Names to addresses, without ever blocking the loop.
 *
 *     lookup ─▶ literal, localhost? ─▶ cache? ─▶ query under way? ─▶ c-ares ─▶ cache ─▶ every lookup that waits
 *
 * c-ares reads /etc/hosts and asks the servers of /etc/resolv.conf, with its search list.
 * Answers are kept for their TTL, between 1 s and 60 s; failures for 1 s, and a failure of the
 * servers (not of the name) leaves older addresses in use. The number of names kept is bounded,
 * the least recently asked for going first. One per worker.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <uv.h>

#include "net/net.h"

struct resolver;

struct resolver *resolver_new(uv_loop_t *loop, struct worker *worker);
/* The same with servers of the caller's ("127.0.0.1:5353,…") instead of the system's, for tests. */
struct resolver *resolver_new_with(uv_loop_t *loop, struct worker *worker, const char *servers);
/* Lookups under way are forgotten. Handles close in later turns; memory goes with the last. */
void resolver_free(struct resolver *resolver);

/* As struct net says. */
void resolver_resolve(struct resolver *resolver, struct slice host, uint16_t port,
                      struct lookup *lookup);
void resolver_forget(struct resolver *resolver, struct lookup *lookup);

/* Names that are kept at most. */
#define RESOLVER_NAMES 256

#endif
