/* The network of a loop: TCP and Unix sockets on libuv, names by c-ares. One per worker. */
#ifndef NET_UV_H
#define NET_UV_H

#include <uv.h>

#include "net/net.h"

/* Never NULL. Ignores SIGPIPE for the process: a peer that is gone is an error of its stream. */
struct net *net_uv_new(uv_loop_t *loop);
/* Forgets every lookup and closes what the net itself holds open. Its memory goes once streams,
 * listenings and its own handles have closed: the loop must run until then, before
 * uv_loop_close. */
void net_uv_free(struct net *net);

#endif
