/* The simulated cluster as tests handle it: topics and their records, what breaks, what is in
 * it. */
#include "kafka.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_state.h"
#include "seeds.h"

/* --- who hears whom --------------------------------------------------------------------------- */

struct sim_node *kafka_node_of(struct worker *worker)
{
    return thing_of(worker, struct sim_node, worker);
}

struct kafka *kafka_of(struct worker *worker)
{
    struct kafka *kafka = kafka_node_of(worker)->sim->kafka;
    must(kafka != NULL);
    return kafka;
}

bool kafka_hears(const struct kafka *kafka, const struct sim_node *from)
{
    const struct sim *sim = kafka->sim;
    return kafka->running && !kafka->node->stopped && !from->severed &&
           !sim->hole[from->index][kafka->node->index];
}

bool kafka_answers(const struct kafka *kafka, const struct sim_node *to)
{
    const struct sim *sim = kafka->sim;
    return kafka->running && !kafka->node->stopped && !to->severed &&
           !sim->hole[kafka->node->index][to->index];
}

/* --- topics ----------------------------------------------------------------------------------- */

struct kafka_topic *kafka_topic(struct kafka *kafka, const char *name)
{
    list_each (&kafka->topics, link) {
        struct kafka_topic *topic = thing_of(link, struct kafka_topic, link);
        if (strcmp(topic->name, name) == 0)
            return topic;
    }
    return NULL;
}

void kafka_create_topic(struct kafka *kafka, const char *name, unsigned partitions)
{
    if (kafka_topic(kafka, name) != NULL)
        return;
    must(partitions > 0 && partitions <= PARTITIONS_MOST && strlen(name) <= TOPIC_NAME_MAX);
    struct kafka_topic *topic = calloc(1, sizeof(*topic));
    must(topic != NULL);
    memcpy(topic->name, name, strlen(name) + 1);
    topic->partitions = partitions;
    for (unsigned i = 0; i < partitions; i++)
        list_init(&topic->logs[i].records);
    list_append(&kafka->topics, &topic->link);
}

static void free_topic(struct kafka_topic *topic)
{
    for (unsigned i = 0; i < topic->partitions; i++) {
        struct link *link;
        while ((link = list_take(&topic->logs[i].records)) != NULL) {
            struct kafka_record *record = thing_of(link, struct kafka_record, link);
            arena_clear(&record->arena);
            free(record);
        }
    }
    free(topic);
}

void kafka_delete_topic(struct kafka *kafka, const char *name)
{
    struct kafka_topic *topic = kafka_topic(kafka, name);
    must(topic != NULL);
    list_leave(&topic->link);
    free_topic(topic);
}

void kafka_limit_topic(struct kafka *kafka, const char *name, size_t bytes)
{
    struct kafka_topic *topic = kafka_topic(kafka, name);
    must(topic != NULL);
    topic->limit = bytes;
}

static struct slice copy_of(struct arena *arena, struct slice from)
{
    return from.at == NULL ? from : from.len == 0 ? SLICE("") : arena_copy(arena, from);
}

void kafka_copy(struct kafka_record *copy, const struct record *record)
{
    arena_init(&copy->arena, 64 << 20);
    copy->key = copy_of(&copy->arena, record->key);
    copy->value = copy_of(&copy->arena, record->value);
    copy->timestamp_ms = record->timestamp_ms;
    for (uint32_t i = 0; i < record->headers.count; i++)
        must(fields_add_copy(&copy->headers, &copy->arena, record->headers.at[i].name,
                             record->headers.at[i].value) == 0);
}

void kafka_append(struct kafka *kafka, const struct record *record)
{
    struct kafka_topic *topic = kafka_topic(kafka, record->topic);
    must(topic != NULL);
    unsigned partition = record->key.at != NULL
                             ? (unsigned)(slice_hash(record->key) % topic->partitions)
                             : kafka->round++ % topic->partitions;
    struct log *log = &topic->logs[partition];
    struct kafka_record *stored = calloc(1, sizeof(*stored));
    must(stored != NULL);
    kafka_copy(stored, record);
    if (sim_chance(kafka->sim, kafka->habits.gap_percent))
        log->end += (int64_t)sim_between(kafka->sim, 1, 3);
    stored->offset = log->end++;
    list_append(&log->records, &stored->link);
    trace(kafka->sim, "kafka: %s/%u/%lld %.*s", topic->name, partition, (long long)stored->offset,
          (int)stored->value.len, (const char *)stored->value.at);
}

void kafka_each(struct kafka *kafka, const char *name,
                void (*each)(const struct kafka_record *record, unsigned partition, void *context),
                void *context)
{
    struct kafka_topic *topic = kafka_topic(kafka, name);
    for (unsigned i = 0; topic != NULL && i < topic->partitions; i++)
        list_each (&topic->logs[i].records, link)
            each(thing_of(link, struct kafka_record, link), i, context);
}

/* --- life ------------------------------------------------------------------------------------- */

void kafka_kill(struct kafka *kafka)
{
    kafka->running = false;
    kafka_producers_cut(kafka);
}

void kafka_start(struct kafka *kafka)
{
    kafka->running = true;
}

struct kafka *kafka_new(struct sim *sim, unsigned host)
{
    struct kafka *kafka = calloc(1, sizeof(*kafka));
    must(kafka != NULL && sim->kafka == NULL);
    kafka->sim = sim;
    sim->kafka = kafka;
    kafka->node = sim_node_new(sim, "kafka", host);
    kafka->running = true;
    kafka->habits = (struct kafka_habits){ .report_most_us = 5000, .gap_percent = 10 };
    list_init(&kafka->topics);
    list_init(&kafka->producers);
    list_init(&kafka->groups);
    return kafka;
}

void kafka_free(struct kafka *kafka)
{
    must(list_empty(&kafka->producers));
    kafka_groups_free(kafka);
    struct link *link;
    while ((link = list_take(&kafka->topics)) != NULL)
        free_topic(thing_of(link, struct kafka_topic, link));
    kafka->sim->kafka = NULL;
    free(kafka);
}

struct sim_node *kafka_node(struct kafka *kafka)
{
    return kafka->node;
}

struct kafka_habits *kafka_habits(struct kafka *kafka)
{
    return &kafka->habits;
}
