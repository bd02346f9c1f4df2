/* Bytes as lower-case hexadecimal digits. Nothing here fails or allocates. Any thread. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Writes 2 * `len` digits and no NUL. */
void hex_write(uint8_t *digits, const uint8_t *bytes, size_t len);

#endif
