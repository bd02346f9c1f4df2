/* The login as a table of what is awaited. Happy path: START (we answer with our name, abilities
 * and the password) → TUNE (the smaller of each size) → open the virtual host → OPEN_OK.
 * Failure: any other method, a server without PLAIN, sizes below the specification's: cut. A
 * refused password comes as connection.close, which connection.c takes. */
#include "plugins/amqp/handshake.h"

#include <assert.h>

#include "core/version.h"

static const struct slice protocol = SLICE("AMQP\0\0\x09\x01");

static amqp_table_entry_t text_entry(const char *key, const char *text)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = { .kind = AMQP_FIELD_KIND_UTF8, .value = { .bytes = amqp_cstring_bytes(text) } },
    };
}

static amqp_table_entry_t able_to(const char *key)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = { .kind = AMQP_FIELD_KIND_BOOLEAN, .value = { .boolean = 1 } },
    };
}

void handshake_begin(struct connection *connection)
{
    connection->handshake = HANDSHAKE_START;
    connection->frames.max = FRAME_MAX_EARLY;
    connection->frames.channels = 0;
    stream_write_slice(connection->stream, protocol);
}

static bool offers_plain(struct slice mechanisms)
{
    while (mechanisms.len > 0) {
        size_t end = slice_find(mechanisms, ' ');
        if (slice_is(slice_first(mechanisms, end), "PLAIN"))
            return true;
        mechanisms = slice_from(mechanisms, end < mechanisms.len ? end + 1 : end);
    }
    return false;
}

static void answer_start(struct connection *connection, const amqp_connection_start_t *start)
{
    if (!offers_plain(amqp_slice(start->mechanisms))) {
        connection_cut(connection, "the broker takes no password (mechanism PLAIN)");
        return;
    }
    amqp_table_entry_t abilities[] = {
        able_to("publisher_confirms"),           able_to("basic.nack"),
        able_to("connection.blocked"),           able_to("consumer_cancel_notify"),
        able_to("authentication_failure_close"),
    };
    amqp_table_entry_t properties[] = {
        text_entry("product", "Shunt"),
        text_entry("version", SHUNT_VERSION),
        text_entry("connection_name", connection->name),
        { .key = amqp_cstring_bytes("capabilities"),
          .value = { .kind = AMQP_FIELD_KIND_TABLE,
                     .value = { .table = { .num_entries = sizeof abilities / sizeof *abilities,
                                           .entries = abilities } } } },
    };
    /* RFC 4616: NUL, who, NUL, password. */
    struct bytes response = { 0 };
    bytes_byte(&response, 0);
    bytes_text(&response, connection->settings->user);
    bytes_byte(&response, 0);
    bytes_text(&response, connection->settings->password);

    amqp_connection_start_ok_t answer = {
        .client_properties = { .num_entries = sizeof properties / sizeof *properties,
                               .entries = properties },
        .mechanism = amqp_cstring_bytes("PLAIN"),
        .response = amqp_from(bytes_slice(&response)),
        .locale = amqp_cstring_bytes("en_US"),
    };
    connection->handshake = HANDSHAKE_TUNE;
    connection_send(connection, 0, AMQP_CONNECTION_START_OK_METHOD, &answer);
    bytes_free(&response);
}

/* The smaller of two where 0 means no limit. */
static uint32_t smaller(uint32_t theirs, uint32_t ours)
{
    return theirs == 0 || theirs > ours ? ours : theirs;
}

static void answer_tune(struct connection *connection, const amqp_connection_tune_t *tune)
{
    uint32_t heartbeat_s = smaller(tune->heartbeat,
                                   (uint32_t)(connection->settings->heartbeat_ms + 999) / 1000);
    amqp_connection_tune_ok_t answer = {
        .channel_max = (uint16_t)smaller(tune->channel_max, CHANNELS - 1),
        .frame_max = smaller(tune->frame_max, FRAME_MAX),
        .heartbeat = (uint16_t)heartbeat_s,
    };
    if (answer.frame_max < AMQP_FRAME_MIN_SIZE) {
        connection_cut(connection, "the broker wants frames smaller than AMQP has them");
        return;
    }
    connection->frame_max = connection->frames.max = answer.frame_max;
    connection->channel_max = connection->frames.channels = answer.channel_max;
    connection->heartbeat_ms = (uint64_t)heartbeat_s * 1000;
    connection->handshake = HANDSHAKE_OPEN_OK;
    connection_send(connection, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &answer);

    amqp_connection_open_t open = { .virtual_host = amqp_cstring_bytes(
                                        connection->settings->vhost) };
    connection_send(connection, 0, AMQP_CONNECTION_OPEN_METHOD, &open);
}

void handshake_method(struct connection *connection, const amqp_method_t *method)
{
    static const amqp_method_number_t awaited[] = {
        [HANDSHAKE_START] = AMQP_CONNECTION_START_METHOD,
        [HANDSHAKE_TUNE] = AMQP_CONNECTION_TUNE_METHOD,
        [HANDSHAKE_OPEN_OK] = AMQP_CONNECTION_OPEN_OK_METHOD,
    };
    assert(connection->handshake < HANDSHAKE_DONE);
    if (method->id != awaited[connection->handshake]) {
        connection_cut(connection, "the broker does not log in as AMQP 0-9-1 does");
        return;
    }
    if (connection->handshake == HANDSHAKE_START)
        answer_start(connection, method->decoded);
    else if (connection->handshake == HANDSHAKE_TUNE)
        answer_tune(connection, method->decoded);
    else
        connection_ready(connection);
}
