/* The limit of confirmed events over Kafka: librdkafka alone, configured by the very code that
 * configures Shunt's producer (plugins/kafka/conf.c), and records like Shunt's, headers and all.
 * One thread waits for librdkafka's eventfd and takes reports from its queue, as a program with an
 * event loop of its own does.
 *
 *     kafka_publish window BOOTSTRAP TOPIC WINDOW SECONDS BYTES    WINDOW records unreported at a time
 *     kafka_publish pace   BOOTSTRAP TOPIC RATE   SECONDS BYTES    RATE records a second, see pace.h
 */
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pace.h"
#include "plugins/kafka/handle.h"

/* What Shunt writes beside the value of such a call. */
static const char *const headers[][2] = {
    { "content-type", "application/octet-stream" },
    { "shunt-message-id", "45137abce14de5b71875d3f3f2025fc9" },
    { "shunt-app-id", "bench" },
    { ":method", "POST" },
    { ":path", "/kafka" },
    { ":authority", "127.0.0.1" },
    { ":scheme", "http" },
    { "traceparent", "00-881490d40339b88ccb08ff0107b35ffa-9740b29598fc8d72-01" },
    { "shunt-hops", "1" },
};

struct publisher {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    const char *topic;
    int descriptor;
    unsigned long produced, reported;
    struct pace *pace; /* NULL: a window */
    size_t len;
    char value[];
};

static void produce(struct publisher *publisher)
{
    size_t count = sizeof headers / sizeof *headers;
    rd_kafka_headers_t *copies = rd_kafka_headers_new(count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_header_add(copies, headers[i][0], -1, headers[i][1], -1);
    rd_kafka_resp_err_t error = rd_kafka_producev(
        publisher->rk, RD_KAFKA_V_TOPIC(publisher->topic),
        RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
        RD_KAFKA_V_VALUE(publisher->value, publisher->len),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(copies),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)publisher->produced), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail(rd_kafka_err2str(error));
    publisher->produced++;
}

static void take_reports(struct publisher *publisher, rd_kafka_event_t *event)
{
    if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_DR)
        return;
    const rd_kafka_message_t *message;
    while ((message = rd_kafka_event_message_next(event)) != NULL) {
        if (rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_PERSISTED)
            fail(rd_kafka_err2str(message->err));
        publisher->reported++;
        if (publisher->pace != NULL)
            pace_end(publisher->pace, (uintptr_t)message->_private);
    }
}

static void drain(struct publisher *publisher)
{
    uint64_t token;
    if (read(publisher->descriptor, &token, sizeof token) < 0)
        return; /* nothing has come */
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(publisher->queue, 0)) != NULL) {
        take_reports(publisher, event);
        rd_kafka_event_destroy(event);
    }
}

static void run_window(struct publisher *publisher, unsigned long window, double seconds)
{
    unsigned long before = publisher->reported;
    double began = seconds_now(), used = seconds_used(), now;
    while ((now = seconds_now()) < began + seconds) {
        while (publisher->produced - publisher->reported < window)
            produce(publisher);
        struct pollfd waiting = { .fd = publisher->descriptor, .events = POLLIN };
        poll(&waiting, 1, 100);
        drain(publisher);
    }
    print_result(publisher->reported - before, now - began, seconds_used() - used);
}

static void run_pace(struct publisher *publisher, double rate, double seconds)
{
    struct pace pace = pace_new(rate, seconds);
    double used = seconds_used();
    publisher->pace = &pace;
    publisher->produced = 0; /* its number is what a report tells */
    while (!pace_over(&pace)) {
        for (; pace_due(&pace); pace.begun++)
            produce(publisher);
        struct pollfd waiting = { .fd = publisher->descriptor, .events = POLLIN };
        pace_wait(&pace, &waiting, 1, true);
        drain(publisher);
    }
    pace_print(&pace, seconds_used() - used);
    free(pace.latencies);
}

/* What finding the topic takes is not measured. */
static void warm_up(struct publisher *publisher)
{
    produce(publisher);
    double began = seconds_now();
    while (publisher->reported == 0) {
        struct pollfd waiting = { .fd = publisher->descriptor, .events = POLLIN };
        poll(&waiting, 1, 100);
        drain(publisher);
        if (seconds_now() > began + 20)
            fail("no record was stored within 20 s");
    }
}

static struct publisher *publisher_new(const char *bootstrap, const char *topic, size_t len)
{
    static const char *const none[] = { NULL };
    char why[256];
    struct client_settings settings = { /* Shunt's defaults */
                                        .bootstrap = bootstrap, .properties = none,
                                        .client_id = "bench",   .max_message = 1000000,
                                        .window = 10000,        .window_bytes = 64 << 20
    };
    struct publisher *publisher = calloc(1, sizeof *publisher + len);
    if (publisher == NULL)
        fail("no memory");
    publisher->topic = topic;
    publisher->len = len;
    memset(publisher->value, 'x', len);
    rd_kafka_conf_t *conf = conf_make(&settings, NULL, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR,
                                      why, sizeof why);
    publisher->rk = conf != NULL ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why) : NULL;
    if (publisher->rk == NULL)
        fail(why);
    publisher->queue = rd_kafka_queue_get_main(publisher->rk);
    publisher->descriptor = eventfd(0, EFD_NONBLOCK);
    const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(publisher->queue, publisher->descriptor, &one, sizeof one);
    return publisher;
}

int main(int argc, char **argv)
{
    bool paced = argc == 7 && strcmp(argv[1], "pace") == 0;
    if (argc != 7 || (!paced && strcmp(argv[1], "window") != 0))
        fail("usage: kafka_publish window|pace BOOTSTRAP TOPIC WINDOW|RATE SECONDS BYTES");
    struct publisher *publisher = publisher_new(argv[2], argv[3], strtoul(argv[6], NULL, 10));
    warm_up(publisher);
    if (paced)
        run_pace(publisher, atof(argv[4]), atof(argv[5]));
    else
        run_window(publisher, strtoul(argv[4], NULL, 10), atof(argv[5]));
    rd_kafka_queue_io_event_enable(publisher->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(publisher->queue);
    rd_kafka_purge(publisher->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(publisher->rk);
    free(publisher);
    return 0;
}
