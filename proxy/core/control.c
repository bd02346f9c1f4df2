/* See control.h. Owned by the main thread; each worker has a thread of its own, reached by its
 * mailbox only.
 *
 * Reloads come one at a time: the next waits until every worker serves the one before. A worker may
 * take a moment for it (worker.h), and an address that one configuration has given up and the next
 * takes again can only be bound when the last worker has closed its socket. */
#include "core/control.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/registry.h"
#include "observe/admin.h"
#include "observe/observe.h"

#define SWEEP_MS     1000
#define BEHIND_MS    5    /* how often to look whether workers have caught up */
#define TELL_MS      1000 /* how long mistakes may wait for a reader of standard error */
#define WORKER_STACK ((size_t)8 * 1024 * 1024) /* deep header tables are decoded on it */

struct control;

/* A worker's thread, as the control thread knows it. */
struct hand {
    struct loop loop;
    pthread_t thread;
    struct control *control;
    struct done drained;
    struct post finished; /* worker → control: nothing is left */
};

struct control {
    struct loop loop; /* the control thread's own, with the admin listener */
    const char *path;
    bool json; /* whatever the configuration says of the log's format */
    struct log *log;
    struct registry registry;
    struct admin_context admin;
    struct snapshot *snapshot; /* held */
    struct hand *hands;
    unsigned count;    /* of hands */
    unsigned finished; /* hands that are drained */
    uv_signal_t reload, terminate, interrupt;
    uv_timer_t sweep, grace, behind;
    struct done drained; /* the control worker's own */
    bool stopping;
};

/* --- handing snapshots out -------------------------------------------------------------------- */

struct adoption {
    struct post post;
    struct worker *worker;
    struct snapshot *snapshot; /* held */
};

static void on_adoption(struct post *post)
{
    struct adoption *adoption = thing_of(post, struct adoption, post);
    if (!adoption->worker->draining)
        worker_adopt(adoption->worker, adoption->snapshot);
    snapshot_release(adoption->snapshot);
    free(adoption);
}

static void hand_out(struct hand *hand, struct snapshot *snapshot)
{
    struct adoption *adoption = calloc(1, sizeof *adoption);
    if (adoption == NULL)
        abort();
    *adoption =
        (struct adoption){ { .run = on_adoption }, &hand->loop.worker, snapshot_hold(snapshot) };
    mailbox_post(&hand->loop.mailbox, &adoption->post);
}

/* Takes the snapshot over and makes it the one in use. */
static void publish(struct control *control, struct snapshot *snapshot)
{
    struct snapshot *before = control->snapshot;
    assert(!control->stopping && (before == NULL || before->generation < snapshot->generation));
    control->snapshot = snapshot;
    control->registry.serving = snapshot;
    control->registry.generation = snapshot->generation;
    for (unsigned i = 0; i < control->count; i++)
        hand_out(&control->hands[i], snapshot);
    worker_adopt(&control->loop.worker, snapshot);
    if (before != NULL)
        snapshot_release(before);
}

static struct snapshot *build(struct control *control, struct complaints *complaints)
{
    struct catalog catalog = plugins_catalog(control->registry.plugins);
    struct config *config = config_load(control->path, &catalog, complaints);
    if (complaints->errors == 0)
        return snapshot_build(config, &control->registry, false, complaints);
    if (config != NULL)
        config_release(config);
    return NULL;
}

static void apply_log_settings(struct control *control, const struct snapshot *snapshot)
{
    const struct values *settings = values_group(snapshot->config->top, "log");
    enum log_format format = (enum log_format)values_number(settings, "format");
    log_format(control->log, control->json ? LOG_JSON : format, values_flag(settings, "calls"));
    log_level(control->log, (enum level)values_number(settings, "level"));
}

/* What only a start can change. */
static void warn_of_workers(const struct control *control)
{
    long long wanted = values_number(control->snapshot->config->top, "workers");
    if (wanted != (long long)control->count)
        log_line(control->log, LEVEL_WARNING, "shunt",
                 "workers = %lld counts from the next start on; until then there are %u", wanted,
                 control->count);
}

