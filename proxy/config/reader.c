/* Each row of the table looks for its key, reads what it finds by its type, and takes its
 * default otherwise; then what no row asked for is complained of. A value that is wrong is
 * complained of once and reads as its default. */
#include "config/reader.h"

#include <assert.h>
#include <stdlib.h>

#include "config/notation.h"
#include "config/variables.h"

enum { LONGEST_SHOWN = 80 };

static const char *kind_of(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_LIST:
        return "a list";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_FLOAT:
        return "a fraction";
    default:
        return "a number";
    }
}

static bool is_string(const config_setting_t *setting)
{
    return config_setting_type(setting) == CONFIG_TYPE_STRING;
}

static bool mentions_variable(struct slice literal)
{
    return literal.len > 0 && memmem(literal.at, literal.len, "${", 2) != NULL;
}

/* A value as it may be repeated in a complaint: as it was written, so that a variable stays a
 * name; nothing of a secret. */
static const char *shown(const struct reader *reader, const struct setting *row,
                         const config_setting_t *setting)
{
    struct slice literal = node_of(setting)->literal;
    bool secret = (row->flags & SETTING_SECRET) != 0 || row->type == SETTING_URL ||
                  row->type == SETTING_HEADERS || row->type == SETTING_PROPERTIES;
    if (secret)
        return (const char *)arena_printf(reader->arena, "the value of '%s'", row->key).at;
    bool cut = literal.len > LONGEST_SHOWN;
    return (const char *)arena_printf(reader->arena, "'%.*s%s'",
                                      cut ? LONGEST_SHOWN : (int)literal.len,
                                      (const char *)literal.at, cut ? "..." : "")
        .at;
}

static void wrong_type(const struct reader *reader, const struct setting *row,
                       const config_setting_t *setting)
{
    char expected[256];
    notation_expected(row, expected, sizeof(expected));
    struct complaint *complaint = complain(reader->complaints, node_of(setting)->value,
                                           "'%s' is %s", row->key, kind_of(setting));
    complaint_expected(reader->complaints, complaint, "%s", expected);
}

static void flawed(const struct reader *reader, const struct setting *row,
                   const config_setting_t *setting, const struct flaw *flaw, const char *text)
{
    const struct node *node = node_of(setting);
    struct complaint *complaint = complain(reader->complaints, node->value, "%s %s",
                                           shown(reader, row, setting), flaw->what);
    complaint_expected(reader->complaints, complaint, "%s", flaw->expected);
    if ((row->flags & SETTING_SECRET) != 0 || mentions_variable(node->literal))
        return;
    const char *nearest = row->type == SETTING_CHOICE ? nearest_name(text, row->choices) : NULL;
    if (flaw->hint[0] != '\0')
        complaint_hint(reader->complaints, complaint, "%s", flaw->hint);
    else if (nearest != NULL)
        complaint_hint(reader->complaints, complaint, "did you mean '%s'?", nearest);
}

const char *read_string_value(const struct reader *reader, const config_setting_t *setting,
                              bool complaining)
{
    struct variable_flaw flaw;
    const struct node *node = node_of(setting);
    const char *written = config_setting_get_string(
        setting); /* libconfig's, which goes before we do */
    const char *text = variables_expand(reader->arena, written, &flaw);
    if (text == written)
        text = (const char *)arena_copy(reader->arena, slice_text(written)).at;
    if (text != NULL || !complaining)
        return text;

    struct place place = node->value;
    const uint8_t *found = memmem(node->literal.at, node->literal.len, "${", 2);
    for (size_t i = 0; found != NULL && node->literal.at + i < found; i++)
        place.column += (node->literal.at[i] & 0xc0) != 0x80;
    place.column += found != NULL;
    struct complaint *complaint;
    if (flaw.name.len > 0) {
        complaint = complain(reader->complaints, place, "the variable '%.*s' is not set",
                             (int)flaw.name.len, (const char *)flaw.name.at);
        complaint_expected(reader->complaints, complaint,
                           "it in the environment, or a default: ${%.*s:-...}", (int)flaw.name.len,
                           (const char *)flaw.name.at);
    } else {
        complaint = complain(reader->complaints, place, "this '${' is not the name of a variable");
        complaint_expected(reader->complaints, complaint, "${NAME} or ${NAME:-default}");
    }
    return NULL;
}

