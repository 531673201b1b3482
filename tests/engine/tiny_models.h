// SPDX-License-Identifier: Apache-2.0
// The tiny golden checkpoints, and backends of one to four threads to run them on.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_ops.h"
#include "model/model.h"

namespace gemma::testing_engine {

/** The cases with greedy ids. */
inline constexpr std::array<const char*, 5> kModels{"e_text", "dense_text", "moe_text", "gemma3_text", "unified_text"};
/** These, two of bf16 weights as they are, two that are quantized ("NAME@TYPE"), and the model that GEMMA4_TEST_MODEL
 *  of the environment names, if any. */
std::vector<std::string> all_models();
/** A name as test programs allow it. */
std::string test_name(const std::string& model);

inline constexpr int kMostThreads = 4;

/** A backend with that many threads; one for the whole program. */
Ops& ops_with(int threads);
/** Those that they calculate with. */
ThreadPool& threads_of(int threads);

/** A checkpoint by its name or path, loaded once. `blocks`: rows of a picture see one another on sliding layers,
 * whatever the config says. */
std::shared_ptr<const Model> tiny_model(const std::string& name, bool blocks = false);

/** Random numbers that print their seed where a test fails. */
class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  int below(int64_t n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  int between(int low, int high) { return low + below(high - low + 1); }
  bool one_in(int n) { return below(n) == 0; }

 private:
  std::mt19937_64 random_;
};

/** Types of keys and values, often different ones for each kind of layer, and a page size that they allow. */
void choose_cache(Dice& dice, KvOptions& options);

/** How many seeds a random test tries: `usual`, or GEMMA4_TEST_ROUNDS of the environment. */
unsigned rounds(unsigned usual);

std::vector<int32_t> random_tokens(Dice& dice, int n);

/** Runs of media rows in `tokens` tokens, some of them blocks; equal seeds give equal rows. */
std::vector<MediaRows> random_media(Dice& dice, int tokens, int dim);

}  // namespace gemma::testing_engine
