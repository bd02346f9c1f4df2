/* Events, as event.h says. A `carried` belongs to its attempt until that ends, and to the client
 * until its last record is reported: whichever comes last frees it. A record that was handed over
 * cannot be taken back, so what was not reported yet of a cancelled event is "maybe sent", and its
 * reports find nobody. */
#include "plugins/kafka/event.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/kafka/lane.h"

struct parcel {
    struct shipment shipment;
    struct carried *carried;
    enum outcome outcome;
    enum reason reason;
};

struct carried {
    struct lane *lane;
    struct attempt *attempt; /* NULL: it has ended */
    struct task task;        /* stored at the end of the turn, for `ack = "none"` */
    bool confirmed;
    unsigned under_way; /* parcels without a report */
    unsigned count;
    struct slice why; /* of the first that went wrong; in the call's arena */
    struct parcel parcels[];
};

/* --- planning --------------------------------------------------------------------------------- */

int event_plan(const struct call *call, const void *settings, struct plan *plan)
{
    const struct route_settings *route = settings;
    /* The call is only looked at, but what is made of it lives in its arena. */
    struct arena *arena = (struct arena *)&call->arena;
    struct record *record = arena_try(arena, sizeof *record);
    if (record == NULL || record_write(&plan->message, arena, record) < 0)
        return -REASON_fields_too_large;
    record->key = key_of(&route->key, call, arena);
    plan->own = record;
    if (record_flaw(record) != NULL)
        return -REASON_fields_too_large;
    return record_size(record) > route->broker->max_message ? -REASON_message_too_large : 0;
}

static void describe(struct description *description, struct slice name, struct slice value)
{
    struct slice key = arena_copy(description->arena, name);
    if (key.at == NULL || fields_add_copy(&description->lines, description->arena, key, value) < 0)
        return; /* the arena is full: what is there is shown */
}

static void describe_text(struct description *description, const char *name, const char *value)
{
    describe(description, slice_text(name), slice_text(value));
}

void event_describe(const struct call *call, const struct plan *plan,
                    struct description *description)
{
    (void)call;
    const struct route_settings *route = plan->settings;
    const struct record *record = plan->own;
    for (unsigned i = 0; i < route->topic_count; i++)
        describe_text(description, "topic", route->topics[i]);
    if (record->key.at != NULL)
        describe(description, SLICE("key"), record->key);
    else
        describe_text(description, "key", "(none)");
    describe_text(description, "partition",
                  record->key.at != NULL ? "(murmur2 of the key, as JVM producers choose)"
                                         : "(any)");
    for (uint32_t i = 0; i < record->headers.count; i++) {
        const struct field *header = &record->headers.at[i];
        struct slice name = arena_printf(description->arena, "header %.*s", (int)header->name.len,
                                         (const char *)header->name.at);
        if (name.at != NULL)
            describe(description, name, header->value);
    }
    describe(description, SLICE("value bytes"),
             arena_printf(description->arena, "%zu", record->value.len));
    describe_text(description, "ack",
                  route->confirmed ? "delivered: answered once all replicas in sync have it"
                                   : "none: answered at once, and it may be lost");
}

/* --- how it ends ------------------------------------------------------------------------------ */

static void let_go(struct carried *carried)
{
    if (carried->attempt == NULL && carried->under_way == 0) {
        list_leave(&carried->task.link);
        free(carried);
    }
}

/* What a report means for the call (promises 1 and 2). */
static const struct {
    enum outcome outcome;
    enum reason reason;
} meanings[REPORTS] = {
    [REPORT_STORED] = { OUTCOME_STORED, REASON_none },
    [REPORT_NOT_STORED] = { OUTCOME_REFUSED_WHOLE, REASON_broker_refused },
    [REPORT_UNKNOWN_TOPIC] = { OUTCOME_REFUSED_WHOLE, REASON_unroutable },
    [REPORT_TOO_LARGE] = { OUTCOME_REFUSED_WHOLE, REASON_message_too_large },
    [REPORT_UNSURE] = { OUTCOME_MAYBE_SENT, REASON_broker_unsure },
};

/* All parcels together. */
static enum outcome outcome_of(const struct carried *carried, enum reason *reason)
{
    unsigned stored = 0, refused = 0;
    *reason = REASON_none;
    for (unsigned i = 0; i < carried->count; i++) {
        const struct parcel *parcel = &carried->parcels[i];
        stored += parcel->outcome == OUTCOME_STORED;
        bool no = parcel->outcome == OUTCOME_REFUSED_WHOLE || parcel->outcome == OUTCOME_NOT_SENT;
        refused += no;
        if (parcel->reason != REASON_none && (*reason == REASON_none || !no))
            *reason = parcel->reason;
    }
    if (stored == carried->count)
        return OUTCOME_STORED;
    if (refused == carried->count)
        return OUTCOME_REFUSED_WHOLE;
    if (stored == 0)
        return OUTCOME_MAYBE_SENT;
    *reason = REASON_partly_stored;
    return OUTCOME_PARTLY_STORED;
}

