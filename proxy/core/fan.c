/* Fans, as fan.h says. Everything of one lives in the call's arena and dies with the call: no
 * transport looks at an attempt after it has ended or was cancelled.
 *
 * Better none than a part: a target that would refuse the event now refuses it for all, before
 * anything is handed over. What a transport refuses at once after that counts as not stored there.
 */
#include "core/fan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/attempt.h"
#include "core/snapshot.h"

struct part {
    struct attempt attempt;
    struct fan *fan;
    bool under_way;
    enum outcome outcome;
    enum reason reason;
    struct slice detail;
};

struct fan {
    struct attempt *attempt; /* the call's own */
    unsigned under_way, count;
    struct part *parts;
};

/* The targets' plans. */
struct fan_plan {
    struct plan *plans;
    unsigned count;
};

/* --- planning --------------------------------------------------------------------------------- */

static int plan_target(const struct call *call, const struct fan_target *target, struct plan *plan)
{
    plan->transport = target->broker->transport;
    plan->broker = target->broker;
    plan->settings = target->settings;
    plan->own = NULL;
    if (plan->transport->plan == NULL)
        return 0;
    return plan->transport->plan(call, plan->settings, plan);
}

static int make_plan(const struct call *call, const void *at, struct plan *plan)
{
    const struct fan_settings *settings = at;
    /* The call is only looked at, but what is made of it lives in its arena. */
    struct arena *arena = (struct arena *)&call->arena;
    struct fan_plan *made = arena_try(arena, sizeof *made);
    struct plan *plans = arena_try(arena, settings->count * sizeof *plans);
    if (made == NULL || plans == NULL)
        return -REASON_fields_too_large;
    *made = (struct fan_plan){ .plans = plans, .count = settings->count };
    for (unsigned i = 0; i < settings->count; i++) {
        plans[i] = *plan;
        int refused = plan_target(call, &settings->targets[i], &plans[i]);
        if (refused < 0)
            return refused;
    }
    plan->own = made;
    return 0;
}

static void describe(const struct call *call, const struct plan *plan,
                     struct description *description)
{
    const struct fan_plan *made = plan->own;
    for (unsigned i = 0; i < made->count; i++) {
        struct slice title = arena_printf(description->arena, "%u of %u: broker %s", i + 1,
                                          made->count, made->plans[i].broker->name);
        if (title.at == NULL ||
            fields_add(&description->lines, description->arena, SLICE("target"), title) < 0)
            return; /* the arena is full: what is there is shown */
        made->plans[i].transport->describe(call, &made->plans[i], description);
    }
}

/* --- how it ends ------------------------------------------------------------------------------ */

static bool is_no(enum outcome outcome)
{
    return outcome == OUTCOME_NOT_SENT || outcome == OUTCOME_REFUSED_WHOLE;
}

/* All parts together; `*why` is the part whose reason the caller gets, NULL where all is stored. */
static enum outcome outcome_of(const struct fan *fan, const struct part **why)
{
    unsigned stored = 0, partly = 0, none = 0;
    *why = NULL;
    for (unsigned i = 0; i < fan->count; i++) {
        const struct part *part = &fan->parts[i];
        stored += part->outcome == OUTCOME_STORED;
        partly += part->outcome == OUTCOME_PARTLY_STORED;
        none += is_no(part->outcome);
        if (part->outcome != OUTCOME_STORED &&
            (*why == NULL || (is_no((*why)->outcome) && !is_no(part->outcome))))
            *why = part;
    }
    if (stored == fan->count)
        return OUTCOME_STORED;
    if (none == fan->count)
        return OUTCOME_REFUSED_WHOLE;
    return stored + partly > 0 ? OUTCOME_PARTLY_STORED : OUTCOME_MAYBE_SENT;
}

/* Whether no other target is of the same broker, whose name then says which one is meant. */
static bool is_alone(const struct fan *fan, const struct part *part)
{
    unsigned count = 0;
    for (unsigned i = 0; i < fan->count; i++)
        count += fan->parts[i].attempt.plan->broker == part->attempt.plan->broker;
    return count == 1;
}

struct slice fan_part_name(const struct part *part)
{
    const struct fan *fan = part->fan;
    struct arena *arena = &part->attempt.call->arena;
    const char *broker = part->attempt.plan->broker->name;
    if (is_alone(fan, part))
        return arena_printf(arena, "broker %s", broker);
    return arena_printf(arena, "broker %s, target %u", broker, (unsigned)(part - fan->parts) + 1);
}

/* A transport with several destinations of its own has told them already. */
static void tell_targets(struct fan *fan)
{
    for (unsigned i = 0; i < fan->count; i++) {
        const struct part *part = &fan->parts[i];
        if (!part->attempt.targets_told)
            attempt_tell_target(part->attempt.call, fan_part_name(part), part->outcome);
    }
}

static void conclude(struct fan *fan)
{
    assert(fan->under_way == 0);
    const struct part *why;
    enum outcome outcome = outcome_of(fan, &why);
    if (outcome == OUTCOME_STORED) {
        attempt_stored(fan->attempt);
        return;
    }
    tell_targets(fan);
    bool partly = outcome == OUTCOME_PARTLY_STORED;
    attempt_fail(fan->attempt, outcome, partly ? REASON_partly_stored : why->reason,
                 (const char *)why->detail.at);
}

