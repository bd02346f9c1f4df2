/* Gates and what passes through them, as gate.h says. */
#include "plugins/kafka/gate.h"

#include <assert.h>
#include <stdlib.h>

void gates_init(struct gates *gates)
{
    gates->partitions = 1;
    for (size_t i = 0; i < GATES; i++)
        list_init(&gates->each[i].waiting);
}

/* Records without a key stay with one partition for a while (sticky.partitioning.linger.ms). */
struct gate *gates_find(struct gates *gates, struct slice key)
{
    assert(gates->partitions > 0);
    if (key.at == NULL)
        return &gates->each[0];
    int32_t partition = rd_kafka_msg_partitioner_murmur2(NULL, key.at, key.len, gates->partitions,
                                                         NULL, NULL);
    assert(partition >= 0 && partition < gates->partitions);
    return &gates->each[partition % GATES];
}

bool gate_may_empty(const struct gate *gate)
{
    return gate->inside < GATE_LIMIT && !list_empty(&gate->waiting);
}

bool gate_is_open(const struct gate *gate)
{
    return gate->inside < GATE_LIMIT && list_empty(&gate->waiting);
}

struct consignment *gate_take(struct gate *gate)
{
    struct link *link = list_take(&gate->waiting);
    return link != NULL ? thing_of(link, struct consignment, link) : NULL;
}

static rd_kafka_headers_t *write_headers(const struct fields *headers)
{
    rd_kafka_headers_t *written = rd_kafka_headers_new(headers->count);
    for (uint32_t i = 0; i < headers->count; i++) {
        const struct field *header = &headers->at[i];
        const void *value = header->value.len > 0 ? (const void *)header->value.at : "";
        if (rd_kafka_header_add(written, (const char *)header->name.at, (ssize_t)header->name.len,
                                value, (ssize_t)header->value.len) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_headers_destroy(written);
            return NULL;
        }
    }
    return written;
}

struct consignment *consignment_new(const struct record *record, rd_kafka_topic_t *rkt,
                                    struct gate *gate, void *token)
{
    struct consignment *consignment = calloc(1, sizeof *consignment);
    if (consignment == NULL)
        return NULL;
    consignment->headers = write_headers(&record->headers);
    if (consignment->headers == NULL) {
        free(consignment);
        return NULL;
    }
    consignment->gate = gate;
    consignment->rkt = rkt;
    consignment->token = token;
    consignment->key = record->key;
    consignment->value = record->value;
    consignment->timestamp_ms = record->timestamp_ms;
    return consignment;
}

/* An empty slice stays one, a null one null. */
static void move(struct slice *slice, uint8_t *to)
{
    if (slice->at == NULL)
        return;
    memcpy(to, slice->at, slice->len);
    *slice = slice_of(to, slice->len);
}

bool consignment_wait(struct consignment *consignment)
{
    assert(consignment->copies == NULL && consignment->headers != NULL);
    consignment->copies = malloc(consignment->key.len + consignment->value.len + 1);
    if (consignment->copies == NULL)
        return false;
    move(&consignment->key, consignment->copies);
    move(&consignment->value, consignment->copies + consignment->key.len);
    list_append(&consignment->gate->waiting, &consignment->link);
    return true;
}

void consignment_free(struct consignment *consignment)
{
    assert(!link_joined(&consignment->link));
    if (consignment->headers != NULL)
        rd_kafka_headers_destroy(consignment->headers);
    free(consignment->copies);
    free(consignment);
}
