/* The reference: one table per group of settings, in the order of the file, plugins' settings
 * after a group's own. */
#include <assert.h>
#include <stdio.h>

#include "config/config.h"
#include "config/notation.h"

struct reference {
    const struct catalog *catalog;
    FILE *out;
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

static void print_rows(FILE *out, const struct setting *rows)
{
    if (rows == NULL || rows->key == NULL)
        return;
    print_head(out);
    for (; rows->key != NULL; rows++)
        print_row(out, rows);
    fputc('\n', out);
}

static void print_group(const struct reference *reference, const struct setting *row,
                        const char *path);

static void print_children(const struct reference *reference, const struct setting *rows,
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

static void print_group(const struct reference *reference, const struct setting *row,
                        const char *path)
{
    FILE *out = reference->out;
    char inner[256];
    snprintf(inner, sizeof(inner), "%s%s%s", path, *path == '\0' ? "" : " › ", row->key);
    fprintf(out, "## %s\n\n%s\n\n", inner, row->help);
    print_rows(out, row->children);

    const char *const *names = reference->catalog->names(reference->catalog->context);
    for (; (row->flags & SETTING_PLUGIN) != 0 && *names != NULL; names++) {
        const struct setting *rows = plugin_rows(reference, row, *names);
        if (rows == NULL || rows->key == NULL)
            continue;
        fprintf(out, "With the plugin `%s` also:\n\n", *names);
        print_rows(out, rows);
        print_children(reference, rows, inner);
    }
    print_children(reference, row->children, inner);
}

void reference_print(const struct catalog *catalog, FILE *out)
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
    print_rows(out, config_table);
    struct reference reference = { .catalog = catalog, .out = out };
    print_children(&reference, config_table, "");
}
