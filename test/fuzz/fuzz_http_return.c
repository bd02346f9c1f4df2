/* Anything as what an upstream answers by HTTP/1, through a whole worker to the client: what
 * arrives there is read by a parser that is not the proxy's (strict_http.h), and so is what was
 * sent. An answer that arrives whole is our own refusal, or the one that the same parser finds
 * in what was sent; what it does not take, and what was cut off, never arrives whole.
 *
 * Input: how long a read is (0: all at once), how it is asked for and how the connection ends,
 * then its bytes.
 *
 * libFuzzer: -max_len=1024 */
#include "test/fuzz/strict_http.h"
#include "test/fuzz/whole_worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how { HOW_HEAD = 1, HOW_OLD = 2, HOW_RESET = 4 };

static bool is_ours(struct slice name)
{
    static const char *const ours[] = {
        "via", "date", "connection", "content-length", "transfer-encoding", "shunt-message-id"
    };
    return strict_is_among(name, ours, sizeof ours / sizeof *ours);
}

static bool is_refusal(const struct strict *answer)
{
    bool told = false;
    for (unsigned i = 0; i < answer->fields; i++)
        told = told || slice_is_nocase(answer->lines[i].name, "proxy-status");
    return told && answer->status == 502;
}

/* The first answer that is no interim one; `left` is what is behind it. */
static enum strictly final_answer(struct strict *answer, struct slice bytes, bool head, bool over)
{
    enum strictly read = strict_answer(answer, bytes, head, over);
    while (read == STRICTLY_WHOLE && answer->status < 200) {
        assert(answer->body.len == 0);
        read = strict_answer(answer, answer->left, head, over);
    }
    return read;
}

static void compare(struct slice got, bool got_over, struct slice sent, bool sent_over,
                    unsigned how)
{
    bool head = (how & HOW_HEAD) != 0, old = (how & HOW_OLD) != 0;
    struct strict arrived, answer;
    enum strictly read = final_answer(&arrived, got, head, got_over);
    assert(read != STRICTLY_BAD);
    if (read == STRICTLY_WHOLE && !is_refusal(&arrived)) {
        assert(arrived.left.len == 0);
        assert(final_answer(&answer, sent, head, sent_over) == STRICTLY_WHOLE);
        assert(arrived.status == answer.status);
        assert(slice_equal(bytes_slice(&arrived.body), bytes_slice(&answer.body)));
        assert(strict_lines_among(&arrived, 0, arrived.fields, &answer, 0, answer.fields, is_ours));
        assert(strict_lines_among(&arrived, arrived.fields, arrived.count, &answer, answer.fields,
                                  answer.count, is_ours));
        assert(!old || arrived.codings == 0);
        bytes_free(&answer.body);
    }
    bytes_free(&arrived.body);
}

static void answer_in_pieces(struct pipe *upstream, struct slice bytes, size_t step, bool reset)
{
    while (bytes.len > 0 && is_there(upstream) && upstream->reading) {
        struct slice piece = slice_first(bytes, step);
        bytes = slice_from(bytes, piece.len);
        say_bytes(upstream, piece);
    }
    if (is_there(upstream) && reset)
        break_pipe(upstream, -104);
    else if (is_there(upstream))
        hang_up(upstream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pipes *pipes = relaying_worker();
    if (size < 3)
        return -1;
    unsigned how = data[1];
    bool reset = (how & HOW_RESET) != 0;
    struct slice sent = slice_of(data + 2, size - 2);

    struct pipe *client = accept_client(pipes);
    say(client, how & HOW_HEAD ? "HEAD /" : "GET /");
    say(client, how & HOW_OLD ? " HTTP/1.0\r\nHost: a\r\n\r\n" : " HTTP/1.1\r\nHost: a\r\n\r\n");
    struct pipe *upstream = dialled(pipes, 0);
    open_pipe(upstream);
    upstream->said.len = 0;
    answer_in_pieces(upstream, sent, data[0] == 0 ? sent.len : data[0], reset);
    compare(bytes_slice(&client->said), client->ended && !client->reset, sent, !reset, how);
    end_all(pipes);
    return 0;
}
