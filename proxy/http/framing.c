/* What a head means: its first line, how long its body is, what of it goes on.
 *
 * Happy path: bytes are scanned for what splits readers, llhttp reads them (reading.c), then
 * each rule below says yes. Rules are functions that return NULL or what is wrong; the first
 * that is wrong decides.
 * Failures: HEAD_BAD for what is malformed or ambiguous, and the other verdicts where a status
 * of their own tells the sender more. For an answer everything is HEAD_BAD but its size.
 */
#include "http/framing.h"

#include <assert.h>
#include <inttypes.h>

#include "http/reading.h"
#include "http/target.h"

#define CONNECTION_OPTIONS 64 /* names in all Connection fields; more are refused */

enum reason head_reason(enum head_verdict verdict)
{
    static const enum reason known[] = {
        [HEAD_BAD] = REASON_bad_request,
        [HEAD_VERSION] = REASON_version_not_supported,
        [HEAD_NOT_IMPLEMENTED] = REASON_not_implemented,
        [HEAD_TOO_LARGE] = REASON_head_too_large,
        [HEAD_EXPECTATION] = REASON_expectation_failed,
    };
    assert(verdict > HEAD_OK && verdict < sizeof known / sizeof *known);
    return known[verdict];
}

size_t head_length(struct slice bytes, size_t from)
{
    while (from < bytes.len) {
        const uint8_t *at = bytes.at + from;
        const uint8_t *end = memchr(at, '\n', bytes.len - from);
        if (end == NULL)
            return 0;
        from = (size_t)(end - bytes.at) + 1;
        if (from >= 4 && memcmp(end - 3, "\r\n\r", 3) == 0)
            return from;
    }
    return 0;
}

/* What splits readers of one line; `end` is its LF, or the end of what is there of it. */
static const char *scan_line(const uint8_t *line, const uint8_t *end, bool whole)
{
    const uint8_t *cr = memchr(line, '\r', (size_t)(end - line));
    if (whole && (cr == NULL || cr + 1 != end))
        return cr == NULL ? "a line ends without CR" : "the head has a bare CR";
    if (!whole && cr != NULL && cr + 1 < end)
        return "the head has a bare CR";
    return NULL;
}

const char *head_scan(struct slice head)
{
    if (memchr(head.at, '\0', head.len) != NULL)
        return "the head has a NUL";
    const uint8_t *const stop = head.at + head.len;
    for (const uint8_t *line = head.at; line < stop;) {
        if (line > head.at && (*line == ' ' || *line == '\t'))
            return "a field is folded over several lines";
        if (*line == ':')
            return "a field has no name";
        const uint8_t *lf = memchr(line, '\n', (size_t)(stop - line));
        const char *wrong = scan_line(line, lf == NULL ? stop : lf, lf != NULL);
        if (wrong != NULL)
            return wrong;
        line = lf == NULL ? stop : lf + 1;
    }
    return NULL;
}

/* --- the first line --------------------------------------------------------------------------- */

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_version(struct slice text)
{
    return text.len == 8 && memcmp(text.at, "HTTP/", 5) == 0 && is_digit(text.at[5]) &&
           text.at[6] == '.' && is_digit(text.at[7]);
}

/* HTTP/1.0 and 1.1 are spoken here. */
static enum head_verdict version_check(struct slice version, uint8_t *minor)
{
    if (!is_version(version))
        return HEAD_BAD;
    if (version.at[5] != '1' || version.at[7] > '1')
        return HEAD_VERSION;
    *minor = (uint8_t)(version.at[7] - '0');
    return HEAD_OK;
}

static struct slice first_line(struct slice bytes)
{
    struct slice line = slice_first(bytes, slice_find(bytes, '\r'));
    assert(line.len < bytes.len);
    return line;
}

static enum head_verdict judge(struct head_notes *notes, enum head_verdict verdict, const char *why)
{
    assert(verdict != HEAD_OK);
    notes->why = why;
    return verdict;
}

/* A word where a version should be, as in "INVALID CONNECTION PREFACE". */
static bool is_foreign(struct slice version)
{
    size_t letters = 0;
    while (letters < version.len && version.at[letters] >= 'A' && version.at[letters] <= 'Z')
        letters++;
    return letters > 0 && letters == version.len;
}

