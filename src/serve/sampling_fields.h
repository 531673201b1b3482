// SPDX-License-Identifier: Apache-2.0
// How tokens are chosen and where an answer ends, as OpenAI's APIs and those that follow them name it.
#pragma once

#include "exchange/exchange.h"
#include "serve/fields.h"

namespace gemma::serve {

inline constexpr int kMostStops = 16;

/** temperature, top_p, top_k, min_p, frequency_penalty, presence_penalty, repetition_penalty, seed, logit_bias. Without
 *  a seed it is drawn. */
void read_sampling(Fields& fields, Sampling& sampling, int vocab);

/** As it was written: 0.1, where a double of the same value would say 0.10000000149. */
double as_written(float value);

/** "stop": a text or up to kMostStops of them. */
std::vector<std::string> read_stops(Fields& fields, std::string_view key = "stop");

/** Tokens for words of how long to think: "minimal", "low", "medium"; 0, no limit, for others. */
int thought_budget(std::string_view effort);

/** A seed that nobody can foresee, small enough for JSON numbers. */
uint64_t random_seed();

}  // namespace gemma::serve
