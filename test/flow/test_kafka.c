/* Two whole sidecars and a Kafka cluster between two services: what is promised of events holds on
 * good days and on bad ones. Every order has a number and one of a few keys; the books say what its
 * caller was told, and inventory how often and in which order it had it. */
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
#include "service.h"
#include "sidecar.h"

enum { ORDERS = 600, KEYS = 6, TIMEOUT_MS = 3000 };

static const char orders_config[] =
    "service = \"orders\"; instance = \"orders-1\";\n"
    "listeners = ( { name = \"outbound\"; address = \"10.0.0.1:15001\"; host = \"inventory\"; } "
    ");\n"
    "brokers = ( { name = \"kafka\"; plugin = \"kafka\"; bootstrap = \"10.0.0.3:9092\"; } );\n"
    "routes = ( { name = \"tell\"; style = \"event\"; timeout = \"3s\";\n"
    "  event = { broker = \"kafka\"; topics = ( \"orders\" ); key = \"header:x-key\"; }; } );\n";

static const char inventory_config[] =
    "service = \"inventory\"; instance = \"inventory-1\";\n"
    "brokers = ( { name = \"kafka\"; plugin = \"kafka\"; bootstrap = \"10.0.0.3:9092\"; } );\n"
    "subscriptions = ( { name = \"tell\"; broker = \"kafka\"; topics = ( \"orders\" ); start = "
    "\"earliest\";\n"
    "  span = 40; handover = \"4500ms\"; deliver = \"http://127.0.0.1:8080\"; concurrency = 4; "
    "timeout = \"2s\";\n"
    "  allow = ( { method = \"POST\"; path = \"/event\"; } );\n"
    "  retry = { attempts = 4; backoff = \"100ms\"; }; } );\n";

struct order {
    struct purchase *purchase;
    unsigned key;
    unsigned begun, done; /* times that inventory began to carry it out, and answered 200 */
    bool poison;          /* answered 404, always */
    bool dead, stored;    /* it is a dead letter; it is in the topic */
};

struct house {
    struct sim *sim;
    struct customer *customer;
    struct sidecar *orders, *inventory[2];
    struct kafka *kafka;
    struct service *services[2];
    struct order book[ORDERS];
    unsigned count;
    unsigned failing_percent, hanging_percent;
    unsigned stuck_key; /* KEYS: none; else inventory answers 500 to it */
    bool slow;          /* inventory takes up to a second and a half */
    uint64_t busy_until_ms[KEYS];
    char other_config[2048]; /* inventory's, after a reload */
    bool calm;
};

/* --- inventory -------------------------------------------------------------------------------- */

static struct order *order_in(struct house *house, struct slice body)
{
    uint64_t number;
    must(slice_starts(body, SLICE("order ")));
    must(slice_number(slice_from(body, 6), &number) == 0);
    must(number >= 1 && number <= house->count);
    return &house->book[number];
}

/* Promise 17, by the order of the log: whatever is before it and has its key was carried out, or is
 * a dead letter. */
struct walk {
    struct house *house;
    const struct order *until;
    bool there;
};

static void see_before(const struct kafka_record *record, unsigned partition, void *context)
{
    (void)partition;
    struct walk *walk = context;
    const struct order *order = order_in(walk->house, record->value);
    if (order == walk->until)
        walk->there = true;
    if (!walk->there && order->key == walk->until->key)
        must(order->done > 0 || order->dead);
}

static void see_dead(const struct kafka_record *record, unsigned partition, void *context)
{
    (void)partition;
    order_in(context, record->value)->dead = true;
}

static void check_turn(struct house *house, const struct order *order)
{
    struct walk walk = { .house = house, .until = order };
    kafka_each(house->kafka, "orders.inventory.tell.dead", see_dead, house);
    kafka_each(house->kafka, "orders", see_before, &walk);
    must(walk.there);
}

/* Of one key never two at once, whatever the group does meanwhile. */
static void take_time(struct house *house, unsigned key, struct service_answer *answer)
{
    answer->after_us = sim_below(house->sim, 1500 * 1000);
    must(sim_now_ms(house->sim) >= house->busy_until_ms[key]);
    house->busy_until_ms[key] = sim_now_ms(house->sim) + answer->after_us / 1000;
}

