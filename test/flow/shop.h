/* The two services of the README in a simulation, with a sidecar each, and the books that are
 * kept of every order.
 *
 *     customer ─ orders' sidecar ─┬─ rabbit ─┬─ inventory's sidecar ─ inventory
 *                 (host 1)        └─ (host 3)┘       (host 2)
 *
 * Each order has a number. The books say what its caller was told and how often inventory
 * carried it out; after every turn they are held against promises.md.
 */
#ifndef FLOW_SHOP_H
#define FLOW_SHOP_H

#include "customer.h"
#include "rabbit.h"
#include "service.h"
#include "sidecar.h"

enum { SHOP_ORDERS = 512, SHOP_TIMEOUT_MS = 3000 };
enum way { WAY_SYNC, WAY_AWAIT, WAY_EVENT, WAYS };

struct order {
    enum way way;
    struct purchase *purchase; /* NULL: another program published it */
    unsigned carried_out;      /* times that inventory had it */
    bool poison;               /* inventory refuses it with 404 */
    bool failing;              /* it always fails there with 500 */
    bool hung_up, turned_away; /* the caller left; it came while the shop was closed */
    bool judged;               /* its answer was looked at */
};

struct shop {
    struct sim *sim;
    struct customer *customer;
    struct sidecar *orders, *inventory_sidecar;
    struct rabbit *rabbit;
    struct service *inventory;
    struct order book[SHOP_ORDERS]; /* by number, from 1 */
    unsigned count;
    unsigned failing_percent, hanging_percent,
        breaking_percent; /* of inventory's answers: 500, none, half */
    bool calm;            /* nothing breaks: every call must succeed, exactly once */
    bool stood_still;     /* orders' sidecar was stopped: deadlines cannot be held */
    bool closed;          /* orders' sidecar takes no new calls */
    unsigned reloads;
    char other_config[2][2048]; /* inventory's, after a reload */
};

struct shop *shop_open(uint64_t seed, bool calm);
/* One more order; its number. */
unsigned shop_order(struct shop *shop, enum way way);
/* An order that another program publishes, with `:path` and the method POST; its number. */
unsigned shop_foreign_order(struct shop *shop, const char *path);
/* Another configuration for both sidecars that says the same but for sizes and times. */
void shop_reload(struct shop *shop);
/* From now on requests and events go through one queue. */
void shop_share_queue(struct shop *shop);
/* Runs until every call is over. */
void shop_wait(struct shop *shop);
/* What must hold at the end, after everything was mended and so much time has passed. */
void shop_settle(struct shop *shop);
void shop_close(struct shop *shop);

#endif
