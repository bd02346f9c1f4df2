/* The command line: one row per command, each with its own --help. Exit codes: 0 done, 1 found a
 * problem, 2 usage. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control.h"
#include "core/explain.h"
#include "core/registry.h"
#include "core/version.h"
#include "observe/health.h"

#define HEADERS_MAX 100

enum exit_code { EXIT_DONE = 0, EXIT_PROBLEM = 1, EXIT_USAGE = 2 };

/* What the options said. */
struct options {
    const char *config;
    bool json;
    const char *method, *data;
    const char *headers[HEADERS_MAX + 1];
    unsigned header_count;
    char **rest; /* what is no option; ends with NULL */
    int rest_count;
};

struct command {
    const char *name;
    const char *what;  /* one line */
    const char *usage; /* behind "shunt NAME" */
    const char *example;
    const char *letters; /* options it takes, of "cjXHd" */
    int arguments;       /* how many besides options */
    int (*run)(const struct options *options);
};

/* --- check, explain, reference ---------------------------------------------------------------- */

/* Loads and builds without binding or connecting; complaints are printed. NULL: there were
 * errors. */
static struct snapshot *build_dry(const struct options *options, struct registry *registry)
{
    struct complaints complaints;
    complaints_init(&complaints);
    struct catalog catalog = plugins_catalog(registry->plugins);
    struct config *config = config_load(options->config, &catalog, &complaints);
    struct snapshot *snapshot = NULL;
    if (complaints.errors == 0)
        snapshot = snapshot_build(config, registry, true, &complaints);
    else if (config != NULL)
        config_release(config);
    if (complaints.errors + complaints.warnings > 0 || options->json)
        complaints_print(&complaints, options->json ? stdout : stderr, options->json);
    complaints_clear(&complaints);
    return snapshot;
}

static int run_check(const struct options *options)
{
    struct registry registry;
    registry_init(&registry, NULL, NULL);
    struct snapshot *snapshot = build_dry(options, &registry);
    if (snapshot != NULL)
        snapshot_release(snapshot);
    registry_clear(&registry);
    return snapshot != NULL ? EXIT_DONE : EXIT_PROBLEM;
}

static int run_explain(const struct options *options)
{
    struct options quiet = *options;
    quiet.json = false;
    struct registry registry;
    registry_init(&registry, NULL, NULL);
    struct snapshot *snapshot = build_dry(&quiet, &registry);
    int code = EXIT_PROBLEM;
    if (snapshot != NULL) {
        struct question question = {
            .method = options->method,
            .url = options->rest[0],
            .headers = options->headers,
            .data = options->data,
            .json = options->json,
        };
        code = explain(snapshot, &question, stdout);
        snapshot_release(snapshot);
    }
    registry_clear(&registry);
    return code;
}

static int run_reference(const struct options *options)
{
    struct plugins *plugins = plugins_new();
    struct catalog catalog = plugins_catalog(plugins);
    reference_print(&catalog, stdout, options->json);
    plugins_free(plugins);
    return EXIT_DONE;
}

/* --- run, health ------------------------------------------------------------------------------ */

static int run_run(const struct options *options)
{
    return control_run(options->config, options->json);
}

static int run_health(const struct options *options)
{
    struct registry registry;
    registry_init(&registry, NULL, NULL);
    struct options quiet = *options;
    quiet.json = false;
    struct snapshot *snapshot = build_dry(&quiet, &registry);
    int code = EXIT_PROBLEM;
    if (snapshot != NULL && snapshot->admin == NULL) {
        fprintf(stderr,
                "shunt health: %s has no admin listener to ask; add admin = { address = "
                "\"127.0.0.1:15000\"; };\n",
                options->config);
    } else if (snapshot != NULL) {
        const struct values *admin = values_group(snapshot->config->top, "admin");
        code = health_check(values_text(admin, "address"), options->json, stdout) == 0
                   ? EXIT_DONE
                   : EXIT_PROBLEM;
    }
    if (snapshot != NULL)
        snapshot_release(snapshot);
    registry_clear(&registry);
    return code;
}

/* --- the command line ------------------------------------------------------------------------- */

static const struct command commands[] = {
    { "run", "run the sidecar", "-c FILE [--json]", "shunt run -c /etc/shunt/shunt.cfg", "cj", 0,
      run_run },
    { "check", "is this configuration right?", "-c FILE [--json]", "shunt check -c shunt.cfg", "cj",
      0, run_check },
    { "explain", "what would this call become? Nothing is sent",
      "-c FILE [-X METHOD] [-H 'NAME: VALUE'] [-d DATA] [--json] URL",
      "shunt explain -c shunt.cfg -X POST -d '{\"item\":7}' http://inventory:8080/reservations",
      "cjXHd", 1, run_explain },
    { "health", "is the running sidecar ready?", "-c FILE [--json]",
      "HEALTHCHECK CMD [\"shunt\", \"health\", \"-c\", \"/etc/shunt/shunt.cfg\"]", "cj", 0,
      run_health },
    { "reference", "print the reference of every setting", "[--json]",
      "shunt reference > reference.md", "j", 0, run_reference },
};

