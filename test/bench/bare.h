/* What the bare AMQP programs share: logging in with rabbitmq-c, the clock, the processor's
 * time. */
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

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

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
    if (amqp_socket_open(socket, "127.0.0.1", atoi(port)) != AMQP_STATUS_OK) {
        fputs("cannot connect\n", stderr);
        exit(1);
    }
    expect_normal(
        amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
        "login");
    amqp_channel_open(connection, 1);
    expect_normal(amqp_get_rpc_reply(connection), "channel.open");
    return connection;
}

static inline double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double seconds_used(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* The result, for `run` to read. */
static inline void print_result(unsigned long count, double seconds, double cpu)
{
    printf("{\"count\":%lu,\"seconds\":%.3f,\"cpu\":%.3f}\n", count, seconds, cpu);
}

#endif
