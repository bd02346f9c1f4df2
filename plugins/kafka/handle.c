/* Handles, as handle.h says. librdkafka writes to the eventfd only when its queue was empty, so the
 * token is read first and the queue is drained after that; a queue that does not end is left for
 * the next turn of the loop, which a token of our own asks for. */
#include "plugins/kafka/handle.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 256, WATCHDOG_MS = 5000, THREAD_AGAIN_MS = 100 };

/* What the loop and the threads of chores share. */
struct mailslot {
    pthread_mutex_t lock;
    struct list done; /* of struct chore */
    int descriptor;
    bool given_up; /* the loop listens no more */
    unsigned refs; /* the loop's, and one of each chore under way */
};

struct destruction {
    struct chore chore;
    rd_kafka_t *rk;
};

static void wake(int descriptor)
{
    const uint64_t one = 1;
    ssize_t written = write(descriptor, &one, sizeof one);
    assert(written == sizeof one || errno == EAGAIN); /* it is readable already */
}

/* --- chores ----------------------------------------------------------------------------------- */

static void mailslot_release(struct mailslot *slot)
{
    pthread_mutex_lock(&slot->lock);
    assert(slot->refs > 0);
    bool last = --slot->refs == 0;
    pthread_mutex_unlock(&slot->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&slot->lock);
    close(slot->descriptor);
    free(slot);
}

/* A chore that nobody waits for any more ends here, with what was left to it as its handle. */
static void *run_chore(void *at)
{
    struct chore *chore = at;
    struct mailslot *slot = chore->handle->slot;
    chore->run(chore);
    pthread_mutex_lock(&slot->lock);
    if (slot->given_up) {
        free(chore->handle);
        free(chore);
    } else {
        list_append(&slot->done, &chore->link);
        wake(slot->descriptor);
    }
    pthread_mutex_unlock(&slot->lock);
    mailslot_release(slot);
    return NULL;
}

static void hold(struct mailslot *slot)
{
    pthread_mutex_lock(&slot->lock);
    slot->refs++;
    pthread_mutex_unlock(&slot->lock);
}

bool chore_start(struct handle *handle, struct chore *chore)
{
    chore->handle = handle;
    hold(handle->slot);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run_chore, chore);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        mailslot_release(handle->slot);
        return false;
    }
    pthread_detach(thread);
    handle->chores++;
    return true;
}

