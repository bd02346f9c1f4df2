/* The client of a group's member on librdkafka: see client.h for what it promises.
 *
 * Happy path: subscribe → librdkafka joins the group → an assignment comes → a chore finds out
 * where each partition goes on (the group's offset; where it has none, where its start says, as a
 * number, so that it can be committed before the first record has come) → on_assigned → records.
 * A partition that was made after the group had begun is read from its first record, whatever
 * `start` says: it has been there all the while that records went into it.
 * Revoked while the chore runs: its result is dropped. Closing: librdkafka closes on a thread of
 * its own, and its last revocation comes as any other.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/kafka/handle.h"
#include "plugins/kafka/rdkafka.h"

enum {
    LOCATE_MS = 5000,
    LOCATE_AGAIN_MS = 500,
    POLL_MS = 1000,
    CLOSE_STEP_MS = 10,
    CLOSE_MS = 3000
};

/* A topic of the group, and its partitions when they were last given out. */
struct extent {
    const char *topic;
    int count; /* -1: none of them ever were */
    int now;   /* in a location: what it has found */
};

struct member_client {
    struct handle handle;
    const struct member_events *events;
    void *owner;
    enum start start;
    struct extent *extents;
    unsigned extent_count;
    struct location *locating; /* NULL: nothing is being located, or its result is dropped */
    rd_kafka_topic_partition_list_t *assigned; /* what is to be located; NULL: nothing */
    bool told;                                 /* on_assigned, and no revocation since */
    bool closing;
    uint64_t close_until_ms;
    struct timer poll; /* also looks whether closing is done */
    struct timer again;
};

/* Where partitions go on. */
struct location {
    struct chore chore;
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *partitions;
    bool *fresh;
    enum start start;
    struct extent *extents; /* a copy of the client's */
    unsigned extent_count;
    char why[256]; /* empty: found */
};

static struct member_client *client_of(struct handle *handle)
{
    return thing_of(handle, struct member_client, handle);
}

/* --- locating: on a thread of its own --------------------------------------------------------- */

/* How many partitions a topic has; 0: there is none of that name. */
static rd_kafka_resp_err_t count_partitions(rd_kafka_t *rk, struct extent *extent)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, extent->topic, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t error = rd_kafka_metadata(rk, 0, handle, &metadata, LOCATE_MS);
    rd_kafka_topic_destroy(handle);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error;
    extent->now = 0;
    if (metadata->topic_cnt == 1) {
        extent->now = metadata->topics[0].partition_cnt;
        error = metadata->topics[0].err;
    }
    rd_kafka_metadata_destroy(metadata);
    return error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? RD_KAFKA_RESP_ERR_NO_ERROR : error;
}

static rd_kafka_resp_err_t count_all(struct location *location)
{
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (unsigned i = 0; i < location->extent_count && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        error = count_partitions(location->rk, &location->extents[i]);
    return error;
}

/* Made while the group was already reading the topic. */
static bool is_late(const struct location *location, const rd_kafka_topic_partition_t *partition)
{
    for (unsigned i = 0; i < location->extent_count; i++) {
        const struct extent *extent = &location->extents[i];
        if (strcmp(extent->topic, partition->topic) == 0)
            return extent->count >= 0 && partition->partition >= extent->count;
    }
    return false;
}

static rd_kafka_resp_err_t locate_fresh(const struct location *location,
                                        rd_kafka_topic_partition_t *partition)
{
    int64_t low, high;
    rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
        location->rk, partition->topic, partition->partition, &low, &high, LOCATE_MS);
    bool first = location->start == START_EARLIEST || is_late(location, partition);
    partition->offset = first ? low : high;
    return error;
}

static void locate(struct chore *chore)
{
    struct location *location = thing_of(chore, struct location, chore);
    rd_kafka_topic_partition_list_t *partitions = location->partitions;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (location->start == START_LATEST)
        error = count_all(location);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = rd_kafka_committed(location->rk, partitions, LOCATE_MS);
    for (int i = 0; i < partitions->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        rd_kafka_topic_partition_t *partition = &partitions->elems[i];
        error = partition->err;
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR || partition->offset >= 0)
            continue;
        location->fresh[i] = true;
        error = locate_fresh(location, partition);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        snprintf(location->why, sizeof location->why, "the group's offsets cannot be read: %s",
                 rd_kafka_err2str(error));
}

/* --- locating: on the loop -------------------------------------------------------------------- */

static void free_location(struct location *location)
{
    rd_kafka_topic_partition_list_destroy(location->partitions);
    free(location->fresh);
    free(location->extents);
    free(location);
}

static void tell_assigned(struct member_client *client, const struct location *location)
{
    int count = location->partitions->cnt;
    struct position *positions = calloc((size_t)count + 1, sizeof *positions);
    if (positions == NULL)
        abort();
    for (int i = 0; i < count; i++) {
        const rd_kafka_topic_partition_t *partition = &location->partitions->elems[i];
        positions[i] = (struct position){ .topic = partition->topic,
                                          .partition = partition->partition,
                                          .offset = partition->offset,
                                          .fresh = location->fresh[i] };
    }
    client->told = true;
    client->events->on_assigned(client->owner, positions, (unsigned)count);
    free(positions);
}

