/* One line of the log, as JSON or for a person, from the same calls.
 *
 *     {"time":"2025-11-25T21:52:00.123Z","level":"info","kind":"http","route":"reserve","status":200}
 *     2025-11-25T21:52:00.123Z info http route=reserve status=200
 *
 * Values may be anything that a peer sent: each JSON line parses, and no line holds a control
 * character.
 */
#ifndef OBSERVE_LINE_H
#define OBSERVE_LINE_H

#include <stdarg.h>

#include "base/bytes.h"
#include "plugin.h"

/* What a line may take at most; the cuts of its values keep it far below. */
#define LINE_CAP (32 * 1024)

struct line {
    struct bytes *out;
    bool json;
};

/* The text of a moment in UTC with milliseconds (RFC 3339), remembering the second. Zeroed
 * before its first use. */
#define STAMP_TEXT sizeof "2025-11-25T21:52:00.123Z"
struct stamp {
    uint64_t second; /* the one that `text` holds, plus 1 */
    char text[STAMP_TEXT];
};
const char *stamp_text(struct stamp *stamp, uint64_t wall_ms);

extern const char *const level_names[LEVEL_ERROR + 1];

/* `time`, `kind` and keys are our own words and stand as they are. */
void line_begin(struct line *line, const char *time, enum level level, const char *kind);
/* At most `most` bytes of the value, "…" behind them when it was longer. Nothing when the value
 * is empty. */
void line_value(struct line *line, const char *key, struct slice value, size_t most);
void line_word(struct line *line, const char *key, const char *word);
void line_number(struct line *line, const char *key, uint64_t number);
void line_end(struct line *line);

/* A whole line of our own: kind "log", where it concerns, and a text, cut at 1 KiB. */
void line_message(struct bytes *out, bool json, const char *time, enum level level,
                  const char *where, const char *format, va_list args)
    __attribute__((format(printf, 6, 0)));

#endif
