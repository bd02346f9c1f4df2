/* Simulated consumer groups: who is a member, who has which partition, how far the group has come.
 *
 *   member: OUT ──(all have released)──▶ TOLD ──▶ REVOKING ──release──▶ OUT
 *                     on_assigned            on_revoked
 *
 * A member that falls silent for a session, or is too slow to release, is expelled: on_taken.
 * A group is looked at every 50 ms: members that come, go or fall silent make it rebalance. Records
 * go to members one by one, only to those that have the partition now.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_state.h"
#include "seeds.h"

enum { LOOK_US = 50 * 1000, COMMIT_LOST_US = 3000 * 1000, TOPICS_MOST = 4 };

enum membership_state { OUT, TOLD, REVOKING };
enum saying { NOTHING, ASSIGNED, REVOKED, TAKEN };

struct progress {
    struct link link;  /* in group->progress */
    const char *topic; /* the topic's own */
    int32_t partition;
    int64_t next;
};

struct group {
    struct link link; /* in kafka->groups */
    struct kafka *kafka;
    char name[128];
    struct list members, progress;
    struct sim_event look;
    bool rebalancing;
    uint64_t since_ms; /* it rebalances */
};

struct reading {
    struct kafka_topic *topic;
    int32_t partition;
    int64_t position, stored; /* -1: nothing stored */
    bool fresh, paused;
};

struct member_client {
    struct link link; /* in group->members; not joined: it has left */
    struct group *group;
    struct kafka *kafka;
    struct sim_node *node;
    const struct member_events *events;
    void *owner;
    const char *topics[TOPICS_MOST + 1];
    enum start start;
    enum membership_state state;
    enum saying saying;
    bool expelled, started, closing;
    uint64_t heard_ms;
    struct reading readings[PARTITIONS_MOST * TOPICS_MOST];
    unsigned count;
    struct list commits;
    struct sim_event speak, fetch, closed;
};

/* One that is under way. */
struct commit {
    struct link link; /* in member->commits */
    struct member_client *member;
    struct sim_event event;
    bool lost;
};

/* --- progress --------------------------------------------------------------------------------- */

static struct progress *progress_of(struct group *group, const char *topic, int32_t partition)
{
    list_each (&group->progress, link) {
        struct progress *progress = thing_of(link, struct progress, link);
        if (progress->partition == partition && strcmp(progress->topic, topic) == 0)
            return progress;
    }
    return NULL;
}

static void set_progress(struct group *group, const char *topic, int32_t partition, int64_t next)
{
    struct progress *progress = progress_of(group, topic, partition);
    if (progress == NULL) {
        progress = calloc(1, sizeof(*progress));
        must(progress != NULL);
        progress->topic = topic;
        progress->partition = partition;
        list_append(&group->progress, &progress->link);
    }
    must(next >= progress->next);
    progress->next = next;
}

size_t kafka_lag(struct kafka *kafka, const char *name, const char *topic)
{
    size_t lag = 0;
    list_each (&kafka->groups, link) {
        struct group *group = thing_of(link, struct group, link);
        struct kafka_topic *from = kafka_topic(kafka, topic);
        for (unsigned i = 0; strcmp(group->name, name) == 0 && i < from->partitions; i++) {
            const struct progress *progress = progress_of(group, topic, (int32_t)i);
            list_each (&from->logs[i].records, each)
                lag += progress == NULL ||
                       thing_of(each, struct kafka_record, link)->offset >= progress->next;
        }
    }
    return lag;
}

/* --- what a member is told -------------------------------------------------------------------- */

static bool hears(const struct member_client *member)
{
    return kafka_hears(member->kafka, member->node) && kafka_answers(member->kafka, member->node);
}

static void say(struct member_client *member, enum saying saying)
{
    member->saying = saying;
    sim_schedule(member->kafka->sim, &member->speak, sim_latency_us(member->kafka->sim));
}

