/* Two digits at a time from a table: each call draws several IDs. */
#include "base/hex.h"

#include <string.h>

/* clang-format off */
#define ROW(high) high "0" high "1" high "2" high "3" high "4" high "5" high "6" high "7" \
                  high "8" high "9" high "a" high "b" high "c" high "d" high "e" high "f"
/* clang-format on */

static const char pairs[] = ROW("0") ROW("1") ROW("2") ROW("3") ROW("4") ROW("5") ROW("6") ROW("7")
    ROW("8") ROW("9") ROW("a") ROW("b") ROW("c") ROW("d") ROW("e") ROW("f");

_Static_assert(sizeof pairs == 2 * 256 + 1, "two digits for each byte");

void hex_write(uint8_t *digits, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        memcpy(digits + 2 * i, pairs + 2 * (size_t)bytes[i], 2);
}
