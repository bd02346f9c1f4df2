/* Members, as member.h says. Letting go (revoked, or unsubscribed) is one walk that every event
 * pushes on: catch up on what is overdue and wait for what is up → discard what is held → commit →
 * wait for that → release, or leave the group. */
#include "plugins/kafka/member.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/snapshot.h"
#include "plugins/kafka/held.h"

enum {
    COMMIT_MS = 500,
    REVOKED_COMMIT_MS = 1000, /* others wait for the partitions */
    LAST_COMMIT_MS = 3000,    /* nobody does */
    AGAIN_MS = 20,
    ALARM_MS = 60000,
    REFUSALS_MOST = 5,
};

static void let_go(struct member *member);

static bool is_letting_go(const struct member *member)
{
    return member->revoked || member->leaving != NULL;
}

/* --- partitions ------------------------------------------------------------------------------- */

static bool is_at(const struct partition *partition, const char *topic, int32_t number)
{
    return partition->number == number && strcmp(partition->topic, topic) == 0;
}

static struct partition *find(struct member *member, const char *topic, int32_t number)
{
    if (member->latest != NULL && is_at(member->latest, topic, number))
        return member->latest;
    list_each (&member->partitions, link) {
        struct partition *partition = thing_of(link, struct partition, link);
        if (is_at(partition, topic, number))
            return member->latest = partition;
    }
    return NULL;
}

/* NULL for a topic that is not ours. */
static struct partition *partition_of(struct member *member, const char *topic, int32_t number)
{
    struct partition *partition = find(member, topic, number);
    const char *const *own = member->membership.topics;
    while (*own != NULL && strcmp(*own, topic) != 0)
        own++;
    if (partition != NULL || *own == NULL)
        return partition;
    partition = calloc(1, sizeof *partition);
    if (partition == NULL)
        abort();
    partition->topic = *own;
    partition->number = number;
    partition->seen = -1;
    span_begin(&partition->span, 0);
    list_init(&partition->held);
    list_append(&member->partitions, &partition->link);
    return partition;
}

/* Back-pressure: the state is ours to keep, since resuming what is not paused rewinds (librdkafka
 * below 2.4). */
static void set_paused(struct member *member, struct partition *partition, bool paused)
{
    if (partition->paused == paused || !partition->ours || partition->stopped)
        return;
    partition->paused = paused;
    kafka_library.pause(member->client, partition->topic, partition->number, paused);
    kafka_count(member->lane, paused ? "partitions_paused" : "partitions_resumed", 1);
}

/* Each partition has its part of the bytes, so that one in which a key is stuck takes no room away
 * from the others. */
static void regulate(struct member *member, struct partition *partition)
{
    assert(member->count > 0);
    size_t most = member->max_bytes / member->count;
    if (partition->span.count >= member->max_span || partition->bytes >= most)
        set_paused(member, partition, true);
    else if (partition->span.count <= member->max_span / 2 && partition->bytes <= most / 2)
        set_paused(member, partition, false);
}

/* --- records ---------------------------------------------------------------------------------- */

/* Takes a record out of its partition. */
static void detach(struct held *held)
{
    list_leave(&held->link);
    assert(held->partition != NULL && held->partition->bytes >= held->bytes);
    held->partition->bytes -= held->bytes;
    held->partition = NULL;
    held->mark = NULL;
}

static void drop(struct member *member, struct held *held)
{
    strands_drop(&member->strands, &held->bead);
    held_free(held);
}

/* What is held of all partitions is forgotten: it comes again, here or elsewhere. What is up is
 * freed when settled; until then it stays first in its strand, so that here its key waits for it
 * even when its partition has come back meanwhile. */
static void discard(struct member *member)
{
    list_each (&member->partitions, link) {
        struct partition *partition = thing_of(link, struct partition, link);
        struct link *first;
        while ((first = list_first(&partition->held)) != NULL) {
            struct held *held = thing_of(first, struct held, link);
            detach(held);
            if (held->up)
                member->stale++;
            else
                drop(member, held);
        }
        span_clear(&partition->span);
        if (partition->span.last > partition->seen)
            partition->seen = partition->span.last;
        partition->ours = partition->paused = partition->stopped = false;
        assert(partition->bytes == 0);
    }
    member->count = 0;
    assert(member->strands.count <= member->stale && list_empty(&member->strands.ready));
}