static void say_assigned(struct member_client *member)
{
    struct position positions[PARTITIONS_MOST * TOPICS_MOST];
    for (unsigned i = 0; i < member->count; i++) {
        const struct reading *reading = &member->readings[i];
        positions[i] = (struct position){ .topic = reading->topic->name,
                                          .partition = reading->partition,
                                          .offset = reading->position,
                                          .fresh = reading->fresh };
    }
    member->state = TOLD;
    trace(member->kafka->sim, "kafka: %s is assigned %u", member->node->name, member->count);
    member->events->on_assigned(member->owner, positions, member->count);
    must(member->started);
}

static void on_speak(struct sim_event *event)
{
    struct member_client *member = thing_of(event, struct member_client, speak);
    enum saying saying = member->saying;
    if (saying != TAKEN && !member->closing && !hears(member)) { /* closing needs nobody */
        sim_schedule(member->kafka->sim, event, 100 * 1000);
        return;
    }
    member->saying = NOTHING;
    if (saying == ASSIGNED) {
        say_assigned(member);
        return;
    }
    must(member->state == TOLD);
    member->state = REVOKING;
    trace(member->kafka->sim, "kafka: %s %s", member->node->name,
          saying == REVOKED ? "is to give back what it has" : "has lost what it had");
    if (saying == REVOKED)
        member->events->on_revoked(member->owner);
    else
        member->events->on_taken(member->owner);
}

/* --- rebalancing ------------------------------------------------------------------------------ */

/* Whether it is given a part. */
static bool is_counted(const struct member_client *member)
{
    return !member->expelled && !(member->closing && member->state == OUT);
}

/* Range-like: the partitions of each topic in turn. */
static void share_out(struct group *group, unsigned members)
{
    unsigned number = 0;
    list_each (&group->members, link) {
        struct member_client *member = thing_of(link, struct member_client, link);
        if (!is_counted(member))
            continue;
        member->count = 0;
        for (unsigned t = 0; member->topics[t] != NULL; t++) {
            struct kafka_topic *topic = kafka_topic(group->kafka, member->topics[t]);
            for (unsigned i = 0; topic != NULL && i < topic->partitions; i++) {
                const struct progress *known = progress_of(group, topic->name, (int32_t)i);
                int64_t first = member->start == START_LATEST ? topic->logs[i].end : 0;
                if (i % members == number)
                    member->readings[member->count++] =
                        (struct reading){ .topic = topic,
                                          .partition = (int32_t)i,
                                          .position = known != NULL ? known->next : first,
                                          .stored = -1,
                                          .fresh = known == NULL };
            }
        }
        member->started = false;
        say(member, ASSIGNED);
        number++;
    }
}

/* What it was to be given is no more said. */
static void keep_silent(struct member_client *member)
{
    sim_unschedule(member->kafka->sim, &member->speak);
    member->saying = NOTHING;
}

static void rebalance(struct group *group)
{
    if (!group->rebalancing)
        group->since_ms = sim_now_ms(group->kafka->sim);
    group->rebalancing = true;
}

/* It lost what it has, and learns of that when it hears us again. */
static void expel(struct member_client *member)
{
    member->expelled = true;
    rebalance(member->group);
    if (member->saying == ASSIGNED)
        keep_silent(member);
}

static void welcome_back(struct member_client *member)
{
    if (member->state == TOLD)
        say(member, TAKEN);
    if (member->state != OUT)
        return;
    member->expelled = false;
    rebalance(member->group);
}

static void look_at(struct member_client *member, uint64_t now_ms)
{
    if (hears(member) && !member->node->stopped)
        member->heard_ms = now_ms;
    else if (!member->expelled && now_ms - member->heard_ms > SESSION_MS)
        expel(member);
    if (member->expelled && member->heard_ms == now_ms && member->saying == NOTHING)
        welcome_back(member);
}

static void on_look(struct sim_event *event)
{
    struct group *group = thing_of(event, struct group, look);
    uint64_t now_ms = sim_now_ms(group->kafka->sim);
    sim_schedule(group->kafka->sim, event, LOOK_US);
    list_each (&group->members, link)
        look_at(thing_of(link, struct member_client, link), now_ms);
    if (!group->rebalancing || !group->kafka->running)
        return;
    unsigned members = 0;
    bool released = true;
    list_each (&group->members, link) {
        struct member_client *member = thing_of(link, struct member_client, link);
        if (!is_counted(member))
            continue;
        members++;
        if (member->state == TOLD && member->saying == NOTHING)
            say(member, REVOKED);
        released &= member->state == OUT && member->saying == NOTHING;
        if (now_ms - group->since_ms > HANDOVER_MS + 5000 && member->state != OUT)
            expel(member);
    }
    if (!released || members == 0)
        return;
    group->rebalancing = false;
    share_out(group, members);
}

