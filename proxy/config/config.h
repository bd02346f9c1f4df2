/* Loading a configuration: text → scanner → libconfig → tables → cross checks → values.
 *
 * Happy path: config_load returns a configuration without a complaint. Otherwise it returns what
 * could be understood or NULL, and the complaints have at least one error; nothing else happens.
 * Runs on any thread, blocking (files).
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "config/values.h"
#include "core/style.h"

/* Where the tables of plugins come from; core/plugins.c answers it. */
struct catalog {
    void *context;
    /* The rows that plugin `name` adds to a broker, to a style's block of a route, to a
     * subscription. NULL with `*why` set when there is no such plugin; a pointer to an empty
     * table when it does not carry that style. */
    const struct setting *(*broker)(void *context, const char *name, const char **why);
    const struct setting *(*route)(void *context, const char *name, enum style style);
    const struct setting *(*subscription)(void *context, const char *name);
    /* The names of all plugins that can be found, for "did you mean"; ends with NULL. */
    const char *const *(*names)(void *context);
};

struct config {
    _Atomic unsigned holds; /* by snapshots and brokers, beside the owner's */
    struct arena arena;
    const char *path;
    struct values *top;
};

struct config *config_load(const char *path, const struct catalog *catalog,
                           struct complaints *complaints);
/* The same from memory, for tests and fuzzing; `path` names it in complaints and is the base of
 * includes. */
struct config *config_load_text(const char *path, struct slice text, const struct catalog *catalog,
                                struct complaints *complaints);
void config_free(struct config *config);
/* Shares it; the last config_release frees it. Any thread. */
struct config *config_hold(struct config *config);
void config_release(struct config *config);

/* The table of the whole file. */
extern const struct setting config_table[];

/* Writes the reference of every setting, plugins' included, as Markdown or as a list of JSON
 * objects, one for each setting: `shunt reference`. */
void reference_print(const struct catalog *catalog, FILE *out, bool json);

#endif
