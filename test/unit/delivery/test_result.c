/* What an answer means: statuses and bodies against patterns. */
#include "test/unit/delivery/stand.h"

#include "delivery/result.h"

struct judged {
    int status;
    const char *body;
    enum verdict verdict;
};

static void judge(const char *result, const struct judged *rows, size_t count)
{
    struct stand *stand = stand_up(result);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct result_rules rules;
    result_read(&rules, values_group(stand->settings.values, "result"), &arena);
    for (size_t i = 0; i < count; i++)
        if (result_judge(&rules, rows[i].status, slice_text(rows[i].body)) != rows[i].verdict)
            fail_msg("%d %s", rows[i].status, rows[i].body);
    arena_clear(&arena);
    stand_down(stand);
}

#define JUDGE(result, ...)                                \
    judge(result, (const struct judged[]){ __VA_ARGS__ }, \
          sizeof((const struct judged[]){ __VA_ARGS__ }) / sizeof(struct judged))

static void by_itself(void **state)
{
    (void)state;
    JUDGE("", { 200, "", VERDICT_OK }, { 204, "", VERDICT_OK }, { 299, "", VERDICT_OK },
          { 301, "", VERDICT_DEAD }, { 400, "", VERDICT_DEAD }, { 404, "", VERDICT_DEAD },
          { 408, "", VERDICT_RETRY }, { 425, "", VERDICT_RETRY }, { 429, "", VERDICT_RETRY },
          { 500, "", VERDICT_RETRY }, { 503, "", VERDICT_RETRY }, { 599, "", VERDICT_RETRY },
          { 999, "", VERDICT_DEAD });
}

static void the_most_particular_pattern_decides(void **state)
{
    (void)state;
    JUDGE("result = { ok = ( \"2xx\", \"404\", \"501\", \"json:/fine\" ); dead = ( \"5xx\", "
          "\"json:/errors\" ); };",
          { 404, "", VERDICT_OK }, { 501, "", VERDICT_OK },
          { 503, "", VERDICT_DEAD }, /* dead before retry */
          { 429, "", VERDICT_RETRY }, { 200, "{\"errors\":[1]}", VERDICT_DEAD },
          { 503, "{\"fine\":1}", VERDICT_OK }, { 200, "{\"fine\":1,\"errors\":1}", VERDICT_DEAD });
}

static void nothing_is_retried_when_nothing_is_named(void **state)
{
    (void)state;
    JUDGE("result = { retry = ( ); };", { 503, "", VERDICT_DEAD }, { 200, "", VERDICT_OK });
}

static void something_is_neither_null_nor_empty(void **state)
{
    (void)state;
    JUDGE("result = { dead = \"json:/e\"; };", { 200, "{\"e\":null}", VERDICT_OK },
          { 200, "{\"e\":[]}", VERDICT_OK }, { 200, "{\"e\":{}}", VERDICT_OK },
          { 200, "{\"e\":\"\"}", VERDICT_OK }, { 200, "{}", VERDICT_OK },
          { 200, "{\"e\":false}", VERDICT_DEAD }, { 200, "{\"e\":0}", VERDICT_DEAD },
          { 200, "{\"e\":[0]}", VERDICT_DEAD }, { 200, "{\"e\":\"x\"}", VERDICT_DEAD },
          { 200, "{\"e\":123456789012345678901234567890}", VERDICT_DEAD },
          { 200, "[1]", VERDICT_OK }, { 200, "7", VERDICT_OK }, { 200, "", VERDICT_OK },
          { 200, "{\"e\":1", VERDICT_OK });
}

static void pointers(void **state)
{
    (void)state;
    JUDGE("result = { dead = ( \"json:/a/1/b~1c~0d\", \"json:/~01\" ); };",
          { 200, "{\"a\":[0,{\"b/c~d\":1}]}", VERDICT_DEAD },
          { 200, "{\"a\":[{\"b/c~d\":1}]}", VERDICT_OK },
          { 200, "{\"a\":{\"1\":{\"b/c~d\":1}}}", VERDICT_DEAD },
          { 200, "{\"~1\":1}", VERDICT_DEAD }, { 200, "{\"/\":1}", VERDICT_OK });
    JUDGE("result = { dead = \"json:/a/01\"; retry = \"json:/a/-\"; };",
          { 200, "{\"a\":[1,2]}", VERDICT_OK });
    JUDGE("result = { dead = \"json:\"; };", { 200, "[1]", VERDICT_DEAD },
          { 200, "[]", VERDICT_OK }, { 200, "1", VERDICT_DEAD });
}

static void what_is_too_deep_or_too_long_is_not_looked_into(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    char *deep = malloc(DEEP + 1);
    assert_non_null(deep);
    memset(deep, '[', DEEP);
    deep[DEEP] = '\0';
    JUDGE("result = { dead = \"json:/0\"; };", { 200, deep, VERDICT_OK });
    free(deep);
    char *long_one = calloc(1, RESULT_BODY_MAX + 20);
    assert_non_null(long_one);
    memset(long_one, ' ', RESULT_BODY_MAX);
    memcpy(long_one + RESULT_BODY_MAX, "[1]", 4);
    JUDGE("result = { dead = \"json:/0\"; };", { 200, long_one, VERDICT_OK },
          { 200, long_one + 3, VERDICT_DEAD });
    free(long_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_itself),
        cmocka_unit_test(the_most_particular_pattern_decides),
        cmocka_unit_test(nothing_is_retried_when_nothing_is_named),
        cmocka_unit_test(something_is_neither_null_nor_empty),
        cmocka_unit_test(pointers),
        cmocka_unit_test(what_is_too_deep_or_too_long_is_not_looked_into),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
