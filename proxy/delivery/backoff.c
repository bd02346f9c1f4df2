/* Numbers only; nothing fails. A date that cannot be read asks for nothing. */
#include "delivery/backoff.h"

#include <assert.h>
#include <time.h>

uint64_t backoff_ms(struct worker *worker, uint64_t first, uint64_t most, unsigned failures)
{
    assert(first > 0 && most > 0);
    uint64_t full = first;
    for (unsigned i = 0; i < failures && full < most; i++)
        full *= 2;
    if (full > most)
        full = most;
    if (full < 2)
        return 1;

    uint64_t random, half = full / 2;
    worker_random(worker, &random, sizeof(random));
    return half + random % (full - half + 1);
}

static uint64_t until_date(struct slice date, uint64_t wall_ms)
{
    char text[40];
    if (date.len >= sizeof(text))
        return 0;
    memcpy(text, date.at, date.len);
    text[date.len] = '\0';
    struct tm parts = { 0 };
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == NULL || *end != '\0')
        return 0;
    time_t when = timegm(&parts);
    if (when <= 0 || (uint64_t)when <= wall_ms / 1000)
        return 0;
    return (uint64_t)when * 1000 - wall_ms;
}

uint64_t retry_after_ms(const struct fields *fields, uint64_t wall_ms)
{
    const struct field *field = fields_find(fields, FIELD_RETRY_AFTER);
    if (field == NULL)
        return 0;
    uint64_t seconds;
    if (slice_number(field->value, &seconds) < 0)
        return until_date(field->value, wall_ms);
    return seconds > UINT32_MAX ? (uint64_t)UINT32_MAX * 1000 : seconds * 1000;
}
