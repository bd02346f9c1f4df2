/* The plugin: what Shunt calls, in one table. Events are event.c's, lanes lane.c's, the receiving
 * half member.c's and post.c's; the manual page's words are settings.c's. */
#include <librdkafka/rdkafka.h>

#include "plugin.h"
#include "plugins/kafka/event.h"
#include "plugins/kafka/member.h"
#include "plugins/kafka/post.h"
#include "plugins/kafka/settings.h"
#include "plugins/kafka/transport.h"

static const struct setting no_settings[] = { { 0 } };

static const struct source source = {
    .keeps_order = true,
    .check = kafka_check,
    .subscribe = member_subscribe,
    .credit = member_credit,
    .publish = post_letter,
    .settle = member_settle,
    .unsubscribe = member_unsubscribe,
    .may_reply = member_may_reply,
};

/* A number of the header's, 0xMMmmrrpp, as text: only a constant can stand in the table. */
#define DIGIT(shift) ('0' + (RD_KAFKA_VERSION >> (shift)&0xff) % 10)
#define TENS(shift)  ('0' + (RD_KAFKA_VERSION >> (shift)&0xff) / 10)

#define NAME 'l', 'i', 'b', 'r', 'd', 'k', 'a', 'f', 'k', 'a', ' '

static const char minor_short[] = { NAME, DIGIT(24), '.', DIGIT(16), '.', DIGIT(8), 0 };
static const char minor_long[] = { NAME, DIGIT(24), '.', TENS(16), DIGIT(16), '.', DIGIT(8), 0 };

const struct transport kafka_transport = {
    .abi = SHUNT_ABI,
    .name = "kafka",
    .version = TENS(16) > '0' ? minor_long : minor_short,
    .styles = STYLE_BIT(STYLE_EVENT),
    .whole = STYLE_BIT(STYLE_EVENT),
    .broker = kafka_broker_table,
    .route = { [STYLE_SYNC] = no_settings,
               [STYLE_REQUEST_REPLY] = no_settings,
               [STYLE_EVENT] = kafka_event_table },
    .subscription = kafka_subscription_table,
    .open = kafka_open,
    .close = kafka_close,
    .prepare = kafka_prepare,
    .release = kafka_release,
    .attach = kafka_attach,
    .detach = kafka_detach,
    .plan = event_plan,
    .describe = event_describe,
    .ready = event_ready,
    .begin = event_begin,
    .cancel = event_cancel,
    .source = &source,
};

/* Weak, so that a test can link several plugins into one program. */
extern const struct transport shunt_plugin __attribute__((weak, alias("kafka_transport")));
