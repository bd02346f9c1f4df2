/* The seed, the time, and whose turn it is.
 *
 * A turn is one event of a node (now and then several that come at about the same time, as a
 * loop would find them), its due timers, and its deferred tasks. Events of a node that stands
 * still are kept until it goes on.
 */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim_world.h"

/* 2023-11-14, so that wall clock and monotonic clock cannot be taken for each other. */
#define WALL_START_MS UINT64_C(1700000000000)
enum { TOGETHER_US = 150, MOST_TOGETHER = 6 };

/* --- chance ----------------------------------------------------------------------------------- */

/* splitmix64 */
uint64_t sim_random(struct sim *sim)
{
    uint64_t z = sim->random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sim_below(struct sim *sim, uint64_t bound)
{
    assert(bound > 0);
    return sim_random(sim) % bound;
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high)
{
    assert(low <= high);
    return low + sim_below(sim, high - low + 1);
}

bool sim_chance(struct sim *sim, unsigned percent)
{
    return sim_below(sim, 100) < percent;
}

/* --- the heap of events ----------------------------------------------------------------------- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void put(struct sim *sim, uint32_t at, struct sim_event *event)
{
    sim->heap[at] = event;
    event->place = at + 1;
}

static void rise(struct sim *sim, struct sim_event *event, uint32_t at)
{
    for (; at > 0 && before(event, sim->heap[(at - 1) / 2]); at = (at - 1) / 2)
        put(sim, at, sim->heap[(at - 1) / 2]);
    put(sim, at, event);
}

static void sink(struct sim *sim, struct sim_event *event, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= sim->count)
            break;
        if (child + 1 < sim->count && before(sim->heap[child + 1], sim->heap[child]))
            child++;
        if (!before(sim->heap[child], event))
            break;
        put(sim, at, sim->heap[child]);
        at = child;
    }
    put(sim, at, event);
}

static void heap_remove(struct sim *sim, struct sim_event *event)
{
    uint32_t at = event->place - 1;
    assert(at < sim->count && sim->heap[at] == event);
    event->place = 0;
    struct sim_event *last = sim->heap[--sim->count];
    if (last == event)
        return;
    if (at > 0 && before(last, sim->heap[(at - 1) / 2]))
        rise(sim, last, at);
    else
        sink(sim, last, at);
}

void sim_schedule(struct sim *sim, struct sim_event *event, uint64_t after_us)
{
    assert(event->run != NULL);
    sim_unschedule(sim, event);
    if (sim->count == sim->cap) {
        sim->cap = sim->cap == 0 ? 256 : sim->cap * 2;
        sim->heap = realloc(sim->heap, sim->cap * sizeof(*sim->heap));
        assert(sim->heap != NULL);
    }
    event->at_us = sim->now_us + after_us;
    event->order = ++sim->order;
    sim->count++;
    rise(sim, event, sim->count - 1);
}

void sim_unschedule(struct sim *sim, struct sim_event *event)
{
    list_leave(&event->held);
    if (event->place != 0)
        heap_remove(sim, event);
}

bool sim_scheduled(const struct sim_event *event)
{
    return event->place != 0 || link_joined(&event->held);
}

/* --- time ------------------------------------------------------------------------------------- */

uint64_t sim_now_us(const struct sim *sim)
{
    return sim->now_us;
}

uint64_t sim_now_ms(const struct sim *sim)
{
    return sim->now_us / 1000;
}

static uint64_t monotonic_ms(void *context)
{
    return sim_now_ms(((struct sim_node *)context)->sim);
}

static uint64_t wall_ms(void *context)
{
    return WALL_START_MS + sim_now_ms(((struct sim_node *)context)->sim);
}

static void random_bytes(void *context, void *bytes, size_t len)
{
    uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)sim_random(((struct sim_node *)context)->sim);
}

void sim_finish_turn(struct sim_node *node)
{
    worker_finish_turn(&node->worker);
    struct sim *sim = node->sim;
    if (sim->after_turn != NULL)
        sim->after_turn(sim->watcher);
}

/* The node whose timer is due first, no later than `until_us`; `*at_us` is when. */
static struct sim_node *first_timer(struct sim *sim, uint64_t *at_us)
{
    struct sim_node *first = NULL;
    for (unsigned i = 0; i < sim->node_count; i++) {
        struct sim_node *node = sim->nodes[i];
        uint64_t due_ms = timers_next(&node->worker.timers);
        if (node->stopped || due_ms >= UINT64_MAX / 1000 || due_ms * 1000 >= *at_us)
            continue;
        *at_us = due_ms * 1000;
        first = node;
    }
    return first;
}

