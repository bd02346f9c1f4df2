/* The reference: one table per group of settings, in the order of the file, plugins' settings
 * after a group's own. For programs the same rows in the same order, each an object that says what
 * group and plugin it belongs to. */
#include <assert.h>
#include <stdio.h>

#include "base/bytes.h"
#include "config/config.h"
#include "config/notation.h"

struct reference {
    const struct catalog *catalog;
    FILE *out;
    bool json;
    unsigned rows; /* so far */
};

/* A cell must not end early. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_default(FILE *out, const struct setting *row)
{
    bool plain = row->type == SETTING_NUMBER || row->type == SETTING_FLAG;
    if ((row->flags & SETTING_REQUIRED) != 0)
        fputs("**required**", out);
    else if (row->fallback != NULL)
        fprintf(out, plain ? "`%s`" : "`\"%s\"`", row->fallback);
}

static void print_row(FILE *out, const struct setting *row)
{
    char expected[256];
    notation_expected(row, expected, sizeof(expected));
    assert(row->help != NULL && row->since != NULL);
    fprintf(out, "| `%s` | ", row->key);
    print_cell(out, expected);
    fputs(" | ", out);
    print_default(out, row);
    fputs(" | ", out);
    print_cell(out, row->help);
    fprintf(out, "%s | %s |\n", (row->flags & SETTING_SECRET) != 0 ? " Never printed." : "",
            row->since);
}

static void print_head(FILE *out)
{
    fputs("| setting | value | default | meaning | since |\n|---|---|---|---|---|\n", out);
}

static void print_table(FILE *out, const struct setting *rows)
{
    print_head(out);
    for (; rows->key != NULL; rows++)
        print_row(out, rows);
    fputc('\n', out);
}

static void add_member(struct bytes *line, const char *name, const char *value)
{
    bytes_printf(line, ",\"%s\":", name);
    if (value == NULL)
        bytes_text(line, "null");
    else
        bytes_json(line, slice_text(value));
}

static void print_object(struct reference *reference, const struct setting *row, const char *group,
                         const char *plugin)
{
    char expected[256];
    notation_expected(row, expected, sizeof(expected));
    struct bytes line = { 0 };
    bytes_text(&line, reference->rows++ == 0 ? "[{\"setting\":" : ",\n {\"setting\":");
    bytes_json(&line, slice_text(row->key));
    add_member(&line, "group", group);
    add_member(&line, "plugin", plugin);
    add_member(&line, "value", expected);
    add_member(&line, "default", row->fallback);
    bytes_printf(&line, ",\"required\":%s,\"secret\":%s",
                 (row->flags & SETTING_REQUIRED) != 0 ? "true" : "false",
                 (row->flags & SETTING_SECRET) != 0 ? "true" : "false");
    add_member(&line, "meaning", row->help);
    add_member(&line, "since", row->since);
    bytes_byte(&line, '}');
    assert(!line.full);
    fwrite(line.at, 1, line.len, reference->out);
    bytes_free(&line);
}

/* `group`: where they stand, "" for the top level; `plugin`: whose they are, or NULL. */
static void print_rows(struct reference *reference, const struct setting *rows, const char *group,
                       const char *plugin)
{
    if (rows == NULL || rows->key == NULL)
        return;
    if (!reference->json)
        print_table(reference->out, rows);
    for (; reference->json && rows->key != NULL; rows++)
        print_object(reference, rows, group, plugin);
}

static void print_group(struct reference *reference, const struct setting *row, const char *path);

static void print_children(struct reference *reference, const struct setting *rows,
                           const char *path)
{
    for (; rows != NULL && rows->key != NULL; rows++) {
        if (rows->children != NULL)
            print_group(reference, rows, path);
    }
}

static const struct setting *plugin_rows(const struct reference *reference,
                                         const struct setting *row, const char *name)
{
    const struct catalog *catalog = reference->catalog;
    const char *why = NULL;
    if (strcmp(row->key, "brokers") == 0)
        return catalog->broker(catalog->context, name, &why);
    if (strcmp(row->key, "subscriptions") == 0)
        return catalog->subscription(catalog->context, name);
    for (int i = 0; i < STYLES; i++) {
        if (strcmp(row->key, style_names[i]) == 0)
            return catalog->route(catalog->context, name, (enum style)i);
    }
    return NULL;
}

static void print_group(struct reference *reference, const struct setting *row, const char *path)
{
    FILE *out = reference->out;
    char inner[256];
    const char *between = *path == '\0' ? "" : reference->json ? "." : " › ";
    int len = snprintf(inner, sizeof(inner), "%s%s%s", path, between, row->key);
    assert(len > 0 && (size_t)len < sizeof(inner));
    if (!reference->json)
        fprintf(out, "## %s\n\n%s\n\n", inner, row->help);
    print_rows(reference, row->children, inner, NULL);

    const char *const *names = reference->catalog->names(reference->catalog->context);
    for (; (row->flags & SETTING_PLUGIN) != 0 && *names != NULL; names++) {
        const struct setting *rows = plugin_rows(reference, row, *names);
        if (rows == NULL || rows->key == NULL)
            continue;
        if (!reference->json)
            fprintf(out, "With the plugin `%s` also:\n\n", *names);
        print_rows(reference, rows, inner, *names);
        print_children(reference, rows, inner);
    }
    print_children(reference, row->children, inner);
}

static void print_preface(FILE *out)
{
    fputs(
        "# Every setting\n\n"
        "Generated from the tables that the program itself reads; `shunt reference` prints it.\n\n"
        "- `${NAME}` and `${NAME:-default}` stand for variables of the environment, in every "
        "string; a number may "
        "stand in a string for that.\n"
        "- Durations and sizes are strings with a unit: `\"250ms\"`, `\"5s\"`, `\"64KB\"` (1 KB is "
        "1024 bytes).\n"
        "- Lists stand in `( )`, groups in `{ }`; `@include \"file.cfg\"` on a line of its own "
        "reads another file, "
        "named from the folder of the first.\n\n"
        "## The top level\n\n",
        out);
}

void reference_print(const struct catalog *catalog, FILE *out, bool json)
{
    if (!json)
        print_preface(out);
    struct reference reference = { .catalog = catalog, .out = out, .json = json };
    print_rows(&reference, config_table, "", NULL);
    print_children(&reference, config_table, "");
    if (json)
        fputs("]\n", out);
}
