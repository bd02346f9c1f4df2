/* From libconfig's tree to typed values, by the tables. */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include "config/config.h"
#include "config/scanner.h"

/* Groups of nothing but defaults, made once for each table: most groups of most routes are such. */
struct defaults {
    struct {
        const struct setting *rows;
        struct values *values;
    } made[32];
    size_t count;
};

struct reader {
    struct arena *arena;
    const struct catalog *catalog;
    struct complaints *complaints;
    const config_setting_t *root;
    struct defaults *defaults;
};

/* Rows beyond a group's own table, from a plugin. */
struct further {
    const struct setting *rows; /* ends with a NULL key; NULL: none */
    /* the plugin could not be found, so that nothing can be said of keys that are not in the
     * table */
    bool unknown;
};

/* Reads a group by its table and complains of all that is wrong in it. `title` is for sentences:
 * "a route". */
struct values *read_group(const struct reader *reader, const config_setting_t *group,
                          const struct setting *rows, struct further further, const char *title);

/* plugged.c: which plugin a group with SETTING_PLUGIN belongs to, and its rows there. */
struct further plugged_rows(const struct reader *reader, const struct setting *row,
                            const config_setting_t *group);

/* plugged.c: the plugin of the broker at that index, NULL if it has none; `*end` behind the
 * last. Whoever looks for words of plugins looks at these only, since to ask for another would
 * load it. */
const char *plugin_used(const struct reader *reader, unsigned index, bool *end);

/* misplaced.c: what to say of a key that is not known where it stands. */
void complain_of_key(const struct reader *reader, const struct node *node,
                     const struct setting *rows, struct further further, const char *title);
/* "a route" for an entry of "routes". */
const char *title_of(struct arena *arena, const struct setting *row);

/* The text of a string with its variables replaced, or NULL, after a complaint if wanted. */
const char *read_string_value(const struct reader *reader, const config_setting_t *setting,
                              bool complaining);

#endif
