/* The tables of settings that this plugin adds, and what they mean.
 *
 * Happy path: the tables have checked types and ranges; here the URL is taken apart (by the
 * library, in a copy that holds the password and is never printed) and names are held against
 * AMQP's limits. Failure: complaints, each at its setting, and nothing else has happened.
 * Control thread.
 */
#include "plugins/amqp/settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/snapshot.h"
#include "plugins/amqp/library.h"
#include "plugins/amqp/properties.h"

#define MIB INT64_C(1048576)
#define DAY INT64_C(86400000)

static const char *const schemes[] = { "amqp", NULL };
static const char *const replies[] = { "await", NULL };
static const char *const acks[] = { "delivered", "none", NULL };
static const char *const queue_types[] = { "classic", "quorum", NULL };

const struct setting amqp_broker_table[] = {
    { "url", SETTING_URL, SETTING_REQUIRED | SETTING_SECRET, .choices = schemes, .since = "0.1",
      .help = "Where RabbitMQ is and who we are there: \"amqp://user:password@host:port/vhost\"; "
              "special characters "
              "percent-encoded." },
    { "heartbeat", SETTING_DURATION, 0, "4s", 1000, 60000, .since = "0.1",
      .help = "How often each side shows that it lives, in whole seconds; silence for twice as "
              "long ends the connection." },
    { "connect_timeout", SETTING_DURATION, 0, "3s", 100, 60000, .since = "0.1",
      .help = "How long an attempt to connect may take, the login included." },
    { "window", SETTING_NUMBER, 0, "1024", 1, 65535, .since = "0.1",
      .help = "The most messages that wait for the broker's confirm; further calls get 503." },
    { "window_bytes", SETTING_SIZE, 0, "64MB", 64 * 1024, 4096 * MIB, .since = "0.1",
      .help =
          "The most bytes of messages that wait for the broker's confirm; further calls get 503." },
    { "max_message", SETTING_SIZE, 0, "16MB", 1024, 1024 * MIB, .since = "0.1",
      .help = "The largest message that the broker takes (its max_message_size): calls above it "
              "get 413." },
    { "backoff", SETTING_DURATION, 0, "200ms", 10, 60000, .since = "0.1",
      .help = "How long to wait after the first failure to connect; each further one waits twice "
              "as long." },
    { "max_backoff", SETTING_DURATION, 0, "5s", 10, 600000, .since = "0.1",
      .help = "The longest wait between two attempts to connect." },
    { 0 },
};

