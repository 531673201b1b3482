// SPDX-License-Identifier: Apache-2.0
// What coded keys are divided by, and queries multiplied by, before both are rotated: see key_balance.cc.
#pragma once

#include "config/config.h"
#include "model/weights.h"
#include "tensor/ops.h"

namespace gemma {

/** Fills attention.key_balance of all layers that own a cache. */
void balance_keys(Weights& weights, const Config& config, Ops& ops);

}  // namespace gemma
