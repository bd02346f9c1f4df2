/* Two whole sidecars and a broker between two services: what is promised holds on good days and
 * on bad ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "seeds.h"
#include "shop.h"

static void a_good_day(uint64_t seed)
{
    struct shop *shop = shop_open(seed, true);
    for (int i = 0; i < 60; i++) {
        shop_order(shop, (enum way)sim_below(shop->sim, WAYS));
        sim_run(shop->sim, sim_below(shop->sim, 40), NULL, NULL);
    }
    shop_settle(shop);
    shop_close(shop);
}

static void is_not_allowed(const struct rabbit_message *message, void *context)
{
    unsigned *letters = context;
    char reason[64];
    must(rabbit_text(message, "shunt-reason", reason, sizeof(reason)));
    must(strcmp(reason, "not_allowed") == 0);
    ++*letters;
}

/* Promise 11: other programs may take part, as far as the subscription allows. */
static void what_others_publish(uint64_t seed)
{
    struct shop *shop = shop_open(seed, false);
    unsigned allowed[20], refused = 0;
    for (int i = 0; i < 20; i++) {
        allowed[i] = shop_foreign_order(shop, "/event");
        if (sim_chance(shop->sim, 30)) {
            shop->book[shop_foreign_order(shop, "/admin")].poison = true;
            refused++;
        }
        sim_run(shop->sim, sim_below(shop->sim, 30), NULL, NULL);
    }
    shop_settle(shop);
    for (int i = 0; i < 20; i++)
        must(shop->book[allowed[i]].carried_out == 1);
    unsigned letters = 0;
    must(rabbit_has_queue(shop->rabbit, "inventory.tell.dead"));
    rabbit_each(shop->rabbit, "inventory.tell.dead", is_not_allowed, &letters);
    must(letters == refused);
    shop_close(shop);
}

static void orders_at_once(struct shop *shop, unsigned most)
{
    for (uint64_t i = sim_between(shop->sim, 1, most); i > 0; i--)
        shop_order(shop, (enum way)sim_below(shop->sim, WAYS));
    sim_run(shop->sim, sim_below(shop->sim, 100), NULL, NULL);
}

static void a_crowd(uint64_t seed)
{
    struct shop *shop = shop_open(seed, true);
    for (int i = 0; i < 3; i++)
        orders_at_once(shop, 100);
    shop_settle(shop);
    shop_close(shop);
}

static void reloads_under_load(uint64_t seed)
{
    struct shop *shop = shop_open(seed, true);
    for (int i = 0; i < 8; i++) {
        orders_at_once(shop, 20);
        if (sim_chance(shop->sim, 60))
            shop_reload(shop);
    }
    shop_settle(shop);
    shop_close(shop);
}

static bool inventory_is_drained(void *context)
{
    return sidecar_drained(((struct shop *)context)->inventory_sidecar);
}

static bool orders_are_drained(void *context)
{
    return sidecar_drained(((struct shop *)context)->orders);
}

/* Promise 23, on the receiving side: what is in hand is finished, what waits is left for the
 * next one. */
static void the_receiver_drains(uint64_t seed)
{
    struct shop *shop = shop_open(seed, true);
    for (int i = 0; i < 4; i++) {
        orders_at_once(shop, 30);
        sidecar_terminate(shop->inventory_sidecar);
        orders_at_once(shop, 10);
        must(sim_run(shop->sim, 1000, inventory_is_drained, shop));
        sidecar_start(shop->inventory_sidecar);
    }
    shop_settle(shop);
    shop_close(shop);
}

/* Promise 15: neither a new process nor another configuration gives a message its attempts back. */
static void attempts_outlive_the_receiver(uint64_t seed)
{
    struct shop *shop = shop_open(seed, false);
    for (int i = 0; i < 6; i++) {
        for (uint64_t n = sim_below(shop->sim, 20); n > 0; n--)
            shop->book[shop_order(shop, WAY_EVENT)].failing = true;
        sim_run(shop->sim, sim_between(shop->sim, 200, 700), NULL, NULL); /* it is connected */
        if (sim_chance(shop->sim, 50)) {
            shop_reload(shop);
            continue;
        }
        sidecar_terminate(shop->inventory_sidecar);
        must(sim_run(shop->sim, 1000, inventory_is_drained, shop));
        sidecar_start(shop->inventory_sidecar);
    }
    shop_settle(shop);
    for (unsigned number = 1; number <= shop->count; number++)
        must(shop->book[number].carried_out == 1004); /* four attempts, and a dead letter */
    shop_close(shop);
}