/* method SP request-target SP HTTP-version, single spaces and no others (RFC 9112 §3). */
static enum head_verdict request_line(struct slice line, struct head *request, struct slice *target,
                                      struct head_notes *notes)
{
    size_t first = slice_find(line, ' ');
    request->method = slice_first(line, first);
    if (!field_name_valid(request->method))
        return judge(notes, HEAD_BAD, "the method is no token");
    struct slice rest = slice_from(line, first < line.len ? first + 1 : first);
    size_t second = slice_find(rest, ' ');
    if (second == rest.len)
        return judge(notes, HEAD_BAD, "the request line has no version");
    *target = slice_first(rest, second);
    enum head_verdict verdict = version_check(slice_from(rest, second + 1), &request->minor);
    notes->foreign = is_foreign(slice_from(rest, second + 1));
    if (verdict == HEAD_BAD)
        return judge(notes, HEAD_BAD, "the request line does not end in an HTTP version");
    if (verdict == HEAD_VERSION)
        return judge(notes, HEAD_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    return HEAD_OK;
}

enum head_verdict request_foresee(struct slice part, struct head_notes *notes)
{
    *notes = (struct head_notes){ 0 };
    struct head request = { 0 };
    struct slice line = slice_first(part, slice_find(part, '\r')), target;
    if (slice_find(part, '\n') < part.len)
        return request_line(line, &request, &target, notes);
    bool empty = line.len == 0; /* so far: its LF may be about to come */
    if (!empty && !field_name_valid(slice_first(line, slice_find(line, ' '))))
        return judge(notes, HEAD_BAD, "the method is no token");
    return HEAD_OK;
}

/* Methods that llhttp knows from other protocols. */
static bool method_is_foreign(const llhttp_t *parser)
{
    return parser->method >= HTTP_SOURCE && parser->method <= HTTP_FLUSH;
}

/* Text and blanks; llhttp takes anything. */
static bool is_phrase(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((text.at[i] < ' ' && text.at[i] != '\t') || text.at[i] == 0x7f)
            return false;
    }
    return true;
}

/* HTTP-version SP 3DIGIT SP [ reason ] (RFC 9112 §4); the second space may be missing. */
static bool status_line(struct slice line, struct head *response)
{
    if (line.len < 12 || version_check(slice_first(line, 8), &response->minor) != HEAD_OK ||
        line.at[8] != ' ' || (line.len > 12 && line.at[12] != ' ') ||
        !is_phrase(slice_from(line, 12)))
        return false;
    response->status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (!is_digit(line.at[i]))
            return false;
        response->status = response->status * 10 + (line.at[i] - '0');
    }
    return response->status >= 100;
}

/* --- the connection --------------------------------------------------------------------------- */

/* Takes the next element of a comma-separated list (RFC 9110 §5.6.1). */
static bool list_next(struct slice *list, struct slice *element)
{
    while (list->len > 0) {
        size_t comma = slice_find(*list, ',');
        *element = slice_trim(slice_first(*list, comma));
        *list = slice_from(*list, comma < list->len ? comma + 1 : comma);
        if (element->len > 0)
            return true;
    }
    return false;
}

/* What Connection says: of the connection itself, or that a field is for us alone (RFC 9110
 * §7.6.1). */
static void take_option(struct slice option, struct fields *fields, struct head_notes *notes)
{
    if (slice_is_nocase(option, "close"))
        notes->close = true;
    else if (slice_is_nocase(option, "keep-alive"))
        notes->keep_alive = true;
    else if (slice_is_nocase(option, "upgrade"))
        notes->upgrade = true;
    else
        fields_remove_name(fields, option);
}

static const char *read_connection(const struct reading *reading, uint8_t minor,
                                   struct head_notes *notes)
{
    unsigned options = 0;
    for (unsigned i = 0; i < reading->aside[ASIDE_CONNECTION].times; i++) {
        struct slice list = reading->aside[ASIDE_CONNECTION].values[i], option;
        while (list_next(&list, &option)) {
            if (++options > CONNECTION_OPTIONS)
                return "Connection names too many fields";
            take_option(option, reading->fields, notes);
        }
    }
    if (minor == 0 && !notes->keep_alive)
        notes->close = true;
    for (unsigned i = 0; i < reading->aside[ASIDE_TE].times; i++) {
        struct slice list = reading->aside[ASIDE_TE].values[i], coding;
        while (list_next(&list, &coding))
            notes->te_trailers |= slice_is_nocase(coding, "trailers");
    }
    return NULL;
}

/* A protocol that can be switched to: one, and not HTTP/2, whose upgrade would hide requests
 * from us. */
