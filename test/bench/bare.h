/* What the bare AMQP programs share: logging in with rabbitmq-c. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#endif

#include "sample.h"

static inline void expect_normal(amqp_rpc_reply_t reply, const char *what)
{
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

/* A connection with channel 1 open, on loopback. */
static inline amqp_connection_state_t log_in(const char *port)
{
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    if (amqp_socket_open(socket, "127.0.0.1", atoi(port)) != AMQP_STATUS_OK)
        fail("cannot connect");
    expect_normal(
        amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
        "login");
    amqp_channel_open(connection, 1);
    expect_normal(amqp_get_rpc_reply(connection), "channel.open");
    return connection;
}

#endif
