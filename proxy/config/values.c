/* Asking a configuration. A table has a few dozen rows at most and is asked when things are
 * built, never per call, so a walk along the rows is enough. */
#include "config/values.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct value *values_get(const struct values *values, const char *key)
{
    assert(values != NULL && key != NULL);
    for (size_t i = 0; i < values->count; i++) {
        if (strcmp(values->at[i].setting->key, key) == 0)
            return &values->at[i];
    }
    fprintf(stderr, "shunt: no table has the setting '%s' that was asked for here\n", key);
    abort();
}

static const struct value *get_typed(const struct values *values, const char *key, unsigned types)
{
    const struct value *value = values_get(values, key);
    assert((types & 1u << value->setting->type) != 0);
    return value;
}

bool values_has(const struct values *values, const char *key)
{
    return values_get(values, key)->written;
}

bool values_flag(const struct values *values, const char *key)
{
    return get_typed(values, key, 1u << SETTING_FLAG)->number != 0;
}

int64_t values_number(const struct values *values, const char *key)
{
    return values_get(values, key)->number;
}

uint64_t values_ms(const struct values *values, const char *key)
{
    int64_t number = get_typed(values, key, 1u << SETTING_DURATION)->number;
    assert(number >= 0);
    return (uint64_t)number;
}

uint64_t values_bytes(const struct values *values, const char *key)
{
    int64_t number = get_typed(values, key, 1u << SETTING_SIZE)->number;
    assert(number >= 0);
    return (uint64_t)number;
}

const char *values_text(const struct values *values, const char *key)
{
    const struct value *value = values_get(values, key);
    assert(value->setting->type > SETTING_SIZE); /* what is a number has no text */
    return value->text;
}

const struct values *values_group(const struct values *values, const char *key)
{
    const struct value *value = values_get(values, key);
    return value->setting->type == SETTING_GROUP ? value->groups[0] : NULL;
}

struct place values_place(const struct values *values, const char *key)
{
    return values_get(values, key)->place;
}

static bool text_equal(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool value_equal(const struct value *a, const struct value *b)
{
    if (a->setting != b->setting || a->number != b->number || a->count != b->count)
        return false;
    if (!text_equal(a->text, b->text))
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->texts != NULL && !text_equal(a->texts[i], b->texts[i]))
            return false;
        if (a->groups != NULL && !values_equal(a->groups[i], b->groups[i]))
            return false;
    }
    return true;
}

bool values_equal(const struct values *a, const struct values *b)
{
    assert(a != NULL && b != NULL);
    if (a == b)
        return true;
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!value_equal(&a->at[i], &b->at[i]))
            return false;
    }
    return true;
}