static void reload(struct control *control)
{
    struct complaints complaints;
    complaints_init(&complaints);
    struct snapshot *snapshot = build(control, &complaints);
    complaints_write(&complaints, STDERR_FILENO, TELL_MS, control->json);
    control->admin.reload_failed = snapshot == NULL;
    if (snapshot == NULL) {
        log_line(control->log, LEVEL_ERROR, "shunt",
                 "%s has %u mistakes; the configuration in use stays", control->path,
                 complaints.errors);
    } else {
        publish(control, snapshot);
        apply_log_settings(control, snapshot);
        log_line(control->log, LEVEL_INFO, "shunt", "configuration %llu is in use",
                 (unsigned long long)snapshot->generation);
        warn_of_workers(control);
    }
    complaints_clear(&complaints);
}

/* However many are asked for while workers are behind, the file is read once more, and then as it
 * is by then. */
static void on_behind(uv_timer_t *timer)
{
    struct control *control = timer->data;
    assert(!control->stopping);
    if (!observe_all_serve(control->registry.stats, control->count, control->snapshot->generation))
        return;
    uv_timer_stop(timer);
    reload(control);
}

static void on_reload(uv_signal_t *signal, int number)
{
    (void)number;
    struct control *control = signal->data;
    if (control->stopping || uv_is_active((uv_handle_t *)&control->behind))
        return;
    if (observe_all_serve(control->registry.stats, control->count, control->snapshot->generation))
        reload(control);
    else
        uv_timer_start(&control->behind, on_behind, BEHIND_MS, BEHIND_MS);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void end_control_loop(struct control *control)
{
    uv_close((uv_handle_t *)&control->reload, NULL);
    uv_close((uv_handle_t *)&control->terminate, NULL);
    uv_close((uv_handle_t *)&control->interrupt, NULL);
    uv_close((uv_handle_t *)&control->sweep, NULL);
    uv_close((uv_handle_t *)&control->grace, NULL);
    uv_close((uv_handle_t *)&control->behind, NULL);
    loop_end(&control->loop);
}

static void on_control_drained(struct done *done, int result)
{
    (void)result;
    end_control_loop(thing_of(done, struct control, drained));
}

/* On the control thread: a worker has nothing left. The admin listener is the last to go. */
static void on_hand_finished(struct post *post)
{
    struct hand *hand = thing_of(post, struct hand, finished);
    struct control *control = hand->control;
    assert(control->stopping && control->finished < control->count);
    if (++control->finished < control->count)
        return;
    control->drained.on_done = on_control_drained;
    worker_drain(&control->loop.worker, &control->drained);
}

/* On the worker's thread. */
static void on_worker_drained(struct done *done, int result)
{
    (void)result;
    struct hand *hand = thing_of(done, struct hand, drained);
    hand->finished.run = on_hand_finished;
    mailbox_post(&hand->control->loop.mailbox, &hand->finished);
    loop_end(&hand->loop);
}

struct order {
    struct post post;
    struct hand *hand;
};

static void on_drain_order(struct post *post)
{
    struct order *order = thing_of(post, struct order, post);
    struct hand *hand = order->hand;
    free(order);
    hand->drained.on_done = on_worker_drained;
    worker_drain(&hand->loop.worker, &hand->drained);
}

static void give_drain_order(struct hand *hand)
{
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL)
        abort();
    *order = (struct order){ { .run = on_drain_order }, hand };
    mailbox_post(&hand->loop.mailbox, &order->post);
}

/* What is left is left: messages that are not acknowledged come again, calls under way see their
 * connection end. */
_Noreturn static void leave_at_once(struct control *control, const char *why)
{
    assert(control->stopping && control->finished <= control->count);
    log_line(control->log, LEVEL_WARNING, "shunt", "%s: %u of %u workers had work left", why,
             control->count - control->finished, control->count);
    log_flush(control->log);
    _exit(0);
}

static void on_grace_over(uv_timer_t *timer)
{
    leave_at_once(timer->data, "the grace period is over");
}

static void on_terminate(uv_signal_t *signal, int number)
{
    struct control *control = signal->data;
    if (control->stopping)
        leave_at_once(control, "told to end at once");
    control->stopping = true;
    uv_timer_stop(&control->behind);
    control->admin.draining = true;
    log_line(control->log, LEVEL_INFO, "shunt", "signal %d: draining, for %llu ms at most", number,
             (unsigned long long)control->snapshot->grace_ms);
    uv_timer_start(&control->grace, on_grace_over, control->snapshot->grace_ms, 0);
    for (unsigned i = 0; i < control->count; i++)
        give_drain_order(&control->hands[i]);
}

/* --- beginning -------------------------------------------------------------------------------- */

static void on_sweep(uv_timer_t *timer)
{
    struct control *control = timer->data;
    registry_sweep(&control->registry);
}

