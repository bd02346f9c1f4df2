/* Happy path: compiled once, anchored at both ends; a match borrows its working memory, runs
 * within the limits, and gives it back.
 * Failures: no regular expression (told with its place); memory out, or limits passed: no match.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/expression.h"

#include <assert.h>
#include <pcre2.h>
#include <stdlib.h>

/* Far beyond what a sane expression needs on a path of 64 KiB. */
enum { REGEX_STEPS_MAX = 100000, REGEX_DEPTH_MAX = 10000, REGEX_HEAP_KIB = 4096 };

/* What has worked on a longer path than this may have grown, and is not kept. */
enum { KEPT_PATH_MAX = 2048 };

struct expression {
    pcre2_code *code;
    pcre2_match_context *limits;
    struct expression_stock *stock; /* NULL: none */
    uint32_t groups;
    const char **names; /* into the code's own table; ends with NULL */
    uint32_t *numbers;  /* of the groups that have these names */
};

/* --- compiling -------------------------------------------------------------------------------- */

static bool read_names(struct expression *expression)
{
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(expression->code, PCRE2_INFO_CAPTURECOUNT, &expression->groups);
    pcre2_pattern_info(expression->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(expression->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(expression->code, PCRE2_INFO_NAMETABLE, &table);
    expression->names = calloc(count + 1, sizeof(*expression->names));
    expression->numbers = calloc(count + 1, sizeof(*expression->numbers));
    if (expression->names == NULL || expression->numbers == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        PCRE2_SPTR entry = table + (size_t)i * size; /* the number in two bytes, then the name */
        expression->numbers[i] = (uint32_t)entry[0] << 8 | entry[1];
        expression->names[i] = (const char *)entry + 2;
    }
    return true;
}

struct expression *expression_compile(const char *text, size_t *at, char *why, size_t room)
{
    int error = 0;
    *at = 0;
    struct expression *expression = calloc(1, sizeof(*expression));
    if (expression == NULL)
        abort();
    expression->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                     PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C,
                                     &error, at, NULL);
    expression->limits = pcre2_match_context_create(NULL);
    bool whole = expression->code != NULL && expression->limits != NULL && read_names(expression);
    if (!whole) {
        pcre2_get_error_message(error, (PCRE2_UCHAR *)why, room);
        expression_free(expression);
        return NULL;
    }
    pcre2_set_match_limit(expression->limits, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(expression->limits, REGEX_DEPTH_MAX);
    pcre2_set_heap_limit(expression->limits, REGEX_HEAP_KIB);
    return expression;
}

void expression_free(struct expression *expression)
{
    if (expression == NULL)
        return;
    pcre2_code_free(expression->code);
    pcre2_match_context_free(expression->limits);
    free(expression->names);
    free(expression->numbers);
    free(expression);
}

const char *const *expression_names(const struct expression *expression)
{
    return (const char *const *)expression->names;
}

/* --- working memory --------------------------------------------------------------------------- */

void expression_share(struct expression *expression, struct expression_stock *stock)
{
    assert(expression->stock == NULL);
    expression->stock = stock;
    if (stock->groups < expression->groups)
        stock->groups = expression->groups;
}

void expression_stock_clear(struct expression_stock *stock)
{
    for (unsigned i = 0; i < EXPRESSION_STOCK; i++)
        pcre2_match_data_free(atomic_exchange(&stock->at[i], NULL));
}

/* NULL when memory is out. */
static pcre2_match_data *borrow(const struct expression *expression)
{
    struct expression_stock *stock = expression->stock;
    if (stock == NULL)
        return pcre2_match_data_create(expression->groups + 1, NULL);
    for (unsigned i = 0; i < EXPRESSION_STOCK; i++) {
        pcre2_match_data *match = atomic_exchange_explicit(&stock->at[i], NULL,
                                                           memory_order_acquire);
        if (match != NULL)
            return match;
    }
    return pcre2_match_data_create(stock->groups + 1, NULL);
}

static void give_back(const struct expression *expression, pcre2_match_data *match, size_t len)
{
    struct expression_stock *stock = expression->stock;
    for (unsigned i = 0; stock != NULL && len <= KEPT_PATH_MAX && i < EXPRESSION_STOCK; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&stock->at[i], &none, match,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
    pcre2_match_data_free(match);
}

/* --- matching --------------------------------------------------------------------------------- */

static bool run(const struct expression *expression, struct slice path, pcre2_match_data *match)
{
    return pcre2_match(expression->code, path.at, path.len, 0, 0, match, expression->limits) >= 0;
}

bool expression_matches(const struct expression *expression, struct slice path)
{
    pcre2_match_data *match = borrow(expression);
    if (match == NULL)
        return false;
    bool matches = run(expression, path, match);
    give_back(expression, match, path.len);
    return matches;
}

bool expression_capture(const struct expression *expression, struct slice path,
                        struct slice *values)
{
    pcre2_match_data *match = borrow(expression);
    if (match == NULL)
        return false;
    bool matches = run(expression, path, match);
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(match);
    for (size_t i = 0; matches && expression->names[i] != NULL; i++) {
        PCRE2_SIZE start = at[2 * expression->numbers[i]], end = at[2 * expression->numbers[i] + 1];
        bool part = start != PCRE2_UNSET && start <= end; /* \K can turn them round */
        assert(!part || end <= path.len);
        values[i] = part ? slice_of(path.at + start, end - start) : SLICE("");
    }
    give_back(expression, match, path.len);
    return matches;
}
