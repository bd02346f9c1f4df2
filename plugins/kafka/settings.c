/* The tables of settings that this plugin adds, and what they mean.
 *
 * Happy path: the tables have checked types and ranges; here properties are held against
 * promises.md and then against the library, topics against Kafka's names, keys against what a call
 * has. Failure: complaints, each at its setting, and nothing else has happened. Control thread.
 */
#include "plugins/kafka/settings.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>

#include "core/snapshot.h"

#define MIB INT64_C(1048576)

static const char *const acks[] = { "delivered", "none", NULL };
static const char *const starts[] = { "earliest", "latest", NULL };

const struct setting kafka_broker_table[] = {
    { "bootstrap", SETTING_HOSTPORTS, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help =
          "Where the cluster is found: one or several of its brokers, such as \"kafka:9092\"." },
    { "window", SETTING_NUMBER, 0, "10000", 1, 1000000, .since = "0.1",
      .help = "The most records that wait for the broker's report; further calls get 503." },
    { "window_bytes", SETTING_SIZE, 0, "64MB", 64 * 1024, 1024 * MIB, .since = "0.1",
      .help =
          "The most bytes of records that wait for the broker's report; further calls get 503." },
    { "max_message", SETTING_SIZE, 0, "1000000B", 1024, 512 * MIB, .since = "0.1",
      .help = "The largest record (Kafka's message.max.bytes): calls above it, or above what the "
              "topic takes, get 413." },
    { "properties", SETTING_PROPERTIES, SETTING_SECRET, .since = "0.1",
      .help = "Any properties of librdkafka, \"name=value\", such as \"security.protocol=ssl\"; "
              "those that "
              "would break a promise are refused." },
    { 0 },
};

