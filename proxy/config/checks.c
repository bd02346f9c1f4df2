/* The checks across tables, in the order in which a reader of the file would notice them. */
#include "config/checks.h"

#include <assert.h>
#include <stdlib.h>

#include "config/notation.h"

struct named {
    const struct value *value;
    size_t index;
};

/* By text, then as they stand in the file. */
static int compare_named(const void *left, const void *right)
{
    const struct named *a = left, *b = right;
    int order = strcmp(a->value->text, b->value->text);
    return order != 0 ? order : a->index < b->index ? -1 : 1;
}

/* A list of the top level by the names of its groups. */
struct directory {
    const char *list; /* NULL: not made yet */
    const struct value *groups;
    struct named *named; /* sorted */
    size_t count;
};

enum { DIRECTORIES = 8 }; /* lists that references point into */

struct check {
    const struct values *top;
    struct directory *directories;
    const struct document *document;
    struct complaints *complaints;
};

/* Whether something in a list of the top level could not be read, so that what seems missing may
 * be there. */
static bool is_broken(const struct check *check, const char *list)
{
    const config_setting_t *setting = config_setting_get_member(
        config_root_setting(&check->document->tree), list);
    if (setting == NULL)
        return check->document->root->broken;
    return node_of(setting)->broken || node_of(setting)->told;
}

/* The names that there are, and the nearest one. */
static void complain_of_reference(const struct check *check, const struct value *value,
                                  const struct value *groups)
{
    const char **names = calloc(groups->count + 1, sizeof(*names));
    if (names == NULL)
        abort();
    size_t count = 0;
    for (size_t i = 0; i < groups->count; i++) {
        const struct value *name = values_get(groups->groups[i], "name");
        if (!name->variable)
            names[count++] = name->text;
    }
    assert(count <= groups->count);
    struct complaint *complaint = complain(
        check->complaints, value->place, "no entry of '%s' has this name", value->setting->refers);
    size_t len = 0;
    char expected[300] = "";
    for (size_t i = 0; i < count && len < sizeof(expected) - 1; i++)
        len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s%s",
                                i == 0 ? "one of " : ", ", names[i]);
    complaint_expected(check->complaints, complaint, "%s",
                       count == 0 ? "one that is in the file" : expected);
    const char *nearest = value->variable ? NULL : nearest_name(value->text, names);
    if (nearest != NULL)
        complaint_hint(check->complaints, complaint, "did you mean '%s'?", nearest);
    free(names);
}

/* Those of a list of groups that have a value for `key`, sorted. */
static struct named *sort_by(const struct value *list, const char *key, size_t *count)
{
    struct named *all = calloc(list->count + 1, sizeof(*all));
    if (all == NULL)
        abort();
    *count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct value *value = values_get(list->groups[i], key);
        if (value->text != NULL)
            all[(*count)++] = (struct named){ value, i };
    }
    assert(*count <= list->count);
    qsort(all, *count, sizeof(*all), compare_named);
    return all;
}

static const struct directory *directory_of(const struct check *check, const char *list)
{
    struct directory *directory = check->directories;
    while (directory->list != NULL && strcmp(directory->list, list) != 0)
        directory++;
    assert(directory < check->directories + DIRECTORIES);
    if (directory->list != NULL)
        return directory;
    directory->list = list;
    directory->groups = values_get(check->top, list);
    directory->named = sort_by(directory->groups, "name", &directory->count);
    return directory;
}

/* The first of that name. */
static const struct named *look_up(const struct directory *directory, const char *name)
{
    size_t low = 0, high = directory->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(directory->named[middle].value->text, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < directory->count && strcmp(directory->named[low].value->text, name) == 0;
    return found ? &directory->named[low] : NULL;
}

static void check_reference(const struct check *check, struct value *value)
{
    const char *list = value->setting->refers;
    assert(list != NULL && value->text != NULL);
    const struct directory *directory = directory_of(check, list);
    const struct named *found = look_up(directory, value->text);
    bool unnamed = directory->count < directory->groups->count;
    if (found != NULL)
        value->number = (int64_t)found->index;
    else if (!is_broken(check, list) && !unnamed)
        complain_of_reference(check, value, directory->groups);
}

static void check_unique(const struct check *check, const struct value *list, const char *key)
{
    size_t count;
    struct named *all = sort_by(list, key, &count);
    const struct value *first = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct value *value = all[i].value;
        if (first == NULL || strcmp(first->text, value->text) != 0) {
            first = value;
            continue;
        }
        struct complaint *complaint = complain(
            check->complaints, value->place, "the same %s twice in '%s'", key, list->setting->key);
        complaint_expected(check->complaints, complaint, "another %s than in line %u", key,
                           first->place.line);
    }
    free(all);
}

