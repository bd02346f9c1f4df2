/* Anything as what a client sends by HTTP/1, through a whole worker to an upstream that answers:
 * what arrives there is read by a parser that is not the proxy's (strict_http.h), and so is what
 * was sent. Each request that arrives whole is well-formed, alone until it is answered, and one
 * of those that the same parser finds in what was sent, in their order; where it finds none any
 * more, nothing arrives.
 *
 * Input: how long a read is (0: all at once), then the bytes of the connection.
 *
 * libFuzzer: -max_len=1024 */
#include "http/h2_server.h"
#include "test/fuzz/strict_http.h"
#include "test/fuzz/whole_worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- whether two messages are the same -------------------------------------------------------- */

/* What we say ourselves, or say in our own words. */
static bool is_ours(struct slice name)
{
    static const char *const ours[] = {
        "host",   "via",        "traceparent",    "tracestate",
        "te",     "connection", "content-length", "transfer-encoding",
        "expect", "upgrade",    "max-forwards"
    };
    return strict_is_among(name, ours, sizeof ours / sizeof *ours);
}

static struct slice query_of(struct slice target)
{
    return slice_from(target, slice_find(target, '?'));
}

static bool is_plain_path(struct slice target)
{
    if (target.len == 0 || target.at[0] != '/')
        return false;
    struct slice path = slice_first(target, slice_find(target, '?'));
    for (size_t i = 0; i < path.len; i++) {
        if (strchr("%\"<>[]^`{|}", path.at[i]) != NULL)
            return false;
    }
    return true;
}

static bool is_same(const struct strict *got, const struct strict *sent)
{
    return slice_equal(got->method, sent->method) &&
           slice_equal(query_of(got->target), query_of(sent->target)) &&
           (!is_plain_path(sent->target) || slice_equal(got->target, sent->target)) &&
           slice_equal(bytes_slice(&got->body), bytes_slice(&sent->body)) &&
           strict_lines_among(got, 0, got->fields, sent, 0, sent->fields, is_ours) &&
           strict_lines_among(got, got->fields, got->count, sent, sent->fields, sent->count,
                              is_ours);
}

/* Finds it among what was sent and not found before. */
static bool was_sent(const struct strict *got, struct slice *sent)
{
    for (;;) {
        struct strict message;
        bool whole = strict_read(&message, *sent) == STRICTLY_WHOLE;
        bool same = whole && is_same(got, &message);
        *sent = message.left;
        bytes_free(&message.body);
        if (same || !whole)
            return same;
    }
}

/* --- the upstream ----------------------------------------------------------------------------- */

/* One request at a time: behind it there is nothing. Whether it was whole, and is answered. */
static bool upstream_reads(struct pipe *pipe, struct slice *sent)
{
    struct strict message;
    enum strictly read = strict_read(&message, bytes_slice(&pipe->said));
    assert(read != STRICTLY_BAD);
    bool whole = read == STRICTLY_WHOLE;
    if (whole) {
        assert(message.minor == 1 && message.hosts == 1 && message.host.len > 0);
        assert(message.left.len == 0 && was_sent(&message, sent));
        pipe->said.len = 0;
    }
    bool head = slice_is(message.method, "HEAD");
    bytes_free(&message.body);
    if (whole && is_there(pipe))
        say(pipe,
            head ? "HTTP/1.1 204 No\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    return whole;
}

/* Opens what is dialled and answers what is asked, until nobody asks any more. */
static void serve(struct pipes *pipes, struct slice *sent)
{
    bool busy = true;
    while (busy) {
        busy = false;
        for (unsigned i = 0; i < pipes->count; i++) {
            struct pipe *pipe = pipes->made[i];
            if (!pipe->dialled)
                continue;
            if (!pipe->closing && pipe->stream.opening)
                open_pipe(pipe);
            if (pipe->said.len > 0)
                busy |= upstream_reads(pipe, sent);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pipes *pipes = relaying_worker();
    if (size < 2)
        return -1;
    struct slice sent = slice_of(data + 1, size - 1), bytes = sent;
    if (memmem(bytes.at, bytes.len, "CONNECT ", 8) != NULL || slice_starts(sent, H2_PREFACE))
        return -1; /* no messages follow */

    size_t step = data[0] == 0 ? bytes.len : data[0];
    struct pipe *client = accept_client(pipes);
    for (unsigned waits = 0; bytes.len > 0 && is_there(client) && waits < 4;) {
        if (!client->reading) {
            waits++;
            pass(pipes, 1100); /* a body that an upstream did not ask for */
        } else {
            struct slice piece = slice_first(bytes, step);
            bytes = slice_from(bytes, piece.len);
            say_bytes(client, piece);
        }
        serve(pipes, &sent);
    }
    end_all(pipes);
    return 0;
}