static void note(struct part *part, enum outcome outcome, enum reason reason, const char *detail)
{
    struct call *call = part->attempt.call;
    part->under_way = false;
    part->outcome = outcome;
    part->reason = reason;
    if (reason != REASON_none)
        part->detail = arena_printf(&call->arena, "%s: %s", part->attempt.plan->broker->name,
                                    detail != NULL ? detail : reasons[reason].text);
}

void fan_part_ended(struct attempt *attempt, enum outcome outcome, enum reason reason,
                    const char *detail)
{
    struct part *part = attempt->part;
    struct fan *fan = part->fan;
    assert(&part->attempt == attempt && part->under_way && fan->under_way > 0);
    attempt->ended = true;
    note(part, outcome, reason, detail);
    if (--fan->under_way == 0)
        conclude(fan);
}

/* --- how it begins ---------------------------------------------------------------------------- */

static int refusal_of(const struct call *call, const struct fan_plan *made)
{
    int refused = 0;
    for (unsigned i = 0; i < made->count && refused == 0; i++) {
        const struct plan *plan = &made->plans[i];
        void *lane = worker_lane(call->worker, plan->broker->slot);
        if (lane == NULL)
            return -REASON_broker_down;
        if (plan->transport->ready != NULL)
            refused = plan->transport->ready(lane, plan);
    }
    return refused;
}

static int begin_part(struct part *part, struct attempt *whole, const struct plan *plan)
{
    struct call *call = whole->call;
    part->fan = whole->own;
    part->attempt = (struct attempt){
        .call = call,
        .plan = plan,
        .lane = worker_lane(call->worker, plan->broker->slot),
        .outcome = OUTCOME_NOT_SENT,
        .number = whole->number,
        .part = part,
    };
    assert(part->attempt.lane != NULL); /* looked at a moment ago */
    return plan->transport->begin(&part->attempt);
}

static int begin(struct attempt *attempt)
{
    struct call *call = attempt->call;
    const struct fan_plan *made = attempt->plan->own;
    int first = refusal_of(call, made);
    if (first < 0)
        return first;
    struct fan *fan = arena_try(&call->arena, sizeof *fan);
    struct part *parts = arena_try(&call->arena, made->count * sizeof *parts);
    if (fan == NULL || parts == NULL)
        return -REASON_overloaded;
    *fan = (struct fan){ .attempt = attempt, .count = made->count, .parts = parts };
    attempt->own = fan;
    for (unsigned i = 0; i < made->count; i++) {
        int refused = begin_part(&parts[i], attempt, &made->plans[i]);
        parts[i].under_way = refused == 0;
        fan->under_way += refused == 0;
        if (refused == 0)
            continue;
        first = first == 0 ? refused : first;
        note(&parts[i], OUTCOME_NOT_SENT, (enum reason) - refused, NULL);
    }
    if (fan->under_way == 0)
        return first;
    attempt->outcome = OUTCOME_MAYBE_SENT;
    return 0;
}

static enum outcome cancel(struct attempt *attempt)
{
    struct fan *fan = attempt->own;
    for (unsigned i = 0; i < fan->count; i++) {
        struct part *part = &fan->parts[i];
        if (!part->under_way)
            continue;
        part->attempt.ended = true;
        note(part, part->attempt.plan->transport->cancel(&part->attempt), REASON_none, NULL);
    }
    fan->under_way = 0;
    const struct part *why;
    tell_targets(fan);
    return outcome_of(fan, &why);
}

/* --- the table -------------------------------------------------------------------------------- */

static int open_fan(const struct host *host, struct broker *broker, const struct values *values,
                    struct complaints *complaints, void **instance)
{
    (void)broker;
    (void)values;
    (void)complaints;
    *instance = (void *)(uintptr_t)host;
    return 0;
}

static void close_fan(void *instance)
{
    assert(instance != NULL);
}

/* A lane is its worker, and what remains to be done when it goes. */
struct fan_lane {
    struct worker *worker;
    struct task task;
    struct done *done;
};

static void on_detached(struct task *task)
{
    struct fan_lane *lane = thing_of(task, struct fan_lane, task);
    struct done *done = lane->done;
    free(lane);
    done->on_done(done, 0);
}

static int attach(void *instance, struct worker *worker, void **lane)
{
    assert(instance != NULL);
    struct fan_lane *made = calloc(1, sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    *made = (struct fan_lane){ .worker = worker, .task.run = on_detached };
    *lane = made;
    return 0;
}

/* Nothing is under way: lanes go when calls have gone. */
static void detach(void *at, struct done *done)
{
    struct fan_lane *lane = at;
    lane->done = done;
    worker_defer(lane->worker, &lane->task);
}

static const struct setting no_settings[] = { { .key = NULL } };

const struct transport fan_transport = {
    .abi = SHUNT_ABI,
    .name = "fan",
    .version = "",
    .styles = STYLE_BIT(STYLE_EVENT),
    .whole = STYLE_BIT(STYLE_EVENT),
    .broker = no_settings,
    .route = { no_settings, no_settings, no_settings },
    .subscription = no_settings,
    .open = open_fan,
    .close = close_fan,
    .attach = attach,
    .detach = detach,
    .plan = make_plan,
    .describe = describe,
    .begin = begin,
    .cancel = cancel,
};
