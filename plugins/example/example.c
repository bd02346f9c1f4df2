/* The smallest complete transport, to be copied: an event becomes a line of a file.
 *
 * Happy path: open reads the broker's block → attach opens the file for a worker → begin appends
 * the body, and at the end of the turn the caller is answered. Failures: a file that cannot be
 * opened (no lane: every call gets 503), a body that is no single line (400), a write that fails
 * (503: nothing was stored) or stops half-way (504: unknown). Writing to a file blocks the loop
 * for a moment: fine for an example, never for a network.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "plugin.h"

/* A broker's block. The strings of a configuration live as long as the broker does. */
struct instance {
    const struct host *shunt;
    struct broker *broker;
    const char *path;
};

/* What one worker has of it. */
struct lane {
    const struct instance *instance;
    struct worker *worker;
    int file;
    bool torn; /* the last line was written in part */
};

/* An attempt whose line is written, wholly or not, and whose caller is to be told. */
struct line {
    struct task task;
    struct attempt *attempt;
    bool whole;
};

static const struct setting broker_settings[] = {
    { "path", SETTING_TEXT, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The file that lines are appended to; it is made when it is not there." },
    { 0 },
};
static const struct setting no_settings[] = { { 0 } };

/* --- the control thread ----------------------------------------------------------------------- */

static int open_broker(const struct host *host, struct broker *broker, const struct values *values,
                       struct complaints *complaints, void **instance)
{
    (void)complaints; /* the table above has checked all that there is to check */
    struct instance *made = malloc(sizeof *made);
    if (made == NULL)
        abort();
    *made =
        (struct instance){ .shunt = host, .broker = broker, .path = values_text(values, "path") };
    *instance = made;
    return 0;
}

static void close_broker(void *instance)
{
    free(instance);
}

/* --- a worker's thread ------------------------------------------------------------------------ */

static int attach(void *instance, struct worker *worker, void **lane)
{
    const struct instance *of = instance;
    int file = open(of->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return -errno;
    struct lane *made = malloc(sizeof *made);
    if (made == NULL)
        abort();
    *made = (struct lane){ .instance = of, .worker = worker, .file = file };
    of->shunt->status(of->broker, worker, BROKER_UP, NULL);
    *lane = made;
    return 0;
}

/* Every attempt has ended by now; nothing is under way that could be waited for. */
static void detach(void *at, struct done *done)
{
    struct lane *lane = at;
    close(lane->file);
    free(lane);
    done->on_done(done, 0);
}

/* Pure: `explain` asks it, too. */
static int plan(const struct call *call, const void *settings, struct plan *plan)
{
    (void)call;
    (void)settings;
    struct slice body = plan->message.body;
    return slice_find(body, '\n') < body.len ? -REASON_bad_request : 0;
}

static void describe(const struct call *call, const struct plan *plan,
                     struct description *description)
{
    (void)call;
    if (fields_add(&description->lines, description->arena, SLICE("line"), plan->message.body) < 0)
        return; /* the arena is full: what is there is shown */
}

static void on_turn_end(struct task *task)
{
    struct line *line = thing_of(task, struct line, task);
    struct attempt *attempt = line->attempt;
    const struct host *shunt = ((const struct lane *)attempt->lane)->instance->shunt;
    bool whole = line->whole;
    free(line);
    if (whole)
        shunt->stored(attempt);
    else
        shunt->fail(attempt, OUTCOME_MAYBE_SENT, REASON_broker_unsure,
                    "only a part of the line was written");
    /* the attempt is gone now */
}

/* 0: `stored` or `fail` follows, never at once. A negative reason: nothing was written and
 * nothing follows. */
static int begin(struct attempt *attempt)
{
    struct lane *lane = attempt->lane;
    struct slice body = attempt->plan->message.body;
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return -REASON_overloaded;
    size_t torn = lane->torn; /* what is left of a torn line stays alone on its line */
    const struct iovec parts[] = {
        { .iov_base = (void *)(uintptr_t) "\n", .iov_len = torn },
        { .iov_base = (void *)(uintptr_t)body.at, .iov_len = body.len },
        { .iov_base = (void *)(uintptr_t) "\n", .iov_len = 1 },
    };
    ssize_t written = writev(lane->file, parts, 3);
    if (written < 0) {
        lane->instance->shunt->log(lane->instance->broker, lane->worker, LEVEL_ERROR, "%s: %s",
                                   lane->instance->path, strerror(errno));
        free(line);
        return -REASON_broker_refused;
    }
    lane->instance->shunt->count(lane->instance->broker, lane->worker, "lines", 1);
    line->task.run = on_turn_end;
    line->attempt = attempt;
    line->whole = (size_t)written == torn + body.len + 1;
    lane->torn = !line->whole;
    attempt->own = line;
    worker_defer(lane->worker, &line->task);
    return 0;
}

static enum outcome cancel(struct attempt *attempt)
{
    struct line *line = attempt->own;
    assert(line->attempt == attempt);
    list_leave(&line->task.link);
    free(line);
    return OUTCOME_MAYBE_SENT;
}

const struct transport shunt_plugin = {
    .abi = SHUNT_ABI,
    .name = "example",
    .version = "example 1",
    .styles = STYLE_BIT(STYLE_EVENT),
    .whole = STYLE_BIT(STYLE_EVENT),
    .broker = broker_settings,
    .route = { no_settings, no_settings, no_settings },
    .subscription = no_settings,
    .open = open_broker,
    .close = close_broker,
    .attach = attach,
    .detach = detach,
    .plan = plan,
    .describe = describe,
    .begin = begin,
    .cancel = cancel,
};