/* On the caller's side: calls that were taken get their answers, others are not taken. */
static void the_caller_drains(uint64_t seed)
{
    struct shop *shop = shop_open(seed, true);
    for (int i = 0; i < 4; i++) {
        orders_at_once(shop, 30);
        sim_run(shop->sim, 200, NULL, NULL); /* every head has come */
        sidecar_terminate(shop->orders);
        shop->closed = true;
        orders_at_once(shop, 10);
        must(sim_run(shop->sim, 5000, orders_are_drained, shop));
        shop_wait(shop);
        sidecar_start(shop->orders);
        sim_run(shop->sim, 1000, NULL, NULL);
        shop->closed = false;
    }
    shop_settle(shop);
    shop_close(shop);
}

/* Promises 12 and 15 in one queue: while inventory is down callers are told at once, however many
 * events wait in it, and these are burnt by nothing. */
static void one_queue_for_both(uint64_t seed)
{
    struct shop *shop = shop_open(seed, false);
    shop_share_queue(shop);
    shop_order(shop, WAY_AWAIT);
    shop_wait(shop);
    service_kill(shop->inventory);
    for (int i = 0; i < 20; i++) {
        for (uint64_t n = sim_below(shop->sim, 20); n > 0; n--)
            shop_order(shop, WAY_EVENT);
        unsigned number = shop_order(shop, WAY_AWAIT);
        sim_run(shop->sim, 1000, NULL, NULL);
        must(shop->book[number].purchase->over);
        must(shop->book[number].purchase->status == 503);
    }
    service_start(shop->inventory);
    shop_settle(shop);
    must(!rabbit_has_queue(shop->rabbit, "inventory.ask.dead") ||
         rabbit_depth(shop->rabbit, "inventory.ask.dead") == 0);
    shop_close(shop);
}

/* --- bad days: a fault begins, lasts, and ends ------------------------------------------------ */

struct trouble {
    struct shop *shop;
    struct sim_node *a, *b;
};

static struct sim_node *any_node(struct shop *shop)
{
    struct sim_node *nodes[] = { sidecar_node(shop->orders), sidecar_node(shop->inventory_sidecar),
                                 rabbit_node(shop->rabbit), service_node(shop->inventory) };
    return nodes[sim_below(shop->sim, 4)];
}

static void cut_begins(struct trouble *trouble)
{
    sim_cut(trouble->a, sim_chance(trouble->shop->sim, 50) ? trouble->b : NULL);
}

static void hole_begins(struct trouble *trouble)
{
    sim_hole(trouble->a, trouble->b, true);
}

static void hole_ends(struct trouble *trouble)
{
    sim_hole(trouble->a, trouble->b, false);
}

static void both_ways_begins(struct trouble *trouble)
{
    sim_hole(trouble->a, trouble->b, true);
    sim_hole(trouble->b, trouble->a, true);
}

static void both_ways_ends(struct trouble *trouble)
{
    sim_hole(trouble->a, trouble->b, false);
    sim_hole(trouble->b, trouble->a, false);
}

static void stop_begins(struct trouble *trouble)
{
    if (trouble->a == sidecar_node(trouble->shop->orders))
        trouble->shop->stood_still = true;
    sim_stop(trouble->a);
}

static void stop_ends(struct trouble *trouble)
{
    sim_continue(trouble->a);
}

static void rabbit_kill_begins(struct trouble *trouble)
{
    rabbit_kill(trouble->shop->rabbit);
}

static void rabbit_kill_ends(struct trouble *trouble)
{
    rabbit_start(trouble->shop->rabbit);
}

static void alarm_begins(struct trouble *trouble)
{
    rabbit_alarm(trouble->shop->rabbit, true);
}

static void alarm_ends(struct trouble *trouble)
{
    rabbit_alarm(trouble->shop->rabbit, false);
}

static void nacks_begin(struct trouble *trouble)
{
    rabbit_habits(trouble->shop->rabbit)->nack_percent = (unsigned)sim_between(trouble->shop->sim,
                                                                               5, 100);
}

static void nacks_end(struct trouble *trouble)
{
    rabbit_habits(trouble->shop->rabbit)->nack_percent = 0;
}

static void slow_confirms_begin(struct trouble *trouble)
{
    rabbit_habits(trouble->shop->rabbit)->confirm_most_us = sim_between(trouble->shop->sim, 1000,
                                                                        900 * 1000);
}

