/* The limit of confirmed publishing: persistent, mandatory messages to a durable queue that
 * nobody consumes, with WINDOW of them unconfirmed at a time. rabbitmq-c logs in; then its codec
 * alone is used over our own reads and writes, many messages to a write, which is what a proxy
 * with AMQP on its event loop can reach at best.
 *
 *     amqp_publish PORT QUEUE WINDOW SECONDS BYTES
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bare.h"

#define BODY_MAX   100000
#define WINDOW_MAX 4096
#define OUT_SIZE   (4 * 1024 * 1024)

struct publisher {
    amqp_connection_state_t connection;
    int descriptor;
    amqp_bytes_t queue, body;
    unsigned long next, low,
        confirmed;             /* tags: the next one, the lowest unconfirmed one; a count */
    bool done[WINDOW_MAX * 2]; /* tags above `low` that are confirmed out of order */
    size_t len, sent;          /* of `out` */
    char out[OUT_SIZE];
};

static void put_number(char *to, uint32_t number)
{
    for (int i = 3; i >= 0; i--, number >>= 8)
        to[i] = (char)(number & 0xff);
}

/* Frame header, payload as it stands behind it, end mark (AMQP 0-9-1 §2.3.5); moves `len` past
 * it. */
static void finish_frame(struct publisher *publisher, char type, size_t payload)
{
    char *frame = publisher->out + publisher->len;
    frame[0] = type;
    frame[1] = 0;
    frame[2] = 1;
    put_number(frame + 3, (uint32_t)payload);
    frame[7 + payload] = (char)AMQP_FRAME_END;
    publisher->len += payload + 8;
}

static void publish(struct publisher *publisher)
{
    amqp_basic_publish_t method = { .routing_key = publisher->queue, .mandatory = 1 };
    char *payload = publisher->out + publisher->len + 7;
    put_number(payload, AMQP_BASIC_PUBLISH_METHOD);
    int len = amqp_encode_method(AMQP_BASIC_PUBLISH_METHOD, &method,
                                 (amqp_bytes_t){ 512, payload + 4 });
    finish_frame(publisher, AMQP_FRAME_METHOD, (size_t)len + 4);

    char id[24];
    snprintf(id, sizeof id, "%016lx", publisher->next);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG,
        .delivery_mode = 2,
        .message_id = amqp_cstring_bytes(id),
    };
    payload = publisher->out + publisher->len + 7;
    put_number(payload, (uint32_t)AMQP_BASIC_CLASS << 16);
    put_number(payload + 4, 0);
    put_number(payload + 8, (uint32_t)publisher->body.len);
    len = amqp_encode_properties(AMQP_BASIC_CLASS, &properties,
                                 (amqp_bytes_t){ 512, payload + 12 });
    finish_frame(publisher, AMQP_FRAME_HEADER, (size_t)len + 12);

    memcpy(publisher->out + publisher->len + 7, publisher->body.bytes, publisher->body.len);
    finish_frame(publisher, AMQP_FRAME_BODY, publisher->body.len);
    publisher->done[publisher->next % (WINDOW_MAX * 2)] = false;
    publisher->next++;
}

static void confirm(struct publisher *publisher, const amqp_basic_ack_t *ack)
{
    for (unsigned long tag = ack->multiple ? publisher->low : ack->delivery_tag;
         tag <= ack->delivery_tag; tag++)
        publisher->done[tag % (WINDOW_MAX * 2)] = true;
    for (; publisher->low < publisher->next && publisher->done[publisher->low % (WINDOW_MAX * 2)];
         publisher->low++)
        publisher->confirmed++;
}

static void read_some(struct publisher *publisher)
{
    char in[65536];
    ssize_t got = read(publisher->descriptor, in, sizeof in);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        fail("the broker hung up");
    for (amqp_bytes_t rest = { (size_t)got, in }; rest.len != 0;) {
        amqp_frame_t frame;
        int used = amqp_handle_input(publisher->connection, rest, &frame);
        if (used < 0)
            fail(amqp_error_string2(used));
        rest = (amqp_bytes_t){ rest.len - (size_t)used, (char *)rest.bytes + used };
        if (frame.frame_type != AMQP_FRAME_METHOD)
            continue;
        if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
            fail("the broker did not confirm");
        confirm(publisher, frame.payload.method.decoded);
    }
    amqp_maybe_release_buffers(publisher->connection);
}

static void write_some(struct publisher *publisher)
{
    ssize_t taken = write(publisher->descriptor, publisher->out + publisher->sent,
                          publisher->len - publisher->sent);
    if (taken < 0 && errno != EAGAIN)
        fail("the broker hung up");
    publisher->sent += taken > 0 ? (size_t)taken : 0;
    if (publisher->sent == publisher->len)
        publisher->sent = publisher->len = 0;
}

static void step(struct publisher *publisher)
{
    if (publisher->len != 0)
        write_some(publisher);
    struct pollfd waiting = {
        .fd = publisher->descriptor,
        .events = (short)(POLLIN | (publisher->len != 0 ? POLLOUT : 0)),
    };
    if (poll(&waiting, 1, 100) > 0 && (waiting.revents & POLLIN) != 0)
        read_some(publisher);
}

static void run(struct publisher *publisher, unsigned long window, double seconds)
{
    double began = seconds_now(), used = seconds_used(), now;
    while ((now = seconds_now()) < began + seconds) {
        while (publisher->next - publisher->low < window &&
               publisher->len + publisher->body.len + 2048 < sizeof publisher->out)
            publish(publisher);
        step(publisher);
    }
    print_result(publisher->confirmed, now - began, seconds_used() - used);
}

/* Everything but the codec is ours from here on. */
static void take_socket(struct publisher *publisher)
{
    int one = 1;
    publisher->descriptor = amqp_get_sockfd(publisher->connection);
    setsockopt(publisher->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(publisher->descriptor, F_SETFL, fcntl(publisher->descriptor, F_GETFL) | O_NONBLOCK);
}

int main(int argc, char **argv)
{
    if (argc != 6 || strtoul(argv[3], NULL, 10) > WINDOW_MAX ||
        strtoul(argv[5], NULL, 10) > BODY_MAX)
        fail("usage: amqp_publish PORT QUEUE WINDOW SECONDS BYTES");
    struct publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL)
        fail("no memory");
    publisher->connection = log_in(argv[1]);
    publisher->queue = amqp_cstring_bytes(argv[2]);
    publisher->body = amqp_bytes_malloc(strtoul(argv[5], NULL, 10));
    memset(publisher->body.bytes, 'x', publisher->body.len);
    publisher->next = publisher->low = 1;
    amqp_confirm_select(publisher->connection, 1);
    expect_normal(amqp_get_rpc_reply(publisher->connection), "confirm.select");
    take_socket(publisher);
    run(publisher, strtoul(argv[3], NULL, 10), atof(argv[4]));
    free(publisher);
    return 0;
}