const struct setting amqp_request_reply_table[] = {
    { "queue", SETTING_TEXT, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The queue that the receiver consumes; the receiver declares it, not the caller." },
    { "reply", SETTING_CHOICE, 0, "await", .choices = replies, .since = "0.1",
      .help = "How the reply comes back: `await` holds the call until it is there." },
    { 0 },
};

const struct setting amqp_event_table[] = {
    { "queue", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The work queue that the event goes to." },
    { "exchange", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The exchange that the event is published to, instead of one queue." },
    { "routing_key", SETTING_TEXT, 0, .since = "0.1", .help = "The routing key for the exchange." },
    { "ack", SETTING_CHOICE, 0, "delivered", .choices = acks, .since = "0.1",
      .help = "When the caller is answered: `delivered`, once the broker confirmed it; `none`, at "
              "once, and the event "
              "may be lost." },
    { "ttl", SETTING_DURATION, 0, .low = 1, .high = 49 * DAY, .since = "0.1",
      .help = "How long the event may wait before the broker drops it; without it, for ever." },
    { 0 },
};

const struct setting amqp_subscription_table[] = {
    { "queue", SETTING_TEXT, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The queue that is consumed." },
    { "queue_type", SETTING_CHOICE, 0, "classic", .choices = queue_types, .since = "0.1",
      .help = "What queues are declared as when they are not there: `classic`, or `quorum` to "
              "survive the loss of a node." },
    { "declare", SETTING_FLAG, 0, "true", .since = "0.1",
      .help = "Whether the queue and its dead-letter queue are declared when they are not there." },
    { "reply_to", SETTING_TEXTS, SETTING_NOT_EMPTY,
      "shunt.reply.*, amq.gen-*, amq.rabbitmq.reply-to.*", .since = "0.1",
      .help = "Queues that replies may go to; a trailing `*` stands for anything." },
    { 0 },
};

/* --- a broker -------------------------------------------------------------------------------- */

/* Takes a copy of the URL apart. NULL, or what is wrong, without a word of it. */
static const char *read_url(struct broker_settings *settings, const char *url)
{
    if (strstr(url, "%00") != NULL)
        return "the URL has a NUL in it";
    settings->url = strdup(url);
    if (settings->url == NULL)
        return "no memory for the URL";
    struct amqp_connection_info info;
    if (amqp_parse_url(settings->url, &info) != AMQP_STATUS_OK)
        return "the URL cannot be read";
    settings->host = info.host;
    settings->port = (uint16_t)info.port;
    settings->user = info.user;
    settings->password = info.password;
    settings->vhost = *info.vhost == '\0' ? "/" : info.vhost;
    if (info.port == 0)
        return "the URL's port is 0";
    if (strlen(settings->vhost) > SHORT_MAX || strlen(settings->user) > SHORT_MAX ||
        strlen(settings->password) > 4 * SHORT_MAX)
        return "the URL's user, password or virtual host is too long";
    return NULL;
}

int settings_open(const struct host *host, struct broker *broker, const struct values *values,
                  struct complaints *complaints, void **instance)
{
    struct broker_settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL)
        abort();
    *settings = (struct broker_settings){
        .shunt = host,
        .broker = broker,
        .heartbeat_ms = values_ms(values, "heartbeat"),
        .connect_timeout_ms = values_ms(values, "connect_timeout"),
        .backoff_ms = values_ms(values, "backoff"),
        .max_backoff_ms = values_ms(values, "max_backoff"),
        .window = (size_t)values_number(values, "window"),
        .window_bytes = values_bytes(values, "window_bytes"),
        .max_message = values_bytes(values, "max_message"),
    };
    if (settings->max_backoff_ms < settings->backoff_ms)
        settings->max_backoff_ms = settings->backoff_ms;
    const char *flaw = read_url(settings, values_text(values, "url"));
    if (flaw == NULL) {
        *instance = settings;
        return 0;
    }
    struct complaint *complaint = complain(complaints, values_place(values, "url"), "%s", flaw);
    complaint_expected(complaints, complaint,
                       "amqp://user:password@host:port/vhost, special characters percent-encoded");
    settings_close(settings);
    return -1;
}

void settings_close(void *instance)
{
    struct broker_settings *settings = instance;
    free(settings->url);
    free(settings);
}

/* --- a route --------------------------------------------------------------------------------- */

/* A name that AMQP can carry: not too long, no control characters, which brokers refuse or hide. */
static bool check_name(const struct values *block, const char *key, struct complaints *complaints)
{
    const char *text = values_text(block, key);
    if (text == NULL)
        return true;
    size_t len = strlen(text), printable = 0;
    while (printable < len && (uint8_t)text[printable] >= ' ' && text[printable] != 0x7f)
        printable++;
    if (len > SHORT_MAX)
        complain(complaints, values_place(block, key),
                 "'%s' is longer than AMQP's names, 255 bytes", key);
    else if (printable < len)
        complain(complaints, values_place(block, key), "'%s' has control characters in it", key);
    else
        return true;
    return false;
}

static bool check_event(const struct values *block, struct complaints *complaints)
{
    bool queue = values_has(block, "queue"), exchange = values_has(block, "exchange"),
         key = values_has(block, "routing_key");
    if (queue && exchange)
        complain(complaints, values_place(block, "exchange"),
                 "an event goes to a queue or to an exchange, not to both");
    else if (queue && key)
        complain(complaints, values_place(block, "routing_key"),
                 "a queue has no routing key: write it with 'exchange'");
    else if (!queue && !exchange)
        complain(complaints, block->place,
                 "the event has no destination; expected 'queue' or 'exchange'");
    else if (exchange && !key)
        complain(complaints, values_place(block, "exchange"),
                 "the exchange needs a 'routing_key'; \"\" is one, too");
    else
        return true;
    return false;
}

static void read_event(struct route_settings *settings, const struct values *block)
{
    bool queue = values_has(block, "queue");
    settings->exchange = queue ? SLICE("") : slice_text(values_text(block, "exchange"));
    settings->routing_key = slice_text(values_text(block, queue ? "queue" : "routing_key"));
    settings->ttl_ms = values_ms(block, "ttl");
    settings->confirmed = strcmp(values_text(block, "ack"), "delivered") == 0;
}

int settings_prepare(void *instance, enum style style, const struct values *route,
                     const struct values *block, struct complaints *complaints, void **settings)
{
    (void)route;
    assert(style == STYLE_REQUEST_REPLY || style == STYLE_EVENT);
    struct broker_settings *broker = instance;
    bool fine = style == STYLE_EVENT ? check_event(block, complaints) : true;
    static const char *const names[] = { "queue", "exchange", "routing_key" };
    for (size_t i = 0; i < (style == STYLE_EVENT ? 3 : 1); i++)
        fine = check_name(block, names[i], complaints) && fine;
    if (!fine)
        return -1;

    struct route_settings *prepared = calloc(1, sizeof *prepared);
    if (prepared == NULL)
        abort();
    prepared->broker = broker;
    prepared->confirmed = true;
    if (style == STYLE_EVENT) {
        read_event(prepared, block);
    } else {
        prepared->exchange = SLICE("");
        prepared->routing_key = slice_text(values_text(block, "queue"));
        atomic_store_explicit(&broker->awaits, true, memory_order_release);
    }
    *settings = prepared;
    return 0;
}

void settings_release(void *settings)
{
    free(settings);
}
