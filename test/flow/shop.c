/* See shop.h. Numbers of promises.md stand where they are checked. */
#include "shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seeds.h"

static const char orders_config[] =
    "service = \"orders\"; instance = \"orders-1\";\n"
    "listeners = ( { name = \"outbound\"; address = \"10.0.0.1:15001\"; host = \"inventory:8080\"; "
    "} );\n"
    "upstreams = ( { name = \"inventory\"; endpoints = ( \"10.0.0.2:8080\" ); } );\n"
    "brokers = ( { name = \"rabbit\"; plugin = \"amqp\"; url = "
    "\"amqp://guest:guest@10.0.0.3:5672/\"; } );\n"
    "routes = (\n"
    "  { name = \"forward\"; match = { path = \"/sync\"; }; style = \"sync\"; timeout = \"3s\";\n"
    "    sync = { upstream = \"inventory\"; }; },\n"
    "  { name = \"ask\"; match = { path = \"/await\"; }; style = \"request_reply\"; timeout = "
    "\"3s\";\n"
    "    request_reply = { broker = \"rabbit\"; queue = \"inventory.ask\"; }; },\n"
    "  { name = \"tell\"; match = { path = \"/event\"; method = \"POST\"; }; style = \"event\"; "
    "timeout = \"3s\";\n"
    "    event = { broker = \"rabbit\"; queue = \"inventory.tell\"; }; } );\n";

static const char inventory_config[] = "service = \"inventory\"; instance = \"inventory-1\";\n"
                                       "brokers = ( { name = \"rabbit\"; plugin = \"amqp\"; url = "
                                       "\"amqp://guest:guest@10.0.0.3:5672/\"; } );\n"
                                       "subscriptions = (\n"
                                       "  { name = \"ask\"; broker = \"rabbit\"; queue = "
                                       "\"inventory.ask\"; deliver = \"http://127.0.0.1:8080\";\n"
                                       "    allow = ( { method = \"POST\"; path = \"/await\"; } ); "
                                       "concurrency = 8; timeout = \"2s\"; },\n"
                                       "  { name = \"tell\"; broker = \"rabbit\"; queue = "
                                       "\"inventory.tell\"; deliver = \"http://127.0.0.1:8080\";\n"
                                       "    allow = ( { method = \"POST\"; path = \"/event\"; } ); "
                                       "concurrency = 8; timeout = \"2s\";\n"
                                       "    retry = { attempts = 4; backoff = \"100ms\"; }; } );\n";

/* --- inventory -------------------------------------------------------------------------------- */

static struct order *order_in(struct shop *shop, struct slice body)
{
    uint64_t number;
    must(slice_starts(body, SLICE("order ")));
    must(slice_number(slice_from(body, 6), &number) == 0);
    must(number >= 1 && number <= shop->count);
    return &shop->book[number];
}

static void on_request(void *context, const struct http_text *request,
                       struct service_answer *answer)
{
    struct shop *shop = context;
    struct sim *sim = shop->sim;
    struct slice body = bytes_slice(&request->body);
    if (slice_is(request->method, "HEAD") || slice_is(request->method, "OPTIONS"))
        return; /* a probe whether we are there */
    struct order *order = order_in(shop, body);
    order->carried_out++;
    trace(sim, "inventory: %.*s %.*s", (int)request->target.len, (const char *)request->target.at,
          (int)body.len, (const char *)body.at);
    answer->after_us = sim_chance(sim, 80) ? sim_below(sim, 5000) : sim_below(sim, 200 * 1000);
    answer->hang = sim_chance(sim, shop->hanging_percent);
    answer->break_off = sim_chance(sim, shop->breaking_percent);
    bool fails = order->failing || sim_chance(sim, shop->failing_percent);
    answer->status = order->poison ? 404 : fails ? 500 : 200;
    snprintf(answer->body, sizeof(answer->body), "done %.*s", (int)body.len, (const char *)body.at);
}

/* --- what was promised ------------------------------------------------------------------------ */

static void must_be_its_own(const struct shop *shop, const struct order *order, unsigned number)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "done order %u", number);
    must(strcmp(order->purchase->body, expected) == 0);
    (void)shop;
}

/* 1, 2: each refusal says whether the call was carried out, and 503 means that it was not. */
static void judge_refusal(const struct purchase *purchase)
{
    bool no = strcmp(purchase->executed, "no") == 0,
         unknown = strcmp(purchase->executed, "unknown") == 0;
    must(no || unknown);
    if (purchase->status == 503)
        must(no);
    must(purchase->reason[0] != '\0' && strcmp(purchase->reason, "internal") != 0);
}

static void judge_answer(struct shop *shop, struct order *order, unsigned number)
{
    const struct purchase *purchase = order->purchase;
    bool inventorys_own = order->way != WAY_EVENT && purchase->executed[0] == '\0';
    if (purchase->status == 0) {
        must(!shop->calm || order->hung_up || order->turned_away);
    } else if (purchase->status == 202) {
        must(order->way == WAY_EVENT);
    } else if (inventorys_own) {
        must(purchase->status == 200 || purchase->status == 404 || purchase->status == 500);
        must_be_its_own(shop, order, number);
        must(order->carried_out > 0);
    } else {
        judge_refusal(purchase);
        must(!shop->calm || order->turned_away);
    }
    uint64_t took_ms = purchase->ended_ms - purchase->began_ms;
    if (!shop->stood_still && !order->hung_up && purchase->status != 0)
        must(took_ms <= SHOP_TIMEOUT_MS + 1000);
}