static void hand_up(struct member *member, struct held *held)
{
    if (held->partition->reach <= held->record.offset)
        held->partition->reach = held->record.offset + 1;
    held->up = true;
    member->up++;
    kafka_count(member->lane, "consumed", 1);
    member->intake->on_arrival(member->intake, &held->arrival);
}

/* While letting go, what is not overdue keeps its strand from coming up again. */
static void on_dispatch(struct task *task)
{
    struct member *member = thing_of(task, struct member, dispatch);
    bool ends = is_letting_go(member);
    bool in_time = ends && worker_now_ms(member->lane->worker) < member->begin_until_ms;
    struct bead *bead;
    while (member->up - member->stale < member->credit &&
           (bead = strands_next(&member->strands)) != NULL) {
        struct held *held = thing_of(bead, struct held, bead);
        held->arrival.overdue = in_time && held->record.offset < held->partition->reach;
        if (!ends || held->arrival.overdue)
            hand_up(member, held);
    }
    let_go(member);
}

static void dispatch(struct member *member)
{
    worker_defer(member->lane->worker, &member->dispatch);
}

static void on_record(void *owner, const struct record *record)
{
    struct member *member = owner;
    struct partition *partition = find(member, record->topic, record->partition);
    if (partition == NULL || !partition->ours || partition->stopped || member->revoked)
        return;
    if (record->offset <= partition->span.last) {
        kafka_count(member->lane, "rewound", 1);
        return;
    }
    struct held *held = held_make(record);
    if (held != NULL &&
        strands_add(&member->strands, partition, held->record.key, &held->bead) < 0) {
        held_free(held);
        held = NULL;
    }
    if (held == NULL || (held->mark = span_add(&partition->span, record->offset)) == NULL) {
        fprintf(stderr, "shunt: out of memory for a record\n");
        abort(); /* leaving it out would lose it */
    }
    held->partition = partition;
    held->arrival.redelivered = record->offset <= partition->seen;
    list_append(&partition->held, &held->link);
    partition->bytes += held->bytes;
    regulate(member, partition);
    dispatch(member);
}

/* --- settling --------------------------------------------------------------------------------- */

static void start_tick(struct member *member)
{
    if (!timer_running(&member->tick))
        worker_timer(member->lane->worker, &member->tick, COMMIT_MS);
}

static void store(struct member *member, const struct partition *partition)
{
    kafka_library.store(member->client, partition->topic, partition->number, partition->span.next);
    member->dirty = true;
    start_tick(member);
}

static void handled(struct member *member, struct held *held)
{
    struct partition *partition = held->partition;
    if (span_handled(&partition->span, held->mark))
        store(member, partition);
    detach(held);
    drop(member, held);
    regulate(member, partition);
}

/* It stays first in its strand; not at once, so that what cannot be taken now is not offered in a
 * circle. While letting go it comes up no more, and the group goes on from there: of what is behind
 * it nothing is overdue. */
static void take_back(struct member *member, struct held *held)
{
    struct partition *partition = held->partition;
    held->up = false;
    held->arrival.redelivered = true;
    if (is_letting_go(member)) {
        if (partition->reach > held->record.offset)
            partition->reach = held->record.offset;
        return;
    }
    strands_back(&member->strands, &held->bead);
    if (!timer_running(&member->again))
        worker_timer(member->lane->worker, &member->again, AGAIN_MS);
}

static void on_again(struct timer *timer)
{
    dispatch(thing_of(timer, struct member, again));
}

void member_settle(void *subscription, struct arrival *arrival, enum settlement settlement)
{
    struct member *member = subscription;
    struct held *held = arrival->own;
    assert(held->up && member->up > 0 && &held->arrival == arrival);
    member->up--;
    if (held->partition == NULL) {
        assert(member->stale > 0);
        member->stale--;
        drop(member, held);
    } else if (settlement == SETTLE_HANDLED) {
        handled(member, held);
    } else {
        take_back(member, held);
    }
    if (!timer_running(&member->again))
        dispatch(member);
    let_go(member);
}

void member_credit(void *subscription, unsigned credit)
{
    struct member *member = subscription;
    member->credit = credit;
    dispatch(member);
}

/* --- the group -------------------------------------------------------------------------------- */

