/* The limit of request and reply over AMQP: a bare rabbitmq-c client that keeps DEPTH requests
 * in flight over direct reply-to, and the echo server that answers it (and everybody else in the
 * comparison). No HTTP anywhere.
 *
 *     amqp_rpc serve PORT QUEUE
 *     amqp_rpc call PORT QUEUE DEPTH SECONDS BYTES
 */
#include <string.h>

#include "bare.h"

static amqp_envelope_t consume(amqp_connection_state_t connection)
{
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    expect_normal(amqp_consume_message(connection, &envelope, NULL, 0), "consume");
    return envelope;
}

static void publish(amqp_connection_state_t connection, amqp_bytes_t queue,
                    const amqp_basic_properties_t *properties, amqp_bytes_t body)
{
    if (amqp_basic_publish(connection, 1, amqp_empty_bytes, queue, 0, 0, properties, body) !=
        AMQP_STATUS_OK) {
        fputs("publish failed\n", stderr);
        exit(1);
    }
}

/* Echoes until it is killed. */
_Noreturn static void serve(const char *port, const char *queue)
{
    amqp_connection_state_t connection = log_in(port);
    amqp_queue_declare(connection, 1, amqp_cstring_bytes(queue), 0, 1, 0, 0, amqp_empty_table);
    expect_normal(amqp_get_rpc_reply(connection), "queue.declare");
    amqp_basic_consume(connection, 1, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 1, 0,
                       amqp_empty_table);
    expect_normal(amqp_get_rpc_reply(connection), "basic.consume");
    puts("serving");
    fflush(stdout);
    for (;;) {
        amqp_envelope_t envelope = consume(connection);
        amqp_basic_properties_t properties = {
            ._flags = AMQP_BASIC_CORRELATION_ID_FLAG,
            .correlation_id = envelope.message.properties.correlation_id,
        };
        publish(connection, envelope.message.properties.reply_to, &properties,
                envelope.message.body);
        amqp_destroy_envelope(&envelope);
    }
}

static void ask(amqp_connection_state_t connection, const char *queue, unsigned long number,
                amqp_bytes_t body)
{
    char id[32];
    snprintf(id, sizeof id, "%lu", number);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_REPLY_TO_FLAG,
        .correlation_id = amqp_cstring_bytes(id),
        .reply_to = amqp_cstring_bytes("amq.rabbitmq.reply-to"),
    };
    publish(connection, amqp_cstring_bytes(queue), &properties, body);
}

static int call(const char *port, const char *queue, unsigned long depth, double seconds,
                size_t bytes)
{
    amqp_connection_state_t connection = log_in(port);
    amqp_basic_consume(connection, 1, amqp_cstring_bytes("amq.rabbitmq.reply-to"), amqp_empty_bytes,
                       0, 1, 0, amqp_empty_table);
    expect_normal(amqp_get_rpc_reply(connection), "basic.consume");

    amqp_bytes_t body = amqp_bytes_malloc(bytes);
    memset(body.bytes, 'x', bytes);
    unsigned long sent = 0, received = 0;
    double began = seconds_now(), used = seconds_used(), now;
    while ((now = seconds_now()) < began + seconds) {
        for (; sent - received < depth; sent++)
            ask(connection, queue, sent, body);
        amqp_envelope_t envelope = consume(connection);
        amqp_destroy_envelope(&envelope);
        received++;
    }
    print_result(received, now - began, seconds_used() - used);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], argv[3]);
    if (argc == 7 && strcmp(argv[1], "call") == 0)
        return call(argv[2], argv[3], strtoul(argv[4], NULL, 10), atof(argv[5]),
                    strtoul(argv[6], NULL, 10));
    fputs("usage: amqp_rpc serve PORT QUEUE | call PORT QUEUE DEPTH SECONDS BYTES\n", stderr);
    return 2;
}