/* What libconfig made of a scalar, as text: -1 when it is of another type than the row. */
static int scalar_text(const struct reader *reader, const struct setting *row,
                       const config_setting_t *setting, const char **text)
{
    const struct node *node = node_of(setting);
    int type = config_setting_type(setting);
    assert(node != NULL);
    if (node->told)
        return -1;
    if (type == CONFIG_TYPE_STRING) {
        *text = read_string_value(reader, setting, true);
        return *text == NULL ? -1 : 0;
    }
    bool number = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64;
    bool measure = row->type == SETTING_DURATION || row->type == SETTING_SIZE;
    bool takes = (number && (row->type == SETTING_NUMBER || measure)) ||
                 (type == CONFIG_TYPE_BOOL && row->type == SETTING_FLAG);
    if (!takes) {
        wrong_type(reader, row, setting);
        return -1;
    }
    if (number)
        *text =
            (const char *)arena_printf(reader->arena, "%lld", config_setting_get_int64(setting)).at;
    else
        *text = config_setting_get_bool(setting) == CONFIG_TRUE ? "true" : "false";
    return 0;
}

static int read_scalar(const struct reader *reader, const struct setting *row,
                       const config_setting_t *setting, const char **text, int64_t *number)
{
    struct flaw flaw;
    bool secret = (row->flags & SETTING_SECRET) != 0;
    bool hidden = secret || row->type == SETTING_HEADERS || row->type == SETTING_PROPERTIES ||
                  (row->type == SETTING_URL &&
                   slice_find(node_of(setting)->literal, '@') != node_of(setting)->literal.len);
    if (!hidden)
        complaints_reveal(reader->complaints, node_of(setting)->value);
    if (scalar_text(reader, row, setting, text) != 0)
        return -1;
    if (notation_read(row, *text, number, &flaw) == 0)
        return 0;
    flawed(reader, row, setting, &flaw, *text);
    return -1;
}

static bool is_texts(const struct setting *row)
{
    return row->type == SETTING_TEXTS || row->type == SETTING_HEADERS ||
           row->type == SETTING_PROPERTIES || row->type == SETTING_HOSTPORTS ||
           row->type == SETTING_NETWORKS;
}

/* Its number is all that counts: "60s" says the same as "1m". */
static bool is_counted(const struct setting *row)
{
    return row->type <= SETTING_SIZE;
}

static void make_room(const struct reader *reader, struct value *value, size_t count)
{
    value->texts = arena_get(reader->arena, (count + 1) * sizeof(*value->texts));
    value->places = arena_get(reader->arena, (count + 1) * sizeof(*value->places));
}

static void read_texts(const struct reader *reader, const config_setting_t *setting,
                       struct value *value)
{
    const struct setting *row = value->setting;
    bool one = is_string(setting);
    if (!one && !config_setting_is_list(setting)) {
        if (!node_of(setting)->told)
            wrong_type(reader, row, setting);
        return;
    }
    int count = one ? 1 : config_setting_length(setting);
    if (count == 0 && (row->flags & SETTING_NOT_EMPTY) != 0) {
        struct complaint *complaint = complain(reader->complaints, node_of(setting)->value,
                                               "'%s' is empty", row->key);
        complaint_expected(reader->complaints, complaint, "at least one entry");
    }
    assert(count >= 0 && value->count == 0);
    make_room(reader, value, (size_t)count);
    for (int i = 0; i < count; i++) {
        const config_setting_t *entry = one ? setting
                                            : config_setting_get_elem(setting, (unsigned)i);
        int64_t number;
        const char *text;
        if (!is_string(entry) && !node_of(entry)->told)
            wrong_type(reader, row, entry);
        else if (read_scalar(reader, row, entry, &text, &number) == 0) {
            value->places[value->count] = node_of(entry)->value;
            value->texts[value->count++] = text;
            value->variable |= mentions_variable(node_of(entry)->literal);
        }
    }
}