static void after_turn(void *context)
{
    struct shop *shop = context;
    for (unsigned number = 1; number <= shop->count; number++) {
        struct order *order = &shop->book[number];
        if (order->purchase == NULL || !order->purchase->over)
            continue;
        if (!order->judged)
            judge_answer(shop, order, number);
        order->judged = true;
        if (strcmp(order->purchase->executed, "no") == 0)
            must(order->carried_out == 0);
    }
}

/* --- orders ----------------------------------------------------------------------------------- */

unsigned shop_order(struct shop *shop, enum way way)
{
    static const char *const paths[WAYS] = { "/sync", "/await", "/event" };
    char body[32];
    unsigned number = ++shop->count;
    must(number < SHOP_ORDERS);
    int len = snprintf(body, sizeof(body), "order %u", number);
    struct address address = sim_address(sidecar_node(shop->orders), 15001);
    shop->book[number] = (struct order){ .way = way, .turned_away = shop->closed };
    shop->book[number].purchase = customer_call(shop->customer, &address, "POST", paths[way], "",
                                                slice_of(body, (size_t)len));
    sim_finish_turn(customer_node(shop->customer));
    return number;
}

unsigned shop_foreign_order(struct shop *shop, const char *path)
{
    char body[32];
    unsigned number = ++shop->count;
    must(number < SHOP_ORDERS);
    int len = snprintf(body, sizeof(body), "order %u", number);
    shop->book[number] = (struct order){ .way = WAY_EVENT };
    const char *const headers[] = { ":method", "POST", ":path", path, NULL };
    rabbit_publish(shop->rabbit, "inventory.tell", slice_of(body, (size_t)len), headers);
    return number;
}

void shop_reload(struct shop *shop)
{
    static const char *const sizes[] = { "concurrency = 8;", "concurrency = 3;" };
    unsigned which = ++shop->reloads % 2;
    char *other = shop->other_config[which];
    must(sizeof(inventory_config) <= sizeof(shop->other_config[0]));
    memcpy(other, inventory_config, sizeof(inventory_config));
    memcpy(strstr(other, sizes[0]), sizes[which], strlen(sizes[0]));
    trace(shop->sim, "*** both reload");
    sidecar_reload(shop->orders, orders_config);
    sidecar_reload(shop->inventory_sidecar, other);
}

/* A copy of a configuration, with a text in place of another that is as long. */
static const char *changed(char *copy, const char *config, const char *from, const char *to)
{
    must(strlen(config) < sizeof(((struct shop *)NULL)->other_config[0]));
    must(strlen(from) == strlen(to));
    memcpy(copy, config, strlen(config) + 1);
    for (char *at = strstr(copy, from); *to != '\0'; to++)
        *at++ = *to;
    return copy;
}

void shop_share_queue(struct shop *shop)
{
    sidecar_reload(shop->orders, changed(shop->other_config[0], orders_config, "inventory.tell\"",
                                         "inventory.ask\" "));
    sidecar_reload(shop->inventory_sidecar,
                   changed(shop->other_config[1], inventory_config, "/await\"", "/*\"    "));
    sim_run(shop->sim, 2000, NULL, NULL);
}

static bool is_done(void *context)
{
    return customer_done(((struct shop *)context)->customer);
}

void shop_wait(struct shop *shop)
{
    must(sim_run(shop->sim, 120 * 1000, is_done, shop));
}

static void count_letter(const struct rabbit_message *message, void *context)
{
    struct shop *shop = context;
    struct order *order = order_in(shop, rabbit_body(message));
    must(order->purchase == NULL || strcmp(order->purchase->executed, "no") != 0);
    order->carried_out += 1000; /* it waits for a person */
}

/* 3 and the table: what was answered with 202 was received, or waits as a dead letter. */
void shop_settle(struct shop *shop)
{
    shop_wait(shop);
    sim_run(shop->sim, 60 * 1000, NULL, NULL);
    must(rabbit_depth(shop->rabbit, "inventory.tell") == 0);
    must(rabbit_depth(shop->rabbit, "inventory.ask") == 0);
    after_turn(shop);
    for (unsigned number = 1; number <= shop->count; number++) {
        const struct order *order = &shop->book[number];
        if (shop->calm && !order->hung_up && !order->turned_away)
            must(order->carried_out == 1);
    }
    rabbit_each(shop->rabbit, "inventory.tell.dead", count_letter, shop);
    for (unsigned number = 1; number <= shop->count; number++) {
        const struct order *order = &shop->book[number];
        bool taken = order->purchase == NULL || order->purchase->status == 202;
        if (taken)
            must(order->carried_out > 0);
        if (taken && order->poison)
            must(order->carried_out >= 1000);
    }
}

struct shop *shop_open(uint64_t seed, bool calm)
{
    struct shop *shop = calloc(1, sizeof(*shop));
    must(shop != NULL);
    shop->sim = sim_new(seed);
    shop->calm = calm;
    shop->customer = customer_new(shop->sim, "customer", 1);
    shop->rabbit = rabbit_new(shop->sim, 3, 5672);
    shop->inventory = service_new(shop->sim, "inventory", 2, 8080,
                                  (struct service_events){ on_request, shop });
    shop->inventory_sidecar = sidecar_new(shop->sim, "inventory-shunt", 2, inventory_config);
    shop->orders = sidecar_new(shop->sim, "orders-shunt", 1, orders_config);
    sim_watch(shop->sim, after_turn, shop);
    sim_run(shop->sim, 2000, NULL, NULL);
    return shop;
}

void shop_close(struct shop *shop)
{
    sim_watch(shop->sim, NULL, NULL);
    sidecar_free(shop->orders);
    sidecar_free(shop->inventory_sidecar);
    rabbit_free(shop->rabbit);
    service_free(shop->inventory);
    customer_free(shop->customer);
    sim_free(shop->sim);
    free(shop);
}
