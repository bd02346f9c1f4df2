/* A head in words, for tables: what was understood, on one line.
 *
 * "GET inventory /a?b none" and what concerns the connection, then " | name: value" for each
 * field that goes on; for a refusal its verdict and why.
 */
#ifndef TEST_HEADS_H
#define TEST_HEADS_H

#include "http/framing.h"

#define TEXT(s) (int)(s).len, (const char *)(s).at

static const char *const verdict_words[] = {
    [HEAD_OK] = "ok",
    [HEAD_BAD] = "bad",
    [HEAD_VERSION] = "version",
    [HEAD_NOT_IMPLEMENTED] = "501",
    [HEAD_TOO_LARGE] = "too large",
    [HEAD_EXPECTATION] = "expectation",
};

static inline void framing_in_words(const struct head *head, struct bytes *out)
{
    static const char *const words[] = {
        [FRAMING_NONE] = " none",
        [FRAMING_LENGTH] = " length:",
        [FRAMING_CHUNKED] = " chunked",
        [FRAMING_TUNNEL] = " tunnel",
    };
    bytes_text(out, words[head->framing]);
    if (head->framing == FRAMING_LENGTH)
        bytes_number(out, head->length);
}

static inline void notes_in_words(const struct head_notes *notes, struct bytes *out)
{
    if (notes->close)
        bytes_text(out, " close");
    if (notes->keep_alive)
        bytes_text(out, " keep-alive");
    if (notes->expect_continue)
        bytes_text(out, " expects");
    if (notes->te_trailers)
        bytes_text(out, " trailers");
    if (notes->until_close)
        bytes_text(out, " until-close");
    if (notes->upgrade)
        bytes_printf(out, " upgrade:%.*s", TEXT(notes->protocol));
}

static inline void fields_in_words(const struct fields *fields, struct bytes *out)
{
    for (uint32_t i = 0; i < fields->count; i++)
        bytes_printf(out, " | %.*s: %.*s", TEXT(fields->at[i].name), TEXT(fields->at[i].value));
}

static inline void refusal_in_words(enum head_verdict verdict, const struct head_notes *notes,
                                    struct bytes *out)
{
    bytes_printf(out, "%s (%s)", verdict_words[verdict], notes->why != NULL ? notes->why : "?");
}

static inline void request_in_words(struct slice raw, size_t max_fields, struct bytes *out)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct head head;
    struct head_notes notes;
    struct slice copy = arena_copy(&arena, raw);
    enum head_verdict verdict = request_parse(copy, max_fields, &arena, &head, &notes);
    if (verdict != HEAD_OK) {
        refusal_in_words(verdict, &notes, out);
    } else {
        bytes_printf(out, "%.*s %.*s %.*s%s%.*s", TEXT(head.method), TEXT(head.authority),
                     TEXT(head.path), head.has_query ? "?" : "", TEXT(head.query));
        bytes_text(out, head.oddities != 0 ? " odd" : "");
        framing_in_words(&head, out);
        notes_in_words(&notes, out);
        fields_in_words(&head.fields, out);
    }
    arena_clear(&arena);
    bytes_byte(out, '\0');
}

static inline void response_in_words(const char *method, struct slice raw, struct bytes *out)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct head head;
    struct head_notes notes;
    struct slice copy = arena_copy(&arena, raw);
    enum head_verdict verdict = response_parse(copy, 200, slice_text(method), &arena, &head,
                                               &notes);
    if (verdict != HEAD_OK) {
        refusal_in_words(verdict, &notes, out);
    } else {
        bytes_printf(out, "1.%d %d %.*s", head.minor, head.status, TEXT(head.phrase));
        framing_in_words(&head, out);
        notes_in_words(&notes, out);
        fields_in_words(&head.fields, out);
    }
    arena_clear(&arena);
    bytes_byte(out, '\0');
}

#endif