static void forget_assigned(struct member_client *client)
{
    if (client->assigned != NULL)
        rd_kafka_topic_partition_list_destroy(client->assigned);
    client->assigned = NULL;
    client->locating = NULL;
    worker_timer_stop(client->handle.worker, &client->again);
}

static void on_located(struct chore *chore)
{
    struct location *location = thing_of(chore, struct location, chore);
    struct member_client *client = client_of(chore->handle);
    if (client->locating == location && location->why[0] != '\0') {
        client->locating = NULL;
        client->events->on_trouble(client->owner, location->why);
        worker_timer(client->handle.worker, &client->again, LOCATE_AGAIN_MS);
    } else if (client->locating == location) {
        forget_assigned(client);
        for (unsigned i = 0; i < client->extent_count && client->start == START_LATEST; i++)
            client->extents[i].count = location->extents[i].now;
        tell_assigned(client, location);
    }
    free_location(location);
}

static void start_locating(struct member_client *client)
{
    assert(client->assigned != NULL && client->locating == NULL);
    struct location *location = calloc(1, sizeof *location);
    if (location == NULL)
        abort();
    location->chore = (struct chore){ .run = locate, .over = on_located };
    location->rk = client->handle.rk;
    location->start = client->start;
    location->partitions = rd_kafka_topic_partition_list_copy(client->assigned);
    location->fresh = calloc((size_t)client->assigned->cnt + 1, sizeof *location->fresh);
    location->extents = calloc(client->extent_count, sizeof *location->extents);
    if (location->fresh == NULL || location->extents == NULL)
        abort();
    location->extent_count = client->extent_count;
    memcpy(location->extents, client->extents, client->extent_count * sizeof *client->extents);
    if (chore_start(&client->handle, &location->chore)) {
        client->locating = location;
        return;
    }
    free_location(location);
    worker_timer(client->handle.worker, &client->again, LOCATE_AGAIN_MS);
}

static void on_again(struct timer *timer)
{
    start_locating(thing_of(timer, struct member_client, again));
}

/* --- the group -------------------------------------------------------------------------------- */

static void on_assign(struct member_client *client, rd_kafka_topic_partition_list_t *partitions)
{
    forget_assigned(client);
    if (partitions->cnt == 0) {
        client->told = true;
        client->events->on_assigned(client->owner, NULL, 0);
        return;
    }
    client->assigned = rd_kafka_topic_partition_list_copy(partitions);
    start_locating(client);
}

static void on_revoke(struct member_client *client)
{
    forget_assigned(client);
    if (!client->told) {
        rdkafka_release(client);
        return;
    }
    client->told = false;
    if (rd_kafka_assignment_lost(client->handle.rk))
        client->events->on_taken(client->owner);
    else
        client->events->on_revoked(client->owner);
}

static void on_rebalance(struct member_client *client, rd_kafka_event_t *event)
{
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        on_assign(client, rd_kafka_event_topic_partition_list(event));
    else
        on_revoke(client);
}

