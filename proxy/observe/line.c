/* Quoting is what matters here: JSON by RFC 8259 §7, and in text lines the same quoting around
 * every value that is not a plain word, so that blanks, quotes and controls of a peer can
 * neither end a value nor begin a line. Most values are plain and are copied whole. Nothing
 * fails but the room of `out`, which the caller checks at the end. */
#include "observe/line.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

enum { MESSAGE_MAX = 1024 };

const char *const level_names[LEVEL_ERROR + 1] = {
    [LEVEL_DEBUG] = "debug",
    [LEVEL_INFO] = "info",
    [LEVEL_WARNING] = "warning",
    [LEVEL_ERROR] = "error",
};

static void put_digits(char *at, unsigned digits, unsigned number)
{
    while (digits-- > 0) {
        at[digits] = (char)('0' + number % 10);
        number /= 10;
    }
    assert(number == 0);
}

const char *stamp_text(struct stamp *stamp, uint64_t wall_ms)
{
    if (stamp->second != wall_ms / 1000 + 1) {
        struct tm tm;
        time_t second = (time_t)(wall_ms / 1000);
        if (gmtime_r(&second, &tm) == NULL ||
            strftime(stamp->text, sizeof stamp->text, "%Y-%m-%dT%H:%M:%S.000Z", &tm) !=
                STAMP_TEXT - 1)
            return "1970-01-01T00:00:00.000Z"; /* a clock beyond the year 9999 */
        stamp->second = wall_ms / 1000 + 1;
    }
    put_digits(stamp->text + sizeof "2025-11-25T21:52:00." - 1, 3, (unsigned)(wall_ms % 1000));
    return stamp->text;
}

/* Bytes that may stand as they are: in JSON between quotes, in text without any. '"' and '\\'
 * never may. */
enum { IN_JSON = 1, IN_TEXT = 2, ANYWHERE = 3 };
static const uint8_t plain[256] = {
    [' '] = IN_JSON, ['!'] = ANYWHERE,         ['#' ... '<'] = ANYWHERE,
    ['='] = IN_JSON, ['>' ... '['] = ANYWHERE, [']' ... '~'] = ANYWHERE,
};

static bool is_plain(struct slice value, bool json)
{
    uint8_t all = ANYWHERE;
    for (size_t i = 0; i < value.len; i++)
        all &= plain[value.at[i]];
    return all & (json ? IN_JSON : IN_TEXT);
}

/* JSON allows \u0000, many readers of JSON do not: a picture of NUL stands for it. */
static void put_quoted(struct bytes *out, struct slice value)
{
    if (slice_find(value, '\0') == value.len) {
        bytes_json(out, value);
        return;
    }
    struct bytes shown = { 0 };
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] == '\0')
            bytes_text(&shown, "␀");
        else
            bytes_byte(&shown, value.at[i]);
    }
    bytes_json(out, bytes_slice(&shown));
    bytes_free(&shown);
}

/* One piece of a line, once it is known to be plain: `before`, the text, `after`. */
static void put_plain(struct bytes *out, struct slice before, struct slice text, struct slice after)
{
    assert(text.at != NULL);
    uint8_t *to = bytes_reserve(out, before.len + text.len + after.len);
    if (to == NULL)
        return;
    memcpy(to, before.at, before.len);
    memcpy(to + before.len, text.at, text.len);
    memcpy(to + before.len + text.len, after.at, after.len);
    out->len += before.len + text.len + after.len;
}

static void put_value(struct line *line, struct slice value)
{
    if (!is_plain(value, line->json) || (!line->json && value.len == 0))
        put_quoted(line->out, value);
    else if (line->json)
        put_plain(line->out, SLICE("\""), value, SLICE("\""));
    else
        bytes_add(line->out, value);
}

static void put_key(struct line *line, const char *key)
{
    if (line->json)
        put_plain(line->out, SLICE(",\""), slice_text(key), SLICE("\":"));
    else
        put_plain(line->out, SLICE(" "), slice_text(key), SLICE("="));
}

void line_begin(struct line *line, const char *time, enum level level, const char *kind)
{
    assert(level <= LEVEL_ERROR);
    const char *json[] = {
        "{\"time\":\"", time, "\",\"level\":\"", level_names[level], "\",\"kind\":\"", kind, "\""
    };
    const char *text[] = { "", time, " ", level_names[level], " ", kind, "" };
    for (size_t i = 0; i < sizeof json / sizeof json[0]; i++)
        bytes_text(line->out, line->json ? json[i] : text[i]);
}

void line_value(struct line *line, const char *key, struct slice value, size_t most)
{
    if (value.len == 0)
        return;
    put_key(line, key);
    if (value.len <= most) {
        put_value(line, value);
        return;
    }
    struct bytes cut = { 0 };
    bytes_add(&cut, slice_first(value, most));
    bytes_text(&cut, "…");
    put_value(line, bytes_slice(&cut));
    bytes_free(&cut);
}

void line_word(struct line *line, const char *key, const char *word)
{
    put_key(line, key);
    put_value(line, slice_text(word));
}

void line_number(struct line *line, const char *key, uint64_t number)
{
    put_key(line, key);
    bytes_number(line->out, number);
}

void line_end(struct line *line)
{
    bytes_text(line->out, line->json ? "}\n" : "\n");
}

void line_message(struct bytes *out, bool json, const char *time, enum level level,
                  const char *where, const char *format, va_list args)
{
    struct bytes text = { 0 };
    bytes_vprintf(&text, format, args);
    struct line line = { .out = out, .json = json };
    line_begin(&line, time, level, "log");
    line_value(&line, "where", slice_text(where), 255);
    line_value(&line, "text", bytes_slice(&text), MESSAGE_MAX);
    line_end(&line);
    bytes_free(&text);
}
