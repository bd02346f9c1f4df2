/* From files to tokens, each with its place: the lexical half of libconfig's grammar, includes
 * and comments done.
 *
 * What is no token (a string that is not closed, a byte that is no text) is complained about
 * here, once, and a token that was meant is handed on, so that reading goes on behind it.
 * Blocking: it opens included files.
 */
#ifndef CONFIG_LEXER_H
#define CONFIG_LEXER_H

#include "base/arena.h"
#include "config/complaint.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* a name, a number, true, false; or text that lacks its quotes */
    TOKEN_STRING, /* `text` is what stands between the quotes, escapes as written */
    TOKEN_JUNK,
    /* Punctuation is its own character; ':' is told as '='. */
};

struct token {
    int kind;
    struct place place;
    struct slice text;
    bool told; /* a complaint about it was made already */
    bool open; /* a string without its end: it may have swallowed more than was meant */
};

struct input; /* a file that is being read, and the one that included it */

struct lexer {
    struct arena *arena;
    struct complaints *complaints;
    struct slice folder; /* of the configuration, with its '/': where includes are looked for */
    struct input *input;
    unsigned inputs;    /* opened so far */
    struct token token; /* the current one */
    bool cut;           /* something unreadable ended the text: what seems missing may be there */
};

/* Starts with the text of the file `path`, and moves to its first token. */
void lexer_start(struct lexer *lexer, const char *path, struct slice text);
/* Moves to the next token; after TOKEN_END it stays there. */
void lexer_next(struct lexer *lexer);
/* Takes all that follows a word up to a blank or a separator into it: text that lacks its
 * quotes. */
void lexer_widen(struct lexer *lexer);
/* Whether the current token is the first of its line, and a name with '=' after it. */
bool lexer_at_setting(const struct lexer *lexer);

/* The whole of a file in the arena: 0, or -1 with errno. `any` takes pipes and devices too. */
int file_read(struct arena *arena, const char *path, bool any, struct slice *text)
    __attribute__((warn_unused_result));

#endif
