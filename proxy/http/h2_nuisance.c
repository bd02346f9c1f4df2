/* See h2_nuisance.h. Nothing here fails. */
#include "http/h2_nuisance.h"

#include <assert.h>
#include <stddef.h>

static const struct {
    uint32_t store, per_second, per_answer;
    const char *event;
} nuisances[H2_NUISANCES] = {
    [H2_RESETS] = { 400, 20, 0, "h2_flood_resets" },
    [H2_FORCED_RESETS] = { 90, 10, 0, "h2_flood_forced_resets" },
    [H2_SETTINGS] = { 900, 10, 0, "h2_flood_settings" },
    [H2_PINGS] = { 900, 10, 1, "h2_flood_pings" },
    [H2_PRIORITIES] = { 2000, 100, 0, "h2_flood_priorities" },
    [H2_TINY_WINDOWS] = { 2000, 100, 2, "h2_flood_windows" },
    [H2_TINY_DATA] = { 64 * 1024, 1024, 0, "h2_flood_data" },
};

void nuisance_start(struct h2_allowance allowances[H2_NUISANCES], uint64_t now_ms)
{
    for (int i = 0; i < H2_NUISANCES; i++)
        allowances[i] = (struct h2_allowance){ .since_ms = now_ms };
}

static void give_back(struct h2_allowance *allowance, uint64_t by)
{
    allowance->used -= by < allowance->used ? (uint32_t)by : allowance->used;
}

const char *nuisance_spend(struct h2_allowance allowances[H2_NUISANCES], enum h2_nuisance kind,
                           uint32_t by, uint64_t now_ms)
{
    struct h2_allowance *allowance = &allowances[kind];
    assert(now_ms >= allowance->since_ms && nuisances[kind].per_second > 0);
    uint64_t refill = (now_ms - allowance->since_ms) * nuisances[kind].per_second / 1000;
    if (refill > 0) {
        give_back(allowance, refill);
        allowance->since_ms = now_ms;
    }
    allowance->used += by;
    return allowance->used < nuisances[kind].store ? NULL : nuisances[kind].event;
}

void nuisance_answered(struct h2_allowance allowances[H2_NUISANCES])
{
    give_back(&allowances[H2_PINGS], nuisances[H2_PINGS].per_answer);
    give_back(&allowances[H2_TINY_WINDOWS], nuisances[H2_TINY_WINDOWS].per_answer);
}