static void on_assigned(void *owner, const struct position *positions, unsigned count)
{
    struct member *member = owner;
    assert(!member->revoked && member->count == 0);
    kafka_count(member->lane, "assignments", 1);
    kafka_library.assign(member->client, positions, count);
    for (unsigned i = 0; i < count; i++) {
        struct partition *partition = partition_of(member, positions[i].topic,
                                                   positions[i].partition);
        if (partition == NULL)
            continue;
        member->count += !partition->ours;
        partition->ours = true;
        partition->reach = 0;
        span_begin(&partition->span, positions[i].offset);
        if (positions[i]
                .fresh) /* from now on the group has a place there, though nothing has come yet */
            store(member, partition);
    }
    member->complained = false;
    if (!member->ready) {
        member->ready = true;
        member->intake->on_ready(member->intake);
    }
    let_go(member);
}

/* Of that time, how long calls may begin that shall end within it. Where one may take longer than
 * the whole of it, half is left for them. */
static uint64_t time_to_begin(const struct member *member, uint64_t ms)
{
    return member->timeout_ms < ms ? ms - member->timeout_ms : ms / 2;
}

/* The group goes on from the first record of a partition that is not handled. Those behind it that
 * are (their calls were faster, or their keys had less to do) would come twice; so what they have
 * overtaken is handled, too, as far as there is time: the next one to get the partition must not
 * call the service with a key that is still up here. */
static void begin_to_let_go(struct member *member, uint64_t begin_ms)
{
    struct worker *worker = member->lane->worker;
    uint64_t until = worker_now_ms(worker) + begin_ms;
    if (until < member->begin_until_ms)
        member->begin_until_ms = until;
    worker_timer_stop(worker, &member->again);
    dispatch(member);
}

static void tell_lost(struct member *member)
{
    if (!member->ready)
        return;
    member->ready = false;
    member->intake->on_lost(member->intake);
}

static void on_revoked(void *owner)
{
    struct member *member = owner;
    assert(!member->revoked);
    kafka_count(member->lane, "revocations", 1);
    member->revoked = true;
    member->late = member->tried = false;
    begin_to_let_go(member, time_to_begin(member, member->handover_ms));
    worker_timer(member->lane->worker, &member->patience, member->handover_ms);
    tell_lost(member); /* what rests is given back in there */
}

static void on_taken(void *owner)
{
    struct member *member = owner;
    kafka_count(member->lane, "assignments_lost", 1);
    kafka_log(member->lane, LEVEL_WARNING, "%s: its partitions were given to others",
              member->membership.group);
    tell_lost(member);
    discard(member);
    member->dirty = false;
    member->revoked = member->tried = member->late = true;
    let_go(member);
}

static void on_out_of_range(void *owner, const char *topic, int32_t number, const char *why)
{
    struct member *member = owner;
    struct partition *partition = find(member, topic, number);
    if (partition == NULL || !partition->ours || partition->stopped)
        return;
    partition->stopped = true;
    kafka_count(member->lane, "partitions_stopped", 1);
    kafka_log(member->lane, LEVEL_ERROR,
              "%s: %s/%d is read no further, records may be missing: %s; set the group's offset",
              member->membership.group, topic, (int)number, why);
    member->alarm_ms = worker_now_ms(member->lane->worker) + ALARM_MS;
    start_tick(member);
}

/* One that fails while the group rebalances is nothing to speak of; one that goes on failing is,
 * since nothing else shows it. */
static void commit_failed(struct member *member, const char *why)
{
    bool lasts = ++member->refusals == REFUSALS_MOST;
    kafka_count(member->lane, "commits_failed", 1);
    kafka_log(member->lane, lasts ? LEVEL_ERROR : LEVEL_DEBUG,
              "%s: what is handled cannot be committed, and would come again: %s",
              member->membership.group, why);
    member->dirty = member->dirty || !member->revoked;
    start_tick(member);
}

static void on_committed(void *owner, const char *why)
{
    struct member *member = owner;
    assert(member->commits > 0);
    member->commits--;
    if (why != NULL)
        commit_failed(member, why);
    else
        member->refusals = 0;
    let_go(member);
}

static void on_member_trouble(void *owner, const char *why)
{
    struct member *member = owner;
    kafka_log(member->lane, member->complained ? LEVEL_DEBUG : LEVEL_WARNING, "%s: %s",
              member->membership.group, why);
    member->complained = true;
}

static bool any_stopped(const struct member *member)
{
    list_each (&member->partitions, link)
        if (thing_of(link, struct partition, link)->stopped)
            return true;
    return false;
}

