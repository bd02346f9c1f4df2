/* The table of calls that wait. */
#include "plugins/amqp/replies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void on_reply(struct waiter *waiter, enum reply reply, const struct message *message,
                     const char *why)
{
    (void)waiter;
    (void)reply;
    (void)message;
    (void)why;
    fail();
}

static void name(struct waiter *waiter, uint32_t number)
{
    *waiter = (struct waiter){ .on_reply = on_reply };
    memcpy(waiter->token, &number, sizeof number);
    memcpy(waiter->token + 8, &number, sizeof number);
}

static void everyone_is_found_while_the_table_grows(void **state)
{
    (void)state;
    enum { WAITERS = 1000 };
    struct waiter *waiters = calloc(WAITERS, sizeof *waiters), stranger;
    struct replies replies = { 0 };
    for (uint32_t i = 0; i < WAITERS; i++) {
        name(&waiters[i], i * 64); /* many in one bucket */
        assert_int_equal(replies_join(&replies, &waiters[i]), 0);
    }
    for (uint32_t i = 0; i < WAITERS; i++)
        assert_ptr_equal(replies_find(&replies, waiters[i].token), &waiters[i]);
    name(&stranger, 65);
    assert_null(replies_find(&replies, stranger.token));
    for (uint32_t i = 0; i < WAITERS; i += 2)
        replies_leave(&replies, &waiters[i]);
    replies_leave(&replies, &waiters[0]); /* again: nothing */
    for (uint32_t i = 0; i < WAITERS; i++)
        assert_ptr_equal(replies_find(&replies, waiters[i].token), i % 2 == 0 ? NULL : &waiters[i]);
    assert_int_equal(replies.count, WAITERS / 2);
    free(replies.buckets);
    free(waiters);
}

static void a_token_counts_as_a_whole(void **state)
{
    (void)state;
    struct waiter waiter, forged;
    struct replies replies = { 0 };
    name(&waiter, 7);
    assert_null(replies_find(&replies, waiter.token)); /* nobody waits yet */
    assert_int_equal(replies_join(&replies, &waiter), 0);
    forged = waiter;
    forged.token[TOKEN_BYTES - 1] ^= 1;
    assert_null(replies_find(&replies, forged.token));
    replies_leave(&replies, &waiter);
    assert_null(replies_find(&replies, waiter.token));
    free(replies.buckets);
}

static void the_table_is_bounded(void **state)
{
    (void)state;
    struct waiter *waiters = calloc(WAITERS_MAX + 1, sizeof *waiters);
    struct replies replies = { 0 };
    for (uint32_t i = 0; i < WAITERS_MAX; i++) {
        name(&waiters[i], i);
        assert_int_equal(replies_join(&replies, &waiters[i]), 0);
    }
    name(&waiters[WAITERS_MAX], WAITERS_MAX);
    assert_int_equal(replies_join(&replies, &waiters[WAITERS_MAX]), -1);
    replies_leave(&replies, &waiters[3]);
    assert_int_equal(replies_join(&replies, &waiters[WAITERS_MAX]), 0);
    free(replies.buckets);
    free(waiters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everyone_is_found_while_the_table_grows),
        cmocka_unit_test(a_token_counts_as_a_whole),
        cmocka_unit_test(the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
