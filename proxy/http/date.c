/* Names are written by hand, since strftime asks the locale. */
#include "http/date.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

struct slice date_text(struct date *date, uint64_t wall_ms)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    uint64_t second = wall_ms / 1000;
    if (date->second != second || date->text[0] == '\0') {
        time_t time = (time_t)second;
        struct tm tm;
        struct tm *known = gmtime_r(&time, &tm);
        assert(known != NULL);
        date->second = second;
        snprintf(date->text, sizeof date->text, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                 days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
    }
    return slice_text(date->text);
}
