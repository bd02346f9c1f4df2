/* The life of one connection to the broker: when to ask for its address, dial, log in, serve,
 * wait.
 *
 * Happy path: START → resolve → RESOLVED → dial → CONNECTED → open (log in) → READY → serve.
 * CUT is our wish to end it (silence, nonsense, too late): the stream is closed, and its end is
 * CLOSED.
 * CLOSED is the end of the stream, or of the attempt to get one: wait, each time longer, and
 * begin again.
 * STOP says good-bye where there is somebody to say it to, and nothing comes after STOPPED.
 *
 *          START           RESOLVED         CONNECTED          READY
 *    IDLE ──────▶ RESOLVING ─────▶ DIALING ──────────▶ OPENING ─────▶ UP
 *                  ▲   │ CLOSED      │ CUT               │ CUT       │ CUT
 *            TIMER │   ▼             ▼                   ▼           ▼
 *                 WAITING ◀─────── CLOSING  (CLOSED leads from each of them to WAITING)
 *
 *    STOP: UP ▶ LEAVING ─ CUT ▶ ENDING ─ CLOSED ▶ STOPPED; from elsewhere straight to ENDING or STOPPED
 *
 * No I/O and no clock in here: the owner says what happened and does what it is told.
 */
#ifndef AMQP_LIFE_H
#define AMQP_LIFE_H

#include <stdint.h>

enum life_state {
    LIFE_IDLE,
    LIFE_RESOLVING,
    LIFE_DIALING,
    LIFE_OPENING,
    LIFE_UP,
    LIFE_CLOSING, /* our wish; the stream has not said that it is closed */
    LIFE_WAITING,
    LIFE_LEAVING, /* connection.close is sent */
    LIFE_ENDING,  /* the last stream is being closed */
    LIFE_STOPPED,
    LIFE_STATES
};

enum life_event {
    LIFE_START,
    LIFE_RESOLVED,
    LIFE_CONNECTED,
    LIFE_READY,
    LIFE_CUT,
    LIFE_CLOSED,
    LIFE_TIMER,
    LIFE_STOP,
    LIFE_EVENTS
};

/* What the owner must do now. LIFE_WAIT comes with a delay. */
enum life_action {
    LIFE_NOTHING,
    LIFE_RESOLVE,
    LIFE_DIAL,
    LIFE_OPEN,
    LIFE_SERVE,
    LIFE_CLOSE,
    LIFE_WAIT,
    LIFE_BYE,
    LIFE_END,
    LIFE_ACTIONS
};

struct life {
    enum life_state state;
    uint32_t first_ms; /* the shortest backoff, ≥ 2 */
    uint32_t max_ms;   /* the longest, ≥ first_ms */
    uint32_t failures; /* in a row, since the last READY */
};

/* Moves by one event and says what to do about it. `chance` is a random number, for the jitter;
 * `*delay_ms` is set for LIFE_WAIT only: between half of the backoff and all of it, the backoff
 * doubling from first_ms to max_ms. An event that cannot happen in this state is a bug of the
 * owner: abort. */
enum life_action life_step(struct life *life, enum life_event event, uint32_t chance,
                           uint32_t *delay_ms);

#endif
