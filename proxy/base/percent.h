/* Percent-encoding (RFC 3986 §2.1), and what forms add to it: '+' is a space. Pure. */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include "base/arena.h"
#include "base/slice.h"

/* The byte that an escape at the start of `text` stands for; -1: there is none. */
int percent_value(struct slice text);

/* Takes one character of a form's text, which is not empty, off it; what is no escape stands for
 * itself. */
uint8_t form_take(struct slice *text);

/* All of a form's text, decoded, in the arena; `at` NULL at its cap. */
struct slice form_decode(struct slice text, struct arena *arena);

#endif
