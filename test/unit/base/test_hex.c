/* Each byte as two digits. */
#include "base/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void every_byte_is_two_digits(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        char expected[3], digits[3] = { 0, 0, 'x' };
        snprintf(expected, sizeof expected, "%02x", byte);
        hex_write((uint8_t *)digits, &(uint8_t){ (uint8_t)byte }, 1);
        assert_memory_equal(digits, expected, 2);
        assert_int_equal(digits[2], 'x');
    }
}

static void bytes_follow_each_other(void **state)
{
    (void)state;
    char digits[] = "........";
    hex_write((uint8_t *)digits, (const uint8_t[]){ 0x00, 0x9a, 0xff }, 3);
    assert_string_equal(digits, "009aff..");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_two_digits),
        cmocka_unit_test(bytes_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
