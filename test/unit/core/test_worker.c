/* Snapshots that come and go on a worker, with a fake transport whose lanes leave when the test
 * says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/snapshot.h"
#include "core/worker.h"
#include "test/unit/hand_clock.h"

struct world {
    struct worker worker;
    struct hand_clock clock;
    struct transport transport;
    struct broker broker;
    struct broker *brokers[1];
    struct config config;
    struct snapshot with, without; /* the broker */
    struct done *leaving;          /* of detach */
    unsigned attached;
};

static int attach(void *instance, struct worker *worker, void **lane)
{
    (void)worker;
    struct world *world = instance;
    world->attached++;
    *lane = world;
    return 0;
}

static void detach(void *lane, struct done *done)
{
    ((struct world *)lane)->leaving = done;
}

static void world_open(struct world *world)
{
    *world = (struct world){ .clock = { .now_ms = 1000 } };
    hand_clock_worker(&world->clock, &world->worker, NULL);
    world->transport = (struct transport){ .name = "fake", .attach = attach, .detach = detach };
    world->broker = (struct broker){ .refs = 1,
                                     .name = (char *)(uintptr_t) "fake",
                                     .transport = &world->transport,
                                     .instance = world,
                                     .slot = 3 };
    world->brokers[0] = &world->broker;
    world->with = (struct snapshot){ .refs = 1,
                                     .workers = 1,
                                     .config = &world->config,
                                     .brokers = world->brokers,
                                     .broker_count = 1 };
    world->without = (struct snapshot){ .refs = 1, .workers = 1, .config = &world->config };
}

static void pass(struct world *world, uint64_t ms)
{
    uint64_t until_ms = world->clock.now_ms + ms;
    while (hand_clock_step(&world->clock, &world->worker, until_ms)) {
        worker_begin_turn(&world->worker);
        worker_finish_turn(&world->worker);
    }
}

static void lane_leaves(struct world *world)
{
    struct done *done = world->leaving;
    assert_non_null(done);
    world->leaving = NULL;
    done->on_done(done, 0);
}

static void world_close(struct world *world)
{
    world->worker.snapshot = NULL;
    assert_int_equal(world->broker.refs, 1 + world->worker.lanes_attached);
    timers_clear(&world->worker.timers);
}

static void a_lane_leaves_with_the_last_snapshot_that_has_it(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    worker_adopt(&world.worker, &world.with);
    assert_ptr_equal(worker_lane(&world.worker, 3), &world);
    worker_adopt(&world.worker, &world.without);
    pass(&world, 200);
    assert_null(worker_lane(&world.worker, 3)); /* nothing new is begun on it */
    lane_leaves(&world);
    assert_null(worker_lane(&world.worker, 3));
    assert_int_equal(world.attached, 1);
    world_close(&world);
}

static void a_broker_that_comes_back_while_its_lane_leaves_gets_another(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    worker_adopt(&world.worker, &world.with);
    worker_adopt(&world.worker, &world.without);
    pass(&world, 200);
    worker_adopt(&world.worker, &world.with);
    assert_null(worker_lane(&world.worker, 3));
    lane_leaves(&world);
    assert_ptr_equal(worker_lane(&world.worker, 3), &world);
    assert_int_equal(world.attached, 2);
    pass(&world, 1000);
    assert_null(world.leaving);
    world_close(&world);
}

static void is_now(struct world *world, enum broker_state state)
{
    atomic_store(&world->broker.status[0].state, state);
}

static void a_snapshot_waits_for_its_lanes(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    worker_adopt(&world.worker, &world.without);
    is_now(&world, BROKER_CONNECTING);
    worker_adopt(&world.worker, &world.with);
    assert_int_equal(world.attached, 1);
    pass(&world, 500);
    assert_ptr_equal(world.worker.snapshot, &world.without);
    is_now(&world, BROKER_UP);
    pass(&world, 5);
    assert_ptr_equal(world.worker.snapshot, &world.with);
    assert_int_equal(world.with.refs, 2);
    assert_int_equal(world.without.refs, 1);
    world_close(&world);
}

static void a_snapshot_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    worker_adopt(&world.worker, &world.without);
    is_now(&world, BROKER_CONNECTING);
    worker_adopt(&world.worker, &world.with);
    for (unsigned waited = 0; waited < 2000; waited += 5)
        pass(&world, 5);
    assert_ptr_equal(world.worker.snapshot, &world.with);
    world_close(&world);
}

/* Sockets were bound for the first that the second has not. */
static void a_later_snapshot_waits_for_its_turn(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    worker_adopt(&world.worker, &world.without);
    is_now(&world, BROKER_CONNECTING);
    worker_adopt(&world.worker, &world.with);
    worker_adopt(&world.worker, &world.without);
    assert_int_equal(world.with.refs, 2);
    is_now(&world, BROKER_UP);
    pass(&world, 5);
    assert_ptr_equal(world.worker.snapshot, &world.without);
    assert_int_equal(world.with.refs, 1);
    pass(&world, 200);
    lane_leaves(&world);
    world_close(&world);
}

static void a_drain_forgets_what_waits(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    worker_adopt(&world.worker, &world.without);
    is_now(&world, BROKER_CONNECTING);
    worker_adopt(&world.worker, &world.with);
    worker_drain(&world.worker, NULL);
    assert_int_equal(world.with.refs, 1);
    lane_leaves(&world);
    world_close(&world);
}

static void a_listener_without_a_socket_is_no_reason_to_die(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    int none[1] = { -1 };
    struct listener_settings listener = { .name = "out", .descriptors = none };
    world.without.listeners = &listener;
    world.without.listener_count = 1;
    worker_adopt(&world.worker, &world.without);
    assert_true(list_empty(&world.worker.servers));
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_leaves_with_the_last_snapshot_that_has_it),
        cmocka_unit_test(a_broker_that_comes_back_while_its_lane_leaves_gets_another),
        cmocka_unit_test(a_snapshot_waits_for_its_lanes),
        cmocka_unit_test(a_snapshot_does_not_wait_for_ever),
        cmocka_unit_test(a_later_snapshot_waits_for_its_turn),
        cmocka_unit_test(a_drain_forgets_what_waits),
        cmocka_unit_test(a_listener_without_a_socket_is_no_reason_to_die),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