/* Of several, what became of each. */
static void tell_topics(const struct carried *carried)
{
    const struct route_settings *route = carried->attempt->plan->settings;
    for (unsigned i = 0; i < carried->count && carried->count > 1; i++)
        carried->lane->settings->shunt->target(carried->attempt, "topic", route->topics[i],
                                               carried->parcels[i].outcome);
}

static void conclude(struct carried *carried)
{
    const struct host *shunt = carried->lane->settings->shunt;
    struct attempt *attempt = carried->attempt;
    enum reason reason;
    enum outcome outcome = outcome_of(carried, &reason);
    assert(attempt != NULL && carried->under_way == 0);
    tell_topics(carried);
    carried->attempt = NULL;
    if (outcome == OUTCOME_STORED)
        shunt->stored(attempt);
    else
        shunt->fail(attempt, outcome, reason, (const char *)carried->why.at);
    let_go(carried);
}

static void note(struct parcel *parcel, enum outcome outcome, enum reason reason, const char *topic,
                 const char *why)
{
    struct carried *carried = parcel->carried;
    parcel->outcome = outcome;
    parcel->reason = reason;
    if (reason == REASON_none || carried->why.at != NULL || carried->attempt == NULL)
        return;
    carried->why = arena_printf(&carried->attempt->call->arena, "topic %s: %s", topic,
                                why != NULL ? why : reasons[reason].text);
}

static void on_report(struct shipment *shipment, enum report report, const char *why)
{
    struct parcel *parcel = thing_of(shipment, struct parcel, shipment);
    struct carried *carried = parcel->carried;
    assert(carried->under_way > 0);
    carried->under_way--;
    note(parcel, meanings[report].outcome, meanings[report].reason, shipment->destination->name,
         why);
    if (carried->attempt == NULL)
        let_go(carried);
    else if (carried->confirmed && carried->under_way == 0)
        conclude(carried);
}

/* `ack = "none"`: the broker was there and the client has it; that is all that was asked for. */
static void on_handed_over(struct task *task)
{
    struct carried *carried = thing_of(task, struct carried, task);
    const struct host *shunt = carried->lane->settings->shunt;
    struct attempt *attempt = carried->attempt;
    carried->attempt = NULL;
    shunt->stored(attempt);
    let_go(carried);
}

/* --- how it begins ---------------------------------------------------------------------------- */

/* Better none than a part: what is known to stand in the way of one topic refuses the event for
 * all. */
int event_ready(void *at, const struct plan *plan)
{
    struct lane *lane = at;
    const struct route_settings *route = plan->settings;
    int refused = 0;
    for (unsigned i = 0; i < route->topic_count && refused == 0; i++)
        refused = producer_check(&lane->producer, route->topics[i], plan->own);
    return refused;
}

/* Hands each topic its record. What is refused for one is as good as reported for it. 0, or why
 * none was taken. */
static int ship(struct carried *carried, const struct route_settings *route,
                const struct record *planned)
{
    int first = 0;
    for (unsigned i = 0; i < carried->count; i++) {
        struct parcel *parcel = &carried->parcels[i];
        struct record record = *planned;
        record.topic = route->topics[i];
        parcel->carried = carried;
        parcel->shipment.on_report = on_report;
        int refused = producer_ship(&carried->lane->producer, &record, &parcel->shipment);
        if (refused == 0) {
            parcel->outcome = OUTCOME_MAYBE_SENT;
            carried->under_way++;
            continue;
        }
        first = first == 0 ? refused : first;
        note(parcel, OUTCOME_NOT_SENT, (enum reason) - refused, record.topic,
             refused == -REASON_unroutable ? "there is no such topic" : NULL);
    }
    return carried->under_way > 0 ? 0 : first;
}

int event_begin(struct attempt *attempt)
{
    struct lane *lane = attempt->lane;
    const struct route_settings *route = attempt->plan->settings;
    int refused = event_ready(lane, attempt->plan);
    if (refused < 0)
        return refused;
    size_t size = sizeof(struct carried) + route->topic_count * sizeof(struct parcel);
    struct carried *carried = calloc(1, size);
    if (carried == NULL)
        return -REASON_overloaded;
    carried->lane = lane;
    carried->attempt = attempt;
    carried->count = route->topic_count;
    carried->confirmed = route->confirmed;
    carried->task.run = on_handed_over;
    refused = ship(carried, route, attempt->plan->own);
    if (refused < 0) {
        free(carried);
        return refused;
    }
    attempt->own = carried;
    attempt->outcome = OUTCOME_MAYBE_SENT;
    if (!route->confirmed)
        worker_defer(lane->worker, &carried->task);
    return 0;
}

enum outcome event_cancel(struct attempt *attempt)
{
    struct carried *carried = attempt->own;
    assert(carried->attempt == attempt);
    enum reason reason;
    enum outcome outcome = outcome_of(carried, &reason);
    tell_topics(carried);
    carried->attempt = NULL;
    list_leave(&carried->task.link);
    let_go(carried);
    return outcome;
}