/* References and unique settings, wherever the tables have them. */
static void check_rows(const struct check *check, const struct values *values)
{
    for (size_t i = 0; i < values->count; i++) {
        struct value *value = &values->at[i];
        assert(value->setting != NULL && value->setting->key != NULL);
        if (value->setting->type == SETTING_REFERENCE && value->text != NULL)
            check_reference(check, value);
        if (!value->written || value->groups == NULL)
            continue;
        for (const struct setting *row = value->setting->children; row->key != NULL; row++) {
            if (value->setting->type == SETTING_GROUPS && (row->flags & SETTING_UNIQUE) != 0)
                check_unique(check, value, row->key);
        }
        for (size_t j = 0; j < value->count; j++)
            check_rows(check, value->groups[j]);
    }
}

static void check_apart(const struct check *check, const struct value *value,
                        const struct value *before, const char *what)
{
    struct endpoint a, b;
    if (value->text == NULL || before->text == NULL)
        return;
    if (endpoint_read(value->text, &a) != 0 || endpoint_read(before->text, &b) != 0)
        return;
    if (!endpoint_overlaps(&a, &b))
        return;
    struct complaint *complaint = complain(check->complaints, value->place,
                                           "%s has an address that is taken already", what);
    complaint_expected(check->complaints, complaint, "another one than in line %u",
                       before->place.line);
}

/* Claims of whoever can reach a listener are believed only if that is written. */
static void check_forwarded(const struct check *check, const struct values *listener)
{
    const struct value *rule = values_get(listener, "forwarded");
    const struct value *address = values_get(listener, "address");
    const struct value *trusted = values_get(listener, "trusted_proxies");
    if (rule->text == NULL)
        return;
    bool believes = strcmp(rule->text, "keep") == 0 || strcmp(rule->text, "append") == 0;
    if (trusted->written && !believes) {
        struct complaint *complaint = complain(check->complaints, trusted->place,
                                               "nobody's word counts where 'forwarded' is '%s'",
                                               rule->text);
        complaint_expected(check->complaints, complaint, "'forwarded' as keep or append");
    }
    struct endpoint endpoint;
    if (!believes || trusted->written || address->text == NULL ||
        endpoint_read(address->text, &endpoint) != 0 || endpoint_is_loopback(&endpoint))
        return;
    struct complaint *complaint = complain(check->complaints, rule->place,
                                           "everybody on the network would be believed");
    complaint_expected(check->complaints, complaint,
                       "'trusted_proxies' beside it, such as ( \"10.0.0.0/8\" )");
}

static void check_addresses(const struct check *check)
{
    const struct value *listeners = values_get(check->top, "listeners");
    for (size_t i = 0; i < listeners->count; i++) {
        for (size_t j = 0; j < i; j++)
            check_apart(check, values_get(listeners->groups[i], "address"),
                        values_get(listeners->groups[j], "address"), "the listener");
        check_forwarded(check, listeners->groups[i]);
    }
    const struct value *admin = values_get(values_group(check->top, "admin"), "address");
    for (size_t i = 0; i < listeners->count; i++)
        check_apart(check, admin, values_get(listeners->groups[i], "address"), "admin");

    struct endpoint endpoint;
    if (admin->text != NULL && endpoint_read(admin->text, &endpoint) == 0 &&
        !endpoint_is_loopback(&endpoint)) {
        struct complaint *complaint = complain(check->complaints, admin->place,
                                               "admin would be open to the network");
        complaint_expected(check->complaints, complaint,
                           "a loopback address such as \"127.0.0.1:15000\", or \"unix:/path\"");
    }
}

/* The block that `style` names must be there. */
static void check_style(const struct check *check, const struct values *route)
{
    const struct value *style = values_get(route, "style");
    if (style->text == NULL || values_has(route, style->text))
        return;
    const config_setting_t *tree = config_root_setting(&check->document->tree);
    const config_setting_t *routes = config_setting_get_member(tree, "routes");
    assert(routes != NULL); /* the route is one of them */
    for (unsigned i = 0; i < (unsigned)config_setting_length(routes); i++) {
        const struct node *node = node_of(config_setting_get_elem(routes, i));
        if (node->broken && node->value.line == route->place.line &&
            node->value.column == route->place.column)
            return;
    }
    struct complaint *complaint = complain(
        check->complaints, style->place,
        "the style is '%s', but the route has no block of that name", style->text);
    complaint_expected(check->complaints, complaint, "%s = { … } in this route", style->text);
}

/* One broker, or several targets. A value that could not be read has been complained of. */
static void check_event(const struct check *check, const struct values *route)
{
    if (!values_has(route, "event"))
        return;
    const struct values *event = values_group(route, "event");
    bool broker = values_has(event, "broker"), targets = values_has(event, "targets");
    if (broker && targets) {
        struct complaint *complaint = complain(check->complaints, values_place(event, "targets"),
                                               "the event has a broker and targets as well");
        complaint_expected(check->complaints, complaint, "'broker' or 'targets', not both");
    }
    if (broker || targets || is_broken(check, "routes"))
        return;
    struct complaint *complaint = complain(check->complaints, event->place,
                                           "the event has no broker");
    complaint_expected(check->complaints, complaint, "'broker', or 'targets' for several");
}

