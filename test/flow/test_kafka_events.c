/* What a caller is told of its event when something about Kafka or the configuration changes under
 * it: sizes, windows, reloads. Whole sidecars on virtual time; test_kafka.c has the bad days. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "customer.h"
#include "kafka.h"
#include "seeds.h"
#include "sidecar.h"

#define CONFIG(broker, event)                                                                    \
    "service = \"orders\"; instance = \"orders-1\";\n"                                           \
    "listeners = ( { name = \"outbound\"; address = \"10.0.0.1:15001\"; host = \"inventory\"; }" \
    " );\n"                                                                                      \
    "brokers = ( { name = \"kafka\"; plugin = \"kafka\"; bootstrap = \"10.0.0.3:9092\"; " broker \
    " } );\n"                                                                                    \
    "routes = ( { name = \"tell\"; style = \"event\"; timeout = \"3s\"; event = { " event        \
    " }; } );\n"
#define ONE_TOPIC "broker = \"kafka\"; topics = ( \"orders\" );"

struct world {
    struct sim *sim;
    struct customer *customer;
    struct kafka *kafka;
    struct sidecar *orders;
};

static struct world open_world(uint64_t seed, const char *config)
{
    struct world world = { .sim = sim_new(seed) };
    world.customer = customer_new(world.sim, "customer", 1);
    world.kafka = kafka_new(world.sim, 3);
    kafka_create_topic(world.kafka, "orders", 1);
    kafka_create_topic(world.kafka, "copies", 1);
    kafka_limit_topic(world.kafka, "copies", 20000);
    world.orders = sidecar_new(world.sim, "orders", 1, config);
    sim_run(world.sim, 2000, NULL, NULL);
    return world;
}

static void close_world(struct world *world)
{
    sidecar_free(world->orders);
    kafka_free(world->kafka);
    customer_free(world->customer);
    sim_free(world->sim);
}

static struct purchase *place(struct world *world, size_t bytes)
{
    static uint8_t body[65536];
    must(bytes <= sizeof(body));
    memset(body, 'x', sizeof(body));
    struct address address = sim_address(sidecar_node(world->orders), 15001);
    struct purchase *purchase = customer_call(world->customer, &address, "POST", "/event", "",
                                              slice_of(body, bytes));
    sim_finish_turn(customer_node(world->customer));
    return purchase;
}

static bool is_done(void *context)
{
    return customer_done(((struct world *)context)->customer);
}

struct tally {
    size_t bytes;
    unsigned count;
};

static void count_record(const struct kafka_record *record, unsigned partition, void *context)
{
    (void)partition;
    struct tally *tally = context;
    tally->count += record->value.len == tally->bytes;
}

/* Records of that size. */
static unsigned records_in(struct world *world, const char *topic, size_t bytes)
{
    struct tally tally = { .bytes = bytes };
    kafka_each(world->kafka, topic, count_record, &tally);
    return tally.count;
}

/* Its batch was too large, not the record: whoever is told 413 would never try again. */
static void what_fits_is_never_too_large(uint64_t seed)
{
    enum { CALLS = 20 };
    struct world world = open_world(seed, CONFIG("", "broker = \"kafka\"; topics = \"copies\";"));
    struct purchase *purchases[CALLS];
    for (unsigned i = 0; i < CALLS; i++)
        purchases[i] = place(&world, 6000);
    struct purchase *large = place(&world, 21000);
    must(sim_run(world.sim, 10 * 1000, is_done, &world));
    unsigned stored = 0, refused = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        stored += purchases[i]->status == 202;
        refused += purchases[i]->status == 503 && strcmp(purchases[i]->executed, "no") == 0;
    }
    must(stored + refused == CALLS && refused > 0);
    must(records_in(&world, "copies", 6000) == stored);
    must(large->status == 413 && strcmp(large->executed, "no") == 0);
    close_world(&world);
}

/* A file that librdkafka needs is gone for a while. */
static void a_client_that_cannot_be_made_is_tried_again(uint64_t seed)
{
    struct world world = open_world(seed, CONFIG("", ONE_TOPIC));
    kafka_habits(world.kafka)->no_client = true;
    sidecar_reload(world.orders, CONFIG("window = 7;", ONE_TOPIC));
    sim_run(world.sim, 3000, NULL, NULL);
    struct purchase *early = place(&world, 10);
    must(sim_run(world.sim, 1000, is_done, &world));
    must(early->status == 503 && strcmp(early->reason, "broker_down") == 0);
    must(strcmp(early->executed, "no") == 0);
    kafka_habits(world.kafka)->no_client = false;
    sim_run(world.sim, 2000, NULL, NULL);
    struct purchase *late = place(&world, 10);
    must(sim_run(world.sim, 1000, is_done, &world));
    must(late->status == 202 && records_in(&world, "orders", 10) == 1);
    close_world(&world);
}

#define FAN                                                                      \
    "targets = ( { broker = \"kafka\"; topics = \"orders\"; ack = \"none\"; }, " \
    "{ broker = \"kafka\"; topics = \"copies\"; ack = \"none\"; } );"

