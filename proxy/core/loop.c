/* See loop.h. */
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "net/uv.h"

static uint64_t monotonic_ms(void *context)
{
    return uv_now(&((struct loop *)context)->uv);
}

static uint64_t wall_ms(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void draw(uint8_t *bytes, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = getrandom(bytes + got, len - got, 0);
        if (n > 0)
            got += (size_t)n;
        else if (errno != EINTR)
            abort(); /* unguessable IDs are a promise */
    }
}

/* Drawn in advance, since each call takes several IDs and a system call for each costs more than
 * a pool. What was handed out is wiped. */
static void random_bytes(void *context, void *bytes, size_t len)
{
    struct loop *loop = context;
    assert(len <= sizeof loop->chance);
    if (loop->chance_left < len) {
        draw(loop->chance, sizeof loop->chance);
        loop->chance_left = sizeof loop->chance;
    }
    loop->chance_left -= len;
    memcpy(bytes, loop->chance + loop->chance_left, len);
    memset(loop->chance + loop->chance_left, 0, len);
}

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    loop->armed_ms = UINT64_MAX;
    worker_begin_turn(&loop->worker);
}

/* What is due first decides when libuv wakes up. */
static void arm(struct loop *loop)
{
    uint64_t next = timers_next(&loop->worker.timers);
    if (next == loop->armed_ms)
        return;
    loop->armed_ms = next;
    if (next == UINT64_MAX) {
        uv_timer_stop(&loop->timer);
        return;
    }
    uint64_t now = uv_now(&loop->uv);
    uv_timer_start(&loop->timer, on_timer, next > now ? next - now : 0, 0);
}

static void before_waiting(uv_prepare_t *before)
{
    struct loop *loop = before->data;
    worker_finish_turn(&loop->worker);
    arm(loop);
}

static void after_waiting(uv_check_t *after)
{
    struct loop *loop = after->data;
    worker_finish_turn(&loop->worker);
}

int loop_init(struct loop *loop, unsigned index)
{
    int error = uv_loop_init(&loop->uv);
    if (error != 0)
        return error;
    uv_prepare_init(&loop->uv, &loop->before);
    uv_check_init(&loop->uv, &loop->after);
    uv_timer_init(&loop->uv, &loop->timer);
    loop->before.data = loop->after.data = loop->timer.data = loop;
    uv_prepare_start(&loop->before, before_waiting);
    uv_check_start(&loop->after, after_waiting);
    loop->armed_ms = UINT64_MAX;
    mailbox_open(&loop->mailbox, &loop->uv);

    struct net *net = net_uv_new(&loop->uv);
    if (net == NULL)
        return -ENOMEM;
    struct clock clock = { monotonic_ms, wall_ms, random_bytes, loop };
    worker_init(&loop->worker, index, clock, net);
    return 0;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_end(struct loop *loop)
{
    net_uv_free(loop->worker.net);
    loop->worker.net = NULL;
    mailbox_close(&loop->mailbox);
    uv_close((uv_handle_t *)&loop->before, NULL);
    uv_close((uv_handle_t *)&loop->after, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
}

void loop_destroy(struct loop *loop)
{
    worker_destroy(&loop->worker);
    int error = uv_loop_close(&loop->uv);
    assert(error == 0);
}
