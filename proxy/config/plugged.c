/* Which plugin has a say in a group. A broker names its plugin; a subscription and the block of
 * a style name a broker; the block of `sync` belongs to the built-in plugin `http`. Read from
 * the tree, since routes may stand before brokers.
 */
#include <assert.h>

#include "config/reader.h"

static const config_setting_t *string_member(const config_setting_t *group, const char *key)
{
    const config_setting_t *member = config_setting_get_member(group, key);
    bool string = member != NULL && config_setting_type(member) == CONFIG_TYPE_STRING;
    return string && !node_of(member)->told ? member : NULL;
}

static const char *member_text(const struct reader *reader, const config_setting_t *group,
                               const char *key)
{
    const config_setting_t *member = string_member(group, key);
    return member == NULL ? NULL : read_string_value(reader, member, false);
}

static unsigned count_brokers(const struct reader *reader)
{
    const config_setting_t *brokers = config_setting_get_member(reader->root, "brokers");
    bool list = brokers != NULL && config_setting_is_list(brokers);
    return list ? (unsigned)config_setting_length(brokers) : 0;
}

/* The entry of `brokers`, or NULL when it is no group. */
static const config_setting_t *broker_at(const struct reader *reader, unsigned index)
{
    const config_setting_t *brokers = config_setting_get_member(reader->root, "brokers");
    const config_setting_t *entry = config_setting_get_elem(brokers, index);
    assert(entry != NULL); /* index < count_brokers */
    return config_setting_is_group(entry) ? entry : NULL;
}

const char *plugin_used(const struct reader *reader, unsigned index, bool *end)
{
    *end = index >= count_brokers(reader);
    const config_setting_t *entry = *end ? NULL : broker_at(reader, index);
    return entry == NULL ? NULL : member_text(reader, entry, "plugin");
}

/* The plugin of a broker, or NULL. */
static const char *plugin_of(const struct reader *reader, const char *broker)
{
    for (unsigned i = 0; i < count_brokers(reader); i++) {
        const config_setting_t *entry = broker_at(reader, i);
        const char *name = entry == NULL ? NULL : member_text(reader, entry, "name");
        if (name != NULL && strcmp(name, broker) == 0)
            return member_text(reader, entry, "plugin");
    }
    return NULL;
}

static struct further broker_rows(const struct reader *reader, const config_setting_t *group)
{
    const struct catalog *catalog = reader->catalog;
    const config_setting_t *member = string_member(group, "plugin");
    const char *name = member_text(reader, group, "plugin");
    if (name == NULL)
        return (struct further){ .unknown = true };

    const char *why = NULL;
    const struct setting *rows = catalog->broker(catalog->context, name, &why);
    if (rows != NULL)
        return (struct further){ .rows = rows };
    const char *const *names = catalog->names(catalog->context);
    struct slice literal = node_of(member)->literal;
    struct complaint *complaint = complain(
        reader->complaints, node_of(member)->value, "no plugin '%.*s': %s",
        literal.len > 80 ? 80 : (int)literal.len, (const char *)literal.at,
        why == NULL ? "it was not found" : why);
    const char *nearest = nearest_name(name, names);
    if (nearest != NULL)
        complaint_hint(reader->complaints, complaint, "did you mean '%s'?", nearest);
    return (struct further){ .unknown = true };
}

/* Where there is no such plugin, it is told at the broker; here only what a plugin that is there
 * cannot do. */
static struct further rows_by_broker(const struct reader *reader, const config_setting_t *group,
                                     const char *style)
{
    const struct catalog *catalog = reader->catalog;
    const char *broker = member_text(reader, group, "broker");
    const char *plugin = broker == NULL ? NULL : plugin_of(reader, broker);
    if (plugin == NULL)
        return (struct further){ .unknown = true };

    int number = STYLES;
    for (int i = 0; style != NULL && i < STYLES; i++) {
        if (strcmp(style_names[i], style) == 0)
            number = i;
    }
    assert(style == NULL || number < STYLES);
    const struct setting *rows = style == NULL
                                     ? catalog->subscription(catalog->context, plugin)
                                     : catalog->route(catalog->context, plugin, (enum style)number);
    const char *why;
    if (catalog->broker(catalog->context, plugin, &why) == NULL)
        return (struct further){ .unknown = true };
    if (rows == NULL || rows->key == NULL) {
        const config_setting_t *member = string_member(group, "broker");
        complain(reader->complaints, node_of(member)->value, "the plugin of this broker %s%s",
                 style == NULL ? "consumes nothing" : "does not carry ",
                 style == NULL ? "" : style);
        return (struct further){ .unknown = true };
    }
    return (struct further){ .rows = rows };
}

struct further plugged_rows(const struct reader *reader, const struct setting *row,
                            const config_setting_t *group)
{
    assert((row->flags & SETTING_PLUGIN) != 0);
    const struct catalog *catalog = reader->catalog;
    if (strcmp(row->key, "brokers") == 0)
        return broker_rows(reader, group);
    if (strcmp(row->key, "subscriptions") == 0)
        return rows_by_broker(reader, group, NULL);
    if (strcmp(row->key, "targets") == 0)
        return rows_by_broker(reader, group, style_names[STYLE_EVENT]);
    bool fans_out = config_setting_get_member(group, "targets") != NULL;
    if (fans_out && config_setting_get_member(group, "broker") == NULL)
        return (struct further){ 0 };
    if (strcmp(row->key, style_names[STYLE_SYNC]) != 0)
        return rows_by_broker(reader, group, row->key);
    return (struct further){ .rows = catalog->route(catalog->context, "http", STYLE_SYNC) };
}
