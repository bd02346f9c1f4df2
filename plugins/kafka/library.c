/* librdkafka behind the seam of client.h. A test that links another `kafka_library` gets along
 * without this file. */
#include "plugins/kafka/handle.h"
#include "plugins/kafka/rdkafka.h"

const struct kafka_library kafka_library = {
    .check = conf_check,
    .try = conf_try,
    .producer_open = rdkafka_producer_open,
    .produce = rdkafka_produce,
    .warm = rdkafka_warm,
    .probe = rdkafka_probe,
    .purge = rdkafka_purge,
    .declare = rdkafka_declare,
    .producer_close = rdkafka_producer_close,
    .member_open = rdkafka_member_open,
    .assign = rdkafka_assign,
    .release = rdkafka_release,
    .pause = rdkafka_pause,
    .store = rdkafka_store,
    .commit = rdkafka_commit,
    .member_close = rdkafka_member_close,
};
