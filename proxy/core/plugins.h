/* Transports by name: those built in, and shared objects from one folder.
 *
 * A plugin is loaded by its bare name, once, when a configuration names it, and never unloaded.
 * Its folder is the one beside the binary ("plugins"), else the installed one
 * ("../lib/shunt/plugins"). A name with a '/' or '..', a folder or file that group or world may
 * write, a wrong ABI number: refused with the reason. Control thread only.
 */
#ifndef CORE_PLUGINS_H
#define CORE_PLUGINS_H

#include "config/config.h"
#include "plugin.h"

struct plugins;

struct plugins *plugins_new(void);
void plugins_free(struct plugins *plugins);

/* The transport of that name, loaded if need be; NULL with `*why` (lives as long as `plugins`). */
const struct transport *plugins_find(struct plugins *plugins, const char *name, const char **why);

/* Adds one that is linked in, under its own name: tests'. It must outlive `plugins`. */
void plugins_add(struct plugins *plugins, const struct transport *transport);

/* For the configuration's tables. */
struct catalog plugins_catalog(struct plugins *plugins);

/* The names of all that could be loaded; ends with NULL; lives as long as `plugins`. */
const char *const *plugins_names(struct plugins *plugins);

#endif
