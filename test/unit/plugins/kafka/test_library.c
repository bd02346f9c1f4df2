/* The client on librdkafka itself, against its mock cluster: a real loop, real threads, an eventfd
 * between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "core/loop.h"
#include "core/reason.h"
#include "plugins/kafka/client.h"

enum { RECORDS = 90, PATIENCE_MS = 30000 };

/* A mock cluster, one worker, a producer and a member; what they say is counted. */
struct bench {
    rd_kafka_t *holder; /* of the cluster */
    rd_kafka_mock_cluster_t *cluster;
    struct loop loop;
    struct client_settings settings;
    struct producer_client *producer;
    struct member_client *member;
    unsigned reports[REPORTS], probed, there, trouble, assigned, records, committed, opened, closed;
    bool fresh;
    char last_key[16], last_value[16], last_header[16];
};

static void on_report(void *owner, void *token, enum report report, const char *why)
{
    (void)why;
    struct bench *bench = owner;
    assert_ptr_equal(token, bench);
    bench->reports[report]++;
}

static void on_probed(void *owner, bool there)
{
    struct bench *bench = owner;
    bench->probed++;
    bench->there += there;
}

static void on_topic(void *owner, const char *topic, bool there)
{
    (void)owner;
    assert_string_equal(topic, "t");
    assert_true(there);
}

static void on_limit(void *owner, const char *topic, size_t bytes)
{
    (void)owner;
    (void)topic;
    (void)bytes;
}

static void on_trouble(void *owner, const char *why)
{
    assert_non_null(why);
    ((struct bench *)owner)->trouble++;
}

static void on_fatal(void *owner, const char *why)
{
    (void)owner;
    fail_msg("fatal: %s", why);
}

static void on_declared(void *owner, const char *topic, const char *why, bool made)
{
    (void)owner;
    (void)topic;
    (void)why;
    (void)made;
}

static void on_closed(void *owner)
{
    ((struct bench *)owner)->closed++;
}

static const struct producer_events producer_events = { on_report,   on_probed,  on_topic,
                                                        on_limit,    on_trouble, on_fatal,
                                                        on_declared, on_closed };

static void on_assigned(void *owner, const struct position *positions, unsigned count)
{
    struct bench *bench = owner;
    bench->assigned++;
    for (unsigned i = 0; i < count; i++) {
        bench->fresh |= positions[i].fresh;
        assert_true(positions[i].offset >= 0); /* a number, also for a group that is new */
    }
    kafka_library.assign(bench->member, positions, count);
}

static void on_revoked(void *owner)
{
    kafka_library.release(((struct bench *)owner)->member);
}

static void copy_text(char to[16], struct slice from)
{
    snprintf(to, 16, "%.*s", (int)from.len, (const char *)from.at);
}

static void on_record(void *owner, const struct record *record)
{
    struct bench *bench = owner;
    char number[16];
    snprintf(number, sizeof number, "%u", bench->records++);
    copy_text(bench->last_key, record->key);
    copy_text(bench->last_value, record->value);
    assert_string_equal(bench->last_value, number); /* one key: in the order of their production */
    if (record->headers.count > 0)
        copy_text(bench->last_header, record->headers.at[0].value);
    kafka_library.store(bench->member, record->topic, record->partition, record->offset + 1);
}

static void on_out_of_range(void *owner, const char *topic, int32_t partition, const char *why)
{
    (void)owner;
    fail_msg("%s/%d: %s", topic, (int)partition, why);
}

static void on_committed(void *owner, const char *why)
{
    ((struct bench *)owner)->committed += why == NULL;
}

static const struct member_events member_events = { on_assigned, on_revoked,      on_revoked,
                                                    on_record,   on_out_of_range, on_committed,
                                                    on_trouble,  on_closed };

/* Turns the loop until it is so. */
static void until(struct bench *bench, const unsigned *count, unsigned most, const char *what)
{
    uint64_t end = uv_hrtime() / 1000000 + PATIENCE_MS;
    while (*count < most && uv_hrtime() / 1000000 < end)
        uv_run(&bench->loop.uv, UV_RUN_ONCE);
    if (*count < most)
        fail_msg("%s: %u of %u", what, *count, most);
}

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL);
    bench->holder = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(bench->holder);
    bench->cluster = rd_kafka_mock_cluster_new(bench->holder, 1);
    rd_kafka_mock_topic_create(bench->cluster, "t", 1, 1);
    assert_int_equal(loop_init(&bench->loop, 0), 0);
    bench->settings = (struct client_settings){
        .bootstrap = rd_kafka_mock_cluster_bootstraps(bench->cluster),
        .client_id = "test",
        .max_message = 100000,
        .window = 100,
        .window_bytes = 1 << 20,
    };
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    if (bench->closed < bench->opened)
        return -1; /* the test failed half-way: its clients keep the loop alive */
    loop_end(&bench->loop);
    loop_run(&bench->loop);
    loop_destroy(&bench->loop);
    rd_kafka_mock_cluster_destroy(bench->cluster);
    rd_kafka_destroy(bench->holder);
    free(bench);
    return 0;
}