void kafka_rebalance(struct kafka *kafka)
{
    list_each (&kafka->groups, link)
        rebalance(thing_of(link, struct group, link));
}

/* --- records ---------------------------------------------------------------------------------- */

static const struct kafka_record *next_record(const struct reading *reading)
{
    list_each (&reading->topic->logs[reading->partition].records, link) {
        const struct kafka_record *record = thing_of(link, struct kafka_record, link);
        if (record->offset >= reading->position)
            return record;
    }
    return NULL;
}

static bool deliver(struct member_client *member, struct reading *reading)
{
    const struct kafka_record *found = reading->paused ? NULL : next_record(reading);
    if (found == NULL)
        return false;
    reading->position = found->offset + 1;
    struct record record = { .topic = reading->topic->name,
                             .partition = reading->partition,
                             .offset = found->offset,
                             .key = found->key,
                             .value = found->value,
                             .headers = found->headers,
                             .timestamp_ms = found->timestamp_ms };
    member->events->on_record(member->owner, &record);
    return true;
}

static void on_fetch(struct sim_event *event)
{
    struct member_client *member = thing_of(event, struct member_client, fetch);
    struct sim *sim = member->kafka->sim;
    bool may = member->state == TOLD && member->started && !member->expelled && hears(member);
    bool some = false;
    for (uint64_t i = 0; may && member->count > 0 && i < 4; i++)
        some |= deliver(member, &member->readings[sim_below(sim, member->count)]);
    sim_schedule(sim, event, some ? sim_below(sim, 500) : sim_between(sim, 1000, 20 * 1000));
}

/* --- what a member says ----------------------------------------------------------------------- */

static struct reading *reading_of(struct member_client *member, const char *topic,
                                  int32_t partition)
{
    for (unsigned i = 0; i < member->count; i++)
        if (member->readings[i].partition == partition &&
            strcmp(member->readings[i].topic->name, topic) == 0)
            return &member->readings[i];
    return NULL;
}

void sim_assign(struct member_client *member, const struct position *positions, unsigned count)
{
    must(member->state == TOLD && !member->started && count == member->count);
    for (unsigned i = 0; i < count; i++)
        must(positions[i].offset == member->readings[i].position);
    member->started = true;
}

void sim_release(struct member_client *member)
{
    must(member->state == REVOKING);
    member->state = OUT;
    member->started = false;
    member->count = 0;
    if (member->closing && !sim_scheduled(&member->closed))
        sim_schedule(member->kafka->sim, &member->closed, sim_below(member->kafka->sim, 5000));
}

void sim_pause(struct member_client *member, const char *topic, int32_t partition, bool paused)
{
    struct reading *reading = reading_of(member, topic, partition);
    must(reading != NULL && reading->paused != paused); /* else it would rewind */
    reading->paused = paused;
}

void sim_store(struct member_client *member, const char *topic, int32_t partition, int64_t next)
{
    struct reading *reading = reading_of(member, topic, partition);
    must(reading != NULL && member->state != OUT);
    must(next >= reading->stored && next <= reading->position);
    reading->stored = next;
}

static void on_committed(struct sim_event *event)
{
    struct commit *commit = thing_of(event, struct commit, event);
    struct member_client *member = commit->member;
    const char *why = commit->lost ? "simulated" : NULL;
    list_leave(&commit->link);
    free(commit);
    member->events->on_committed(member->owner, why);
}

