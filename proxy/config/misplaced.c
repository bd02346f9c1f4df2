/* What to say of a key that is not known where it stands: what could stand there, which name is
 * near, and where the word belongs if it is a word of ours at all. */
#include <assert.h>

#include "base/bytes.h"
#include "config/reader.h"

enum { LONGEST_SHOWN = 60, MOST_NAMES = 128 };

const char *title_of(struct arena *arena, const struct setting *row)
{
    size_t len = strlen(row->key);
    bool named = row->type == SETTING_GROUPS && len > 1 && row->key[len - 1] == 's';
    assert(len > 0 && (row->type == SETTING_GROUP || row->type == SETTING_GROUPS));
    const char *article = strchr("aeiou", row->key[0]) != NULL ? "an" : "a";
    struct slice title = named ? arena_printf(arena, "%s %.*s", article, (int)len - 1, row->key)
                         : row->type == SETTING_GROUPS
                             ? arena_printf(arena, "an entry of '%s'", row->key)
                             : arena_printf(arena, "'%s'", row->key);
    return (const char *)title.at;
}

static void add_names(const struct setting *rows, const char *names[MOST_NAMES + 1])
{
    size_t count = 0;
    while (names[count] != NULL)
        count++;
    for (; rows != NULL && rows->key != NULL && count < MOST_NAMES; rows++)
        names[count++] = rows->key;
    assert(rows == NULL || rows->key == NULL); /* else MOST_NAMES is too small for our own tables */
    names[count] = NULL;
}

static const struct setting *row_named(const struct setting *rows, const char *key)
{
    for (; rows != NULL && rows->key != NULL; rows++) {
        if (strcmp(rows->key, key) == 0)
            return rows;
    }
    return NULL;
}

/* All the places that know a key, as words in a sentence. */
struct search {
    const struct reader *reader;
    const char *key;
    struct bytes found;
};

/* `within` is the row whose table knows it; NULL: the top level. */
static void found(struct search *search, const struct setting *within)
{
    if (search->found.len > 0)
        bytes_text(&search->found, " or in ");
    bytes_text(&search->found,
               within == NULL ? "the top level" : title_of(search->reader->arena, within));
}

static void search_plugins(struct search *search, const struct setting *row)
{
    const struct catalog *catalog = search->reader->catalog;
    bool end;
    const char *name = plugin_used(search->reader, 0, &end);
    for (unsigned i = 1; !end; name = plugin_used(search->reader, i++, &end)) {
        if (name == NULL)
            continue;
        const char *why;
        const struct setting *rows = NULL;
        if (strcmp(row->key, "brokers") == 0)
            rows = catalog->broker(catalog->context, name, &why);
        else if (strcmp(row->key, "subscriptions") == 0)
            rows = catalog->subscription(catalog->context, name);
        for (int style = 0; style < STYLES; style++) {
            if (strcmp(row->key, style_names[style]) == 0)
                rows = catalog->route(catalog->context, name, (enum style)style);
        }
        if (row_named(rows, search->key) != NULL) {
            found(search, row);
            return;
        }
    }
}

static void search_table(struct search *search, const struct setting *rows,
                         const struct setting *within)
{
    if (row_named(rows, search->key) != NULL)
        found(search, within);
    for (; rows->key != NULL; rows++) {
        if (rows->children == NULL)
            continue;
        search_table(search, rows->children, rows);
        if ((rows->flags & SETTING_PLUGIN) != 0 && row_named(rows->children, search->key) == NULL)
            search_plugins(search, rows);
    }
}

/* The value may be shown when the word that was meant is no secret. */
static void reveal(const struct reader *reader, const struct node *node,
                   const struct setting *meant)
{
    bool open = meant != NULL && (meant->flags & SETTING_SECRET) == 0 &&
                meant->type != SETTING_URL && meant->type != SETTING_HEADERS &&
                meant->type != SETTING_PROPERTIES;
    if (open)
        complaints_reveal(reader->complaints, node->value);
}

void complain_of_key(const struct reader *reader, const struct node *node,
                     const struct setting *rows, struct further further, const char *title)
{
    assert(node->key.line > 0 && node->name.len > 0);
    struct complaints *complaints = reader->complaints;
    const char *key = (const char *)arena_copy(reader->arena, node->name).at;
    const char *names[MOST_NAMES + 1] = { NULL };
    add_names(rows, names);
    add_names(further.rows, names);

    struct bytes list = { 0 };
    for (size_t i = 0; names[i] != NULL; i++) {
        bytes_text(&list, i == 0 ? "" : ", ");
        bytes_text(&list, names[i]);
    }
    struct complaint *complaint = complain(complaints, node->key, "unknown setting '%.*s%s' in %s",
                                           LONGEST_SHOWN, key,
                                           strlen(key) > LONGEST_SHOWN ? "..." : "", title);
    complaint_expected(complaints, complaint, "one of %.*s", (int)list.len, (const char *)list.at);
    bytes_free(&list);

    const char *nearest = nearest_name(key, names);
    struct search search = { .reader = reader, .key = key };
    if (nearest != NULL) {
        complaint_hint(complaints, complaint, "did you mean '%s'?", nearest);
        const struct setting *meant = row_named(rows, nearest);
        reveal(reader, node, meant != NULL ? meant : row_named(further.rows, nearest));
        return;
    }
    search_table(&search, config_table, NULL);
    if (search.found.len > 0)
        complaint_hint(complaints, complaint, "'%s' belongs in %.*s", key, (int)search.found.len,
                       (const char *)search.found.at);
    bytes_free(&search.found);
}
