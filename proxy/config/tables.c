/* Every setting of a file, said once. The reference is generated from these rows. */
#include <stddef.h>

#include "config/config.h"

#define SECOND INT64_C(1000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define KIB    INT64_C(1024)
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)

static const char *const unmatched_choices[] = { "pass", "refuse", NULL };
static const char *const format_choices[] = { "auto", "text", "json", NULL };
static const char *const level_choices[] = { "debug", "info", "warning", "error", NULL };
static const char *const deliver_schemes[] = { "http", "h2c", NULL };
static const char *const protocols[] = { "http1", "h2", NULL };

static const char *const forwarded_choices[] = { "keep", "append", "replace", "remove", NULL };
static const char *const form_choices[] = { "x-forwarded", "forwarded", "both", NULL };
static const char *const via_choices[] = { "both", "request", "off", NULL };

static const char *const half_closed_choices[] = { "answer", "cancel", NULL };

static const struct setting listener_rows[] = {
    { "name", SETTING_TEXT, SETTING_REQUIRED | SETTING_UNIQUE | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "What the listener is called in logs." },
    { "address", SETTING_ADDRESS, SETTING_REQUIRED, .since = "0.1",
      .help = "Where the application reaches Shunt; a loopback address unless others on the "
              "network shall." },
    { "host", SETTING_HOSTPORT, SETTING_BARE, .since = "0.1",
      .help = "The service that a call which names only this listener is meant for: the "
              "application's base URL "
              "then is this listener." },
    { "forwarded", SETTING_CHOICE, 0, .choices = forwarded_choices, .since = "0.1",
      .help = "What becomes of what callers say of the hops behind them (`X-Forwarded-*`, "
              "`Forwarded`, `X-Real-IP`): it is kept, kept with the caller's address added, said "
              "anew, or left out. When not written, `keep` at a loopback address, where only this "
              "machine calls, and `replace` elsewhere; but `append` where `trusted_proxies` are "
              "named." },
    { "trusted_proxies", SETTING_NETWORKS, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Whose word counts where `forwarded` is `keep` or `append`: callers from these "
              "networks. What others say is replaced. Without it every caller counts at a loopback "
              "address; elsewhere it must be written, if only as \"0.0.0.0/0\" and \"::/0\"." },
    { "forwarded_as", SETTING_CHOICE, 0, "x-forwarded", .choices = form_choices, .since = "0.1",
      .help = "What `append` and `replace` write: `X-Forwarded-For`, `-Proto` and `-Host`, the "
              "`Forwarded` of RFC 7239, or all of them." },
    { "via", SETTING_CHOICE, 0, "both", .choices = via_choices, .since = "0.1",
      .help = "Which messages get a `Via`: requests and answers, requests only, or none; then "
              "requests have a `Shunt-Hops`, by which loops are found as well." },
    { "half_closed", SETTING_CHOICE, 0, "answer", .choices = half_closed_choices, .since = "0.1",
      .help = "What becomes of a call of HTTP/1 whose caller closes its sending side behind the "
              "request: it is answered, unless nobody is there any more, which is known of callers "
              "on this machine and after a reset; or it is cancelled, since most who do so from "
              "elsewhere are gone." },
    { 0 },
};

static const struct setting limit_rows[] = {
    { "connections", SETTING_NUMBER, 0, "10000", 1, 1000000, .since = "0.1",
      .help = "The most connections of callers at a time; three quarters of the descriptors that "
              "the process may have open, if that is less." },
    { "streams", SETTING_NUMBER, 0, "100", 1, 10000, .since = "0.1",
      .help = "The most calls at a time on one HTTP/2 connection of a caller." },
    { "head", SETTING_SIZE, 0, "64KB", 1 * KIB, 1 * MIB, .since = "0.1",
      .help =
          "The largest head of a request or a response: its first line and all header fields." },
    { "head_fields", SETTING_NUMBER, 0, "200", 1, 10000, .since = "0.1",
      .help = "The most header fields of a request or a response." },
    { "memory", SETTING_SIZE, 0, "64MB", 1 * MIB, 64 * GIB, .since = "0.1",
      .help = "The most that heads and bodies under way may take up: what one side has sent and "
              "the other has not taken. The nearer it is, the less each body may hold; at it, new "
              "calls get 503 and those under way go on. What waits for a broker to confirm it has "
              "that broker's `window_bytes` besides." },
    { 0 },
};