void sim_commit(struct member_client *member)
{
    struct sim *sim = member->kafka->sim;
    must(!member->closing || member->state == REVOKING);
    bool arrives = hears(member) && !member->expelled && member->state != OUT;
    for (unsigned i = 0; i < member->count && arrives; i++) {
        const struct reading *reading = &member->readings[i];
        if (reading->stored >= 0)
            set_progress(member->group, reading->topic->name, reading->partition, reading->stored);
    }
    struct commit *commit = calloc(1, sizeof(*commit));
    must(commit != NULL);
    commit->member = member;
    commit->event = (struct sim_event){ .run = on_committed, .node = member->node };
    commit->lost = !arrives || sim_chance(sim, member->kafka->habits.lost_percent);
    list_append(&member->commits, &commit->link);
    sim_schedule(sim, &commit->event,
                 commit->lost ? sim_below(sim, COMMIT_LOST_US) : 2 * sim_latency_us(sim));
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_closed(struct sim_event *event)
{
    struct member_client *member = thing_of(event, struct member_client, closed);
    struct sim *sim = member->kafka->sim;
    must(member->state == OUT);
    sim_unschedule(sim, &member->speak);
    sim_unschedule(sim, &member->fetch);
    struct link *link;
    while ((link = list_take(&member->commits)) != NULL) {
        struct commit *commit = thing_of(link, struct commit, link);
        sim_unschedule(sim, &commit->event);
        free(commit);
    }
    list_leave(&member->link);
    rebalance(member->group);
    if (list_empty(&member->group->members))
        sim_unschedule(sim, &member->group->look);
    member->events->on_closed(member->owner);
    free(member);
}

void sim_member_close(struct member_client *member)
{
    struct sim *sim = member->kafka->sim;
    must(!member->closing);
    member->closing = true;
    if (member->saying == ASSIGNED)
        keep_silent(member);
    if (member->state == OUT)
        sim_schedule(sim, &member->closed, sim_below(sim, 5000));
    else if (member->state == TOLD && member->saying == NOTHING)
        say(member, hears(member) && !member->expelled ? REVOKED : TAKEN);
    else if (member->saying == REVOKED)
        say(member, TAKEN);
}

static struct group *group_named(struct kafka *kafka, const char *name)
{
    list_each (&kafka->groups, link) {
        struct group *group = thing_of(link, struct group, link);
        if (strcmp(group->name, name) == 0)
            return group;
    }
    struct group *group = calloc(1, sizeof(*group));
    must(group != NULL && strlen(name) < sizeof(group->name));
    group->kafka = kafka;
    memcpy(group->name, name, strlen(name) + 1);
    list_init(&group->members);
    list_init(&group->progress);
    group->look.run = on_look;
    list_append(&kafka->groups, &group->link);
    return group;
}

void kafka_groups_free(struct kafka *kafka)
{
    struct link *link, *each;
    while ((link = list_take(&kafka->groups)) != NULL) {
        struct group *group = thing_of(link, struct group, link);
        must(list_empty(&group->members));
        sim_unschedule(kafka->sim, &group->look);
        while ((each = list_take(&group->progress)) != NULL)
            free(thing_of(each, struct progress, link));
        free(group);
    }
}

struct member_client *sim_member_open(struct worker *worker, const struct client_settings *settings,
                                      const struct membership *membership,
                                      const struct member_events *events, void *owner, char *why,
                                      size_t room)
{
    must(settings->bootstrap != NULL && room > 0);
    why[0] = '\0';
    struct member_client *member = calloc(1, sizeof(*member));
    must(member != NULL);
    struct kafka *kafka = kafka_of(worker);
    struct sim_node *node = kafka_node_of(worker);
    member->kafka = kafka;
    member->node = node;
    member->group = group_named(kafka, membership->group);
    member->events = events;
    member->owner = owner;
    member->start = membership->start;
    for (unsigned i = 0; membership->topics[i] != NULL; i++) {
        must(i < TOPICS_MOST);
        member->topics[i] = membership->topics[i];
    }
    member->heard_ms = sim_now_ms(kafka->sim);
    member->speak = (struct sim_event){ .run = on_speak, .node = node };
    member->fetch = (struct sim_event){ .run = on_fetch, .node = node };
    list_init(&member->commits);
    member->closed = (struct sim_event){ .run = on_closed, .node = node };
    if (list_empty(&member->group->members))
        sim_schedule(kafka->sim, &member->group->look, LOOK_US);
    list_append(&member->group->members, &member->link);
    rebalance(member->group);
    sim_schedule(kafka->sim, &member->fetch, 1000);
    return member;
}
