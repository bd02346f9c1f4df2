/* The steps of loading, in order. Each works on what the one before understood, so that one run
 * tells all. */
#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "config/checks.h"
#include "config/reader.h"

enum { MEMORY = 256 << 20 };

static struct config *config_new(const char *path)
{
    struct config *config = calloc(1, sizeof(*config));
    if (config == NULL)
        abort();
    arena_init(&config->arena, MEMORY);
    config->path = (const char *)arena_copy(&config->arena, slice_text(path)).at;
    return config;
}

static void read_text(struct config *config, struct slice text, const struct catalog *catalog,
                      struct complaints *complaints)
{
    struct document document;
    document_read(&document, &config->arena, config->path, text, complaints);
    struct defaults defaults = { .count = 0 };
    struct reader reader = {
        .arena = &config->arena,
        .catalog = catalog,
        .complaints = complaints,
        .root = config_root_setting(&document.tree),
        .defaults = &defaults,
    };
    config->top = read_group(&reader, reader.root, config_table, (struct further){ 0 },
                             "the top level");
    config_check(config, &document, complaints);
    document_free(&document);
}

struct config *config_load_text(const char *path, struct slice text, const struct catalog *catalog,
                                struct complaints *complaints)
{
    assert(path != NULL && catalog != NULL && complaints != NULL);
    struct config *config = config_new(path);
    struct slice copy = arena_copy(&config->arena, text); /* values point into it */
    if (copy.at == NULL)
        abort();
    read_text(config, copy, catalog, complaints);
    return config;
}

struct config *config_load(const char *path, const struct catalog *catalog,
                           struct complaints *complaints)
{
    assert(path != NULL && catalog != NULL && complaints != NULL);
    struct config *config = config_new(path);
    struct slice text;
    if (file_read(&config->arena, path, true, &text) != 0) {
        struct place place = { .file = config->path };
        complain(complaints, place, "cannot read the file: %s",
                 errno == EFBIG ? "it is larger than a megabyte" : strerror(errno));
        config_free(config);
        return NULL;
    }
    read_text(config, text, catalog, complaints);
    return config;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    arena_clear(&config->arena);
    free(config);
}

struct config *config_hold(struct config *config)
{
    atomic_fetch_add_explicit(&config->holds, 1, memory_order_relaxed);
    return config;
}

void config_release(struct config *config)
{
    if (atomic_fetch_sub_explicit(&config->holds, 1, memory_order_acq_rel) == 0)
        config_free(config);
}
