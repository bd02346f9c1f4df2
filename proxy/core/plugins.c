/* Finding and loading transports; see plugins.h. */
#include "core/plugins.h"

#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/http/http.h"

#define NAMES_MAX 64

struct loaded {
    struct link link;
    const char *name;
    const struct transport *transport; /* NULL: it could not be loaded, and `why` says why */
    const char *why;
};

struct plugins {
    struct arena arena;
    struct list loaded;
    const char *folder; /* NULL: none was found */
    const char *names[NAMES_MAX + 1];
};

static const struct transport *const built_in[] = { &http_transport };

static const char *existing_folder(struct plugins *plugins, const char *base, const char *below)
{
    char path[PATH_MAX], real[PATH_MAX];
    struct stat status;
    if (snprintf(path, sizeof path, "%s/%s", base, below) >= (int)sizeof path ||
        realpath(path, real) == NULL || stat(real, &status) != 0 || !S_ISDIR(status.st_mode))
        return NULL;
    return (const char *)arena_copy(&plugins->arena, slice_text(real)).at;
}

static void find_folder(struct plugins *plugins)
{
    char binary[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", binary, sizeof binary - 1);
    if (len <= 0)
        return;
    binary[len] = '\0';
    assert(binary[0] == '/'); /* proc(5): absolute */
    *strrchr(binary, '/') = '\0';
    plugins->folder = existing_folder(plugins, binary, "plugins");
    if (plugins->folder == NULL)
        plugins->folder = existing_folder(plugins, binary, "../lib/shunt/plugins");
}

struct plugins *plugins_new(void)
{
    struct plugins *plugins = calloc(1, sizeof *plugins);
    if (plugins == NULL)
        abort();
    arena_init(&plugins->arena, 1024 * 1024);
    list_init(&plugins->loaded);
    find_folder(plugins);
    return plugins;
}

void plugins_free(struct plugins *plugins)
{
    arena_clear(&plugins->arena);
    free(plugins);
}

static bool name_is_bare(const char *name)
{
    if (*name == '\0' || strlen(name) > 64)
        return false;
    for (const char *at = name; *at != '\0'; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_' || *at == '-'))
            return false;
    return true;
}

/* Who may write a plugin owns the process: nobody but its owner should. */
static bool is_private(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

__attribute__((format(printf, 2, 3))) static const char *because(struct plugins *plugins,
                                                                 const char *format, ...)
{
    char text[PATH_MAX + 256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct slice copy = arena_copy(&plugins->arena, slice_text(text));
    return copy.at != NULL ? (const char *)copy.at : "out of memory";
}

static const struct transport *load(struct plugins *plugins, const char *name, const char **why)
{
    char path[PATH_MAX];
    assert(name_is_bare(name));
    if (plugins->folder == NULL) {
        *why = "no plugin folder was found beside the binary or in ../lib/shunt/plugins";
        return NULL;
    }
    if (snprintf(path, sizeof path, "%s/%s.so", plugins->folder, name) >= (int)sizeof path ||
        access(path, R_OK) != 0) {
        *why = because(plugins, "there is no %s.so in %s", name, plugins->folder);
        return NULL;
    }
    if (!is_private(plugins->folder) || !is_private(path)) {
        *why = because(
            plugins,
            "%s or its folder may be written by group or world; take that right away (chmod go-w)",
            path);
        return NULL;
    }
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct transport *transport = object != NULL ? dlsym(object, "shunt_plugin") : NULL;
    if (transport == NULL) {
        *why = because(plugins, "%s cannot be loaded: %s", path, dlerror());
        return NULL;
    }
    if (transport->abi != SHUNT_ABI) {
        *why = because(plugins,
                       "%s was built for plugin interface %u, this is interface %u: build it again",
                       path, transport->abi, SHUNT_ABI);
        return NULL;
    }
    return transport;
}

static struct loaded *remember(struct plugins *plugins, const char *name)
{
    struct loaded *loaded = arena_get(&plugins->arena, sizeof *loaded);
    loaded->name = (const char *)arena_copy(&plugins->arena, slice_text(name)).at;
    list_append(&plugins->loaded, &loaded->link);
    loaded->transport = load(plugins, name, &loaded->why);
    assert((loaded->transport == NULL) == (loaded->why != NULL));
    return loaded;
}

void plugins_add(struct plugins *plugins, const struct transport *transport)
{
    assert(transport->abi == SHUNT_ABI);
    struct loaded *loaded = arena_get(&plugins->arena, sizeof *loaded);
    loaded->name = transport->name;
    loaded->transport = transport;
    list_append(&plugins->loaded, &loaded->link);
}

const struct transport *plugins_find(struct plugins *plugins, const char *name, const char **why)
{
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (strcmp(built_in[i]->name, name) == 0)
            return built_in[i];
    if (!name_is_bare(name)) {
        *why = "a plugin is named by its bare name: lower-case letters, digits, '_' and '-'";
        return NULL;
    }
    struct loaded *found = NULL;
    list_each (&plugins->loaded, link) {
        struct loaded *loaded = thing_of(link, struct loaded, link);
        if (strcmp(loaded->name, name) == 0)
            found = loaded;
    }
    if (found == NULL)
        found = remember(plugins, name);
    *why = found->why;
    return found->transport;
}

const char *const *plugins_names(struct plugins *plugins)
{
    if (plugins->names[0] != NULL)
        return plugins->names;
    unsigned count = 0;
    plugins->names[count++] = "http";
    DIR *folder = plugins->folder != NULL ? opendir(plugins->folder) : NULL;
    struct dirent *entry;
    while (folder != NULL && count < NAMES_MAX && (entry = readdir(folder)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len <= 3 || strcmp(entry->d_name + len - 3, ".so") != 0)
            continue;
        struct slice name = arena_copy(&plugins->arena, slice_of(entry->d_name, len - 3));
        if (name.at != NULL)
            plugins->names[count++] = (const char *)name.at;
    }
    if (folder != NULL)
        closedir(folder);
    assert(count <= NAMES_MAX && plugins->names[count] == NULL);
    return plugins->names;
}

static const struct setting *broker_table(void *context, const char *name, const char **why)
{
    const struct transport *transport = plugins_find(context, name, why);
    return transport != NULL ? transport->broker : NULL;
}

static const struct setting *route_table(void *context, const char *name, enum style style)
{
    const char *why;
    const struct transport *transport = plugins_find(context, name, &why);
    return transport != NULL && (transport->styles & STYLE_BIT(style)) ? transport->route[style]
                                                                       : NULL;
}

static const struct setting *subscription_table(void *context, const char *name)
{
    const char *why;
    const struct transport *transport = plugins_find(context, name, &why);
    return transport != NULL && transport->source != NULL ? transport->subscription : NULL;
}

static const char *const *all_names(void *context)
{
    return plugins_names(context);
}

struct catalog plugins_catalog(struct plugins *plugins)
{
    return (struct catalog){
        .context = plugins,
        .broker = broker_table,
        .route = route_table,
        .subscription = subscription_table,
        .names = all_names,
    };
}