static void on_request(void *context, const struct http_text *request,
                       struct service_answer *answer)
{
    struct house *house = context;
    struct sim *sim = house->sim;
    if (slice_is(request->method, "HEAD") || slice_is(request->method, "OPTIONS"))
        return;
    struct order *order = order_in(house, bytes_slice(&request->body));
    order->begun++;
    trace(sim, "inventory: %.*s (key %u)", (int)request->body.len, (const char *)request->body.at,
          order->key);
    answer->after_us = sim_chance(sim, 80) ? sim_below(sim, 5000) : sim_below(sim, 200 * 1000);
    answer->hang = sim_chance(sim, house->hanging_percent);
    if (house->slow)
        take_time(house, order->key, answer);
    answer->status = order->poison                             ? 404
                     : order->key == house->stuck_key          ? 500
                     : sim_chance(sim, house->failing_percent) ? 500
                                                               : 200;
    if (answer->status != 200 || answer->hang)
        return;
    if (order->done++ == 0)
        check_turn(house, order);
}

/* --- the books -------------------------------------------------------------------------------- */

static void see_stored(const struct kafka_record *record, unsigned partition, void *context)
{
    (void)partition;
    order_in(context, record->value)->stored = true;
}

static void look(struct house *house)
{
    kafka_each(house->kafka, "orders", see_stored, house);
    kafka_each(house->kafka, "orders.inventory.tell.dead", see_dead, house);
}

static void judge(struct house *house)
{
    look(house);
    for (unsigned number = 1; number <= house->count; number++) {
        const struct order *order = &house->book[number];
        const struct purchase *purchase = order->purchase;
        if (!purchase->over)
            continue;
        if (strcmp(purchase->executed, "no") == 0)
            must(!order->stored && order->begun == 0);
        if (purchase->status == 202)
            must(order->stored);
        if (purchase->status == 503)
            must(strcmp(purchase->executed, "no") == 0);
        must(purchase->status == 0 || purchase->status == 202 || purchase->executed[0] != '\0');
        must(strcmp(purchase->reason, "internal") != 0);
        must(!house->calm || purchase->status == 202);
    }
}

static unsigned place(struct house *house)
{
    char body[32], fields[32];
    unsigned number = ++house->count;
    must(number < ORDERS);
    struct order *order = &house->book[number];
    *order = (struct order){ .key = (unsigned)sim_below(house->sim, KEYS) };
    order->poison = !house->calm && sim_chance(house->sim, 5);
    int len = snprintf(body, sizeof(body), "order %u", number);
    snprintf(fields, sizeof(fields), "x-key: %u\r\n", order->key);
    struct address address = sim_address(sidecar_node(house->orders), 15001);
    order->purchase = customer_call(house->customer, &address, "POST", "/event", fields,
                                    slice_of(body, (size_t)len));
    sim_finish_turn(customer_node(house->customer));
    return number;
}

static void some(struct house *house, unsigned most)
{
    for (uint64_t i = sim_below(house->sim, most + 1); i > 0; i--) {
        place(house);
        if (sim_chance(house->sim, 70))
            sim_run(house->sim, sim_below(house->sim, 30), NULL, NULL);
    }
}

static bool is_done(void *context)
{
    return customer_done(((struct house *)context)->customer);
}

static bool is_handled(void *context)
{
    struct house *house = context;
    return kafka_lag(house->kafka, "inventory.tell", "orders") == 0;
}

/* 3, 16: what was answered with 202 was received, or is a dead letter. */
static void settle(struct house *house)
{
    must(sim_run(house->sim, 60 * 1000, is_done, house));
    must(sim_run(house->sim, 120 * 1000, is_handled, house));
    judge(house);
    for (unsigned number = 1; number <= house->count; number++) {
        const struct order *order = &house->book[number];
        if (order->stored)
            must(order->done > 0 || order->dead);
        if (order->stored && order->poison)
            must(order->dead);
        if (house->calm)
            must(order->done == 1 && !order->dead);
    }
}

