/* A worker on libuv: the real clock, the real network, and the turns between them.
 *
 * libuv waits for bytes and time; prepare (before it waits) and check (after its callbacks)
 * finish the worker's turn, and one uv_timer stands for all of the worker's timers.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <uv.h>

#include "core/mailbox.h"
#include "core/worker.h"

struct loop {
    struct worker worker;
    uv_loop_t uv;
    uv_prepare_t before;
    uv_check_t after;
    uv_timer_t timer;
    uint64_t armed_ms; /* what `timer` is set to; UINT64_MAX: nothing */
    struct mailbox mailbox;
    uint8_t chance[1024]; /* random bytes; those below `chance_left` are unused */
    size_t chance_left;
};

/* 0 or a negative errno. On the thread that will run it, or before that thread starts. */
int loop_init(struct loop *loop, unsigned index);
/* Runs until loop_end has taken effect. */
void loop_run(struct loop *loop);
/* Closes what keeps the loop alive; the worker has nothing left. On the loop's thread. */
void loop_end(struct loop *loop);
/* After loop_run returned: frees the loop, the worker with it. */
void loop_destroy(struct loop *loop);

#endif