const struct setting kafka_event_table[] = {
    { "topics", SETTING_TEXTS, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The topics that the event goes to, one or several; their owners declare them." },
    { "key", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help =
          "Where the record's key comes from: \"header:NAME\", \"path:SEGMENT\", \"query:NAME\", "
          "\"json:/pointer\" or \"text:…\"; events of one key keep their order." },
    { "ack", SETTING_CHOICE, 0, "delivered", .choices = acks, .since = "0.1",
      .help =
          "When the caller is answered: `delivered`, once all replicas in sync have it; `none`, "
          "at once, and the event may be lost." },
    { 0 },
};

static const struct setting declare_rows[] = {
    { "partitions", SETTING_NUMBER, 0, .low = 1, .high = 10000, .since = "0.1",
      .help = "How many partitions a declared topic gets; the broker's default when not written." },
    { "replication", SETTING_NUMBER, 0, .low = 1, .high = 100, .since = "0.1",
      .help = "How many brokers keep a declared topic, its dead letters too; the broker's default "
              "when not "
              "written." },
    { 0 },
};

const struct setting kafka_subscription_table[] = {
    { "topics", SETTING_TEXTS, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The topics that are consumed." },
    { "group", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The consumer group: its members share the events, each group gets them all; "
              "`<service>.<subscription>` when not written." },
    { "start", SETTING_CHOICE, SETTING_REQUIRED, .choices = starts, .since = "0.1",
      .help =
          "Where a group that is new begins: with the `earliest` record that is there, or with the "
          "`latest`, those that come." },
    { "span", SETTING_NUMBER, 0, "1000", 1, 100000, .since = "0.1",
      .help = "The most records of one partition between the first that is not handled and the "
              "last that "
              "was read; then the partition pauses." },
    { "span_bytes", SETTING_SIZE, 0, "16MB", 64 * 1024, 1024 * MIB, .since = "0.1",
      .help = "The most bytes that held records take, of all partitions together; each has its "
              "part, and then pauses." },
    { "handover", SETTING_DURATION, 0, "3s", 0, 30000, .since = "0.1",
      .help =
          "How long a rebalance waits for calls in flight and, as a drain does, for records that "
          "others have overtaken: what is not handled by then comes again, and all behind it. Such "
          "a record is begun while its `timeout` still fits, or in the first half where `timeout` "
          "is longer than this." },
    { "declare", SETTING_GROUP, 0, .children = declare_rows, .since = "0.1",
      .help = "Declares the topics when they are not there; the topics of dead letters are "
              "declared in any "
              "case." },
    { 0 },
};

/* --- properties that are not free ------------------------------------------------------------- */

#define PROMISE(text)  "it would break a promise: " text
#define SETTING(other) "it is the setting '" other "' of this broker"

/* A trailing '.' stands for everything below it. */
static const struct {
    const char *name, *why;
} refused[] = {
    { "acks", PROMISE("an answer of 2xx means that all replicas in sync have the event") },
    { "request.required.acks",
      PROMISE("an answer of 2xx means that all replicas in sync have the event") },
    { "enable.idempotence", PROMISE("a retry inside the library must double nothing") },
    { "enable.gapless.guarantee", PROMISE("one lost record must not end all others") },
    { "retries", PROMISE("idempotence needs the library's retries") },
    { "message.send.max.retries", PROMISE("idempotence needs the library's retries") },
    { "partitioner", PROMISE("a key must go where a JVM producer puts it") },
    { "enable.auto.offset.store", PROMISE("only what was handled is committed") },
    { "enable.auto.commit", PROMISE("only what was handled is committed") },
    { "auto.commit.enable", PROMISE("only what was handled is committed") },
    { "auto.offset.reset",
      PROMISE("'start' says where a new group begins, and a lost offset stops") },
    { "partition.assignment.strategy", PROMISE("revoked partitions are waited for and committed") },
    { "allow.auto.create.topics", PROMISE("a typing error must not become a topic") },
    { "transactional.id", PROMISE("there is one producer per worker") },
    { "group.id", "it is the setting 'group' of a subscription" },
    { "group.instance.id", PROMISE("workers and replicas would throw each other out") },
    { "group.protocol", PROMISE("revoked partitions are waited for and committed") },
    { "enable.partition.eof", "it is Shunt's own" },
    { "delivery.report.only.error", PROMISE("each event is answered from its report") },
    { "enabled_events", "it is Shunt's own" },
    { "log.queue", "it is Shunt's own" },
    { "opaque", "it is Shunt's own" },
    { "plugin.library.paths", "it would load code into Shunt" },
    { "ssl.engine.location", "it would load code into Shunt" },
    { "test.mock.", PROMISE("an answer of 2xx means a broker, not this process's memory") },
    { "offset.store.", PROMISE("only what was handled is committed, and to the group") },
    { "bootstrap.servers", SETTING("bootstrap") },
    { "metadata.broker.list", SETTING("bootstrap") },
    { "message.max.bytes", SETTING("max_message") },
    { "queue.buffering.max.messages", SETTING("window") },
    { "queue.buffering.max.kbytes", SETTING("window_bytes") },
    { "queue.buffering.backpressure.threshold", "it is Shunt's own" },
};

/* Values with which TLS protects nothing. */
static const char *const unverified[][2] = {
    { "enable.ssl.certificate.verification", "false" },
    { "ssl.endpoint.identification.algorithm", "none" },
};

static bool is_named(const char *row, const char *name)
{
    size_t len = strlen(row);
    return row[len - 1] == '.' ? strncmp(row, name, len) == 0 : strcmp(row, name) == 0;
}

/* A record that waits for others this long would seem to wait for a broker. */
static bool lingers(const char *name, const char *value)
{
    enum { LINGER_MAX_MS = 500 };
    bool linger = strcmp(name, "linger.ms") == 0 || strcmp(name, "queue.buffering.max.ms") == 0;
    return linger && strtod(value, NULL) > (double)LINGER_MAX_MS;
}

static const char *refusal_of(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (is_named(refused[i].name, name))
            return refused[i].why;
    if (lingers(name, value))
        return PROMISE("what waits for a second is an outage; at most 500");
    return NULL;
}

/* Threat 15: that must be written, and is said at each start. */
static void warn_of(const char *name, const char *value, struct place place,
                    struct complaints *complaints)
{
    for (size_t i = 0; i < sizeof unverified / sizeof *unverified; i++)
        if (strcmp(unverified[i][0], name) == 0 && strcasecmp(unverified[i][1], value) == 0)
            warn(complaints, place, "'%s=%s': whoever answers is taken for the broker", name,
                 unverified[i][1]);
}

/* Values may be secrets: only names are repeated. */
static bool check_property(const char *text, struct place place, struct complaints *complaints)
{
    char name[128], why[256];
    size_t len = strcspn(text, "=");
    if (len >= sizeof name || text[len] == '\0') {
        complain(complaints, place, "this is no property; expected \"name=value\"");
        return false;
    }
    memcpy(name, text, len);
    name[len] = '\0';
    const char *value = text + len + 1, *flaw = refusal_of(name, value);
    if (flaw != NULL) {
        complain(complaints, place, "the property '%s' is refused: %s", name, flaw);
        return false;
    }
    flaw = kafka_library.check(name, value, why, sizeof why);
    if (flaw != NULL)
        complain(complaints, place, "the property '%s' is not taken by librdkafka: %s", name, flaw);
    else
        warn_of(name, value, place, complaints);
    return flaw == NULL;
}

static bool check_properties(const struct values *values, struct complaints *complaints)
{
    const struct value *properties = values_get(values, "properties");
    bool fine = true;
    for (size_t i = 0; i < properties->count; i++)
        fine &= check_property(properties->texts[i], properties->places[i], complaints);
    return fine;
}

/* --- a broker --------------------------------------------------------------------------------- */

static char *join(const struct value *hosts)
{
    struct bytes text = { 0 };
    for (size_t i = 0; i < hosts->count; i++)
        bytes_printf(&text, "%s%s", i > 0 ? "," : "", hosts->texts[i]);
    bytes_byte(&text, '\0');
    if (text.full)
        abort();
    return (char *)text.at;
}

/* What properties are together, and the files that they name, only a client says: now, so that a
 * configuration with which nothing can be carried is refused. */
static bool try_client(const struct broker_settings *settings, const struct values *values,
                       struct complaints *complaints)
{
    const struct client_settings client = { .properties = settings->properties,
                                            .client_id = "shunt",
                                            .max_message = settings->max_message,
                                            .window = settings->window,
                                            .window_bytes = settings->window_bytes };
    char why[256];
    const char *flaw = kafka_library.try(&client, why, sizeof why);
    if (flaw == NULL)
        return true;
    bool written = values_has(values, "properties");
    complain(complaints, written ? values_place(values, "properties") : values->place,
             "librdkafka makes no client of this: %s", flaw);
    return false;
}

int kafka_open(const struct host *host, struct broker *broker, const struct values *values,
               struct complaints *complaints, void **instance)
{
    if (!check_properties(values, complaints))
        return -1;
    struct broker_settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL)
        abort();
    settings->shunt = host;
    settings->broker = broker;
    settings->bootstrap = join(values_get(values, "bootstrap"));
    settings->properties = (const char *const *)values_get(values, "properties")->texts;
    settings->window = (size_t)values_number(values, "window");
    settings->window_bytes = values_bytes(values, "window_bytes");
    settings->max_message = values_bytes(values, "max_message");
    if (settings->window_bytes < 2 * settings->max_message)
        settings->window_bytes = 2 * settings->max_message;
    if (!try_client(settings, values, complaints)) {
        kafka_close(settings);
        return -1;
    }
    *instance = settings;
    return 0;
}

void kafka_close(void *instance)
{
    struct broker_settings *settings = instance;
    struct known_topic *topic = atomic_load_explicit(&settings->topics, memory_order_relaxed);
    while (topic != NULL) {
        struct known_topic *next = topic->next;
        free(topic);
        topic = next;
    }
    free(settings->bootstrap);
    free(settings);
}

/* --- a route ---------------------------------------------------------------------------------- */

const char *topic_flaw(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return "this is no name of a topic";
    if (len > TOPIC_NAME_MAX)
        return "a topic's name has at most 249 bytes";
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return "a topic's name has letters, digits, '.', '_' and '-' only";
    }
    return NULL;
}