static void open_producer(struct bench *bench)
{
    char why[256];
    bench->producer = kafka_library.producer_open(&bench->loop.worker, &bench->settings,
                                                  &producer_events, bench, why, sizeof why);
    assert_non_null(bench->producer);
    bench->opened++;
    kafka_library.warm(bench->producer, "t");
    for (unsigned asked = 1; bench->there == 0 && asked <= 100; asked++) { /* slow: not at once */
        kafka_library.probe(bench->producer);
        until(bench, &bench->probed, asked, "probes");
    }
    assert_int_equal(bench->there, 1);
}

static int produce(struct bench *bench, const char *topic, const char *key, const char *value)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct record record = { .topic = topic, .key = slice_text(key), .value = slice_text(value) };
    assert_int_equal(fields_add(&record.headers, &arena, SLICE("h"), SLICE("v")), 0);
    int refused = kafka_library.produce(bench->producer, &record, bench);
    arena_clear(&arena);
    return refused;
}

static void what_is_produced_is_reported_and_consumed(void **state)
{
    struct bench *bench = *state;
    open_producer(bench);
    for (int i = 0; i < RECORDS; i++) { /* more at once than librdkafka is given */
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        assert_int_equal(produce(bench, "t", "k", number), 0);
    }
    until(bench, &bench->reports[REPORT_STORED], RECORDS, "reports");

    const char *topics[] = { "t", NULL };
    const struct membership membership = { .group = "g",
                                           .topics = topics,
                                           .start = START_EARLIEST };
    char why[256];
    bench->member = kafka_library.member_open(&bench->loop.worker, &bench->settings, &membership,
                                              &member_events, bench, why, sizeof why);
    assert_non_null(bench->member);
    bench->opened++;
    until(bench, &bench->records, RECORDS, "records");
    assert_true(bench->fresh);
    assert_string_equal(bench->last_key, "k");
    assert_string_equal(bench->last_header, "v");
    kafka_library.commit(bench->member);
    until(bench, &bench->committed, 1, "commits");
    kafka_library.member_close(bench->member);
    kafka_library.producer_close(bench->producer);
    until(bench, &bench->closed, 2, "clients closed");
    assert_int_equal(bench->records, RECORDS);
}

/* The group begins with what comes; a topic that is made after that has had nothing before. */
static void what_is_made_later_is_read_from_its_first_record(void **state)
{
    struct bench *bench = *state;
    open_producer(bench);
    assert_int_equal(produce(bench, "t", "k", "before"), 0);
    until(bench, &bench->reports[REPORT_STORED], 1, "reports");
    rd_kafka_mock_topic_create(bench->cluster, "later", 1, 1);
    rd_kafka_mock_topic_set_error(bench->cluster, "later", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);

    const char *topics[] = { "t", "later", NULL };
    const struct membership membership = { .group = "g", .topics = topics, .start = START_LATEST };
    char why[256];
    bench->member = kafka_library.member_open(&bench->loop.worker, &bench->settings, &membership,
                                              &member_events, bench, why, sizeof why);
    assert_non_null(bench->member);
    bench->opened++;
    until(bench, &bench->assigned, 1, "assignments");
    rd_kafka_mock_topic_set_error(bench->cluster, "later", RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(produce(bench, "later", "k", "0"), 0);
    until(bench, &bench->reports[REPORT_STORED], 2, "reports");
    until(bench, &bench->records, 1, "records");
    kafka_library.member_close(bench->member);
    kafka_library.producer_close(bench->producer);
    until(bench, &bench->closed, 2, "clients closed");
    assert_int_equal(bench->records, 1);
}

static void what_cannot_be_sent_is_reported_when_purged(void **state)
{
    struct bench *bench = *state;
    open_producer(bench);
    rd_kafka_mock_broker_set_down(bench->cluster, 1);
    until(bench, &bench->trouble, 1, "troubles");
    for (int i = 0; i < RECORDS; i++)
        assert_int_equal(produce(bench, "t", "k", "value"), 0);
    kafka_library.purge(bench->producer, false);
    until(bench, &bench->reports[REPORT_NOT_STORED], RECORDS, "reports");
    assert_int_equal(produce(bench, "t", "k", "last"), 0);
    kafka_library.producer_close(bench->producer);
    until(bench, &bench->closed, 1, "clients closed");
    assert_int_equal(bench->reports[REPORT_NOT_STORED] + bench->reports[REPORT_UNSURE],
                     RECORDS + 1);
}

static void limits_are_told_at_once(void **state)
{
    struct bench *bench = *state;
    open_producer(bench);
    static char large[300000];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(produce(bench, "t", "k", large), -REASON_message_too_large);
    int refused = 0;
    rd_kafka_mock_broker_set_down(bench->cluster, 1);
    for (int i = 0; i < 200 && refused == 0; i++)
        refused = produce(bench, "t", "k", "value");
    assert_int_equal(refused, -REASON_broker_full);
    kafka_library.producer_close(bench->producer);
    until(bench, &bench->closed, 1, "clients closed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_produced_is_reported_and_consumed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_made_later_is_read_from_its_first_record, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_sent_is_reported_when_purged, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(limits_are_told_at_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