static void slow_confirms_end(struct trouble *trouble)
{
    rabbit_habits(trouble->shop->rabbit)->confirm_most_us = 5000;
}

static void service_kill_begins(struct trouble *trouble)
{
    service_kill(trouble->shop->inventory);
}

static void service_kill_ends(struct trouble *trouble)
{
    service_start(trouble->shop->inventory);
}

static void failures_begin(struct trouble *trouble)
{
    trouble->shop->failing_percent = (unsigned)sim_between(trouble->shop->sim, 10, 100);
}

static void failures_end(struct trouble *trouble)
{
    trouble->shop->failing_percent = 0;
}

static void hanging_begins(struct trouble *trouble)
{
    trouble->shop->hanging_percent = (unsigned)sim_between(trouble->shop->sim, 10, 100);
}

static void hanging_ends(struct trouble *trouble)
{
    trouble->shop->hanging_percent = 0;
}

static void breaking_begins(struct trouble *trouble)
{
    trouble->shop->breaking_percent = (unsigned)sim_between(trouble->shop->sim, 5, 100);
}

static void breaking_ends(struct trouble *trouble)
{
    trouble->shop->breaking_percent = 0;
}

static void orders_kill_begins(struct trouble *trouble)
{
    sidecar_kill(trouble->shop->orders);
}

static void orders_kill_ends(struct trouble *trouble)
{
    sidecar_start(trouble->shop->orders);
}

static void inventory_kill_begins(struct trouble *trouble)
{
    sidecar_kill(trouble->shop->inventory_sidecar);
}

static void inventory_drain_begins(struct trouble *trouble)
{
    sidecar_terminate(trouble->shop->inventory_sidecar);
}

/* What has not drained by then is killed. */
static void inventory_comes_back(struct trouble *trouble)
{
    if (!sidecar_drained(trouble->shop->inventory_sidecar))
        sidecar_kill(trouble->shop->inventory_sidecar);
    sidecar_start(trouble->shop->inventory_sidecar);
}

static void slow_begins(struct trouble *trouble)
{
    trouble->a->slow = true;
}

static void slow_ends(struct trouble *trouble)
{
    trouble->a->slow = false;
}

static void queue_deletion_begins(struct trouble *trouble)
{
    static const char *const queues[] = { "inventory.ask", "inventory.tell" };
    const char *queue = queues[sim_below(trouble->shop->sim, 2)];
    if (rabbit_depth(trouble->shop->rabbit, queue) == 0)
        rabbit_delete_queue(trouble->shop->rabbit, queue);
}

static const struct fault {
    const char *name;
    void (*begin)(struct trouble *trouble);
    void (*end)(struct trouble *trouble); /* NULL: it is over at once */
} faults[] = {
    { "cut", cut_begins, NULL },
    { "hole", hole_begins, hole_ends },
    { "hole both ways", both_ways_begins, both_ways_ends },
    { "stop", stop_begins, stop_ends },
    { "rabbit killed", rabbit_kill_begins, rabbit_kill_ends },
    { "alarm", alarm_begins, alarm_ends },
    { "nacks", nacks_begin, nacks_end },
    { "slow confirms", slow_confirms_begin, slow_confirms_end },
    { "inventory killed", service_kill_begins, service_kill_ends },
    { "inventory fails", failures_begin, failures_end },
    { "inventory hangs", hanging_begins, hanging_ends },
    { "inventory breaks off", breaking_begins, breaking_ends },
    { "orders' sidecar killed", orders_kill_begins, orders_kill_ends },
    { "inventory's sidecar killed", inventory_kill_begins, inventory_comes_back },
    { "inventory's sidecar drains", inventory_drain_begins, inventory_comes_back },
    { "slow reader", slow_begins, slow_ends },
    { "queue deleted", queue_deletion_begins, NULL },
};

static void some_orders(struct shop *shop, unsigned most)
{
    for (uint64_t i = sim_below(shop->sim, most + 1); i > 0; i--) {
        unsigned number = shop_order(shop, (enum way)sim_below(shop->sim, WAYS));
        struct order *order = &shop->book[number];
        order->poison = sim_chance(shop->sim, 5);
        if (sim_chance(shop->sim, 95))
            sim_run(shop->sim, sim_below(shop->sim, 30), NULL, NULL);
        order->hung_up = sim_chance(shop->sim, 5) && !order->purchase->over;
        if (order->hung_up)
            customer_hang_up(order->purchase);
    }
}