static void commit(struct member *member)
{
    if (!member->dirty)
        return;
    member->dirty = false;
    member->commits++;
    kafka_library.commit(member->client);
}

static void on_tick(struct timer *timer)
{
    struct member *member = thing_of(timer, struct member, tick);
    uint64_t now = worker_now_ms(member->lane->worker);
    if (member->commits == 0 && !member->revoked && !member->closing)
        commit(member);
    if (any_stopped(member) && now >= member->alarm_ms) {
        member->alarm_ms = now + ALARM_MS;
        kafka_log(member->lane, LEVEL_ERROR, "%s: a partition is stopped since its offset is gone",
                  member->membership.group);
    }
    if (member->dirty || any_stopped(member))
        start_tick(member);
}

/* --- letting go ------------------------------------------------------------------------------- */

static void on_patience(struct timer *timer)
{
    struct member *member = thing_of(timer, struct member, patience);
    member->late = true;
    if (member->revoked && !member->tried && member->up > member->stale)
        member->intake->on_lost(member->intake); /* of what came up since it was told */
    let_go(member);
}

/* Pushed on by whatever happens; goes as far as it can. */
static void let_go(struct member *member)
{
    struct worker *worker = member->lane->worker;
    if (!is_letting_go(member) || (member->closing && !member->revoked))
        return;
    if (link_joined(&member->dispatch.link)) /* which comes back here */
        return;
    if (member->up > member->stale && !(member->revoked && member->late))
        return;
    if (!member->tried) {
        member->tried = true;
        member->late = false;
        discard(member);
        commit(member);
        worker_timer(worker, &member->patience,
                     member->revoked ? REVOKED_COMMIT_MS : LAST_COMMIT_MS);
    }
    bool again = member->dirty && !member->revoked; /* refused, and to be tried once more */
    if ((member->commits > 0 || again) && !member->late)
        return;
    worker_timer_stop(worker, &member->patience);
    if (member->revoked) {
        member->revoked = member->tried = member->late = false;
        if (member->leaving == NULL)
            member->begin_until_ms = UINT64_MAX;
        kafka_library.release(member->client);
    }
    if (member->leaving != NULL && member->up == 0 && !member->closing) {
        member->closing = member->tried = true;
        kafka_library.member_close(member->client);
    }
}

static void on_finish(struct task *task)
{
    struct member *member = thing_of(task, struct member, finish);
    struct worker *worker = member->lane->worker;
    struct done *done = member->leaving;
    assert(member->up == 0 && done != NULL);
    worker_timer_stop(worker, &member->tick);
    worker_timer_stop(worker, &member->again);
    worker_timer_stop(worker, &member->patience);
    list_leave(&member->dispatch.link);
    discard(member);
    struct link *link;
    while ((link = list_take(&member->partitions)) != NULL)
        free(thing_of(link, struct partition, link));
    strands_free(&member->strands);
    list_leave(&member->link);
    arena_clear(&member->arena);
    free(member);
    done->on_done(done, 0);
}

static void on_member_closed(void *owner)
{
    struct member *member = owner;
    worker_defer(member->lane->worker, &member->finish);
}

void member_unsubscribe(void *subscription, struct done *done)
{
    struct member *member = subscription;
    assert(member->leaving == NULL);
    member->leaving = done;
    uint64_t grace = time_to_begin(member, member->lane->worker->snapshot->grace_ms);
    begin_to_let_go(member, grace < member->handover_ms ? grace : member->handover_ms);
}

bool member_may_reply(void *subscription, struct slice reply_to)
{
    (void)subscription;
    (void)reply_to;
    return false; /* requests do not come this way */
}

const struct member_events member_events = {
    .on_assigned = on_assigned,
    .on_revoked = on_revoked,
    .on_taken = on_taken,
    .on_record = on_record,
    .on_out_of_range = on_out_of_range,
    .on_committed = on_committed,
    .on_trouble = on_member_trouble,
    .on_closed = on_member_closed,
};

void member_init(struct member *member)
{
    member->dispatch.run = on_dispatch;
    member->finish.run = on_finish;
    member->tick.on_timer = on_tick;
    member->patience.on_timer = on_patience;
    member->again.on_timer = on_again;
    member->begin_until_ms = UINT64_MAX;
    list_init(&member->partitions);
    strands_init(&member->strands);
}