#define COMMANDS (sizeof commands / sizeof *commands)

static void print_help(FILE *out)
{
    fputs("Shunt carries a service's ordinary HTTP calls in any style: forwarded, or over a "
          "broker.\n\n"
          "usage: shunt COMMAND [OPTIONS]\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].what);
    fputs("\n  -h, --help     this, or `shunt COMMAND --help`\n"
          "  -V, --version  versions of Shunt, its libraries and plugins; with --json for "
          "programs\n\n"
          "example: shunt check -c /etc/shunt/shunt.cfg\n\n"
          "exit codes: 0 done; 1 found a problem; 2 the command line is wrong\n",
          out);
}

static void print_command_help(const struct command *command)
{
    printf("shunt %s: %s\n\nusage: shunt %s %s\n", command->name, command->what, command->name,
           command->usage);
    static const struct {
        char letter;
        const char *text;
    } texts[] = {
        { 'c', "  -c, --config FILE   the configuration\n" },
        { 'j', "      --json          machine-readable output\n" },
        { 'X', "  -X METHOD           the method; GET, or POST with -d\n" },
        { 'H', "  -H 'NAME: VALUE'    a header field, any number of times\n" },
        { 'd', "  -d DATA             the body\n" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strchr(command->letters, texts[i].letter) != NULL)
            fputs(texts[i].text, stdout);
    printf("\nexample: %s\n\nexit codes: 0 done; 1 found a problem; 2 the command line is wrong\n",
           command->example);
}

static int usage_error(const struct command *command, const char *what, const char *which)
{
    fprintf(stderr, "shunt %s: %s%s\nusage: shunt %s %s\n", command->name, what, which,
            command->name, command->usage);
    return EXIT_USAGE;
}

static const struct option long_options[] = {
    { "config", required_argument, NULL, 'c' },
    { "json", no_argument, NULL, 'j' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

/* 0; EXIT_USAGE with the message printed; -1 when help was asked for. */
static int read_options(const struct command *command, int argc, char **argv,
                        struct options *options)
{
    int letter;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":c:X:H:d:h", long_options, NULL)) != -1) {
        if (letter == 'h')
            return -1;
        if (letter == ':')
            return usage_error(command, "an option lacks its value: ", argv[optind - 1]);
        if (letter == '?' || strchr(command->letters, letter) == NULL) {
            char name[] = { '-', (char)(letter == '?' ? optopt : letter), '\0' };
            return usage_error(command,
                               "unknown option: ", name[1] != '\0' ? name : argv[optind - 1]);
        }
        if (letter == 'H' && options->header_count == HEADERS_MAX)
            return usage_error(command, "too many header fields", "");
        switch (letter) {
        case 'c':
            options->config = optarg;
            break;
        case 'j':
            options->json = true;
            break;
        case 'X':
            options->method = optarg;
            break;
        case 'd':
            options->data = optarg;
            break;
        case 'H':
            options->headers[options->header_count++] = optarg;
            break;
        }
    }
    options->rest = argv + optind;
    options->rest_count = argc - optind;
    if (options->rest_count != command->arguments)
        return usage_error(command,
                           options->rest_count < command->arguments ? "something is missing"
                                                                    : "too many arguments",
                           "");
    if (strchr(command->letters, 'c') != NULL && options->config == NULL)
        return usage_error(command, "which configuration? -c FILE", "");
    return 0;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct options options = { 0 };
    int wrong = read_options(command, argc, argv, &options);
    if (wrong < 0) {
        print_command_help(command);
        return EXIT_DONE;
    }
    return wrong != 0 ? wrong : command->run(&options);
}

/* shunt --version [--json] */
static int run_version(int argc, char **argv)
{
    bool json = argc == 3 && strcmp(argv[2], "--json") == 0;
    if (argc > 2 && !json) {
        fprintf(stderr, "shunt: %s takes --json only\n", argv[1]);
        return EXIT_USAGE;
    }
    version_print(stdout, json);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)
        return run_version(argc, argv);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return run_command(&commands[i], argc - 1, argv + 1);
    fprintf(stderr, "shunt: unknown command '%s'; `shunt --help` lists them\n", argv[1]);
    return EXIT_USAGE;
}
