/* Gates and what passes through them, as gate.h says. */
#include "plugins/kafka/gate.h"

#include <assert.h>
#include <stdlib.h>

void gates_init(struct gates *gates)
{
    *gates = (struct gates){ .partitions = 1 };
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

void consignment_free(struct consignment *consignment)
{
    assert(!link_joined(&consignment->link));
    if (consignment->headers != NULL)
        rd_kafka_headers_destroy(consignment->headers);
    free(consignment->value);
    free(consignment);
}

struct consignment *consignment_new(const struct record *record, rd_kafka_topic_t *rkt,
                                    struct gate *gate, void *token)
{
    struct consignment *consignment = calloc(1, sizeof *consignment + record->key.len);
    if (consignment == NULL)
        return NULL;
    consignment->gate = gate;
    consignment->rkt = rkt;
    consignment->token = token;
    consignment->timestamp_ms = record->timestamp_ms;
    if (record->key.at != NULL) {
        memcpy(consignment->bytes, record->key.at, record->key.len);
        consignment->key = slice_of(consignment->bytes, record->key.len);
    }
    consignment->headers = write_headers(&record->headers);
    bool fits = consignment->headers != NULL;
    if (record->value.at != NULL) { /* else a null, which a tombstone's dead letter keeps */
        consignment->value_len = record->value.len;
        consignment->value = malloc(record->value.len + 1); /* librdkafka frees it */
        fits &= consignment->value != NULL;
    }
    if (!fits) {
        consignment_free(consignment);
        return NULL;
    }
    if (consignment->value != NULL && record->value.len > 0)
        memcpy(consignment->value, record->value.at, record->value.len);
    return consignment;
}
