/* The admin transport between a core that records what it is told, and a caller that may go away
 * at any moment. */
#include "observe/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

/* One call on the control thread's worker; `told` is what came up, in order. */
struct scene {
    struct stats *stats;
    struct snapshot snapshot;
    struct admin_context context;
    struct worker worker;
    struct listener_settings listener;
    struct call call;
    struct attempt attempt;
    void *lane;
    const char *leave_at; /* the up-call in which the caller goes away */
    char told[64];
    struct bytes body;
    char allow[16];
    int status;
    enum reason reason;
};

static struct scene *scene_of(const struct attempt *attempt)
{
    return thing_of(attempt, struct scene, attempt);
}

static void note(struct scene *scene, const char *what)
{
    size_t len = strlen(scene->told);
    snprintf(scene->told + len, sizeof scene->told - len, "%s ", what);
    if (scene->leave_at != NULL && strcmp(scene->leave_at, what) == 0)
        assert_int_equal(admin_transport.cancel(&scene->attempt), OUTCOME_NOT_SENT);
}

void attempt_head(struct attempt *attempt, const struct head *head)
{
    struct scene *scene = scene_of(attempt);
    scene->status = head->status;
    assert_int_equal(head->framing, FRAMING_LENGTH);
    const struct field *store = fields_find_name(&head->fields, SLICE("cache-control"));
    assert_true(head->status == 405 || (store != NULL && slice_is(store->value, "no-store")));
    const struct field *allow = fields_find_name(&head->fields, SLICE("allow"));
    if (allow != NULL)
        snprintf(scene->allow, sizeof scene->allow, "%.*s", (int)allow->value.len,
                 (const char *)allow->value.at);
    note(scene, "head");
}

void attempt_body(struct attempt *attempt, struct slice bytes)
{
    bytes_add(&scene_of(attempt)->body, bytes);
    note(scene_of(attempt), "body");
}

void attempt_end(struct attempt *attempt, const struct fields *trailers)
{
    assert_null(trailers);
    note(scene_of(attempt), "end");
}

void attempt_fail(struct attempt *attempt, enum outcome outcome, enum reason reason,
                  const char *detail)
{
    assert_int_equal(outcome, OUTCOME_NOT_SENT);
    assert_non_null(detail);
    scene_of(attempt)->reason = reason;
    note(scene_of(attempt), "fail");
}

static struct snapshot *current(void *context)
{
    return context;
}

static void set_up(struct scene *scene, const char *method, const char *path)
{
    *scene = (struct scene){ .stats = stats_new() };
    scene->snapshot = (struct snapshot){ .service = "orders", .generation = 1 };
    scene->context = (struct admin_context){ current, &scene->snapshot, scene->stats, false,
                                             false };
    scene->worker = fixture_worker(WORKER_CONTROL, NULL, scene->stats);
    list_init(&scene->worker.tasks);
    scene->listener = (struct listener_settings){ .name = "admin", .admin = true };
    assert_int_equal(address_parse(SLICE("127.0.0.1:15000"), &scene->listener.address), 0);

    arena_init(&scene->call.arena, 65536);
    scene->call.worker = &scene->worker;
    scene->call.snapshot = &scene->snapshot;
    scene->call.listener = &scene->listener;
    scene->call.request.method = slice_text(method);
    scene->call.request.path = slice_text(path);
    scene->call.request.authority = SLICE("localhost:15000");
    assert_int_equal(admin_transport.attach(&scene->context, &scene->worker, &scene->lane), 0);
    scene->attempt = (struct attempt){ .call = &scene->call, .lane = scene->lane };
}

static void finish_turn(struct scene *scene)
{
    for (struct link *link; (link = list_first(&scene->worker.tasks)) != NULL;) {
        struct task *task = thing_of(link, struct task, link);
        list_leave(link);
        task->run(task);
    }
}

static void run(struct scene *scene)
{
    assert_int_equal(admin_transport.begin(&scene->attempt), 0);
    assert_string_equal(scene->told, ""); /* never inside begin */
    finish_turn(scene);
}

static void on_detached(struct done *done, int result)
{
    assert_int_equal(result, 0);
    free(done);
}

static void tear_down(struct scene *scene)
{
    struct done *done = calloc(1, sizeof *done);
    assert_non_null(done);
    done->on_done = on_detached;
    admin_transport.detach(scene->lane, done);
    finish_turn(scene);
    observer_free(scene->worker.observer);
    bytes_free(&scene->body);
    arena_clear(&scene->call.arena);
    stats_free(scene->stats);
}

static void each_page(void **state)
{
    (void)state;
    static const struct {
        const char *path, *holds;
    } rows[] = {
        { "/healthz/live", "{\"live\":true}" },
        { "/healthz/ready", "{\"ready\":true,\"missing\":[]}" },
        { "/metrics", "\nshunt_build_info{" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene;
        set_up(&scene, "GET", rows[i].path);
        run(&scene);
        assert_string_equal(scene.told, "head body end ");
        assert_int_equal(scene.status, 200);
        assert_non_null(
            memmem(scene.body.at, scene.body.len, rows[i].holds, strlen(rows[i].holds)));
        tear_down(&scene);
    }
}

static void draining_is_not_ready(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, "GET", "/healthz/ready");
    scene.context.draining = true;
    run(&scene);
    assert_int_equal(scene.status, 503);
    assert_non_null(memmem(scene.body.at, scene.body.len, "draining", 8));
    tear_down(&scene);
}

static void another_method_is_told_which_serves(void **state)
{
    (void)state;
    static const char *const methods[] = { "POST", "HEAD", "DELETE", "get" };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct scene scene;
        set_up(&scene, methods[i], "/metrics");
        run(&scene);
        assert_int_equal(scene.status, 405);
        assert_string_equal(scene.allow, "GET");
        tear_down(&scene);
    }
}

static void another_path_is_not_there(void **state)
{
    (void)state;
    static const char *const paths[] = { "/", "/metrics/", "/Metrics", "/healthz", "*", "" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct scene scene;
        set_up(&scene, "GET", paths[i]);
        run(&scene);
        assert_string_equal(scene.told, "fail ");
        assert_int_equal(scene.reason, REASON_not_found);
        tear_down(&scene);
    }
}

static void a_foreign_host_learns_nothing_else(void **state)
{
    (void)state;
    static const char *const paths[] = { "/metrics", "/nothing" };
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        set_up(&scene, "POST", paths[i]);
        scene.call.request.authority = SLICE("evil.example");
        run(&scene);
        assert_string_equal(scene.told, "fail ");
        assert_int_equal(scene.reason, REASON_forbidden);
        tear_down(&scene);
    }
}

static void a_caller_that_goes_away(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene, "GET", "/metrics");
    assert_int_equal(admin_transport.begin(&scene.attempt), 0);
    assert_int_equal(admin_transport.cancel(&scene.attempt), OUTCOME_NOT_SENT);
    finish_turn(&scene);
    assert_string_equal(scene.told, "");
    tear_down(&scene);

    static const char *const told[] = { "head ", "head body " };
    static const char *const leave_at[] = { "head", "body" };
    for (size_t i = 0; i < 2; i++) {
        set_up(&scene, "GET", "/metrics");
        scene.leave_at = leave_at[i];
        run(&scene);
        assert_string_equal(scene.told, told[i]);
        tear_down(&scene);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_page),
        cmocka_unit_test(draining_is_not_ready),
        cmocka_unit_test(another_method_is_told_which_serves),
        cmocka_unit_test(another_path_is_not_there),
        cmocka_unit_test(a_foreign_host_learns_nothing_else),
        cmocka_unit_test(a_caller_that_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