static void read_upgrade(const struct reading *reading, bool possible, struct head_notes *notes)
{
    assert(notes->protocol.len == 0);
    possible = possible && notes->upgrade && reading->aside[ASIDE_UPGRADE].times == 1;
    notes->upgrade = false;
    if (!possible)
        return;
    struct slice protocol = reading_value(reading, ASIDE_UPGRADE);
    struct slice name = slice_first(protocol, slice_find(protocol, '/'));
    if (!field_name_valid(name) || slice_find(protocol, ',') < protocol.len ||
        slice_is_nocase(name, "h2c") || slice_is_nocase(name, "h2"))
        return;
    notes->upgrade = true;
    notes->protocol = protocol;
}

/* --- the body's length (RFC 9112 §6.3) -------------------------------------------------------- */

/* One Transfer-Encoding of just "chunked" is all that is spoken here. */
static enum head_verdict read_coding(const struct reading *reading, uint8_t minor,
                                     struct head_notes *notes)
{
    if (minor == 0)
        return judge(notes, HEAD_BAD, "HTTP/1.0 has no Transfer-Encoding");
    if (reading->aside[ASIDE_LENGTH].times > 0)
        return judge(notes, HEAD_BAD, "there are both Content-Length and Transfer-Encoding");
    if (reading->aside[ASIDE_CODING].times > 1)
        return judge(notes, HEAD_BAD, "there are several Transfer-Encoding fields");
    struct slice list = reading_value(reading, ASIDE_CODING), coding = { 0 };
    if (slice_is_nocase(list, "chunked"))
        return HEAD_OK;
    unsigned codings = 0, chunked = 0;
    while (list_next(&list, &coding)) {
        codings++;
        chunked += slice_is_nocase(coding, "chunked");
    }
    if (codings > 1 && chunked == 1 && slice_is_nocase(coding, "chunked"))
        return judge(notes, HEAD_NOT_IMPLEMENTED, "of transfer codings only \"chunked\" is known");
    return judge(notes, HEAD_BAD, "\"chunked\" is not the last and only once a transfer coding");
}

static const char *read_length(const struct reading *reading, uint64_t *length)
{
    if (reading->aside[ASIDE_LENGTH].times > 1)
        return "there are several Content-Length fields";
    if (slice_number(reading_value(reading, ASIDE_LENGTH), length) != 0 || *length > INT64_MAX)
        return "Content-Length is no length";
    return NULL;
}

static enum head_verdict read_framing(const struct reading *reading, struct head *head,
                                      struct head_notes *notes)
{
    head->framing = FRAMING_NONE;
    if (reading->aside[ASIDE_CODING].times > 0) {
        head->framing = FRAMING_CHUNKED;
        return read_coding(reading, head->minor, notes);
    }
    if (reading->aside[ASIDE_LENGTH].times > 0) {
        head->framing = FRAMING_LENGTH;
        const char *wrong = read_length(reading, &head->length);
        if (wrong != NULL)
            return judge(notes, HEAD_BAD, wrong);
    }
    return HEAD_OK;
}

/* --- requests --------------------------------------------------------------------------------- */

/* "host:" and "host" say the same. */
static struct slice without_empty_port(struct slice authority)
{
    bool empty = authority.len > 0 && authority.at[authority.len - 1] == ':';
    return slice_first(authority, authority.len - empty);
}

static struct slice without_default_port(struct slice authority)
{
    bool is_default = authority.len > 3 && memcmp(authority.at + authority.len - 3, ":80", 3) == 0;
    return slice_first(authority, authority.len - (is_default ? 3 : 0));
}

bool authority_equal(struct slice a, struct slice b)
{
    return slice_equal_nocase(without_default_port(without_empty_port(a)),
                              without_default_port(without_empty_port(b)));
}

/* What Host may say beside a target that names a host: the same. For CONNECT many clients leave the
 * port out, since it is their scheme's. */
static bool host_agrees(struct slice host, const struct head *request)
{
    struct slice target = request->authority;
    size_t colon = target.len;
    while (colon > 0 && target.at[colon - 1] != ':')
        colon--;
    return authority_equal(host, target) ||
           (slice_is(request->method, "CONNECT") && colon > 0 &&
            slice_equal_nocase(host, slice_first(target, colon - 1)));
}