/* --- the house -------------------------------------------------------------------------------- */

static struct house *house_open(uint64_t seed, bool calm, bool two)
{
    struct house *house = calloc(1, sizeof(*house));
    must(house != NULL);
    struct sim *sim = house->sim = sim_new(seed);
    house->calm = calm;
    house->stuck_key = KEYS;
    house->customer = customer_new(sim, "customer", 1);
    house->kafka = kafka_new(sim, 3);
    kafka_create_topic(house->kafka, "orders", 3);
    house->orders = sidecar_new(sim, "orders-shunt", 1, orders_config);
    for (unsigned i = 0; i < (two ? 2 : 1); i++) {
        house->services[i] = service_new(sim, i == 0 ? "inventory" : "inventory-2", 2 + 2 * i, 8080,
                                         (struct service_events){ on_request, house });
        house->inventory[i] = sidecar_new(sim, i == 0 ? "inventory-shunt" : "inventory-shunt-2",
                                          2 + 2 * i, inventory_config);
    }
    sim_run(sim, 2000, NULL, NULL);
    return house;
}

static void house_close(struct house *house)
{
    sidecar_free(house->orders);
    for (unsigned i = 0; i < 2 && house->inventory[i] != NULL; i++) {
        sidecar_free(house->inventory[i]);
        service_free(house->services[i]);
    }
    kafka_free(house->kafka);
    customer_free(house->customer);
    sim_free(house->sim);
    free(house);
}

/* Nothing comes twice, however often the group rebalances. */
static void a_good_day(uint64_t seed)
{
    struct house *house = house_open(seed, true, seed % 2 == 0);
    for (int i = 0; i < 60; i++) {
        place(house);
        sim_run(house->sim, sim_below(house->sim, 40), NULL, NULL);
        if (sim_chance(house->sim, 20))
            kafka_rebalance(house->kafka);
    }
    settle(house);
    house_close(house);
}

/* One key that fails does not stop the others. */
static void a_stuck_key(uint64_t seed)
{
    struct house *house = house_open(seed, false, false);
    house->stuck_key = (unsigned)(seed % KEYS);
    for (int i = 0; i < 30; i++)
        house->book[place(house)].poison = false;
    must(sim_run(house->sim, 5000, is_done, house));
    sim_run(house->sim, 3000, NULL, NULL);
    for (unsigned number = 1; number <= house->count; number++)
        must(house->book[number].key == house->stuck_key || house->book[number].done == 1);
    settle(house);
    house_close(house);
}

/* Inventory's configuration with a text in place of another that is as long, by SIGHUP. */
static void reload(struct house *house, const char *from, const char *to)
{
    must(sizeof(inventory_config) <= sizeof(house->other_config) && strlen(from) == strlen(to));
    memcpy(house->other_config, inventory_config, sizeof(inventory_config));
    for (char *at = strstr(house->other_config, from); *to != '\0'; to++)
        *at++ = *to;
    for (unsigned i = 0; i < 2 && house->inventory[i] != NULL; i++)
        sidecar_reload(house->inventory[i], house->other_config);
}

/* Rebalances come faster than inventory answers, and nobody waits for it. */
static void a_hasty_group(uint64_t seed)
{
    struct house *house = house_open(seed, false, false);
    house->slow = true;
    reload(house, "handover = \"4500ms\"", "handover = \"0100ms\"");
    for (int i = 0; i < 12; i++) {
        some(house, 6);
        sim_run(house->sim, sim_below(house->sim, 1500), NULL, NULL);
        kafka_rebalance(house->kafka);
    }
    settle(house);
    house_close(house);
}

static bool is_drained(void *context)
{
    return sidecar_drained(((struct house *)context)->inventory[0]);
}

/* Promise 23: what is in hand is finished, what is not is left for the next one, and the group does
 * without this member at once. Where nothing fails, nothing comes twice for it, though some keys
 * are ahead of others; and while inventory answers within `handover`, of one key never two at once
 * (promise 17), whoever has its partition. */
