/* One event to two brokers (promise 4): what was answered with 202 is in both, what was answered
 * with "no" in neither, and what is in one of them only was told so. */
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
#include "rabbit.h"
#include "seeds.h"
#include "sidecar.h"

enum { EVENTS = 400 };

static const char config[] =
    "service = \"orders\"; instance = \"orders-1\";\n"
    "listeners = ( { name = \"outbound\"; address = \"10.0.0.1:15001\"; host = \"inventory\"; } "
    ");\n"
    "brokers = ( { name = \"kafka\"; plugin = \"kafka\"; bootstrap = \"10.0.0.3:9092\"; },\n"
    "            { name = \"rabbit\"; plugin = \"amqp\"; url = "
    "\"amqp://guest:guest@10.0.0.4:5672/\"; } );\n"
    "routes = ( { name = \"tell\"; style = \"event\"; timeout = \"3s\"; event = { targets = (\n"
    "  { broker = \"kafka\"; topics = ( \"orders\" ); }, { broker = \"rabbit\"; queue = "
    "\"orders\"; } ); }; } );\n";

/* Only declares the queue. */
static const char consumer_config[] =
    "service = \"consumer\"; instance = \"consumer-1\";\n"
    "brokers = ( { name = \"rabbit\"; plugin = \"amqp\"; url = "
    "\"amqp://guest:guest@10.0.0.4:5672/\"; } );\n"
    "subscriptions = ( { name = \"s\"; broker = \"rabbit\"; queue = \"orders\";\n"
    "  deliver = \"http://127.0.0.1:1\"; } );\n";

struct event {
    struct purchase *purchase;
    bool in_kafka, in_rabbit;
};

struct world {
    struct sim *sim;
    struct customer *customer;
    struct sidecar *orders;
    struct kafka *kafka;
    struct rabbit *rabbit;
    struct event book[EVENTS];
    unsigned count;
};

static struct event *event_in(struct world *world, struct slice body)
{
    uint64_t number;
    must(slice_starts(body, SLICE("event ")) && slice_number(slice_from(body, 6), &number) == 0);
    must(number >= 1 && number <= world->count);
    return &world->book[number];
}

static void see_record(const struct kafka_record *record, unsigned partition, void *context)
{
    (void)partition;
    event_in(context, record->value)->in_kafka = true;
}

static void see_message(const struct rabbit_message *message, void *context)
{
    event_in(context, rabbit_body(message))->in_rabbit = true;
}

static void place(struct world *world)
{
    char body[32];
    unsigned number = ++world->count;
    must(number < EVENTS);
    int len = snprintf(body, sizeof(body), "event %u", number);
    struct address address = sim_address(sidecar_node(world->orders), 15001);
    world->book[number].purchase = customer_call(world->customer, &address, "POST", "/event", "",
                                                 slice_of(body, (size_t)len));
    sim_finish_turn(customer_node(world->customer));
}

static bool is_done(void *context)
{
    return customer_done(((struct world *)context)->customer);
}

static void judge(struct world *world)
{
    kafka_each(world->kafka, "orders", see_record, world);
    rabbit_each(world->rabbit, "orders", see_message, world);
    for (unsigned number = 1; number <= world->count; number++) {
        const struct event *event = &world->book[number];
        const struct purchase *purchase = event->purchase;
        bool no = strcmp(purchase->executed, "no") == 0;
        must(purchase->status == 202 || purchase->executed[0] != '\0');
        must(purchase->status != 202 || (event->in_kafka && event->in_rabbit));
        must(!no || (!event->in_kafka && !event->in_rabbit));
        must(purchase->status != 503 || no);
        if (strcmp(purchase->reason, "partly_stored") == 0) {
            must(purchase->status == 504 &&
                 strstr(purchase->body, "\"partial\":[{\"target\":") != NULL);
            must(strstr(purchase->body, "\"stored\"") != NULL);
            if (strstr(purchase->body, "\"broker rabbit\",\"state\":\"stored\"") != NULL)
                must(event->in_rabbit);
            if (strstr(purchase->body, "\"broker kafka\",\"state\":\"not_stored\"") != NULL)
                must(!event->in_kafka);
        }
    }
}

static struct world *open_world(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));
    must(world != NULL);
    world->sim = sim_new(seed);
    world->customer = customer_new(world->sim, "customer", 1);
    world->kafka = kafka_new(world->sim, 3);
    world->rabbit = rabbit_new(world->sim, 4, 5672);
    kafka_create_topic(world->kafka, "orders", 2);
    struct sidecar *consumer = sidecar_new(world->sim, "consumer", 5, consumer_config);
    sim_run(world->sim, 2000, NULL, NULL);
    sidecar_free(consumer);
    world->orders = sidecar_new(world->sim, "orders", 1, config);
    sim_run(world->sim, 2000, NULL, NULL);
    return world;
}

static void close_world(struct world *world)
{
    sidecar_free(world->orders);
    rabbit_free(world->rabbit);
    kafka_free(world->kafka);
    customer_free(world->customer);
    sim_free(world->sim);
    free(world);
}

static void both_have_it(uint64_t seed)
{
    struct world *world = open_world(seed);
    for (int i = 0; i < 20; i++)
        place(world);
    must(sim_run(world->sim, 10 * 1000, is_done, world));
    judge(world);
    for (unsigned number = 1; number <= world->count; number++)
        must(world->book[number].purchase->status == 202);
    close_world(world);
}

static void disturb(struct world *world, unsigned what, bool begins)
{
    switch (what) {
    case 0:
        (begins ? kafka_kill : kafka_start)(world->kafka);
        break;
    case 1:
        (begins ? rabbit_kill : rabbit_start)(world->rabbit);
        break;
    case 2:
        (begins ? sim_stop : sim_continue)(kafka_node(world->kafka));
        break;
    case 3:
        (begins ? sim_stop : sim_continue)(rabbit_node(world->rabbit));
        break;
    case 4:
        kafka_habits(world->kafka)->refuse_percent = begins ? 50 : 0;
        break;
    default:
        rabbit_habits(world->rabbit)->nack_percent = begins ? 50 : 0;
        break;
    }
}

static void one_fails(uint64_t seed)
{
    struct world *world = open_world(seed);
    for (int round = 0; round < 3; round++) {
        unsigned what = (unsigned)sim_below(world->sim, 6);
        trace(world->sim, "*** disturbance %u", what);
        disturb(world, what, true);
        for (uint64_t i = sim_between(world->sim, 5, 30); i > 0; i--) {
            place(world);
            sim_run(world->sim, sim_below(world->sim, 150), NULL, NULL);
        }
        disturb(world, what, false);
        sim_run(world->sim, 12 * 1000, NULL, NULL);
    }
    must(sim_run(world->sim, 10 * 1000, is_done, world));
    sim_run(world->sim, 40 * 1000, NULL, NULL);
    judge(world);
    place(world);
    must(sim_run(world->sim, 10 * 1000, is_done, world));
    must(world->book[world->count].purchase->status == 202);
    close_world(world);
}

SCENARIO(both_have_it, 20)
SCENARIO(one_fails, 80)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_have_it),
        cmocka_unit_test(test_one_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
