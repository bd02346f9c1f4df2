/* Ready only when nothing is missing, and what is missing has its name. */
#include "observe/readiness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

#include "fixture.h"
#include "observe/stats.h"

struct scene {
    struct stats *stats;
    struct values settings;
    struct broker built_in, broker, *brokers[2];
    struct subscription_settings subscription;
    struct snapshot snapshot;
    struct worker workers[2];
};

/* Everything is there. */
static void set_up(struct scene *scene)
{
    *scene = (struct scene){ .stats = stats_new(), .built_in.name = (char *)"http" };
    scene->broker = (struct broker){ .name = (char *)"rabbit", .values = &scene->settings };
    scene->brokers[0] = &scene->broker;
    scene->brokers[1] = &scene->built_in; /* down, and of no interest */
    scene->subscription = (struct subscription_settings){
        .name = "reserve",
        .stats = stats_route(scene->stats, "subscription", "reserve"),
    };
    scene->snapshot = (struct snapshot){
        .generation = 2,
        .workers = 2,
        .brokers = scene->brokers,
        .broker_count = 2,
        .subscriptions = &scene->subscription,
        .subscription_count = 1,
    };
    for (unsigned i = 0; i < 2; i++) {
        scene->workers[i] = fixture_worker(i, NULL, scene->stats);
        scene->broker.status[i].state = BROKER_UP;
        observe_adopted(&scene->workers[i], 2, 0);
        observe_subscription_ready(&scene->workers[i], scene->subscription.stats, true);
    }
}

static void expect(struct scene *scene, bool draining, const char *expected)
{
    struct bytes out = { 0 };
    bool ready = readiness_render(&scene->snapshot, scene->stats, draining, &out);
    json_t *said = json_loadb((const char *)out.at, out.len, 0, NULL),
           *wanted = json_loads(expected, 0, NULL);
    assert_non_null(wanted);
    if (!json_equal(said, wanted))
        fail_msg("%.*s", (int)out.len, (const char *)out.at);
    assert_int_equal(ready, json_is_true(json_object_get(wanted, "ready")));
    json_decref(said);
    json_decref(wanted);
    bytes_free(&out);
}

static void tear_down(struct scene *scene)
{
    for (unsigned i = 0; i < 2; i++)
        observer_free(scene->workers[i].observer);
    stats_free(scene->stats);
}

static void everything_is_there(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    expect(&scene, false, "{\"ready\":true,\"missing\":[]}");
    tear_down(&scene);
}

static void each_thing_that_is_missing(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    scene.broker.status[1].state = BROKER_BLOCKED;
    expect(&scene, false,
           "{\"ready\":false,\"missing\":[{\"what\":\"broker\",\"name\":\"rabbit\",\"worker\":1,"
           "\"state\":\"blocked\"}]}");
    scene.broker.status[1].state = BROKER_UP;

    observe_subscription_ready(&scene.workers[0], scene.subscription.stats, false);
    expect(&scene, false,
           "{\"ready\":false,\"missing\":[{\"what\":\"subscription\",\"name\":\"reserve\","
           "\"worker\":0,"
           "\"state\":\"not consuming\"}]}");
    observe_subscription_ready(&scene.workers[0], scene.subscription.stats, true);

    observe_adopted(&scene.workers[1], 1, 1);
    expect(&scene, true,
           "{\"ready\":false,\"missing\":[{\"what\":\"draining\"},"
           "{\"what\":\"configuration\",\"worker\":1,\"state\":\"not yet in use\"},"
           "{\"what\":\"listener\",\"worker\":1,\"state\":\"not open\"}]}");
    tear_down(&scene);
}

static void hostile_names_stay_json(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    scene.broker.name = (char *)"a\"\n\xff";
    scene.broker.status[0].state = BROKER_DOWN;
    expect(&scene, false,
           "{\"ready\":false,\"missing\":[{\"what\":\"broker\",\"name\":\"a\\\"\\n\\u00ff\","
           "\"worker\":0,"
           "\"state\":\"down\"}]}");
    tear_down(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_there),
        cmocka_unit_test(each_thing_that_is_missing),
        cmocka_unit_test(hostile_names_stay_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