static void the_receiver_drains(uint64_t seed)
{
    struct house *house = house_open(seed, seed % 3 == 0, seed % 2 == 0);
    house->slow = seed % 3 == 1;
    for (int i = 0; i < 4; i++) {
        some(house, 20);
        sidecar_terminate(house->inventory[0]);
        some(house, 10);
        must(sim_run(house->sim, 8000, is_drained, house));
        sidecar_start(house->inventory[0]);
        if (sim_chance(house->sim, 50))
            reload(house, "concurrency = 4", i % 2 == 0 ? "concurrency = 2" : "concurrency = 8");
    }
    settle(house);
    house_close(house);
}

static unsigned place_poison(struct house *house)
{
    unsigned number = place(house);
    house->book[number].poison = true;
    return number;
}

static bool is_dead(void *context)
{
    struct house *house = context;
    look(house);
    return house->book[house->count].dead;
}

/* Somebody clears the dead letters away by deleting their topic. */
static void dead_letters_are_cleared(uint64_t seed)
{
    struct house *house = house_open(seed, false, false);
    place_poison(house);
    must(sim_run(house->sim, 10 * 1000, is_dead, house));
    sim_run(house->sim, sim_below(house->sim, 15 * 1000), NULL, NULL);
    kafka_delete_topic(house->kafka, "orders.inventory.tell.dead");
    sim_run(house->sim, sim_below(house->sim, 2000), NULL, NULL);
    place_poison(house);
    must(sim_run(house->sim, 30 * 1000, is_dead, house));
    settle(house);
    house_close(house);
}

/* --- bad days --------------------------------------------------------------------------------- */

struct trouble {
    struct house *house;
    struct sim_node *a, *b;
};

static struct sim_node *any_node(struct house *house)
{
    struct sim_node *nodes[] = { sidecar_node(house->orders), sidecar_node(house->inventory[0]),
                                 kafka_node(house->kafka), service_node(house->services[0]) };
    return nodes[sim_below(house->sim, 4)];
}

static void hole_begins(struct trouble *trouble)
{
    sim_hole(trouble->a, trouble->b, true);
}

static void hole_ends(struct trouble *trouble)
{
    sim_hole(trouble->a, trouble->b, false);
}

static void stop_begins(struct trouble *trouble)
{
    sim_stop(trouble->a);
}

static void stop_ends(struct trouble *trouble)
{
    sim_continue(trouble->a);
}

static void kafka_kill_begins(struct trouble *trouble)
{
    kafka_kill(trouble->house->kafka);
}

static void kafka_kill_ends(struct trouble *trouble)
{
    kafka_start(trouble->house->kafka);
}

static void lost_begins(struct trouble *trouble)
{
    struct kafka_habits *habits = kafka_habits(trouble->house->kafka);
    habits->lost_percent = (unsigned)sim_between(trouble->house->sim, 5, 60);
    habits->fatal_percent = (unsigned)sim_below(trouble->house->sim, 30);
}

static void lost_ends(struct trouble *trouble)
{
    kafka_habits(trouble->house->kafka)->lost_percent = 0;
}

static void refusals_begin(struct trouble *trouble)
{
    kafka_habits(trouble->house->kafka)->refuse_percent = (unsigned)sim_between(trouble->house->sim,
                                                                                5, 100);
}

static void refusals_end(struct trouble *trouble)
{
    kafka_habits(trouble->house->kafka)->refuse_percent = 0;
}

static void slow_begins(struct trouble *trouble)
{
    kafka_habits(trouble->house->kafka)->report_most_us = sim_between(trouble->house->sim,
                                                                      10 * 1000, 3000 * 1000);
}

static void slow_ends(struct trouble *trouble)
{
    kafka_habits(trouble->house->kafka)->report_most_us = 5000;
}

static void rebalance_begins(struct trouble *trouble)
{
    kafka_rebalance(trouble->house->kafka);
}

static void orders_kill_begins(struct trouble *trouble)
{
    sidecar_kill(trouble->house->orders);
}

static void orders_kill_ends(struct trouble *trouble)
{
    sidecar_start(trouble->house->orders);
}

static void inventory_kill_begins(struct trouble *trouble)
{
    sidecar_kill(trouble->house->inventory[0]);
}