/* RFC 9112 §3.2: exactly one Host, which a target that names one must not contradict. */
static const char *read_host(const struct reading *reading, struct head *request,
                             struct head_notes *notes)
{
    notes->absolute = request->authority.len > 0;
    request->authority = notes->absolute ? without_empty_port(request->authority) : SLICE("");
    if (reading->aside[ASIDE_HOST].times == 0)
        return request->minor == 0 ? NULL : "there is no Host";
    if (reading->aside[ASIDE_HOST].times > 1)
        return "there are several Host fields";
    struct slice host = reading_value(reading, ASIDE_HOST);
    if (host.len > 0 && !authority_valid(host))
        return "Host is malformed";
    host = without_empty_port(host);
    if (!notes->absolute) {
        request->authority = host.len > 0 ? host : SLICE("");
        return NULL;
    }
    return host_agrees(host, request) ? NULL : "Host is not the target's host";
}

/* RFC 9110 §10.1.1; HTTP/1.0 knows no expectations. */
static enum head_verdict read_expect(const struct reading *reading, const struct head *request,
                                     struct head_notes *notes)
{
    if (reading->aside[ASIDE_EXPECT].times == 0 || request->minor == 0)
        return HEAD_OK;
    if (reading->aside[ASIDE_EXPECT].times > 1 ||
        !slice_is_nocase(reading_value(reading, ASIDE_EXPECT), "100-continue"))
        return judge(notes, HEAD_EXPECTATION, "only 100-continue can be expected");
    notes->expect_continue = request->framing == FRAMING_CHUNKED ||
                             (request->framing == FRAMING_LENGTH && request->length > 0);
    return HEAD_OK;
}

static enum head_verdict connect_framing(struct head *request, struct head_notes *notes)
{
    bool body = request->framing == FRAMING_CHUNKED || request->length > 0;
    if (body)
        return judge(notes, HEAD_BAD, "CONNECT has no body");
    request->framing = FRAMING_TUNNEL;
    return HEAD_OK;
}

/* What is left to judge once the fields are there. */
static enum head_verdict judge_request(struct reading *reading, struct slice target,
                                       struct head *request, struct head_notes *notes)
{
    const char *wrong = NULL;
    if (target_parse(target, request->method, reading->arena, request, &wrong) != 0)
        return judge(notes, HEAD_BAD, wrong);
    enum head_verdict verdict = read_framing(reading, request, notes);
    if (verdict != HEAD_OK)
        return verdict;
    wrong = read_host(reading, request, notes);
    if (wrong == NULL)
        wrong = read_connection(reading, request->minor, notes);
    if (wrong != NULL)
        return judge(notes, HEAD_BAD, wrong);
    verdict = read_expect(reading, request, notes);
    if (verdict != HEAD_OK)
        return verdict;
    verdict = method_judge(request, reading->arena, &wrong);
    if (verdict != HEAD_OK)
        return judge(notes, verdict, wrong);
    if (slice_is(request->method, "CONNECT")) {
        notes->upgrade = false;
        return connect_framing(request, notes);
    }
    read_upgrade(reading, request->minor == 1 && !head_has_body(request), notes);
    assert(request->path.len > 0 && !(notes->upgrade && notes->expect_continue));
    request->expects = notes->expect_continue;
    request->trailers_welcome = notes->te_trailers;
    request->upgrade = notes->protocol;
    return HEAD_OK;
}

enum head_verdict request_parse(struct slice bytes, size_t max_fields, struct arena *arena,
                                struct head *request, struct head_notes *notes)
{
    *request = (struct head){ 0 };
    *notes = (struct head_notes){ 0 };
    struct reading reading = { .arena = arena,
                               .fields = &request->fields,
                               .max_fields = max_fields };
    const char *wrong = head_scan(bytes);
    if (wrong != NULL)
        return judge(notes, HEAD_BAD, wrong);
    struct slice target;
    enum head_verdict verdict = request_line(first_line(bytes), request, &target, notes);
    if (verdict != HEAD_OK)
        return verdict;
    verdict = reading_run(&reading, HTTP_REQUEST, bytes);
    if (method_is_foreign(&reading.parser))
        return judge(notes, HEAD_NOT_IMPLEMENTED, "the method belongs to another protocol");
    if (verdict != HEAD_OK)
        return judge(notes, verdict, reading.why);
    return judge_request(&reading, target, request, notes);
}

/* Digits; what is beyond the largest number that we know counts as that (RFC 9110 §7.6.2). */
static int read_forwards(struct slice digits, uint64_t *left)
{
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return -1;
    }
    if (slice_number(digits, left) != 0)
        *left = UINT64_MAX;
    return digits.len > 0 ? 0 : -1;
}

