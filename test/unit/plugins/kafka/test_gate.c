/* What waits before librdkafka, and when it may go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "plugins/kafka/gate.h"

static struct consignment *consign(struct gates *gates, const char *key, const char *value)
{
    struct record record = { .value = slice_text(value) };
    if (key != NULL)
        record.key = slice_text(key);
    struct consignment *consignment = consignment_new(&record, NULL, gates_find(gates, record.key),
                                                      NULL);
    assert_non_null(consignment);
    return consignment;
}

static void wait_at_gate(struct gates *gates, const char *key, const char *value)
{
    struct consignment *consignment = consign(gates, key, value);
    list_append(&consignment->gate->waiting, &consignment->link);
}

static void all_pass_in_order_while_fewer_than_five_are_inside(void **state)
{
    (void)state;
    struct gates gates;
    gates_init(&gates);
    struct gate *gate = gates_find(&gates, SLICE("k"));
    assert_false(gate_may_empty(gate)); /* nobody waits */
    for (int i = 0; i < 8; i++) {
        char value[] = { (char)('a' + i), '\0' };
        wait_at_gate(&gates, "k", value);
    }
    gate->inside = 5;
    assert_false(gate_may_empty(gate));
    gate->inside--;
    assert_true(gate_may_empty(gate));
    for (int i = 0; i < 8; i++) {
        struct consignment *consignment = gate_take(gate);
        assert_non_null(consignment);
        assert_int_equal(consignment->value[0], 'a' + i);
        consignment_free(consignment);
    }
    assert_null(gate_take(gate));
}

static void who_waits_has_what_it_needs_for_itself(void **state)
{
    (void)state;
    struct gates gates;
    gates_init(&gates);
    char key[] = "key", value[] = "value";
    struct consignment *keyed = consign(&gates, key, value), *bare = consign(&gates, NULL, "");
    memset(key, '?', sizeof key);
    memset(value, '?', sizeof value);
    assert_true(slice_equal(keyed->key, SLICE("key")));
    assert_int_equal(keyed->value_len, 5);
    assert_memory_equal(keyed->value, "value", 5);
    assert_null(bare->key.at);
    assert_non_null(bare->value); /* an empty value is no tombstone */
    assert_int_equal(bare->value_len, 0);
    consignment_free(keyed);
    consignment_free(bare);
}

static void each_partition_has_its_gate(void **state)
{
    (void)state;
    struct gates gates;
    gates_init(&gates);
    assert_ptr_equal(gates_find(&gates, SLICE("kafka")), &gates.each[0]);
    gates.partitions = 6; /* murmur2 of "kafka" is 0xd067cf64 for every JVM producer */
    assert_ptr_equal(gates_find(&gates, SLICE("kafka")), &gates.each[0x5067cf64 % 6]);
    gates.partitions = 1000;
    assert_ptr_equal(gates_find(&gates, SLICE("kafka")), &gates.each[0x5067cf64 % 1000 % GATES]);
    assert_ptr_equal(gates_find(&gates, (struct slice){ 0 }), &gates.each[0]);
}

static void a_null_stays_one(void **state)
{
    (void)state;
    struct gates gates;
    gates_init(&gates);
    const struct record record = { .key = SLICE("key") };
    struct consignment *null = consignment_new(&record, NULL, gates_find(&gates, record.key), NULL);
    assert_non_null(null);
    assert_null(null->value);
    assert_int_equal(null->value_len, 0);
    consignment_free(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pass_in_order_while_fewer_than_five_are_inside),
        cmocka_unit_test(who_waits_has_what_it_needs_for_itself),
        cmocka_unit_test(a_null_stays_one),
        cmocka_unit_test(each_partition_has_its_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