static struct values *defaults(const struct reader *reader, const struct setting *rows,
                               struct place place);

/* Defaults are written in the tables as a user would write them; a list of texts has ", "
 * between them. */
static void take_default(const struct reader *reader, struct value *value)
{
    const struct setting *row = value->setting;
    value->written = false;
    if (row->type == SETTING_GROUP) {
        value->groups = arena_get(reader->arena, 2 * sizeof(*value->groups));
        value->groups[0] = defaults(reader, row->children, value->place);
        assert(value->count == 0);
        value->count = 1;
        return;
    }
    const char *written = row->fallback == NULL ? "" : row->fallback;
    if (row->type == SETTING_GROUPS)
        value->groups = arena_get(reader->arena, sizeof(*value->groups));
    if (is_texts(row)) {
        make_room(reader, value, strlen(written));
        for (const char *at = written; *at != '\0';) {
            size_t len = strcspn(at, ",");
            value->places[value->count] = value->place;
            value->texts[value->count++] =
                (const char *)arena_copy(reader->arena, slice_of(at, len)).at;
            at += len + strspn(at + len, ", ");
        }
        return;
    }
    if (row->fallback == NULL)
        return;
    struct flaw flaw;
    int good = notation_read(row, row->fallback, &value->number, &flaw);
    assert(good == 0);
    (void)good;
    value->text = is_counted(row) ? NULL : row->fallback;
}

static struct values *values_new(const struct reader *reader, size_t count, struct place place)
{
    struct values *values = arena_get(reader->arena, sizeof(*values));
    values->at = arena_get(reader->arena, count * sizeof(*values->at));
    values->count = count;
    values->place = place;
    return values;
}

static size_t count_rows(const struct setting *rows)
{
    size_t count = 0;
    while (rows != NULL && rows[count].key != NULL)
        count++;
    return count;
}

static struct values *defaults(const struct reader *reader, const struct setting *rows,
                               struct place place)
{
    assert(rows != NULL);
    struct defaults *shared = reader->defaults;
    for (size_t i = 0; i < shared->count; i++)
        if (shared->made[i].rows == rows)
            return shared->made[i].values;
    place.line = place.column = 0; /* it stands nowhere */
    struct values *values = values_new(reader, count_rows(rows), place);
    for (size_t i = 0; i < values->count; i++) {
        values->at[i] = (struct value){ .setting = &rows[i], .place = place };
        take_default(reader, &values->at[i]);
    }
    if (shared->count < sizeof(shared->made) / sizeof(*shared->made)) {
        shared->made[shared->count].rows = rows;
        shared->made[shared->count++].values = values;
    }
    return values;
}

static struct values *read_child(const struct reader *reader, const struct setting *row,
                                 const config_setting_t *group)
{
    struct further further = { 0 };
    assert(row->children != NULL && config_setting_is_group(group));
    if ((row->flags & SETTING_PLUGIN) != 0)
        further = plugged_rows(reader, row, group);
    return read_group(reader, group, row->children, further, title_of(reader->arena, row));
}

static void read_groups(const struct reader *reader, const config_setting_t *setting,
                        struct value *value)
{
    const struct setting *row = value->setting;
    assert(row->type == SETTING_GROUPS && row->children != NULL);
    size_t count = (size_t)config_setting_length(setting);
    value->groups = arena_get(reader->arena, (count + 1) * sizeof(*value->groups));
    value->places = arena_get(reader->arena, (count + 1) * sizeof(*value->places));
    if (count == 0 && (row->flags & SETTING_NOT_EMPTY) != 0)
        complain(reader->complaints, node_of(setting)->value, "'%s' is empty", row->key);
    for (unsigned i = 0; i < count; i++) {
        const config_setting_t *entry = config_setting_get_elem(setting, i);
        if (config_setting_is_group(entry)) {
            value->places[value->count] = node_of(entry)->value;
            value->groups[value->count++] = read_child(reader, row, entry);
        } else if (!node_of(entry)->told) {
            struct complaint *complaint = complain(reader->complaints, node_of(entry)->value,
                                                   "an entry of '%s' is %s", row->key,
                                                   kind_of(entry));
            complaint_expected(reader->complaints, complaint, "a group { … }");
        }
    }
}