static struct snapshot *current(void *context)
{
    return ((struct control *)context)->snapshot;
}

/* A SIGHUP that comes during the start waits for its handler: its default would end the process. */
static void hold_reloads(int how)
{
    sigset_t reload;
    sigemptyset(&reload);
    sigaddset(&reload, SIGHUP);
    pthread_sigmask(how, &reload, NULL);
}

static void watch_signals(struct control *control)
{
    uv_loop_t *loop = &control->loop.uv;
    uv_signal_init(loop, &control->reload);
    uv_signal_init(loop, &control->terminate);
    uv_signal_init(loop, &control->interrupt);
    uv_timer_init(loop, &control->sweep);
    uv_timer_init(loop, &control->grace);
    uv_timer_init(loop, &control->behind);
    control->reload.data = control->terminate.data = control->interrupt.data = control;
    control->sweep.data = control->grace.data = control->behind.data = control;
    uv_signal_start(&control->reload, on_reload, SIGHUP);
    hold_reloads(SIG_UNBLOCK);
    uv_signal_start(&control->terminate, on_terminate, SIGTERM);
    uv_signal_start(&control->interrupt, on_terminate, SIGINT);
    uv_timer_start(&control->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static void *work(void *context)
{
    struct hand *hand = context;
    loop_run(&hand->loop);
    return NULL;
}

static void start_hand(struct control *control, unsigned index)
{
    struct hand *hand = &control->hands[index];
    hand->control = control;
    if (loop_init(&hand->loop, index) != 0)
        abort();
    hand->loop.worker.observer = observer_new(control->log, control->registry.stats, index);

    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WORKER_STACK);
    int error = pthread_create(&hand->thread, &attributes, work, hand);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        abort();
}

static void start_hands(struct control *control, unsigned count)
{
    assert(control->hands == NULL && count > 0 && count <= WORKERS_MAX);
    control->registry.workers = control->count = count;
    control->hands = calloc(count, sizeof *control->hands);
    if (control->hands == NULL)
        abort();
    for (unsigned i = 0; i < count; i++)
        start_hand(control, i);
}

static void clean_up(struct control *control)
{
    for (unsigned i = 0; i < control->count; i++) {
        pthread_join(control->hands[i].thread, NULL);
        loop_destroy(&control->hands[i].loop);
        observer_free(control->hands[i].loop.worker.observer);
    }
    free(control->hands);
    loop_destroy(&control->loop);
    if (control->snapshot != NULL)
        snapshot_release(control->snapshot);
    observer_free(control->loop.worker.observer);
    registry_clear(&control->registry);
    log_stop(control->log);
    stats_free(control->registry.stats);
}

static void serve(struct control *control, struct snapshot *snapshot)
{
    watch_signals(control);
    start_hands(control, snapshot->workers);
    publish(control, snapshot);
    log_line(control->log, LEVEL_INFO, "shunt", "serving %s with %u workers", snapshot->service,
             control->count);
    loop_run(&control->loop);
    log_line(control->log, LEVEL_INFO, "shunt", "drained, ending");
}

/* The soft limit is for programs that use select; what an administrator allows is the hard one. */
static void raise_descriptors(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* Calls come and go: the memory of one turn is kept for the next, not given back and asked for
 * again. */
enum { KEEP_FREE_BYTES = 1 << 20 };

int control_run(const char *config_path, bool json)
{
    signal(SIGPIPE, SIG_IGN);
    hold_reloads(SIG_BLOCK);
    raise_descriptors();
    mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
    struct control control = { .path = config_path, .json = json, .log = log_start(STDOUT_FILENO) };
    if (control.log == NULL || loop_init(&control.loop, WORKER_CONTROL) != 0)
        abort();
    struct stats *stats = stats_new();
    control.admin =
        (struct admin_context){ .current = current, .context = &control, .stats = stats };
    registry_init(&control.registry, stats, &control.admin);
    control.loop.worker.observer = observer_new(control.log, stats, WORKER_CONTROL);

    struct complaints complaints;
    complaints_init(&complaints);
    struct snapshot *snapshot = build(&control, &complaints);
    if (complaints.errors + complaints.warnings > 0)
        complaints_print(&complaints, stderr, json);
    complaints_clear(&complaints);
    if (snapshot != NULL) {
        apply_log_settings(&control, snapshot);
        serve(&control, snapshot);
    } else {
        loop_end(&control.loop);
        loop_run(&control.loop);
    }
    clean_up(&control);
    return snapshot != NULL ? 0 : 1;
}