/* NULL: there is none. */
static struct field *find_forwards(struct fields *fields, unsigned *times)
{
    struct field *found = NULL;
    for (uint32_t i = 0; i < fields->count; i++) {
        if (slice_is_nocase(fields->at[i].name, "max-forwards")) {
            found = &fields->at[i];
            ++*times;
        }
    }
    return found;
}

enum head_verdict method_judge(struct head *request, struct arena *arena, const char **why)
{
    bool trace = slice_is(request->method, "TRACE");
    if (!trace && !slice_is(request->method, "OPTIONS"))
        return HEAD_OK;
    if (trace && head_has_body(request)) {
        *why = "TRACE has no content";
        return HEAD_BAD;
    }
    unsigned times = 0;
    uint64_t left = 0;
    struct field *field = find_forwards(&request->fields, &times);
    if (field == NULL)
        return HEAD_OK;
    if (times > 1 || read_forwards(field->value, &left) != 0) {
        *why = times > 1 ? "there are several Max-Forwards fields" : "Max-Forwards is no number";
        return HEAD_BAD;
    }
    if (left == 0) {
        *why = "Max-Forwards ends the way here, where nobody answers this";
        return HEAD_NOT_IMPLEMENTED;
    }
    struct slice text = arena_printf(arena, "%" PRIu64, left - 1);
    *why = "the fields are too large";
    if (text.at == NULL)
        return HEAD_TOO_LARGE;
    request->fields.bytes -= field->value.len - text.len;
    field->value = text;
    return HEAD_OK;
}

unsigned head_hops(const struct fields *fields)
{
    unsigned hops = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->at[i];
        uint64_t said = 0;
        if (field->token == FIELD_SHUNT_HOPS && slice_number(field->value, &said) == 0)
            hops += said < 1000 ? (unsigned)said : 1000;
        if (field->token != FIELD_VIA)
            continue;
        struct slice list = field->value, element;
        while (list_next(&list, &element)) {
            struct slice by = slice_from(element, slice_find(element, ' '));
            by = slice_trim(slice_first(by, slice_find(by, '(')));
            hops += slice_is_nocase(by, "shunt");
        }
    }
    return hops;
}

/* --- answers ---------------------------------------------------------------------------------- */

bool response_has_body(struct slice method, int status)
{
    return status >= 200 && status != 204 && status != 304 && !slice_is(method, "HEAD");
}

/* Without a body the head may still say how long it would be; except for 1xx and 204, where it
 * must not (RFC 9110 §8.6). */
static void settle_length(struct slice method, struct head *response, struct head_notes *notes)
{
    assert(response->status >= 100 && response->framing != FRAMING_TUNNEL);
    if (response->status < 200 || response->status == 204) {
        response->framing = FRAMING_NONE;
        response->length = 0;
    } else if (response->framing == FRAMING_NONE && response_has_body(method, response->status)) {
        response->framing = FRAMING_CHUNKED;
        notes->until_close = true;
        notes->close = true;
    }
}

enum head_verdict response_parse(struct slice bytes, size_t max_fields, struct slice method,
                                 struct arena *arena, struct head *response,
                                 struct head_notes *notes)
{
    *response = (struct head){ 0 };
    *notes = (struct head_notes){ 0 };
    struct reading reading = { .arena = arena,
                               .fields = &response->fields,
                               .max_fields = max_fields };
    const char *wrong = head_scan(bytes);
    if (wrong == NULL && !status_line(first_line(bytes), response))
        wrong = "the status line is malformed";
    if (wrong != NULL)
        return judge(notes, HEAD_BAD, wrong);
    enum head_verdict verdict = reading_run(&reading, HTTP_RESPONSE, bytes);
    if (verdict != HEAD_OK)
        return judge(notes, verdict == HEAD_TOO_LARGE ? verdict : HEAD_BAD, reading.why);
    response->phrase = reading.phrase;

    verdict = read_framing(&reading, response, notes);
    if (verdict != HEAD_OK)
        return judge(notes, HEAD_BAD, notes->why);
    wrong = read_connection(&reading, response->minor, notes);
    if (wrong != NULL)
        return judge(notes, HEAD_BAD, wrong);
    read_upgrade(&reading, response->status == 101, notes);
    response->upgrade = notes->protocol;
    settle_length(method, response, notes);
    return HEAD_OK;
}
