/* The one way across threads: a letter box on a loop.
 *
 * Any thread posts; the loop's thread opens. Posts are run in order, outside the lock. Several
 * posts may come with one wake-up (uv_async_send coalesces), so each wake-up empties the box.
 */
#ifndef CORE_MAILBOX_H
#define CORE_MAILBOX_H

#include <pthread.h>
#include <uv.h>

#include "base/list.h"

/* Embedded in whatever crosses; the runner owns it from then on. */
struct post {
    struct link link;
    void (*run)(struct post *post);
};

struct mailbox {
    uv_async_t wake;
    pthread_mutex_t lock;
    struct list posts; /* under the lock */
};

/* On the loop's thread, or before it runs. */
void mailbox_open(struct mailbox *mailbox, uv_loop_t *loop);
/* The handle is closed; nothing is posted any more. On the loop's thread. */
void mailbox_close(struct mailbox *mailbox);
/* Any thread. */
void mailbox_post(struct mailbox *mailbox, struct post *post);

#endif