static bool check_topics(const struct value *topics, struct complaints *complaints)
{
    bool fine = true;
    for (size_t i = 0; i < topics->count; i++) {
        const char *flaw = topic_flaw(topics->texts[i]);
        for (size_t j = 0; j < i && flaw == NULL; j++)
            if (strcmp(topics->texts[i], topics->texts[j]) == 0)
                flaw = "the topic is named twice";
        if (flaw != NULL)
            complain(complaints, topics->places[i], "%s", flaw);
        fine &= flaw == NULL;
    }
    return fine;
}

/* The topic that dead letters of another go to. */
static bool check_dead_topic(const char *name, const struct value *topics, struct place place,
                             struct complaints *complaints)
{
    const char *flaw = topic_flaw(name);
    for (size_t i = 0; i < topics->count && flaw == NULL; i++)
        if (strcmp(name, topics->texts[i]) == 0)
            flaw = "it is consumed itself";
    if (flaw != NULL)
        complain(complaints, place, "dead letters cannot go to '%s': %s", name, flaw);
    return flaw == NULL;
}

int kafka_check(const struct values *values, const char *service, struct complaints *complaints)
{
    const struct value *topics = values_get(values, "topics");
    const char *dead = values_text(values, "dead_letter"), *group = values_text(values, "group");
    if (!check_topics(topics, complaints))
        return -1;
    if (dead != NULL)
        return check_dead_topic(dead, topics, values_place(values, "dead_letter"), complaints) ? 0
                                                                                               : -1;
    bool fine = true;
    for (size_t i = 0; i < topics->count && fine; i++) {
        struct bytes name = { 0 };
        if (group != NULL)
            bytes_printf(&name, "%s.%s.dead", topics->texts[i], group);
        else
            bytes_printf(&name, "%s.%s.%s.dead", topics->texts[i], service,
                         values_text(values, "name"));
        bytes_byte(&name, '\0');
        if (name.full)
            abort();
        fine = check_dead_topic((const char *)name.at, topics,
                                values_place(values, group != NULL ? "group" : "topics"),
                                complaints);
        bytes_free(&name);
    }
    return fine ? 0 : -1;
}