static bool is_pointer(const char *text)
{
    return strncmp(text, "json:", 5) == 0 && (text[5] == '/' || text[5] == '\0');
}

static void check_message_id(const struct check *check, const struct value *value)
{
    if (value->text == NULL || is_pointer(value->text))
        return;
    bool header = strncmp(value->text, "header:", 7) == 0 &&
                  token_valid(slice_text(value->text + 7));
    if (header)
        return;
    struct complaint *complaint = complain(check->complaints, value->place,
                                           "this names no source of an ID");
    complaint_expected(check->complaints, complaint, "\"header:NAME\" or \"json:/pointer\"");
}

static void check_names(const struct check *check, const struct value *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (token_valid(slice_text(names->texts[i])))
            continue;
        struct complaint *complaint = complain(check->complaints, names->places[i],
                                               "this is not the name of a header");
        complaint_expected(check->complaints, complaint, "a name such as \"authorization\"");
    }
}

static void check_routes(const struct check *check)
{
    const struct value *routes = values_get(check->top, "routes");
    for (size_t i = 0; i < routes->count; i++) {
        const struct values *route = routes->groups[i];
        check_style(check, route);
        check_event(check, route);
        check_message_id(check, values_get(route, "message_id"));
        check_names(check, values_get(route, "carry"));
        check_match(values_group(route, "match"), check->document, check->complaints);
        check_rewrites(route, check->complaints);
    }
    if (!is_broken(check, "routes")) /* what could not be read may set two routes apart */
        check_cover(routes, check->complaints);
}

static bool is_result(const char *text)
{
    struct slice status = slice_text(text);
    uint64_t number;
    if (is_pointer(text))
        return true;
    bool class = status.len == 3 && status.at[0] >= '1' && status.at[0] <= '5' &&
                 slice_is(slice_from(status, 1), "xx");
    return class || (slice_number(status, &number) == 0 && number >= 100 && number <= 599);
}

static void check_results(const struct check *check, const struct value *results)
{
    for (size_t i = 0; i < results->count; i++) {
        if (is_result(results->texts[i]))
            continue;
        struct complaint *complaint = complain(check->complaints, results->places[i],
                                               "this is not an answer of a service");
        complaint_expected(check->complaints, complaint,
                           "a status such as \"404\" or \"5xx\", or \"json:/pointer\"");
    }
}

static void check_retry(const struct check *check, const struct values *retry)
{
    if (values_ms(retry, "backoff") <= values_ms(retry, "max_backoff"))
        return;
    bool written = values_has(retry, "max_backoff");
    struct complaint *complaint = complain(check->complaints,
                                           values_place(retry, written ? "max_backoff" : "backoff"),
                                           "'max_backoff' is shorter than 'backoff'");
    complaint_expected(check->complaints, complaint, "it to be as long at least");
}

static void check_subscriptions(const struct check *check)
{
    const struct value *subscriptions = values_get(check->top, "subscriptions");
    for (size_t i = 0; i < subscriptions->count; i++) {
        const struct values *subscription = subscriptions->groups[i];
        const struct values *result = values_group(subscription, "result");
        check_names(check, values_get(subscription, "trust"));
        check_retry(check, values_group(subscription, "retry"));
        check_results(check, values_get(result, "ok"));
        check_results(check, values_get(result, "retry"));
        check_results(check, values_get(result, "dead"));
        const struct value *allow = values_get(subscription, "allow");
        for (size_t j = 0; j < allow->count; j++)
            check_allow(allow->groups[j], check->complaints);
    }
}

/* A file that starts nothing is most likely cut off or empty by mistake. */
static void check_purpose(const struct check *check)
{
    bool something = values_get(check->top, "listeners")->count > 0 ||
                     values_get(check->top, "subscriptions")->count > 0;
    if (something || check->complaints->errors > 0)
        return;
    struct complaint *complaint = complain(check->complaints, check->top->place,
                                           "there is nothing to do in this file");
    complaint_expected(check->complaints, complaint,
                       "at least one entry of 'listeners' or of 'subscriptions'");
}

void config_check(const struct config *config, const struct document *document,
                  struct complaints *complaints)
{
    assert(config->top != NULL);
    struct directory directories[DIRECTORIES + 1] = { 0 };
    struct check check = { .top = config->top,
                           .directories = directories,
                           .document = document,
                           .complaints = complaints };
    check_rows(&check, config->top);
    check_addresses(&check);
    check_routes(&check);
    check_subscriptions(&check);
    check_purpose(&check);
    for (unsigned i = 0; i < DIRECTORIES; i++)
        free(directories[i].named);
}
