/* What a configuration says, typed and checked against its tables, each value with its place.
 *
 * Values are immutable after loading and live in the configuration's arena; they may be read
 * from any thread. Asking for a key that the table does not have is a bug of ours and aborts. A
 * key that is not written answers with its default; one without default with 0, NULL or an empty
 * list, and `values_has` tells the difference.
 */
#ifndef CONFIG_VALUES_H
#define CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/complaint.h"
#include "config/setting.h"

struct value {
    const struct setting *setting;
    struct place place; /* of the value; of the group for a default */
    bool written;       /* false: the default */
    bool variable; /* has a ${VARIABLE} in it, or one of its texts: never repeated to anybody */
    /* flag, number, duration (ms), size (bytes), choice (index into choices), reference (index
     * of the group) */
    int64_t number;
    const char *text;       /* text, choice, address, url, reference */
    const char **texts;     /* texts, headers, properties, host ports; ends with NULL */
    struct place *places;   /* of each of texts or groups */
    struct values **groups; /* group (one) or groups; ends with NULL */
    size_t count;           /* of texts or groups */
};

struct values {
    struct place place;
    struct value *at;
    size_t count;
};

bool values_has(const struct values *values, const char *key);
const struct value *values_get(const struct values *values, const char *key);
bool values_flag(const struct values *values, const char *key);
int64_t values_number(const struct values *values, const char *key);
/* Milliseconds of a duration. */
uint64_t values_ms(const struct values *values, const char *key);
/* Bytes of a size. */
uint64_t values_bytes(const struct values *values, const char *key);
/* NULL when neither written nor defaulted. */
const char *values_text(const struct values *values, const char *key);
/* The written group, or a group of defaults when the setting has children; NULL only if `key` is
 * no group. */
const struct values *values_group(const struct values *values, const char *key);
struct place values_place(const struct values *values, const char *key);

/* Whether both say the same in every value, places aside: what keys broker connections over a
 * reload. */
bool values_equal(const struct values *a, const struct values *b);

#endif
