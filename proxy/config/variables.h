/* `${NAME}` and `${NAME:-default}` in strings. */
#ifndef CONFIG_VARIABLES_H
#define CONFIG_VARIABLES_H

#include "base/arena.h"

/* What is wrong with a reference to a variable, and where in the text it begins. */
struct variable_flaw {
    size_t offset;
    struct slice name; /* of the variable that is not set; empty: badly written */
};

/* `text` with its variables replaced, in the arena; NULL with the flaw, or when it grows past 64
 * KiB. The default serves when a variable is unset or empty, as in a shell. */
const char *variables_expand(struct arena *arena, const char *text, struct variable_flaw *flaw);

#endif