void rdkafka_assign(struct member_client *client, const struct position *positions, unsigned count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (unsigned i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, positions[i].topic, positions[i].partition)
            ->offset = positions[i].offset;
    rd_kafka_assign(client->handle.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void rdkafka_release(struct member_client *client)
{
    rd_kafka_assign(client->handle.rk, NULL);
}

/* --- records in ------------------------------------------------------------------------------- */

static void read_headers(const rd_kafka_message_t *message, struct arena *arena,
                         struct fields *headers)
{
    rd_kafka_headers_t *list;
    if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    const char *name;
    const void *value;
    size_t len;
    for (size_t i = 0;
         rd_kafka_header_get_all(list, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        if (fields_add(headers, arena, slice_text(name), slice_of(value, value != NULL ? len : 0)) <
            0)
            abort(); /* the client bounds what one record can be; leaving one out would change it */
}

static void on_message(struct member_client *client, const rd_kafka_message_t *message)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct record record = {
        .topic = rd_kafka_topic_name(message->rkt),
        .partition = message->partition,
        .offset = message->offset,
        .key = message->key != NULL ? slice_of(message->key, message->key_len) : slice_of(NULL, 0),
        .value = message->payload != NULL ? slice_of(message->payload, message->len)
                                          : slice_of(NULL, 0),
    };
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(message, &type);
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp > 0)
        record.timestamp_ms = (uint64_t)timestamp;
    read_headers(message, &arena, &record.headers);
    client->events->on_record(client->owner, &record);
    arena_clear(&arena);
}

static void on_error(struct member_client *client, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    const char *why = rd_kafka_event_error_string(event);
    rd_kafka_topic_partition_t *partition = rd_kafka_event_topic_partition(event);
    bool gone = error == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                error == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    if (gone && partition != NULL)
        client->events->on_out_of_range(client->owner, partition->topic, partition->partition, why);
    else
        client->events->on_trouble(client->owner, why);
    if (partition != NULL)
        rd_kafka_topic_partition_destroy(partition);
}

static void on_fetched(struct member_client *client, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    while ((message = rd_kafka_event_message_next(event)) != NULL)
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            on_message(client, message);
}

/* Of several partitions some may be refused, and the whole is still called a success. */
static rd_kafka_resp_err_t refused_commit(const rd_kafka_topic_partition_list_t *partitions)
{
    for (int i = 0; partitions != NULL && i < partitions->cnt; i++)
        if (partitions->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return partitions->elems[i].err;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void on_commit(struct member_client *client, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = refused_commit(rd_kafka_event_topic_partition_list(event));
    bool fine = error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET;
    client->events->on_committed(client->owner, fine ? NULL : rd_kafka_err2str(error));
}

static void on_event(struct handle *handle, rd_kafka_event_t *event)
{
    struct member_client *client = client_of(handle);
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_FETCH:
        on_fetched(client, event);
        break;
    case RD_KAFKA_EVENT_REBALANCE:
        on_rebalance(client, event);
        break;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        on_commit(client, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        on_error(client, event);
        break;
    default:
        break;
    }
}

/* --- offsets and partitions ------------------------------------------------------------------- */

void rdkafka_pause(struct member_client *client, const char *topic, int32_t partition, bool paused)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    if (paused)
        rd_kafka_pause_partitions(client->handle.rk, list);
    else
        rd_kafka_resume_partitions(client->handle.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

void rdkafka_store(struct member_client *client, const char *topic, int32_t partition, int64_t next)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = next;
    rd_kafka_offsets_store(client->handle.rk,
                           list); /* fails after a revoke: it comes again elsewhere */
    rd_kafka_topic_partition_list_destroy(list);
}

void rdkafka_commit(struct member_client *client)
{
    rd_kafka_commit_queue(client->handle.rk, NULL, client->handle.queue, NULL, NULL);
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_gone(struct handle *handle)
{
    struct member_client *client = client_of(handle);
    assert(client->locating == NULL && client->assigned == NULL);
    client->events->on_closed(client->owner);
    free(client->extents);
    free(client);
}

static void finish(struct member_client *client)
{
    worker_timer_stop(client->handle.worker, &client->poll);
    forget_assigned(client);
    handle_close(&client->handle);
}

/* An idle member must be seen to poll, or its group takes it for stuck (max.poll.interval.ms). */
static void on_poll(struct timer *timer)
{
    struct member_client *client = thing_of(timer, struct member_client, poll);
    handle_wake(&client->handle);
    bool late = worker_now_ms(client->handle.worker) >= client->close_until_ms;
    if (client->closing && (late || rd_kafka_consumer_closed(client->handle.rk)))
        finish(client);
    else
        worker_timer(client->handle.worker, timer, client->closing ? CLOSE_STEP_MS : POLL_MS);
}

void rdkafka_member_close(struct member_client *client)
{
    assert(!client->closing);
    client->closing = true;
    client->close_until_ms = worker_now_ms(client->handle.worker) + CLOSE_MS;
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(client->handle.rk,
                                                            client->handle.queue);
    if (error != NULL) {
        client->close_until_ms = 0;
        rd_kafka_error_destroy(error);
    }
    worker_timer(client->handle.worker, &client->poll, 1);
}

static bool subscribe(struct member_client *client, const char *const *topics, char *why,
                      size_t room)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (; *topics != NULL; topics++)
        rd_kafka_topic_partition_list_add(list, *topics, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(client->handle.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        snprintf(why, room, "the group cannot be joined: %s", rd_kafka_err2str(error));
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* `topics` live as long as the client. */
static void begin_extents(struct member_client *client, const char *const *topics)
{
    while (topics[client->extent_count] != NULL)
        client->extent_count++;
    assert(client->extent_count > 0); /* a subscription without topics is refused */
    client->extents = calloc(client->extent_count, sizeof *client->extents);
    if (client->extents == NULL)
        abort();
    for (unsigned i = 0; i < client->extent_count; i++)
        client->extents[i] = (struct extent){ .topic = topics[i], .count = -1 };
}

struct member_client *rdkafka_member_open(struct worker *worker,
                                          const struct client_settings *settings,
                                          const struct membership *membership,
                                          const struct member_events *events, void *owner,
                                          char *why, size_t room)
{
    rd_kafka_conf_t *conf = conf_make(settings, membership,
                                      RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR |
                                          RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_FETCH,
                                      why, room);
    if (conf == NULL)
        return NULL;
    struct member_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        abort();
    client->events = events;
    client->owner = owner;
    client->start = membership->start;
    begin_extents(client, membership->topics);
    client->handle.on_event = on_event;
    client->handle.on_gone = on_gone;
    client->poll.on_timer = on_poll;
    client->again.on_timer = on_again;
    if (handle_open(&client->handle, worker, conf, true, why, room) < 0) {
        free(client->extents);
        free(client);
        return NULL;
    }
    if (!subscribe(client, membership->topics, why, room))
        abort(); /* names were checked, and nothing is asked of the network yet */
    worker_timer(worker, &client->poll, POLL_MS);
    return client;
}