static void live_through(struct shop *shop, const struct fault *fault)
{
    struct trouble trouble = { .shop = shop, .a = any_node(shop), .b = any_node(shop) };
    trace(shop->sim, "*** %s (%s, %s)", fault->name, trouble.a->name, trouble.b->name);
    fault->begin(&trouble);
    uint64_t rounds = sim_between(shop->sim, 1, 5);
    for (uint64_t i = 0; i < rounds; i++) {
        some_orders(shop, 4);
        sim_run(shop->sim, sim_below(shop->sim, sim_chance(shop->sim, 80) ? 800 : 8000), NULL,
                NULL);
    }
    trace(shop->sim, "*** %s ends", fault->name);
    if (fault->end != NULL)
        fault->end(&trouble);
}

/* Normal again within ten seconds, without a restart. */
static void must_be_well(struct shop *shop)
{
    sim_run(shop->sim, 10 * 1000, NULL, NULL);
    for (enum way way = WAY_SYNC; way < WAYS; way++) {
        unsigned number = shop_order(shop, way);
        shop_wait(shop);
        must(shop->book[number].purchase->status == (way == WAY_EVENT ? 202 : 200));
    }
}

static void live(uint64_t seed, const struct fault *first, size_t count, unsigned times)
{
    struct shop *shop = shop_open(seed, false);
    for (unsigned i = 0; i < times; i++) {
        some_orders(shop, 3);
        live_through(shop, &first[sim_below(shop->sim, count)]);
        some_orders(shop, 3);
    }
    must_be_well(shop);
    shop_settle(shop);
    shop_close(shop);
}

static void bad_days(uint64_t seed)
{
    live(seed, faults, sizeof(faults) / sizeof(*faults), 6);
}

/* Several at a time. */
static void worse_days(uint64_t seed)
{
    enum { FAULTS = sizeof(faults) / sizeof(*faults) };
    struct shop *shop = shop_open(seed, false);
    struct trouble troubles[FAULTS];
    bool active[FAULTS] = { false };
    for (int i = 0; i < 40; i++) {
        size_t which = (size_t)sim_below(shop->sim, FAULTS);
        const struct fault *fault = &faults[which];
        if (!active[which]) {
            troubles[which] = (struct trouble){ shop, any_node(shop), any_node(shop) };
            trace(shop->sim, "*** %s (%s, %s)", fault->name, troubles[which].a->name,
                  troubles[which].b->name);
            fault->begin(&troubles[which]);
            active[which] = true;
        }
        some_orders(shop, 4);
        sim_run(shop->sim, sim_below(shop->sim, sim_chance(shop->sim, 80) ? 800 : 8000), NULL,
                NULL);
        for (size_t other = 0; other < FAULTS; other++) {
            bool ends = active[other] && sim_chance(shop->sim, 30);
            if (ends && faults[other].end != NULL) {
                trace(shop->sim, "*** %s ends", faults[other].name);
                faults[other].end(&troubles[other]);
            }
            active[other] = active[other] && !ends;
        }
    }
    for (size_t other = 0; other < FAULTS; other++) {
        if (active[other] && faults[other].end != NULL)
            faults[other].end(&troubles[other]);
    }
    must_be_well(shop);
    shop_settle(shop);
    shop_close(shop);
}

/* Each fault alone, so that a failure is easy to read. */
static void one_fault(uint64_t seed)
{
    live(seed, &faults[seed % (sizeof(faults) / sizeof(*faults))], 1, 2);
}

SCENARIO(a_good_day, 50)
SCENARIO(what_others_publish, 20)
SCENARIO(a_crowd, 10)
SCENARIO(reloads_under_load, 20)
SCENARIO(the_receiver_drains, 20)
SCENARIO(attempts_outlive_the_receiver, 20)
SCENARIO(the_caller_drains, 20)
SCENARIO(one_queue_for_both, 20)
SCENARIO(one_fault, 160)
SCENARIO(bad_days, 60)
SCENARIO(worse_days, 40)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_day),
        cmocka_unit_test(test_what_others_publish),
        cmocka_unit_test(test_a_crowd),
        cmocka_unit_test(test_reloads_under_load),
        cmocka_unit_test(test_the_receiver_drains),
        cmocka_unit_test(test_attempts_outlive_the_receiver),
        cmocka_unit_test(test_the_caller_drains),
        cmocka_unit_test(test_one_queue_for_both),
        cmocka_unit_test(test_one_fault),
        cmocka_unit_test(test_bad_days),
        cmocka_unit_test(test_worse_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
