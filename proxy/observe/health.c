/* A tiny blocking HTTP client with one deadline over everything.
 *
 * Happy path: connect → send → read to the end ("Connection: close") → 200: ready; 503: the JSON
 * names what is missing. Failures: nobody listens, the deadline passes, the answer is none of
 * ours: each is said in a line, and the result is 1. The other side is trusted as little as any
 * peer: its answer is bounded and parsed by jansson.
 */
#include "observe/health.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "net/address.h"

enum { WITHIN_MS = 2000, ANSWER_MAX = 256 * 1024 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0 when the descriptor has one of `events` before the deadline, or an errno. */
static int await(int descriptor, short events, int64_t deadline_ms)
{
    assert(descriptor >= 0 && deadline_ms > 0);
    for (;;) {
        int64_t left = deadline_ms - now_ms();
        if (left <= 0)
            return ETIMEDOUT;
        struct pollfd waiting = { .fd = descriptor, .events = events };
        int came = poll(&waiting, 1, (int)left);
        if (came > 0)
            return 0;
        if (came < 0 && errno != EINTR)
            return errno;
    }
}

static int dial(int descriptor, const struct address *address, int64_t deadline_ms)
{
    if (connect(descriptor, &address->any, address->len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    int error = await(descriptor, POLLOUT, deadline_ms);
    if (error != 0)
        return error;
    socklen_t len = sizeof error;
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

static int send_request(int descriptor, int64_t deadline_ms)
{
    static const char request[] =
        "GET /healthz/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for (size_t sent = 0; sent < sizeof request - 1;) {
        int error = await(descriptor, POLLOUT, deadline_ms);
        if (error != 0)
            return error;
        ssize_t taken = send(descriptor, request + sent, sizeof request - 1 - sent, MSG_NOSIGNAL);
        if (taken < 0 && errno != EAGAIN && errno != EINTR)
            return errno;
        sent += taken > 0 ? (size_t)taken : 0;
    }
    return 0;
}

static int read_answer(int descriptor, int64_t deadline_ms, struct bytes *answer)
{
    for (;;) {
        int error = await(descriptor, POLLIN, deadline_ms);
        if (error != 0)
            return error;
        uint8_t piece[4096];
        ssize_t got = recv(descriptor, piece, sizeof piece, 0);
        if (got == 0)
            return 0;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return errno;
        bytes_add(answer, slice_of(piece, got > 0 ? (size_t)got : 0));
        if (answer->full)
            return EMSGSIZE;
    }
}

/* The whole exchange; 0 or an errno. */
static int ask(const struct address *address, struct bytes *answer)
{
    int64_t deadline_ms = now_ms() + WITHIN_MS;
    int descriptor = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return errno;
    int error = dial(descriptor, address, deadline_ms);
    if (error == 0)
        error = send_request(descriptor, deadline_ms);
    if (error == 0)
        error = read_answer(descriptor, deadline_ms, answer);
    close(descriptor);
    return error;
}

/* The status of "HTTP/1.1 200 …", or 0. */
static int status_of(struct slice answer)
{
    uint64_t status;
    struct slice version = SLICE("HTTP/1.1 ");
    if (!slice_starts(answer, version) || answer.len < version.len + 3 ||
        slice_number(slice_first(slice_from(answer, version.len), 3), &status) < 0)
        return 0;
    return (int)status;
}

/* What follows the head's empty line; empty when there is none. */
static struct slice body_of(struct slice answer)
{
    const uint8_t *end = answer.len == 0 ? NULL : memmem(answer.at, answer.len, "\r\n\r\n", 4);
    return end == NULL ? (struct slice){ 0 } : slice_from(answer, (size_t)(end - answer.at) + 4);
}

static const char *text_of(const json_t *entry, const char *key)
{
    const char *text = json_string_value(json_object_get(entry, key));
    return text == NULL ? "" : text;
}

static void print_entry(const json_t *entry, FILE *out)
{
    const char *name = text_of(entry, "name"), *state = text_of(entry, "state");
    fprintf(out, "  %s", text_of(entry, "what"));
    if (name[0] != '\0')
        fprintf(out, " %s", name);
    if (state[0] != '\0')
        fprintf(out, ": %s", state);
    const json_t *worker = json_object_get(entry, "worker");
    if (json_is_integer(worker))
        fprintf(out, " (worker %lld)", (long long)json_integer_value(worker));
    fputc('\n', out);
}

static void print_missing(struct slice body, FILE *out)
{
    json_t *said = body.len == 0 ? NULL : json_loadb((const char *)body.at, body.len, 0, NULL);
    const json_t *missing = json_object_get(said, "missing");
    fprintf(out, "not ready%s\n", json_array_size(missing) > 0 ? "; missing:" : "");
    for (size_t i = 0; i < json_array_size(missing); i++)
        print_entry(json_array_get(missing, i), out);
    json_decref(said);
}

/* Why nothing usable was answered. */
static void print_error(const char *address_text, const char *why, bool json, FILE *out)
{
    if (!json) {
        fprintf(out, "%s %s\n", address_text, why);
        return;
    }
    struct bytes line = { 0 };
    bytes_json(&line, slice_text(why));
    fprintf(out, "{\"ready\":false,\"error\":%.*s}\n", (int)line.len, (const char *)line.at);
    bytes_free(&line);
}

static int tell(const char *address_text, int error, struct slice answer, bool json, FILE *out)
{
    char why[128];
    int status = error == 0 ? status_of(answer) : 0;
    assert(error >= 0 && status >= 0);
    if (error != 0)
        snprintf(why, sizeof why, "cannot be asked: %s", strerror(error));
    else
        snprintf(why, sizeof why, "does not answer like Shunt's admin listener (status %d)",
                 status);
    struct slice body = body_of(answer);
    if (error != 0 || (status != 503 && status != 200))
        print_error(address_text, why, json, out);
    else if (json)
        fwrite(body.at, 1, body.len, out);
    else if (status == 503)
        print_missing(body, out);
    else
        fputs("ready\n", out);
    return status == 200 ? 0 : 1;
}

int health_check(const char *address_text, bool json, FILE *out)
{
    assert(address_text != NULL && out != NULL);
    struct address address;
    if (address_parse(slice_text(address_text), &address) < 0) {
        print_error(address_text, "is no address", json, out);
        return 1;
    }
    struct bytes answer = { .cap = ANSWER_MAX };
    int error = ask(&address, &answer);
    int result = tell(address_text, error, bytes_slice(&answer), json, out);
    bytes_free(&answer);
    return result;
}