/* Better none than a part (promise 4): one of two topics takes no record of that size. */
static void a_fan_is_refused_whole(uint64_t seed)
{
    struct world world = open_world(seed, CONFIG("", FAN));
    struct purchase *small = place(&world, 10), *large = place(&world, 30000);
    must(sim_run(world.sim, 1000, is_done, &world));
    must(small->status == 202);
    must(large->status == 413 && strcmp(large->executed, "no") == 0);
    sim_run(world.sim, 1000, NULL, NULL);
    must(records_in(&world, "orders", 10) == 1 && records_in(&world, "copies", 10) == 1);
    must(records_in(&world, "orders", 30000) == 0);
    close_world(&world);
}

#define TWO_TOPICS "broker = \"kafka\"; topics = ( \"orders\", \"copies\" );"
#define SAME_BROKER                                              \
    "targets = ( { broker = \"kafka\"; topics = \"orders\"; }, " \
    "{ broker = \"kafka\"; topics = \"copies\"; } );"

static bool says(const struct purchase *purchase, const char *target, const char *state)
{
    char text[96];
    snprintf(text, sizeof(text), "{\"target\":\"%s\",\"state\":\"%s\"}", target, state);
    return strstr(purchase->body, text) != NULL;
}

/* Reports come so late that a call ends between those of its two topics: it is told which one has
 * the event (promise 4). */
static void tell_of_each(uint64_t seed, const char *config, const char *first, const char *second)
{
    enum { CALLS = 20 };
    struct world world = open_world(seed, config);
    kafka_habits(world.kafka)->report_most_us = 6000 * 1000;
    struct purchase *purchases[CALLS];
    for (unsigned i = 0; i < CALLS; i++) {
        purchases[i] = place(&world, 100 + i);
        sim_run(world.sim, 20, NULL, NULL);
    }
    must(sim_run(world.sim, 10 * 1000, is_done, &world));
    unsigned told = 0;
    for (unsigned i = 0; i < CALLS; i++) {
        bool one = says(purchases[i], first, "stored") && says(purchases[i], second, "unknown");
        bool other = says(purchases[i], first, "unknown") && says(purchases[i], second, "stored");
        must(purchases[i]->status == 202 || purchases[i]->status == 504);
        must((strstr(purchases[i]->body, "partial") != NULL) == (one || other));
        must(purchases[i]->status == 504 || !(one || other));
        must(!one || records_in(&world, "orders", 100 + i) == 1);
        must(!other || records_in(&world, "copies", 100 + i) == 1);
        told += one || other;
    }
    must(told > 0);
    close_world(&world);
}

static void topics_are_told_of(uint64_t seed)
{
    tell_of_each(seed, CONFIG("", TWO_TOPICS), "topic orders", "topic copies");
}

static void targets_of_one_broker_are_told_apart(uint64_t seed)
{
    tell_of_each(seed, CONFIG("", SAME_BROKER), "broker kafka, target 1", "broker kafka, target 2");
}

/* Its broker is in use, no more, and again, while records still wait for their reports: nothing is
 * handed to a lane that is on its way out. */
static void a_lane_on_its_way_out_takes_nothing(uint64_t seed)
{
    struct world world = open_world(seed, CONFIG("", FAN));
    kafka_habits(world.kafka)->report_most_us = 3000 * 1000;
    for (unsigned i = 0; i < 20; i++)
        place(&world, 10);
    must(sim_run(world.sim, 1000, is_done, &world));
    sidecar_reload(world.orders, CONFIG("window = 7;", ONE_TOPIC));
    sim_run(world.sim, 300, NULL, NULL);
    sidecar_reload(world.orders, CONFIG("", FAN));
    sim_run(world.sim, 10, NULL, NULL);
    struct purchase *purchase = place(&world, 11);
    must(sim_run(world.sim, 100, is_done, &world));
    must(purchase->status == 503 && strcmp(purchase->reason, "broker_down") == 0);
    sim_run(world.sim, 3000, NULL, NULL);
    purchase = place(&world, 11);
    must(sim_run(world.sim, 1000, is_done, &world));
    must(purchase->status == 202);
    sim_run(world.sim, 4000, NULL, NULL);
    must(records_in(&world, "orders", 11) == 1 && records_in(&world, "copies", 11) == 1);
    close_world(&world);
}

SCENARIO(what_fits_is_never_too_large, 20)
SCENARIO(a_fan_is_refused_whole, 20)
SCENARIO(topics_are_told_of, 20)
SCENARIO(targets_of_one_broker_are_told_apart, 20)
SCENARIO(a_lane_on_its_way_out_takes_nothing, 20)
SCENARIO(a_client_that_cannot_be_made_is_tried_again, 5)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_is_never_too_large),
        cmocka_unit_test(test_a_fan_is_refused_whole),
        cmocka_unit_test(test_topics_are_told_of),
        cmocka_unit_test(test_targets_of_one_broker_are_told_apart),
        cmocka_unit_test(test_a_lane_on_its_way_out_takes_nothing),
        cmocka_unit_test(test_a_client_that_cannot_be_made_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
