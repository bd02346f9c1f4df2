/* The diagram of life.h as a table: rows are states, columns events, each cell the next state
 * and what the owner must do. Failures: a cell that is not filled aborts; every CLOSED before
 * STOP leads to LIFE_WAIT, READY resets the backoff. */
#include "plugins/amqp/life.h"

#include <assert.h>

struct rule {
    enum life_state next;
    enum life_action action;
};

/* LIFE_IDLE as the next state marks what cannot happen: nothing leads back there. CUT may come
 * again while the stream is already closing, since several things notice a dead peer. */
static const struct rule rules[LIFE_STATES][LIFE_EVENTS] = {
    [LIFE_IDLE] = {
        [LIFE_START] = { LIFE_RESOLVING, LIFE_RESOLVE },
        [LIFE_STOP] = { LIFE_STOPPED, LIFE_END },
    },
    [LIFE_RESOLVING] = {
        [LIFE_RESOLVED] = { LIFE_DIALING, LIFE_DIAL },
        [LIFE_CLOSED] = { LIFE_WAITING, LIFE_WAIT },
        [LIFE_STOP] = { LIFE_STOPPED, LIFE_END },
    },
    [LIFE_DIALING] = {
        [LIFE_CONNECTED] = { LIFE_OPENING, LIFE_OPEN },
        [LIFE_CUT] = { LIFE_CLOSING, LIFE_CLOSE },
        [LIFE_CLOSED] = { LIFE_WAITING, LIFE_WAIT },
        [LIFE_STOP] = { LIFE_ENDING, LIFE_CLOSE },
    },
    [LIFE_OPENING] = {
        [LIFE_READY] = { LIFE_UP, LIFE_SERVE },
        [LIFE_CUT] = { LIFE_CLOSING, LIFE_CLOSE },
        [LIFE_CLOSED] = { LIFE_WAITING, LIFE_WAIT },
        [LIFE_STOP] = { LIFE_ENDING, LIFE_CLOSE },
    },
    [LIFE_UP] = {
        [LIFE_CUT] = { LIFE_CLOSING, LIFE_CLOSE },
        [LIFE_CLOSED] = { LIFE_WAITING, LIFE_WAIT },
        [LIFE_STOP] = { LIFE_LEAVING, LIFE_BYE },
    },
    [LIFE_CLOSING] = {
        [LIFE_CUT] = { LIFE_CLOSING, LIFE_NOTHING },
        [LIFE_CLOSED] = { LIFE_WAITING, LIFE_WAIT },
        [LIFE_STOP] = { LIFE_ENDING, LIFE_NOTHING },
    },
    [LIFE_WAITING] = {
        [LIFE_TIMER] = { LIFE_RESOLVING, LIFE_RESOLVE },
        [LIFE_STOP] = { LIFE_STOPPED, LIFE_END },
    },
    [LIFE_LEAVING] = {
        [LIFE_CUT] = { LIFE_ENDING, LIFE_CLOSE },
        [LIFE_CLOSED] = { LIFE_STOPPED, LIFE_END },
    },
    [LIFE_ENDING] = {
        [LIFE_CUT] = { LIFE_ENDING, LIFE_NOTHING },
        [LIFE_CLOSED] = { LIFE_STOPPED, LIFE_END },
    },
};

static uint32_t backoff_ms(const struct life *life, uint32_t chance)
{
    uint64_t full = life->first_ms;
    for (uint32_t i = 0; i < life->failures && full < life->max_ms; i++)
        full *= 2;
    if (full > life->max_ms)
        full = life->max_ms;

    uint32_t half = (uint32_t)full / 2;
    return half + chance % (half + 1);
}

enum life_action life_step(struct life *life, enum life_event event, uint32_t chance,
                           uint32_t *delay_ms)
{
    assert(life->first_ms >= 2 && life->max_ms >= life->first_ms);
    assert(life->state < LIFE_STATES && event < LIFE_EVENTS);

    struct rule rule = rules[life->state][event];
    assert(rule.next != LIFE_IDLE);

    life->state = rule.next;
    if (event == LIFE_READY)
        life->failures = 0;
    if (rule.action == LIFE_WAIT) {
        *delay_ms = backoff_ms(life, chance);
        life->failures++;
    }
    return rule.action;
}