static const struct setting timeout_rows[] = {
    { "head", SETTING_DURATION, 0, "10s", 1, 1 * HOUR, .since = "0.1",
      .help = "How long a caller may take to send the head of a request." },
    { "idle", SETTING_DURATION, 0, "60s", 1, 1 * DAY, .since = "0.1",
      .help = "How long a caller's connection may rest between two requests." },
    { "body", SETTING_DURATION, 0, "30s", 1, 1 * HOUR, .since = "0.1",
      .help = "How long a body may make no progress." },
    { "tunnel", SETTING_DURATION, 0, "1h", 1, 7 * DAY, .since = "0.1",
      .help = "How long a tunnel (CONNECT, WebSocket) may rest in both directions." },
    { "half_tunnel", SETTING_DURATION, 0, "2m", 1, 7 * DAY, .since = "0.1",
      .help = "The same once one side has said all and the other one goes on." },
    { 0 },
};

static const struct setting admin_rows[] = {
    { "address", SETTING_ADDRESS, SETTING_REQUIRED | SETTING_UNIX, .since = "0.1",
      .help = "Where health and metrics are asked for: a loopback address or a Unix socket." },
    { "hosts", SETTING_TEXTS, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Further names that a Host header may have there; loopback names always serve." },
    { 0 },
};

static const struct setting upstream_rows[] = {
    { "name", SETTING_TEXT, SETTING_REQUIRED | SETTING_UNIQUE | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "What routes call this upstream." },
    { "endpoints", SETTING_HOSTPORTS, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The hosts and ports that serve it, taken in turn." },
    { "protocol", SETTING_CHOICE, 0, "http1", .choices = protocols, .since = "0.1",
      .help = "What it speaks: HTTP/1.1, or HTTP/2 by prior knowledge, as gRPC does." },
    { "connect_timeout", SETTING_DURATION, 0, "1s", 1, 10 * 60 * SECOND, .since = "0.1",
      .help = "How long a connection may take to open." },
    { "connections", SETTING_NUMBER, 0, "256", 1, 100000, .since = "0.1",
      .help = "The most connections to this upstream at a time." },
    { "waiting", SETTING_NUMBER, 0, "1000", 1, 100000, .since = "0.1",
      .help = "The most calls that wait for one of them to be free, each for `connect_timeout` at "
              "most; further ones get 503 at once." },
    { "idle", SETTING_DURATION, 0, "30s", 1, 1 * DAY, .since = "0.1",
      .help = "How long an unused connection is kept for the next call." },
    { 0 },
};

static const struct setting broker_rows[] = {
    { "name", SETTING_TEXT, SETTING_REQUIRED | SETTING_UNIQUE | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "What routes and subscriptions call this broker." },
    { "plugin", SETTING_TEXT, SETTING_REQUIRED | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The plugin that speaks to it, such as \"amqp\"; it brings the further settings." },
    { 0 },
};

static const char *const graphql_types[] = { "query", "mutation", "subscription", NULL };

static const struct setting graphql_rows[] = {
    { "type", SETTING_CHOICE, 0, .choices = graphql_types, .since = "0.1",
      .help = "What kind of operation." },
    { "name", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1", .help = "The operation's name." },
    { "field", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The one field that it selects at its root, whatever its alias; an operation that "
              "selects others too is another." },
    { "hash", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The hash or document ID of a persisted query, which comes without its document and "
              "so has no type and field." },
    { 0 },
};

static const struct setting match_rows[] = {
    { "host", SETTING_TEXTS, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Hosts that are called, \"inventory\" or \"*.svc\"; case, port and a trailing dot do "
              "not count." },
    { "method", SETTING_TEXTS, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Methods, such as \"POST\"." },
    { "path", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "A path, \"/orders\"; with one segment open, \"/orders/{id}\"; or with all below it, "
              "\"/orders/*\"." },
    { "path_regex", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "A regular expression (PCRE2) for the whole path, instead of `path`." },
    { "headers", SETTING_HEADERS, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Headers that must be there, \"name: value\"; the value \"*\" takes any." },
    { "query", SETTING_PROPERTIES, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Query parameters that must be there, \"name=value\"; the value \"*\" takes any." },
    { "grpc", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "A gRPC method, \"pkg.Service/Method\", or all of a service, \"pkg.Service/*\"." },
    { "graphql", SETTING_GROUP, .children = graphql_rows, .since = "0.1",
      .help =
          "A GraphQL operation, by POST or GET; an empty group takes each. Calls that may be one "
          "are held until their body is there, `max_body` of the route at most." },
    { 0 },
};

static const char *const encoded_choices[] = { "refuse", "keep", "decode", NULL };
static const char *const double_choices[] = { "refuse", "keep", "merge", NULL };

static const struct setting rewrite_rows[] = {
    { "path", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "The path that is forwarded instead: \"/v2/{id}\" with what the match captured, or "
              "\"/v2/*\" where its path ends in \"/*\" too; a match without a path captures all of "
              "it. The query stays as it is." },
    { "host", SETTING_HOSTPORT, SETTING_BARE, .since = "0.1",
      .help = "The host that the service is told instead of the one that was called." },
    { 0 },
};

static const struct setting edit_rows[] = {
    { "set", SETTING_HEADERS, 0, .since = "0.1",
      .help =
          "Headers that replace all of their name, \"name: value\"; \"{id}\" stands for what the "
          "match captured, percent-encoded as in the path, \"{{\" and \"}}\" for braces." },
    { "add", SETTING_HEADERS, 0, .since = "0.1",
      .help = "Headers that stand beside those of their name, written like `set`." },
    { "remove", SETTING_TEXTS, 0, .since = "0.1",
      .help = "Names of headers that are left out, before any is set or added." },
    { 0 },
};

static const struct setting sync_rows[] = {
    { "upstream", SETTING_REFERENCE, SETTING_REQUIRED, .refers = "upstreams", .since = "0.1",
      .help = "The upstream that the call is forwarded to." },
    { 0 },
};

static const struct setting request_reply_rows[] = {
    { "broker", SETTING_REFERENCE, SETTING_REQUIRED, .refers = "brokers", .since = "0.1",
      .help = "The broker that carries the request and its reply." },
    { 0 },
};

static const struct setting respond_rows[] = {
    { "status", SETTING_NUMBER, 0, "202", 200, 299, .since = "0.1",
      .help = "The status that the caller gets once the broker has the event." },
    { "headers", SETTING_HEADERS, 0, .since = "0.1",
      .help = "Headers of that answer, \"name: value\"." },
    { "body", SETTING_TEXT, 0, .since = "0.1", .help = "The body of that answer." },
    { 0 },
};

static const struct setting target_rows[] = {
    { "broker", SETTING_REFERENCE, SETTING_REQUIRED, .refers = "brokers", .since = "0.1",
      .help = "The broker that the event is published to; it brings the further settings." },
    { 0 },
};

static const struct setting event_rows[] = {
    { "broker", SETTING_REFERENCE, 0, .refers = "brokers", .since = "0.1",
      .help = "The broker that the event is published to, unless `targets` says so." },
    { "targets", SETTING_GROUPS, SETTING_PLUGIN | SETTING_NOT_EMPTY, .children = target_rows,
      .since = "0.1",
      .help = "Several brokers that the event is published to, each with what an event says there; "
              "the caller is told of each when only some have it." },
    { "respond", SETTING_GROUP, .children = respond_rows, .since = "0.1",
      .help = "The answer to the caller once the event is safe." },
    { 0 },
};

static const struct setting route_rows[] = {
    { "name", SETTING_TEXT, SETTING_REQUIRED | SETTING_UNIQUE | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "What the route is called in logs, metrics and answers." },
    { "match", SETTING_GROUP, .children = match_rows, .since = "0.1",
      .help = "Which calls take this route: those that fulfil all that is written here; without "
              "it, every call." },
    { "encoded_slash", SETTING_CHOICE, 0, "refuse", .choices = encoded_choices, .since = "0.1",
      .help = "What \"%2F\" in a path means: nothing that could be carried safely (400); a part of "
              "its segment; or a slash like any other. What was matched is what is forwarded; "
              "when another route above would match either reading, the call is refused." },
    { "double_slash", SETTING_CHOICE, 0, "refuse", .choices = double_choices, .since = "0.1",
      .help = "What \"//\" in a path means, in the same way: nothing, an empty segment, or one "
              "slash." },
    { "rewrite", SETTING_GROUP, .children = rewrite_rows, .since = "0.1",
      .help = "What is forwarded instead of the path and the host that were called, in every "
              "style." },
    { "request_headers", SETTING_GROUP, .children = edit_rows, .since = "0.1",
      .help = "Changes to the headers of the request, in every style." },
    { "response_headers", SETTING_GROUP, .children = edit_rows, .since = "0.1",
      .help = "Changes to the headers of the answer, in every style; answers that Shunt makes of a "
              "failure stay as they are." },
    { "style", SETTING_CHOICE, SETTING_REQUIRED, .choices = style_names, .since = "0.1",
      .help = "How the call is carried: the one word. The block of that name must be there too." },
    { "timeout", SETTING_DURATION, 0, "30s", 1, 1 * DAY, .since = "0.1",
      .help = "How long the whole call may take." },
    { "max_body", SETTING_SIZE, 0, "1MB", 0, 1 * GIB, .since = "0.1",
      .help = "The largest request body that becomes a message; for `sync`, which streams, only "
              "when written." },
    { "max_reply", SETTING_SIZE, 0, "10MB", 0, 1 * GIB, .since = "0.1",
      .help = "The largest reply that is taken from a broker." },
    { "message_id", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Where the call's ID comes from, \"header:NAME\" or \"json:/pointer\"; otherwise it "
              "is drawn." },
    { "carry", SETTING_TEXTS, 0, .since = "0.1",
      .help =
          "Headers such as \"authorization\" that events keep although messages rest in brokers." },
    { "sync", SETTING_GROUP, SETTING_PLUGIN, .children = sync_rows, .since = "0.1",
      .help =
          "The call as HTTP to an upstream. Reads on routes of style `event` take it as well." },
    { "request_reply", SETTING_GROUP, SETTING_PLUGIN, .children = request_reply_rows,
      .since = "0.1", .help = "The call as a message to one receiver, whose reply is the answer." },
    { "event", SETTING_GROUP, SETTING_PLUGIN, .children = event_rows, .since = "0.1",
      .help = "The call as an event: answered once the broker has it." },
    { 0 },
};

static const struct setting allow_rows[] = {
    { "method", SETTING_TEXTS, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Methods that a message may ask for; without it, any." },
    { "path", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help =
          "Paths that a message may ask for, written as in a route's `match`; without it, any." },
    { "encoded_slash", SETTING_CHOICE, 0, "refuse", .choices = encoded_choices, .since = "0.1",
      .help = "What \"%2F\" in such a path means, as in a route." },
    { "double_slash", SETTING_CHOICE, 0, "refuse", .choices = double_choices, .since = "0.1",
      .help = "What \"//\" in such a path means, as in a route." },
    { 0 },
};

static const struct setting retry_rows[] = {
    { "attempts", SETTING_NUMBER, 0, "8", 1, 1000, .since = "0.1",
      .help = "How often a message is delivered at most." },
    { "backoff", SETTING_DURATION, 0, "250ms", 1, 1 * HOUR, .since = "0.1",
      .help = "How long the first repetition waits; each further one waits twice as long." },
    { "max_backoff", SETTING_DURATION, 0, "30s", 1, 1 * DAY, .since = "0.1",
      .help = "The longest wait between two attempts." },
    { "max_age", SETTING_DURATION, 0, "24h", 1, 365 * DAY, .since = "0.1",
      .help = "A message older than this is not tried again." },
    { "hold", SETTING_DURATION, 0, "10m", 1, 1 * DAY, .since = "0.1",
      .help = "The longest that a message is held unacknowledged; below a third of the broker's "
              "consumer_timeout." },
    { 0 },
};

static const struct setting result_rows[] = {
    { "ok", SETTING_TEXTS, SETTING_NOT_EMPTY, "2xx", .since = "0.1",
      .help = "Answers that mean success: a status, \"2xx\", or \"json:/pointer\" where that is in "
              "the body. An answer of gRPC counts as the HTTP status that its `grpc-status` stands "
              "for: 14 is 503, 5 is 404." },
    { "retry", SETTING_TEXTS, 0, "408, 425, 429, 5xx", .since = "0.1",
      .help = "Answers after which the message is tried again." },
    { "dead", SETTING_TEXTS, 0, .since = "0.1",
      .help = "Answers that make it a dead letter; whatever is in none of the three does so too." },
    { 0 },
};

static const struct setting subscription_rows[] = {
    { "name", SETTING_TEXT, SETTING_REQUIRED | SETTING_UNIQUE | SETTING_NOT_EMPTY, .since = "0.1",
      .help = "What the subscription is called in logs and metrics." },
    { "broker", SETTING_REFERENCE, SETTING_REQUIRED, .refers = "brokers", .since = "0.1",
      .help = "The broker that it consumes from." },
    { "deliver", SETTING_URL, SETTING_REQUIRED, .choices = deliver_schemes, .since = "0.1",
      .help = "The local service that gets the calls, such as \"http://127.0.0.1:8080\", or with "
              "HTTP/2 \"h2c://127.0.0.1:8080\"." },
    { "allow", SETTING_GROUPS, SETTING_NOT_EMPTY, .children = allow_rows, .since = "0.1",
      .help = "What messages may call; without it, only POST to the `deliver` URL itself." },
    { "trust", SETTING_TEXTS, 0, .since = "0.1",
      .help = "Headers such as \"x-forwarded-for\" that are taken from messages as they are." },
    { "timeout", SETTING_DURATION, 0, "30s", 1, 1 * DAY, .since = "0.1",
      .help = "How long the local service may take for one call." },
    { "concurrency", SETTING_NUMBER, 0, "16", 1, 10000, .since = "0.1",
      .help = "The most calls to the local service at a time." },
    { "max_body", SETTING_SIZE, 0, "10MB", 0, 1 * GIB, .since = "0.1",
      .help = "The largest message that is delivered; a larger one becomes a dead letter." },
    { "max_reply", SETTING_SIZE, 0, "10MB", 0, 1 * GIB, .since = "0.1",
      .help = "The largest answer that is sent back; a larger one becomes a small error reply." },
    { "retry", SETTING_GROUP, .children = retry_rows, .since = "0.1",
      .help = "How a delivery that failed is repeated." },
    { "dead_letter", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "Where messages go that cannot be delivered; `<queue>.dead` when not written." },
    { "result", SETTING_GROUP, .children = result_rows, .since = "0.1",
      .help = "What the local service's answers mean for the message." },
    { 0 },
};

static const struct setting log_rows[] = {
    { "format", SETTING_CHOICE, 0, "auto", .choices = format_choices, .since = "0.1",
      .help = "How lines look; `auto` is text on a terminal and JSON elsewhere." },
    { "calls", SETTING_FLAG, 0, "true", .since = "0.1", .help = "Whether each call gets a line." },
    { "level", SETTING_CHOICE, 0, "info", .choices = level_choices, .since = "0.1",
      .help = "The least important lines that are written." },
    { 0 },
};

const struct setting config_table[] = {
    { "service", SETTING_TEXT, SETTING_NOT_EMPTY, "shunt", .since = "0.1",
      .help = "The name of the service that this Shunt stands beside." },
    { "instance", SETTING_TEXT, SETTING_NOT_EMPTY, .since = "0.1",
      .help = "What tells this instance of the service from others; the host's name when not "
              "written." },
    { "workers", SETTING_NUMBER, 0, "1", 1, 64, .since = "0.1",
      .help = "How many event loops share the work." },
    { "grace", SETTING_DURATION, 0, "8s", 0, 1 * HOUR, .since = "0.1",
      .help = "How long calls in flight may take to finish after SIGTERM." },
    { "unmatched", SETTING_CHOICE, 0, "pass", .choices = unmatched_choices, .since = "0.1",
      .help = "What becomes of a call that no route takes: it passes to where it was going, or is "
              "refused." },
    { "listeners", SETTING_GROUPS, .children = listener_rows, .since = "0.1",
      .help = "Where applications reach Shunt." },
    { "limits", SETTING_GROUP, .children = limit_rows, .since = "0.1",
      .help = "How much callers may take up." },
    { "timeouts", SETTING_GROUP, .children = timeout_rows, .since = "0.1",
      .help = "How long callers may take." },
    { "admin", SETTING_GROUP, .children = admin_rows, .since = "0.1",
      .help = "Health and metrics." },
    { "upstreams", SETTING_GROUPS, .children = upstream_rows, .since = "0.1",
      .help = "Services that are called over HTTP." },
    { "brokers", SETTING_GROUPS, SETTING_PLUGIN, .children = broker_rows, .since = "0.1",
      .help = "Brokers that carry messages." },
    { "routes", SETTING_GROUPS, .children = route_rows, .since = "0.1",
      .help = "Which call is carried how; tried from top to bottom, the first that matches wins." },
    { "subscriptions", SETTING_GROUPS, SETTING_PLUGIN, .children = subscription_rows,
      .since = "0.1",
      .help = "What the receiving half consumes and calls the local service with." },
    { "log", SETTING_GROUP, .children = log_rows, .since = "0.1",
      .help = "The log on standard output." },
    { 0 },
};
