/* Numbers add up over workers, names cannot break the text, and promtool has nothing to say
 * about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "observe/process.h"
#include "observe/stats.h"

/* Two workers, one route with two styles, a broker, a subscription; a hostile name for each. */
struct scene {
    struct stats *stats;
    struct values settings;
    struct broker broker, *brokers[1];
    struct route route;
    struct subscription_settings subscription;
    struct snapshot snapshot;
    struct worker workers[2];
};

#define NAME    "a\"b\\c\nd\xff"
#define ESCAPED "a\\\"b\\\\c?d?"

static void set_up(struct scene *scene)
{
    *scene = (struct scene){ .stats = stats_new() };
    struct stats *stats = scene->stats;
    scene->broker = (struct broker){
        .name = (char *)NAME,
        .values = &scene->settings,
        .counters = stats_broker(stats, NAME),
    };
    scene->broker.status[0].state = BROKER_UP;
    scene->broker.status[1].state = BROKER_BLOCKED;
    scene->brokers[0] = &scene->broker;
    scene->route = (struct route){ .name = NAME, .stats = stats_route(stats, "route", NAME) };
    scene->route.block[STYLE_SYNC].present = scene->route.block[STYLE_EVENT].present = true;
    scene->subscription = (struct subscription_settings){
        .name = "reserve",
        .stats = stats_route(stats, "subscription", "reserve"),
    };
    scene->snapshot = (struct snapshot){
        .generation = 3,
        .workers = 2,
        .brokers = scene->brokers,
        .broker_count = 1,
        .routes = &scene->route,
        .route_count = 1,
        .subscriptions = &scene->subscription,
        .subscription_count = 1,
        .unmatched_stats = stats_route(stats, "unmatched", ""),
    };
    for (unsigned i = 0; i < 2; i++)
        scene->workers[i] = fixture_worker(i, NULL, stats);
}

static void tear_down(struct scene *scene)
{
    for (unsigned i = 0; i < 2; i++)
        observer_free(scene->workers[i].observer);
    stats_free(scene->stats);
}

/* The text with a NUL. */
static struct bytes scrape(const struct scene *scene)
{
    struct bytes text = { 0 };
    metrics_render(scene->stats, &scene->snapshot, false, &text);
    bytes_byte(&text, '\0');
    assert_false(text.full);
    return text;
}

static void assert_line(const struct bytes *text, const char *line)
{
    char wanted[512];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    if (strstr((const char *)text->at, wanted) == NULL)
        fail_msg("no line %s in\n%s", line, (const char *)text->at);
}

static void observe_some(struct scene *scene)
{
    struct call call = fixture_call(&scene->route, &scene->snapshot);
    for (unsigned i = 0; i < 2; i++) {
        observe_call_begins(&scene->workers[i]);
        observe_call(&scene->workers[i], &call);
    }
    call.style = STYLE_EVENT;
    call.status = 504;
    call.reason = REASON_confirm_lost;
    observe_call_begins(&scene->workers[1]);
    observe_call(&scene->workers[1], &call);

    call = fixture_call(NULL, &scene->snapshot);
    observe_call_begins(&scene->workers[0]);
    observe_call(&scene->workers[0], &call);
    call.plan.transport = NULL;
    call.status = 0;
    call.reason = REASON_client_gone;
    observe_call_begins(&scene->workers[0]);
    observe_call(&scene->workers[0], &call);
    observe_call_begins(&scene->workers[0]); /* goes on */
}

/* Only what has happened is shown. */
static void calls_of_grpc_by_their_status(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    struct call call = fixture_call(&scene.route, &scene.snapshot);
    call.grpc = true;
    call.grpc_status = 14;
    for (unsigned i = 0; i < 2; i++) {
        observe_call_begins(&scene.workers[i]);
        observe_call(&scene.workers[i], &call);
    }
    call.grpc_status = GRPC_STATUS_NONE;
    observe_call_begins(&scene.workers[0]);
    observe_call(&scene.workers[0], &call);
    struct bytes text = scrape(&scene);
    assert_line(&text,
                "shunt_grpc_calls_total{kind=\"route\",route=\"" ESCAPED "\",code=\"14\"} 2");
    assert_null(strstr((const char *)text.at, "code=\"0\""));
    bytes_free(&text);
    tear_down(&scene);
}