static void move_to(struct sim *sim, uint64_t at_us)
{
    if (at_us > sim->now_us)
        sim->now_us = at_us;
}

static void run_event(struct sim *sim)
{
    struct sim_event *event = sim->heap[0];
    move_to(sim, event->at_us);
    heap_remove(sim, event);
    if (event->node != NULL && event->node->stopped)
        list_append(&event->node->held, &event->held);
    else
        event->run(event);
}

static bool more_for(const struct sim *sim, const struct sim_node *node)
{
    return sim->count > 0 && sim->heap[0]->node == node &&
           sim->heap[0]->at_us <= sim->now_us + TOGETHER_US;
}

static void step(struct sim *sim, uint64_t timer_us, struct sim_node *timer_node)
{
    if (timer_node != NULL && (sim->count == 0 || timer_us < sim->heap[0]->at_us)) {
        move_to(sim, timer_us);
        worker_begin_turn(&timer_node->worker);
        sim_finish_turn(timer_node);
        return;
    }
    struct sim_node *node = sim->heap[0]->node;
    run_event(sim);
    if (node == NULL || node->stopped)
        return;
    for (int i = 1; i < MOST_TOGETHER && more_for(sim, node) && sim_chance(sim, 30); i++)
        run_event(sim);
    worker_begin_turn(&node->worker);
    sim_finish_turn(node);
}

bool sim_run(struct sim *sim, uint64_t for_ms, bool (*done)(void *context), void *context)
{
    uint64_t until_us = sim->now_us + for_ms * 1000;
    for (;;) {
        if (done != NULL && done(context))
            return true;
        uint64_t timer_us = UINT64_MAX;
        struct sim_node *timer_node = first_timer(sim, &timer_us);
        uint64_t event_us = sim->count > 0 ? sim->heap[0]->at_us : UINT64_MAX;
        uint64_t next_us = event_us < timer_us ? event_us : timer_us;
        if (next_us > until_us)
            break;
        step(sim, timer_us, timer_node);
    }
    move_to(sim, until_us);
    return false;
}

void sim_watch(struct sim *sim, void (*after_turn)(void *context), void *context)
{
    sim->after_turn = after_turn;
    sim->watcher = context;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void init_worker(struct sim_node *node)
{
    struct clock clock = { monotonic_ms, wall_ms, random_bytes, node };
    worker_init(&node->worker, 0, clock, &node->net);
}

void sim_node_renew(struct sim_node *node)
{
    assert(list_empty(&node->ends));
    worker_destroy(&node->worker);
    init_worker(node);
}

struct sim_node *sim_node_new(struct sim *sim, const char *name, unsigned host)
{
    assert(sim->node_count < SIM_NODES && host > 0 && host < 255);
    struct sim_node *node = calloc(1, sizeof(*node));
    assert(node != NULL);
    node->sim = sim;
    node->name = name;
    node->host = host;
    node->index = sim->node_count;
    list_init(&node->held);
    list_init(&node->ends);
    sim_net_init(node);
    sim->nodes[sim->node_count++] = node;
    init_worker(node);
    return node;
}

void sim_stop(struct sim_node *node)
{
    node->stopped = true;
}

void sim_continue(struct sim_node *node)
{
    node->stopped = false;
    struct link *link;
    while ((link = list_take(&node->held)) != NULL)
        sim_schedule(node->sim, thing_of(link, struct sim_event, held), 0);
}

/* --- life ------------------------------------------------------------------------------------- */

struct sim *sim_new(uint64_t seed)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    assert(sim != NULL);
    sim->seed = seed;
    sim->random_state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    sim->now_us = 1000 * 1000;
    sim->next_descriptor = 1 << 20;
    sim->next_port = 40000;
    list_init(&sim->listenings);
    return sim;
}

static bool all_closed(void *context)
{
    const struct sim *sim = context;
    return sim->connections == 0 && list_empty(&sim->listenings);
}

void sim_free(struct sim *sim)
{
    sim_watch(sim, NULL, NULL);
    for (unsigned i = 0; i < sim->node_count; i++)
        sim_continue(sim->nodes[i]);
    sim_net_clear(sim);
    bool closed = sim_run(sim, 60 * 1000, all_closed, sim);
    assert(closed);
    for (unsigned i = 0; i < sim->node_count; i++) {
        worker_destroy(&sim->nodes[i]->worker);
        free(sim->nodes[i]);
    }
    free(sim->heap);
    free(sim);
}