/* Whether the value is of use; otherwise the default stands in for it. */
static bool read_value(const struct reader *reader, const config_setting_t *setting,
                       struct value *value)
{
    const struct setting *row = value->setting;
    bool group = config_setting_is_group(setting), list = config_setting_is_list(setting);
    if (is_texts(row)) {
        read_texts(reader, setting, value);
        return value->texts != NULL;
    }
    if (row->type == SETTING_GROUPS && list) {
        read_groups(reader, setting, value);
        return true;
    }
    if (row->type == SETTING_GROUP && group) {
        value->groups = arena_get(reader->arena, 2 * sizeof(*value->groups));
        value->groups[0] = read_child(reader, row, setting);
        value->count = 1;
        return true;
    }
    if (row->type == SETTING_GROUP || row->type == SETTING_GROUPS) {
        if (!node_of(setting)->told)
            wrong_type(reader, row, setting);
        return false;
    }
    bool good = read_scalar(reader, row, setting, &value->text, &value->number) == 0;
    value->variable = mentions_variable(node_of(setting)->literal);
    if (is_counted(row))
        value->text = NULL;
    return good;
}

static const config_setting_t *find(const config_setting_t *group, const char *key)
{
    return config_setting_get_member(group, key);
}

/* A key that was mistyped is told where it stands; that the right one is missing need not be
 * told too. */
static bool is_mistyped(const config_setting_t *group, const char *key)
{
    const char *const names[] = { key, NULL };
    for (unsigned i = 0; i < (unsigned)config_setting_length(group); i++) {
        const config_setting_t *member = config_setting_get_elem(group, i);
        if (nearest_name(config_setting_name(member), names) != NULL)
            return true;
    }
    return false;
}

static void missing(const struct reader *reader, const config_setting_t *group,
                    const struct setting *row, const char *title)
{
    if (node_of(group)->broken || is_mistyped(group, row->key))
        return;
    char expected[256];
    notation_expected(row, expected, sizeof(expected));
    struct complaint *complaint = complain(reader->complaints, node_of(group)->value,
                                           "%s has no '%s'", title, row->key);
    complaint_expected(reader->complaints, complaint, "%s = %s", row->key, expected);
}

static bool in_table(const struct setting *rows, const char *key)
{
    for (; rows != NULL && rows->key != NULL; rows++) {
        if (strcmp(rows->key, key) == 0)
            return true;
    }
    return false;
}

static void read_row(const struct reader *reader, const config_setting_t *group,
                     const struct setting *row, struct value *value, const char *title)
{
    const config_setting_t *setting = find(group, row->key);
    assert(row->key != NULL && node_of(group) != NULL);
    *value = (struct value){ .setting = row, .place = node_of(group)->value };
    if (setting != NULL) {
        value->place = node_of(setting)->value;
        value->written = true;
        if (read_value(reader, setting, value))
            return;
        *value = (struct value){ .setting = row, .place = value->place };
    } else if ((row->flags & SETTING_REQUIRED) != 0) {
        missing(reader, group, row, title);
    }
    take_default(reader, value);
}

struct values *read_group(const struct reader *reader, const config_setting_t *group,
                          const struct setting *rows, struct further further, const char *title)
{
    size_t own = count_rows(rows), count = own + count_rows(further.rows);
    struct values *values = values_new(reader, count, node_of(group)->value);
    for (size_t i = 0; i < count; i++) {
        const struct setting *row = i < own ? &rows[i] : &further.rows[i - own];
        assert(row != NULL && row->key != NULL);
        assert(i < own || !in_table(rows, row->key)); /* a plugin must not repeat our words */
        read_row(reader, group, row, &values->at[i], title);
    }
    for (unsigned i = 0; i < (unsigned)config_setting_length(group); i++) {
        const config_setting_t *member = config_setting_get_elem(group, i);
        const char *key = config_setting_name(member);
        if (!in_table(rows, key) && !in_table(further.rows, key) && !further.unknown)
            complain_of_key(reader, node_of(member), rows, further, title);
    }
    return values;
}