static void calls_add_up(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    observe_some(&scene);
    struct bytes text = scrape(&scene);
    assert_line(&text, "shunt_calls_total{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"sync\",status=\"2xx\"} 2");
    assert_line(&text, "shunt_calls_total{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"event\",status=\"5xx\"} 1");
    assert_line(&text, "shunt_calls_total{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"event\",status=\"2xx\"} 0");
    assert_line(&text,
                "shunt_calls_total{kind=\"unmatched\",route=\"\",style=\"sync\",status=\"2xx\"} 1");
    assert_line(&text,
                "shunt_calls_total{kind=\"refused\",route=\"\",style=\"sync\",status=\"none\"} 1");
    assert_line(&text, "shunt_call_failures_total{kind=\"route\",route=\"" ESCAPED
                       "\",reason=\"confirm_lost\"} 1");
    assert_line(&text, "shunt_call_duration_seconds_bucket{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"sync\",le=\"0.01\"} 0");
    assert_line(&text, "shunt_call_duration_seconds_bucket{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"sync\",le=\"0.025\"} 2");
    assert_line(&text, "shunt_call_duration_seconds_bucket{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"sync\",le=\"+Inf\"} 2");
    assert_line(&text, "shunt_call_duration_seconds_sum{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"sync\"} 0.024");
    assert_line(&text, "shunt_call_duration_seconds_count{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"sync\"} 2");
    assert_line(&text, "shunt_calls_in_flight 1");
    assert_null(strstr((const char *)text.at, "style=\"request_reply\""));
    bytes_free(&text);
    tear_down(&scene);
}

/* A name that nobody has called takes no room, whatever else its cells are for. */
static void idle_routes_are_left_out(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    struct bytes before = scrape(&scene);
    for (unsigned i = 0; i < 10000; i++) {
        char name[32];
        snprintf(name, sizeof name, "idle-%u", i);
        stats_route(scene.stats, "route", name);
    }
    observe_subscription_ready(&scene.workers[1], scene.subscription.stats, true);
    struct bytes after = scrape(&scene);
    assert_null(strstr((const char *)after.at, "idle-"));
    assert_null(strstr((const char *)after.at, "route=\"reserve\""));
    assert_null(strstr((const char *)after.at, "kind=\"unmatched\""));
    assert_in_range(after.len, before.len - 16, before.len + 16); /* the process's own figures */

    observe_some(&scene);
    struct bytes busy = scrape(&scene);
    assert_line(&busy, "shunt_calls_total{kind=\"route\",route=\"" ESCAPED
                       "\",style=\"sync\",status=\"5xx\"} 0");
    assert_null(strstr((const char *)busy.at, "idle-"));
    bytes_free(&before);
    bytes_free(&after);
    bytes_free(&busy);
    tear_down(&scene);
}

static void brokers_events_and_gauges(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    const char again[] = "confirmed"; /* the same event at another address */
    observe_broker_event(&scene.workers[0], &scene.broker, "confirmed", 5);
    observe_broker_event(&scene.workers[1], &scene.broker, again, 2);
    observe_broker_event(&scene.workers[1], &scene.broker, "returned", 1);
    observe_event(&scene.workers[1], "head_timeout");
    observe_connections(&scene.workers[0], 3);
    observe_connections(&scene.workers[0], -1);
    observe_subscription_ready(&scene.workers[1], scene.subscription.stats, true);

    struct bytes text = scrape(&scene);
    assert_line(&text, "shunt_broker_up{broker=\"" ESCAPED "\"} 0");
    assert_line(&text, "shunt_broker_state{broker=\"" ESCAPED "\",state=\"up\"} 1");
    assert_line(&text, "shunt_broker_state{broker=\"" ESCAPED "\",state=\"blocked\"} 1");
    assert_line(&text, "shunt_broker_events_total{broker=\"" ESCAPED "\",event=\"confirmed\"} 7");
    assert_line(&text, "shunt_broker_events_total{broker=\"" ESCAPED "\",event=\"returned\"} 1");
    assert_line(&text, "shunt_events_total{event=\"head_timeout\"} 1");
    assert_line(&text, "shunt_connections 2");
    assert_line(&text, "shunt_subscription_consuming{subscription=\"reserve\"} 1");
    assert_line(&text, "shunt_config_generation 3");
    assert_line(&text, "shunt_config_last_reload_successful 1");
    bytes_free(&text);
    tear_down(&scene);
}

