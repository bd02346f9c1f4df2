/* Running a scenario under many seeds, each in the same way again when it is asked for.
 *
 *     SHUNT_SEED=N      that seed only, in this process, for a debugger
 *     SHUNT_SCENARIO=…  that scenario only
 *     SHUNT_SOAK=1      twenty times as many seeds
 *     SHUNT_TRACE=1     what happens, line by line, with the virtual time
 */
#ifndef FLOW_SEEDS_H
#define FLOW_SEEDS_H

#include "sim.h"

/* Runs `scenario` with seeds 1 … count in a child process. Whatever ends it (a `must`, an
 * assert, a sanitizer, a hang) fails the cmocka test with the seed that it was at. */
void with_seeds(const char *name, unsigned count, void (*scenario)(uint64_t seed));

/* The cmocka test test_NAME of a scenario. */
#define SCENARIO(name, count)             \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        with_seeds(#name, count, name);   \
    }

/* What must hold inside a scenario: cmocka's own asserts would run on in the child. */
#define must(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))
_Noreturn void must_failed(const char *what, const char *file, int line);

void trace(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