static bool read_key(const struct values *route, const struct values *block,
                     struct complaints *complaints, struct key_source *key)
{
    const char *pattern = NULL, *why;
    if (values_has(route, "match"))
        pattern = values_text(values_group(route, "match"), "path");
    if (key_source_read(values_text(block, "key"), pattern, key, &why) == 0)
        return true;
    struct complaint *complaint = complain(complaints, values_place(block, "key"), "%s", why);
    complaint_expected(
        complaints, complaint,
        "\"header:NAME\", \"path:SEGMENT\", \"query:NAME\", \"json:/pointer\" or \"text:…\"");
    return false;
}

/* Lanes find it at their next turn and learn where it is. */
static void make_known(struct broker_settings *settings, const char *name)
{
    struct known_topic *first = atomic_load_explicit(&settings->topics, memory_order_relaxed);
    for (const struct known_topic *topic = first; topic != NULL; topic = topic->next)
        if (strcmp(topic->name, name) == 0)
            return;
    struct known_topic *topic = calloc(1, sizeof *topic);
    if (topic == NULL)
        abort();
    assert(strlen(name) <= TOPIC_NAME_MAX);
    memcpy(topic->name, name, strlen(name) + 1);
    topic->next = first;
    atomic_store_explicit(&settings->topics, topic, memory_order_release);
}

int kafka_prepare(void *instance, enum style style, const struct values *route,
                  const struct values *block, struct complaints *complaints, void **settings)
{
    assert(style == STYLE_EVENT);
    (void)style;
    struct broker_settings *broker = instance;
    const struct value *topics = values_get(block, "topics");
    struct key_source key;
    bool fine = check_topics(topics, complaints);
    fine &= read_key(route, block, complaints, &key);
    if (!fine)
        return -1;
    struct route_settings *prepared = calloc(1, sizeof *prepared);
    if (prepared == NULL)
        abort();
    *prepared = (struct route_settings){
        .broker = broker,
        .topics = (const char *const *)topics->texts,
        .topic_count = (unsigned)topics->count,
        .key = key,
        .confirmed = strcmp(values_text(block, "ack"), "delivered") == 0,
    };
    for (size_t i = 0; i < topics->count; i++)
        make_known(broker, topics->texts[i]);
    *settings = prepared;
    return 0;
}

void kafka_release(void *settings)
{
    free(settings);
}