static struct chore *take_done(struct mailslot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct link *link = list_first(&slot->done);
    if (link != NULL)
        list_leave(link);
    pthread_mutex_unlock(&slot->lock);
    return link != NULL ? thing_of(link, struct chore, link) : NULL;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void destroy(struct chore *chore)
{
    struct destruction *destruction = thing_of(chore, struct destruction, chore);
    rd_kafka_destroy_flags(destruction->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void on_destroyed(struct chore *chore)
{
    struct handle *handle = chore->handle;
    free(thing_of(chore, struct destruction, chore));
    handle->destroyed = true;
    handle->destruction = NULL;
    worker_timer_stop(handle->worker, &handle->watchdog);
    worker_defer(handle->worker, &handle->gone);
}

/* Nothing of it waits for the loop any more. */
static void let_slot_go(struct handle *handle)
{
    struct mailslot *slot = handle->slot;
    assert(list_empty(&slot->done));
    handle->worker->net->unwatch(handle->worker->net, &handle->watched);
    handle->slot = NULL;
    mailslot_release(slot);
}

static void on_gone(struct task *task)
{
    struct handle *handle = thing_of(task, struct handle, gone);
    let_slot_go(handle);
    handle->on_gone(handle);
}

static void begin_destruction(struct handle *handle);

/* Its thread keeps what it needs; librdkafka gives the handle back some day, or never. */
static void on_watchdog(struct timer *timer)
{
    struct handle *handle = thing_of(timer, struct handle, watchdog);
    struct mailslot *slot = handle->slot;
    struct destruction *destruction = handle->destruction;
    if (destruction == NULL) {
        begin_destruction(handle);
        return;
    }
    pthread_mutex_lock(&slot->lock);
    bool hangs = !link_joined(&destruction->chore.link);
    if (hangs) {
        struct handle *left = calloc(1, sizeof *left);
        if (left == NULL)
            abort();
        left->slot = slot;
        destruction->chore.handle = left;
        slot->given_up = true;
    }
    pthread_mutex_unlock(&slot->lock);
    if (hangs)
        worker_defer(handle->worker, &handle->gone);
}

static void begin_destruction(struct handle *handle)
{
    if (!handle->closing || handle->destroyed || handle->chores > 0 || handle->destruction != NULL)
        return;
    struct destruction *destruction = calloc(1, sizeof *destruction);
    if (destruction == NULL)
        abort();
    destruction->rk = handle->rk;
    destruction->chore = (struct chore){ .run = destroy, .over = on_destroyed };
    handle->destruction = destruction;
    if (!chore_start(handle, &destruction->chore)) { /* looked at again in a moment */
        handle->destruction = NULL;
        free(destruction);
        worker_timer(handle->worker, &handle->watchdog, THREAD_AGAIN_MS);
        return;
    }
    worker_timer(handle->worker, &handle->watchdog, WATCHDOG_MS);
}

void handle_close(struct handle *handle)
{
    assert(!handle->closing);
    handle->closing = true;
    rd_kafka_queue_io_event_enable(handle->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(handle->queue);
    handle->queue = NULL;
    begin_destruction(handle);
}

/* --- events ----------------------------------------------------------------------------------- */

static void serve_chores(struct handle *handle)
{
    struct chore *chore;
    while (handle->slot != NULL && (chore = take_done(handle->slot)) != NULL) {
        assert(handle->chores > 0);
        handle->chores--;
        chore->over(chore);
    }
    if (handle->slot != NULL)
        begin_destruction(handle);
}

void handle_wake(struct handle *handle)
{
    for (unsigned i = 0; i < EVENTS_PER_TURN && !handle->closing; i++) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(handle->queue, 0);
        if (event == NULL)
            return;
        handle->on_event(handle, event);
        rd_kafka_event_destroy(event);
    }
    if (!handle->closing)
        wake(handle->descriptor);
}

static void on_ready(struct watched *watched)
{
    struct handle *handle = thing_of(watched, struct handle, watched);
    uint64_t token;
    ssize_t got = read(handle->descriptor, &token, sizeof token);
    assert(got == sizeof token || errno == EAGAIN);
    serve_chores(handle);
    handle_wake(handle);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static struct mailslot *mailslot_new(void)
{
    struct mailslot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    list_init(&slot->done);
    slot->refs = 1;
    slot->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (slot->descriptor < 0) {
        free(slot);
        return NULL;
    }
    int error = pthread_mutex_init(&slot->lock, NULL);
    assert(error == 0);
    return slot;
}

static void give_up_opening(struct handle *handle, rd_kafka_conf_t *conf)
{
    if (conf != NULL)
        rd_kafka_conf_destroy(conf);
    if (handle->slot != NULL)
        mailslot_release(handle->slot);
    handle->slot = NULL;
}

int handle_open(struct handle *handle, struct worker *worker, rd_kafka_conf_t *conf, bool consumer,
                char *why, size_t room)
{
    handle->worker = worker;
    handle->watched.on_ready = on_ready;
    handle->watchdog.on_timer = on_watchdog;
    handle->gone.run = on_gone;
    handle->slot = mailslot_new();
    snprintf(why, room, "no descriptor is left");
    if (handle->slot == NULL) {
        give_up_opening(handle, conf);
        return -1;
    }
    handle->descriptor = handle->slot->descriptor;
    rd_kafka_type_t type = consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER;
    handle->rk = rd_kafka_new(type, conf, why, room);
    if (handle->rk == NULL) {
        give_up_opening(handle, conf);
        return -1;
    }
    if (consumer)
        rd_kafka_poll_set_consumer(handle->rk);
    handle->queue = consumer ? rd_kafka_queue_get_consumer(handle->rk)
                             : rd_kafka_queue_get_main(handle->rk);
    const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(handle->queue, handle->descriptor, &one, sizeof one);
    int error = worker->net->watch(worker->net, worker, handle->descriptor, &handle->watched);
    if (error < 0)
        abort(); /* epoll takes every eventfd while there is memory */
    why[0] = '\0';
    return 0;
}