static void inventory_kill_ends(struct trouble *trouble)
{
    sidecar_start(trouble->house->inventory[0]);
}

static void service_kill_begins(struct trouble *trouble)
{
    service_kill(trouble->house->services[0]);
}

static void service_kill_ends(struct trouble *trouble)
{
    service_start(trouble->house->services[0]);
}

static void failures_begin(struct trouble *trouble)
{
    trouble->house->failing_percent = (unsigned)sim_between(trouble->house->sim, 10, 100);
}

static void failures_end(struct trouble *trouble)
{
    trouble->house->failing_percent = 0;
}

static void hanging_begins(struct trouble *trouble)
{
    trouble->house->hanging_percent = (unsigned)sim_between(trouble->house->sim, 10, 100);
}

static void hanging_ends(struct trouble *trouble)
{
    trouble->house->hanging_percent = 0;
}

static const struct fault {
    const char *name;
    void (*begin)(struct trouble *trouble);
    void (*end)(struct trouble *trouble); /* NULL: it is over at once */
} faults[] = {
    { "hole", hole_begins, hole_ends },
    { "stop", stop_begins, stop_ends },
    { "kafka killed", kafka_kill_begins, kafka_kill_ends },
    { "answers lost", lost_begins, lost_ends },
    { "refusals", refusals_begin, refusals_end },
    { "slow reports", slow_begins, slow_ends },
    { "rebalance", rebalance_begins, NULL },
    { "orders' sidecar killed", orders_kill_begins, orders_kill_ends },
    { "inventory's sidecar killed", inventory_kill_begins, inventory_kill_ends },
    { "inventory killed", service_kill_begins, service_kill_ends },
    { "inventory fails", failures_begin, failures_end },
    { "inventory hangs", hanging_begins, hanging_ends },
};

static void live_through(struct house *house, const struct fault *fault)
{
    struct trouble trouble = { .house = house, .a = any_node(house), .b = any_node(house) };
    trace(house->sim, "*** %s (%s, %s)", fault->name, trouble.a->name, trouble.b->name);
    fault->begin(&trouble);
    for (uint64_t i = sim_between(house->sim, 1, 4); i > 0; i--) {
        some(house, 6);
        sim_run(house->sim, sim_below(house->sim, sim_chance(house->sim, 80) ? 800 : 12000), NULL,
                NULL);
        judge(house);
    }
    trace(house->sim, "*** %s ends", fault->name);
    if (fault->end != NULL)
        fault->end(&trouble);
}

/* Normal again within fifteen seconds, without a restart. */
static void must_be_well(struct house *house)
{
    sim_run(house->sim, 15 * 1000, NULL, NULL);
    unsigned number = place(house);
    house->book[number].poison = false;
    must(sim_run(house->sim, 5000, is_done, house));
    must(house->book[number].purchase->status == 202);
}

static void live(uint64_t seed, const struct fault *first, size_t count, unsigned times, bool two)
{
    struct house *house = house_open(seed, false, two);
    for (unsigned i = 0; i < times; i++) {
        some(house, 5);
        live_through(house, &first[sim_below(house->sim, count)]);
        some(house, 5);
    }
    must_be_well(house);
    settle(house);
    house_close(house);
}

static void one_fault(uint64_t seed)
{
    live(seed, &faults[seed % (sizeof(faults) / sizeof(*faults))], 1, 2, false);
}

static void bad_days(uint64_t seed)
{
    live(seed, faults, sizeof(faults) / sizeof(*faults), 6, seed % 3 == 0);
}

SCENARIO(a_good_day, 40)
SCENARIO(a_stuck_key, 30)
SCENARIO(a_hasty_group, 30)
SCENARIO(the_receiver_drains, 120)
SCENARIO(dead_letters_are_cleared, 20)
SCENARIO(one_fault, 120)
SCENARIO(bad_days, 120)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_day),
        cmocka_unit_test(test_a_stuck_key),
        cmocka_unit_test(test_a_hasty_group),
        cmocka_unit_test(test_the_receiver_drains),
        cmocka_unit_test(test_dead_letters_are_cleared),
        cmocka_unit_test(test_one_fault),
        cmocka_unit_test(test_bad_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