static void a_refused_reload_shows(void **state)
{
    (void)state;
    struct scene scene;
    set_up(&scene);
    struct bytes text = { 0 };
    metrics_render(scene.stats, &scene.snapshot, true, &text);
    bytes_byte(&text, '\0');
    assert_line(&text, "shunt_config_last_reload_successful 0");
    bytes_free(&text);
    tear_down(&scene);
}

static void too_many_events_become_others(void **state)
{
    (void)state;
    static char names[STATS_EVENTS + 10][16];
    struct scene scene;
    set_up(&scene);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < STATS_EVENTS + 10; i++) {
            snprintf(names[i], sizeof names[i], "event_%u", i);
            observe_event(&scene.workers[0], names[i]);
        }
    }
    struct bytes text = scrape(&scene);
    assert_line(&text, "shunt_events_total{event=\"event_0\"} 2");
    assert_line(&text, "shunt_events_total{event=\"event_62\"} 2");
    assert_line(&text, "shunt_events_total{event=\"other\"} 22");
    bytes_free(&text);
    tear_down(&scene);
}

static void rows_are_found_again(void **state)
{
    (void)state;
    struct stats *stats = stats_new();
    struct route_stats *row = stats_route(stats, "route", "a");
    assert_ptr_equal(stats_route(stats, "route", "a"), row);
    assert_ptr_not_equal(stats_route(stats, "subscription", "a"), row);
    assert_ptr_equal(stats_broker(stats, "a"), stats_broker(stats, "a"));
    stats_free(stats);
}

static void buckets_and_classes(void **state)
{
    (void)state;
    assert_int_equal(bucket_of(0), 0);
    assert_int_equal(bucket_of(1), 0);
    assert_int_equal(bucket_of(2), 1);
    assert_int_equal(bucket_of(3), 2);
    assert_int_equal(bucket_of(10000), STATS_BUCKETS - 2);
    assert_int_equal(bucket_of(10001), STATS_BUCKETS - 1);
    assert_int_equal(status_class(0), STATUS_NONE);
    assert_int_equal(status_class(199), STATUS_NONE);
    assert_int_equal(status_class(204), STATUS_2XX);
    assert_int_equal(status_class(599), STATUS_5XX);
    assert_int_equal(status_class(999), STATUS_NONE);
}

static void the_process_is_known(void **state)
{
    (void)state;
    struct process process;
    assert_int_equal(process_read(&process), 0);
    assert_true(process.resident_bytes > 100000 && process.virtual_bytes >= process.resident_bytes);
    assert_true(process.open_fds >= 3 && process.threads >= 1);
    assert_true(process.start_seconds > 1.6e9 && process.cpu_seconds >= 0);
}

static void promtool_is_silent(void **state)
{
    (void)state;
    if (system("command -v promtool >/dev/null 2>&1") != 0)
        skip(); /* Debian's package prometheus is not installed */
    struct scene scene;
    set_up(&scene);
    observe_some(&scene);
    observe_event(&scene.workers[0], "head_timeout");
    observe_broker_event(&scene.workers[0], &scene.broker, "confirmed", 5);
    struct bytes text = scrape(&scene);
    FILE *promtool = popen(
        "said=$(promtool check metrics 2>&1); echo \"$said\" >&2; test -z \"$said\"", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(text.at, 1, text.len - 1, promtool), text.len - 1);
    assert_int_equal(pclose(promtool), 0);
    bytes_free(&text);
    tear_down(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_add_up),
        cmocka_unit_test(idle_routes_are_left_out),
        cmocka_unit_test(brokers_events_and_gauges),
        cmocka_unit_test(a_refused_reload_shows),
        cmocka_unit_test(too_many_events_become_others),
        cmocka_unit_test(rows_are_found_again),
        cmocka_unit_test(buckets_and_classes),
        cmocka_unit_test(the_process_is_known),
        cmocka_unit_test(promtool_is_silent),
        cmocka_unit_test(calls_of_grpc_by_their_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
