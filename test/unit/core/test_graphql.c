/* Which operation a GraphQL request asks for. One line a case. */
#include "core/graphql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* `says`: "kind name field", '-' for none; NULL: no operation can be known. */
static const struct {
    const char *document, *name, *says;
} documents[] = {
    { "{ a }", "", "query - a" },
    { "query { a }", "", "query - a" },
    { "mutation { a }", "", "mutation - a" },
    { "subscription S { a }", "", "subscription S a" },
    { "mutation M { a(x: 1) { b c } }", "", "mutation M a" },
    { "mutation M($x: Int = 3, $y: [T!]!) @d(a: {b: \"}\"}) { a(x: $x) @i(if: true) }", "",
      "mutation M a" },
    { "{ alias: a }", "", "query - a" },
    { "{ one: a two: a }", "", "query - a" },
    { "{ a b }", "", "query - -" },
    { "{ a, b, }", "", "query - -" },
    { "# mutation { x }\n{ a }", "", "query - a" },
    { "\xef\xbb\xbf{ a }", "", "query - a" },
    { "{ a(s: \"mutation { b } \\\" }\") }", "", "query - a" },
    { "{ a(s: \"\"\"block } \\\"\"\" { \" \"\"\") }", "", "query - a" },
    { "{ a(f: -1.5e+3, l: [1, 2, {x: null}], e: ENUM) }", "", "query - a" },
    { "query A { a } query B { b }", "B", "query B b" },
    { "query A { a } mutation B { b }", "A", "query A a" },
    { "query A { a } query B { b }", "", NULL },
    { "query A { a } query A { b }", "A", NULL },
    { "query A { a }", "B", NULL },
    { "mutation { ...F } fragment F on M { a }", "", "mutation - a" },
    { "fragment F on M { a } mutation { ...F b }", "", "mutation - -" },
    { "mutation { ... on M { a } }", "", "mutation - a" },
    { "mutation { ... @include(if: $x) { a } }", "", "mutation - a" },
    { "mutation { ... { a ... { b } } }", "", "mutation - -" },
    { "mutation { ...F } fragment F on M { ...F }", "", NULL },
    { "mutation { ...F }", "", NULL },
    { "mutation { ...on }", "", NULL },
    { "query query { query: mutation }", "", "query query mutation" },
    { "{ on }", "", "query - on" },
    { "{}", "", NULL },
    { "", "", NULL },
    { "{ a", "", NULL },
    { "{ a } }", "", NULL },
    { "{ a(x: [) ] }", "", NULL },
    { "{ a(x: \"\n\") }", "", NULL },
    { "{ a(x: \"", "", NULL },
    { "type T { a: Int }", "", NULL },
    { "mutate { a }", "", NULL },
    { "{ a } extend type T { b: Int }", "", NULL },
    { "{ 1a }", "", NULL },
    { "{ a: }", "", NULL },
    { "{ a % }", "", NULL },
    { "fragment F on T { a }", "", NULL },
    { "fragment on on T { a }", "", NULL },
};

static void expect_says(const struct graphql *graphql, bool found, const char *says)
{
    char text[300] = "";
    if (found)
        snprintf(text, sizeof text, "%s %.*s %.*s",
                 graphql->kind == GRAPHQL_NONE ? "-" : graphql_kind_names[graphql->kind],
                 graphql->name.len > 0 ? (int)graphql->name.len : 1,
                 graphql->name.len > 0 ? (const char *)graphql->name.at : "-",
                 graphql->field.len > 0 ? (int)graphql->field.len : 1,
                 graphql->field.len > 0 ? (const char *)graphql->field.at : "-");
    assert_string_equal(text, says != NULL ? says : "");
}

static void documents_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct graphql graphql;
        print_message("%s\n", documents[i].document);
        bool found = graphql_read(slice_text(documents[i].document), slice_text(documents[i].name),
                                  &graphql);
        expect_says(&graphql, found, documents[i].says);
    }
}

