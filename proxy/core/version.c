/* `shunt --version`. The libraries say themselves which they are; plugins are loaded for it. */
#include "core/version.h"

#include <assert.h>
#include <jansson.h>
#include <string.h>

#include <ares.h>
#include <libconfig.h>
#include <llhttp.h>
#include <nettle/version.h>
#include <nghttp2/nghttp2.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <uv.h>

#include "core/plugins.h"

enum { LIBRARIES = 8, VERSION_ROOM = 64 };

struct library {
    const char *name;
    char version[VERSION_ROOM];
};

static void put_version(struct library *library, const char *name, const char *version)
{
    library->name = name;
    size_t len = strcspn(version, " "); /* PCRE2 tells a date as well */
    assert(len > 0 && len < VERSION_ROOM);
    memcpy(library->version, version, len);
    library->version[len] = '\0';
}

static void put_numbers(struct library *library, const char *name, int major, int minor, int patch)
{
    char version[VERSION_ROOM];
    snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    put_version(library, name, version);
}

static void look_at_libraries(struct library libraries[LIBRARIES])
{
    char pcre2[VERSION_ROOM] = "";
    int len = pcre2_config(PCRE2_CONFIG_VERSION, NULL);
    assert(len > 0 && len <= VERSION_ROOM);
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    put_version(&libraries[0], "libuv", uv_version_string());
    put_numbers(&libraries[1], "llhttp", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
                LLHTTP_VERSION_PATCH);
    put_numbers(&libraries[2], "libconfig", LIBCONFIG_VER_MAJOR, LIBCONFIG_VER_MINOR,
                LIBCONFIG_VER_REVISION);
    put_version(&libraries[3], "c-ares", ares_version(NULL));
    put_version(&libraries[4], "PCRE2", pcre2);
    put_version(&libraries[5], "jansson", JANSSON_VERSION);
    put_version(&libraries[6], "nghttp2", nghttp2_version(0)->version_str);
    char nettle[VERSION_ROOM];
    snprintf(nettle, sizeof nettle, "%d.%d", nettle_version_major(), nettle_version_minor());
    put_version(&libraries[7], "nettle", nettle);
}

static void print_text(const struct library *libraries, struct plugins *plugins, FILE *out)
{
    fprintf(out, "shunt %s\nlibraries: ", SHUNT_VERSION);
    for (size_t i = 0; i < LIBRARIES; i++)
        fprintf(out, "%s%s %s", i == 0 ? "" : ", ", libraries[i].name, libraries[i].version);
    fputc('\n', out);
    const char *const *names = plugins_names(plugins);
    for (size_t i = 0; names[i] != NULL; i++) {
        const char *why = NULL;
        const struct transport *transport = plugins_find(plugins, names[i], &why);
        fprintf(out, "plugin: %s (%s)\n", names[i], transport != NULL ? transport->version : why);
    }
}

static void print_json(const struct library *libraries, struct plugins *plugins, FILE *out)
{
    json_t *all = json_pack("{s:s, s:{}, s:[]}", "version", SHUNT_VERSION, "libraries", "plugins");
    assert(all != NULL);
    for (size_t i = 0; i < LIBRARIES; i++)
        json_object_set_new(json_object_get(all, "libraries"), libraries[i].name,
                            json_string(libraries[i].version));
    const char *const *names = plugins_names(plugins);
    for (size_t i = 0; names[i] != NULL; i++) {
        const char *why = NULL;
        const struct transport *transport = plugins_find(plugins, names[i], &why);
        json_t *plugin = transport != NULL
                             ? json_pack("{s:s, s:s}", "name", names[i], "version",
                                         transport->version)
                             : json_pack("{s:s, s:s}", "name", names[i], "problem", why);
        json_array_append_new(json_object_get(all, "plugins"), plugin);
    }
    json_dumpf(all, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', out);
    json_decref(all);
}

void version_print(FILE *out, bool json)
{
    struct library libraries[LIBRARIES];
    look_at_libraries(libraries);
    struct plugins *plugins = plugins_new();
    (json ? print_json : print_text)(libraries, plugins, out);
    plugins_free(plugins);
}
