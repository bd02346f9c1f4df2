/* The plugin: what Shunt calls, in one table. Calls are carry.c's, lanes lane.c's, the receiving
 * half consumer.c's and post.c's; this manual page's words are settings.c's. */
#include "plugin.h"
#include "plugins/amqp/carry.h"
#include "plugins/amqp/consumer.h"
#include "plugins/amqp/lane.h"
#include "plugins/amqp/library.h"
#include "plugins/amqp/post.h"
#include "plugins/amqp/settings.h"

static const struct setting no_settings[] = { { 0 } };

static const struct source source = {
    .subscribe = consumer_subscribe,
    .credit = consumer_credit,
    .publish = post_publish,
    .settle = consumer_settle,
    .retire = consumer_retire,
    .unsubscribe = consumer_unsubscribe,
    .may_reply = consumer_may_reply,
};

const struct transport shunt_plugin = {
    .abi = SHUNT_ABI,
    .name = "amqp",
    .version = "rabbitmq-c " AMQP_VERSION_STRING,
    .styles = STYLE_BIT(STYLE_REQUEST_REPLY) | STYLE_BIT(STYLE_EVENT),
    .whole = STYLE_BIT(STYLE_REQUEST_REPLY) | STYLE_BIT(STYLE_EVENT),
    .broker = amqp_broker_table,
    .route = { [STYLE_SYNC] = no_settings,
               [STYLE_REQUEST_REPLY] = amqp_request_reply_table,
               [STYLE_EVENT] = amqp_event_table },
    .subscription = amqp_subscription_table,
    .open = settings_open,
    .close = settings_close,
    .prepare = settings_prepare,
    .release = settings_release,
    .attach = lane_attach,
    .detach = lane_detach,
    .plan = carry_plan,
    .describe = carry_describe,
    .ready = carry_ready,
    .begin = carry_begin,
    .cancel = carry_cancel,
    .source = &source,
};
