/* Strands as transcripts: who may go up, and when. */
#include "plugins/kafka/strand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

struct named {
    struct bead bead;
    char name;
};

static const int one, other; /* two partitions */

static void add(struct strands *strands, const void *partition, const char *key,
                struct named *named)
{
    struct slice text = key != NULL ? slice_text(key) : slice_of(NULL, 0);
    assert_int_equal(strands_add(strands, partition, text, &named->bead), 0);
}

static char next(struct strands *strands)
{
    struct bead *bead = strands_next(strands);
    return bead != NULL ? thing_of(bead, struct named, bead)->name : '-';
}

static void one_key_goes_one_by_one(void **state)
{
    (void)state;
    struct strands strands;
    struct named a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };
    strands_init(&strands);
    add(&strands, &one, "k", &a);
    add(&strands, &one, "k", &b);
    add(&strands, &one, "other", &c);
    assert_int_equal(next(&strands), 'a');
    assert_int_equal(next(&strands), 'c');
    assert_int_equal(next(&strands), '-');
    strands_done(&strands, &a.bead);
    assert_int_equal(next(&strands), 'b');
    strands_done(&strands, &b.bead);
    strands_done(&strands, &c.bead);
    strands_free(&strands);
}

static void what_is_given_back_comes_first_again(void **state)
{
    (void)state;
    struct strands strands;
    struct named a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };
    strands_init(&strands);
    add(&strands, &one, "k", &a);
    add(&strands, &one, "k", &b);
    add(&strands, &one, "l", &c);
    assert_int_equal(next(&strands), 'a');
    strands_back(&strands, &a.bead);
    assert_int_equal(next(&strands), 'a');
    assert_int_equal(next(&strands), 'c');
    strands_done(&strands, &c.bead);
    strands_done(&strands, &a.bead);
    assert_int_equal(next(&strands), 'b');
    strands_done(&strands, &b.bead);
    strands_free(&strands);
}

static void no_key_and_other_partitions_stand_alone(void **state)
{
    (void)state;
    struct strands strands;
    struct named beads[5] = {
        { .name = 'a' }, { .name = 'b' }, { .name = 'c' }, { .name = 'd' }, { .name = 'e' }
    };
    strands_init(&strands);
    add(&strands, &one, NULL, &beads[0]);
    add(&strands, &one, NULL, &beads[1]);
    add(&strands, &one, "", &beads[2]); /* an empty key is a key */
    add(&strands, &one, "", &beads[3]);
    add(&strands, &other, "", &beads[4]);
    assert_int_equal(next(&strands), 'a');
    assert_int_equal(next(&strands), 'b');
    assert_int_equal(next(&strands), 'c');
    assert_int_equal(next(&strands), 'e');
    assert_int_equal(next(&strands), '-');
    for (int i = 0; i < 5; i++)
        strands_drop(&strands, &beads[i].bead);
    strands_free(&strands);
}

static void thousands_of_keys_are_found(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static struct named first[MANY], second[MANY];
    struct strands strands;
    strands_init(&strands);
    char key[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key %d", i);
        add(&strands, &one, key, &first[i]);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key %d", i);
        add(&strands, &one, key, &second[i]);
        assert_ptr_equal(second[i].bead.strand, first[i].bead.strand);
    }
    assert_int_equal(strands.count, MANY);
    for (int i = 0; i < MANY; i++) {
        strands_drop(&strands, &first[i].bead);
        strands_drop(&strands, &second[i].bead);
    }
    strands_free(&strands);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_goes_one_by_one),
        cmocka_unit_test(what_is_given_back_comes_first_again),
        cmocka_unit_test(no_key_and_other_partitions_stand_alone),
        cmocka_unit_test(thousands_of_keys_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
