/* Bound sockets, made by the control thread before a snapshot is handed out, so that an address
 * that cannot be had is an error of the reload and not of a worker. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/address.h"

/* Binds and listens: close-on-exec, non-blocking, SO_REUSEADDR. An address that any other socket
 * listens at is refused (EADDRINUSE), a second Shunt's too. A stale Unix socket file that nobody
 * answers at is removed. The descriptor, or a negative errno. Control thread. */
int listener_bind(const struct address *address) __attribute__((warn_unused_result));
/* A further socket at an address that listener_bind has bound in this process, one per worker
 * (SO_REUSEPORT: the kernel spreads connections over them). Not for Unix sockets, where it says
 * EADDRINUSE. */
int listener_bind_beside(const struct address *address) __attribute__((warn_unused_result));

#endif
