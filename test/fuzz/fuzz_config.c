/* Any bytes as a configuration: nothing crashes, every refusal has a complaint, and what passes
 * is what libconfig by itself would have read too (unless it includes files, which libconfig
 * looks for elsewhere).
 *
 * libFuzzer: -max_len=512 -entropic=0 */
#include <assert.h>
#include <libconfig.h>
#include <stdlib.h>

#include "test/unit/config/fake_catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(struct slice text)
{
    char *copy = malloc(text.len + 2);
    assert(copy != NULL);
    memcpy(copy, text.at, text.len);
    memcpy(copy + text.len, "\n", 2);
    config_t tree;
    config_init(&tree);
    if (strstr(copy, "@include") == NULL && config_read_string(&tree, copy) != CONFIG_TRUE)
        abort();
    config_destroy(&tree);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct complaints complaints;
    complaints_init(&complaints);
    struct config *config = config_load_text("fuzz.cfg", slice_of(data, size), &fake_catalog,
                                             &complaints);
    assert(config != NULL && config->top != NULL);
    assert(values_equal(config->top, config->top));
    if (complaints.errors == 0)
        compare(slice_of(data, size));
    config_free(config);

    static FILE *nowhere;
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    assert(nowhere != NULL);
    if (size % 16 < 2) /* printing is slow, and seldom sees anything new */
        complaints_print(&complaints, nowhere, size % 2 == 0);
    complaints_clear(&complaints);
    return 0;
}
