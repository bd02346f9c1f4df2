/* Which version this is, said once, and what it is made of. */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

#include <stdbool.h>
#include <stdio.h>

#define SHUNT_VERSION "0.1.0"

/* Shunt's version, those of its libraries, and the plugins that can be loaded, or why not. Loads
 * them. */
void version_print(FILE *out, bool json);

#endif