/* Nothing is read beyond a document that ends anywhere, and depth is bounded. */
static void documents_may_end_anywhere(void **state)
{
    (void)state;
    static const char text[] = "query A($x: T = \"y\") @d { ...F b: a(s: \"\"\"z\"\"\") { c } }"
                               " fragment F on T { a }";
    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy, text, len);
        struct graphql graphql;
        (void)!graphql_read(slice_of(copy, len), SLICE(""), &graphql);
        free(copy);
    }
    char deep[2000];
    memset(deep, '{', sizeof deep);
    struct graphql graphql;
    assert_false(graphql_read(slice_of(deep, sizeof deep), SLICE(""), &graphql));
}

static const struct {
    const char *method, *type, *query, *body, *says;
} requests[] = {
    { "POST", "application/json", "", "{\"query\":\"mutation { a }\"}", "mutation - a" },
    { "POST", "application/json; charset=utf-8", "", "{\"query\":\"{ a }\"}", "query - a" },
    { "POST", "application/json", "",
      "{\"query\":\"query A { a } query B { b }\",\"operationName\":\"B\"}", "query B b" },
    { "POST", "application/json", "", "{\"query\":\"{ \\u0061 }\",\"variables\":{\"x\":1}}",
      "query - a" },
    { "POST", "application/json", "", "{\"query\":\"{ a }\",\"operationName\":null}", "query - a" },
    { "POST", "application/json", "",
      "{\"operationName\":\"A\",\"extensions\":{\"persistedQuery\":{\"version\":1,"
      "\"sha256Hash\":\"abc\"}}}",
      "- A -" },
    { "POST", "application/json", "", "{\"documentId\":\"abc\"}", "- - -" },
    { "POST", "application/json", "", "[{\"query\":\"{ a }\"}]", NULL },
    { "POST", "application/json", "", "{\"query\":1}", NULL },
    { "POST", "application/json", "", "{\"query\":\"{ a }\",\"query\":\"mutation { b }\"}", NULL },
    { "POST", "application/json", "", "{\"query\":\"{ a }\"", NULL },
    { "POST", "application/json", "", "{}", NULL },
    { "POST", "application/graphql", "", "mutation { a }", "mutation - a" },
    { "POST", "application/graphql", "operationName=B", "query A { a } query B { b }",
      "query B b" },
    { "GET", "", "query=%7B+a%20%7d", "", "query - a" },
    { "GET", "", "x=y&query=query%20A{a}query%20B{b}&operationName=A", "", "query A a" },
    { "GET", "", "extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A%22abc%22%7D%7D", "",
      "- - -" },
    { "GET", "", "query={a}&query={b}", "", NULL },
    { "GET", "", "x=y", "", NULL },
};

static void requests_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct head request = { .method = slice_text(requests[i].method),
                                .query = slice_text(requests[i].query),
                                .has_query = requests[i].query[0] != '\0' };
        assert_int_equal(fields_add(&request.fields, &arena, SLICE("Content-Type"),
                                    slice_text(requests[i].type)),
                         0);
        struct graphql graphql;
        assert_true(graphql_is_likely(&request));
        print_message("%s %s\n", requests[i].query, requests[i].body);
        bool found = graphql_of_request(&request, slice_text(requests[i].body), &arena, &graphql);
        expect_says(&graphql, found, requests[i].says);
        arena_clear(&arena);
    }
}

static void others_are_not_graphql(void **state)
{
    (void)state;
    const struct head plain = { .method = SLICE("GET") }, put = { .method = SLICE("PUT") },
                      untyped = { .method = SLICE("POST") };
    assert_false(graphql_is_likely(&plain));
    assert_false(graphql_is_likely(&put));
    assert_false(graphql_is_likely(&untyped));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_read),
        cmocka_unit_test(documents_may_end_anywhere),
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(others_are_not_graphql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
