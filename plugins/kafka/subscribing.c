/* How a member begins: its settings, and the topics that shall be there.
 *
 * Happy path: member_subscribe reads the subscription's block and opens a client, which joins the
 * group by itself; as soon as the producer is up, missing topics are declared: those of dead
 * letters in any case, the subscription's own where it says so. Failures: topics that cannot be
 * declared (said once, tried again: who may not create topics has them made by others).
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "plugins/kafka/member.h"

enum { DECLARE_AGAIN_MS = 10000 };

/* --- topics that shall be there --------------------------------------------------------------- */

static void declare(struct member *member, struct wanted *wanted)
{
    uint64_t now = worker_now_ms(member->lane->worker);
    if (wanted->there || wanted->asked || now < wanted->again_ms)
        return;
    wanted->asked = producer_declare(&member->lane->producer, &wanted->wish);
}

void member_producer_up(struct member *member)
{
    for (unsigned i = 0; i < member->wanted_count; i++)
        declare(member, &member->wanted[i]);
}

void member_declared(struct member *member, const char *topic, const char *why)
{
    for (unsigned i = 0; i < member->wanted_count; i++) {
        struct wanted *wanted = &member->wanted[i];
        if (strcmp(wanted->wish.name, topic) != 0)
            continue;
        wanted->asked = false;
        wanted->there = why == NULL;
        wanted->again_ms = worker_now_ms(member->lane->worker) + DECLARE_AGAIN_MS;
        if (why != NULL && !wanted->complained)
            kafka_log(member->lane, LEVEL_WARNING, "topic %s cannot be declared: %s", topic, why);
        wanted->complained = why != NULL;
    }
}

/* Whoever cleared dead letters away by deleting their topic did not mean the next ones to get
 * stuck. */
void member_topic_gone(struct member *member, const char *topic)
{
    for (unsigned i = 0; i < member->wanted_count; i++) {
        struct wanted *wanted = &member->wanted[i];
        if (wanted->origin == NULL || strcmp(wanted->wish.name, topic) != 0)
            continue;
        wanted->there = false;
        declare(member, wanted);
    }
}

const char *member_dead_topic(const struct member *member, const char *topic)
{
    for (unsigned i = 0; i < member->wanted_count; i++)
        if (member->wanted[i].origin != NULL && strcmp(member->wanted[i].origin, topic) == 0)
            return member->wanted[i].wish.name;
    return NULL;
}

/* --- subscribing ------------------------------------------------------------------------------ */

static const char *text_in(struct arena *arena, const char *format, const char *a, const char *b)
    __attribute__((format(printf, 2, 0)));
static const char *text_in(struct arena *arena, const char *format, const char *a, const char *b)
{
    char text[600];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, a, b);
#pragma GCC diagnostic pop
    struct slice copy = arena_copy(arena, slice_text(text));
    return copy.at != NULL ? (const char *)copy.at : "";
}

static int declared_number(const struct values *values, const char *key)
{
    const struct values *declare = values_group(values, "declare");
    return values_has(declare, key) ? (int)values_number(declare, key) : -1;
}

/* The topics themselves where that is asked for, and a topic for the dead letters of each. Their
 * names were checked (settings.c). */
static void want(struct member *member, const struct values *values)
{
    const struct value *topics = values_get(values, "topics");
    const char *dead = values_text(values, "dead_letter");
    member->wanted = arena_get(&member->arena, 2 * topics->count * sizeof *member->wanted);
    for (size_t i = 0; i < topics->count; i++) {
        struct topic_wish wish = { .replication = declared_number(values, "replication") };
        wish.name = topics->texts[i];
        wish.partitions = declared_number(values, "partitions");
        if (values_has(values, "declare"))
            member->wanted[member->wanted_count++] = (struct wanted){ .wish = wish };
        assert(topic_flaw(wish.name) == NULL);
        wish.partitions = 1;
        wish.keep = true;
        wish.name = dead != NULL ? dead
                                 : text_in(&member->arena, "%s.%s.dead", topics->texts[i],
                                           member->membership.group);
        member->wanted[member->wanted_count++] = (struct wanted){ .wish = wish,
                                                                  .origin = topics->texts[i] };
        assert(topic_flaw(wish.name) == NULL);
    }
}

static struct member *allocate(struct lane *lane, const struct values *values,
                               struct intake *intake)
{
    struct member *member = calloc(1, sizeof *member);
    if (member == NULL)
        abort();
    member->lane = lane;
    member->intake = intake;
    member->max_span = (size_t)values_number(values, "span");
    member->max_bytes = values_bytes(values, "span_bytes") / lane->worker->snapshot->workers;
    member->handover_ms = values_ms(values, "handover");
    member->timeout_ms = values_ms(values, "timeout");
    arena_init(&member->arena, 1024 * 1024);
    member_init(member);
    const char *group = values_text(values, "group");
    if (group == NULL)
        group = text_in(&member->arena, "%s.%s", lane->worker->snapshot->service,
                        values_text(values, "name"));
    member->membership = (struct membership){
        .group = group,
        .topics = (const char *const *)values_get(values, "topics")->texts,
        .start = strcmp(values_text(values, "start"), "latest") == 0 ? START_LATEST
                                                                     : START_EARLIEST,
    };
    return member;
}

int member_subscribe(void *at, const struct values *values, struct intake *intake,
                     void **subscription)
{
    struct lane *lane = at;
    struct member *member = allocate(lane, values, intake);
    struct client_settings settings = kafka_client_settings(lane);
    char why[256] = "";
    want(member, values);
    member->client = kafka_library.member_open(lane->worker, &settings, &member->membership,
                                               &member_events, member, why, sizeof why);
    if (member->client == NULL) {
        kafka_log(lane, LEVEL_ERROR, "group %s: %s", member->membership.group, why);
        arena_clear(&member->arena);
        free(member);
        return -1;
    }
    list_append(&lane->members, &member->link);
    if (producer_refusal(&lane->producer) == 0)
        member_producer_up(member);
    *subscription = member;
    return 0;
}
