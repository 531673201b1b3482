// SPDX-License-Identifier: Apache-2.0
// Which table this machine runs: asked of the processor once, or of GEMMA4_ISA. The only file that knows what
// architecture is being built.
#include "cpu/kernels/select.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "cpu/kernels/parts.h"

namespace gemma::cpu {
namespace {

struct Level {
  const char* name;
  bool (*present)();       // does the processor (and its system) have it
  void (*fill)(Kernels&);  // on top of the level below that the processor has
  RoofKernels (*roof)();
};

void fill_scalar(Kernels& table) {
  scalar_products(table);
  scalar_packed(table);
  scalar_rows(table);
}

#if defined(__x86_64__)

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
         __builtin_cpu_supports("bmi2");
}

bool has_avxvnni() { return has_avx2() && __builtin_cpu_supports("avxvnni"); }

/** What cmake/isa.cmake lets the compiler use in avx512_*.cc. */
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
}

void fill_avx2(Kernels& table) {
  avx2_products(table);
  avx2_packed(table);
  avx2_rows(table);
}

void fill_avx512(Kernels& table) {
  avx512_products(table);
  avx512_packed(table);
  avx512_rows(table);
}

constexpr Level kLevels[] = {
    {"scalar", [] { return true; }, fill_scalar, scalar_roof},
    {"avx2", has_avx2, fill_avx2, avx2_roof},
    {"avxvnni", has_avxvnni, avxvnni_packed, avxvnni_roof},
    {"avx512", has_avx512, fill_avx512, avx512_roof},
};

#elif defined(__aarch64__)

/** Vectors are in every such processor; dot products of bytes came with ARMv8.2. */
bool has_neon() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

bool has_neoni8mm() { return has_neon() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }

void fill_neon(Kernels& table) {
  neon_products(table);
  neon_packed(table);
  neon_rows(table);
}

constexpr Level kLevels[] = {
    {"scalar", [] { return true; }, fill_scalar, scalar_roof},
    {"neon", has_neon, fill_neon, neon_roof},
    {"neoni8mm", has_neoni8mm, neoni8mm_packed, neoni8mm_roof},
};

#else

constexpr Level kLevels[] = {{"scalar", [] { return true; }, fill_scalar, scalar_roof}};

#endif

/** Every instruction set that any build knows, for the error message. */
constexpr std::string_view kKnown = "scalar, avx2, avxvnni, avx512, neon, neoni8mm";

/** Tables of this machine, plainest first; each is the one before with more filled in. */
const std::vector<Kernels>& tables() {
  static const std::vector<Kernels> kList = [] {
    std::vector<Kernels> made;
    for (const Level& level : kLevels) {
      if (!level.present()) continue;
      Kernels table = made.empty() ? Kernels{} : made.back();
      table.name = level.name;
      level.fill(table);
      made.push_back(table);
    }
    return made;
  }();
  return kList;
}

}  // namespace

const Kernels& choose_kernels() {
  const char* wish = std::getenv("GEMMA4_ISA");
  if (wish == nullptr || *wish == '\0') return tables().back();
  if (const Kernels* table = kernels_named(wish)) return *table;
  std::string here;
  for (const Kernels& table : tables()) here += (here.empty() ? "" : ", ") + std::string(table.name);
  fail("GEMMA4_ISA", "expected an instruction set that this machine has ({}), found '{}' (known: {})", here, wish,
       kKnown);
}

const Kernels& kernels() {
  static const Kernels& table = choose_kernels();
  return table;
}

const Kernels* kernels_named(std::string_view name) {
  for (const Kernels& table : tables()) {
    if (name == table.name) return &table;
  }
  return nullptr;
}

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> all;
  for (auto table = tables().rbegin(); table != tables().rend(); ++table) all.push_back(&*table);
  return all;
}

std::vector<RoofKernels> all_roof_kernels() {
  std::vector<RoofKernels> all;
  for (const Level& level : kLevels) {
    if (kernels_named(level.name) != nullptr) all.insert(all.begin(), level.roof());
  }
  return all;
}

}  // namespace gemma::cpu
