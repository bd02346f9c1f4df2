/* See seeds.h. The child tells its seed through a shared page, so that no way of dying hides it. */
#include "seeds.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

enum { SOAK_TIMES = 20, SECONDS_A_SEED = 60 };

void must_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: must be: %s\n", file, line, what);
    abort();
}

void trace(const struct sim *sim, const char *format, ...)
{
    static const char name[] = "SHUNT_TRACE";
    if (getenv(name) == NULL)
        return;
    fprintf(stderr, "%10.3f  ", (double)sim_now_us(sim) / 1000);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static _Noreturn void run_all(volatile uint64_t *at, unsigned count,
                              void (*scenario)(uint64_t seed))
{
    for (uint64_t seed = 1; seed <= count; seed++) {
        *at = seed;
        alarm(SECONDS_A_SEED);
        scenario(seed);
    }
    alarm(0);
    exit(0); /* not _exit: leaks are looked for */
}

void with_seeds(const char *name, unsigned count, void (*scenario)(uint64_t seed))
{
    const char *only_name = getenv("SHUNT_SCENARIO"), *only = getenv("SHUNT_SEED");
    if (only_name != NULL && strcmp(only_name, name) != 0)
        skip(); /* another scenario was asked for by name */
    if (only != NULL) {
        scenario(strtoull(only, NULL, 10));
        return;
    }
    if (getenv("SHUNT_SOAK") != NULL)
        count *= SOAK_TIMES;
    uint64_t *at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                        0);
    assert_true(at != MAP_FAILED);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_all(at, count, scenario);

    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    uint64_t seed = *at;
    munmap(at, sizeof(*at));
    if (status != 0)
        fail_msg("%s %d; this runs it again: SHUNT_SCENARIO=%s SHUNT_SEED=%llu SHUNT_TRACE=1",
                 WIFSIGNALED(status) ? "signal" : "exit status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), name,
                 (unsigned long long)seed);
}
