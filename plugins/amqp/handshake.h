/* Logging in: start, start-ok, tune, tune-ok, open, open-ok (AMQP 0-9-1 §2.2.4). */
#ifndef AMQP_HANDSHAKE_H
#define AMQP_HANDSHAKE_H

#include "plugins/amqp/connection.h"

/* The stream is open: says which protocol we speak. */
void handshake_begin(struct connection *connection);
/* What came on channel 0 meanwhile; ends in connection_ready or connection_cut. */
void handshake_method(struct connection *connection, const amqp_method_t *method);

#endif
