// SPDX-License-Identifier: Apache-2.0
#include "serve/file_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "base/keyed_hash.h"

namespace gemma::serve {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/** What a GGUF says that it is, by llama.cpp's numbers; "" where it says nothing that is known. */
std::string name_of_file_type(const ModelFile& file) {
  constexpr std::pair<int64_t, std::string_view> kNames[] = {
      {0, "F32"},     {1, "F16"},     {2, "Q4_0"},    {3, "Q4_1"},    {7, "Q8_0"},    {8, "Q5_0"},    {9, "Q5_1"},
      {10, "Q2_K"},   {11, "Q3_K_S"}, {12, "Q3_K_M"}, {13, "Q3_K_L"}, {14, "Q4_K_S"}, {15, "Q4_K_M"}, {16, "Q5_K_S"},
      {17, "Q5_K_M"}, {18, "Q6_K"},   {25, "IQ4_NL"}, {30, "IQ4_XS"}, {32, "BF16"}};
  const auto number = file.metadata().integer("general.file_type");
  for (const auto& [each, name] : kNames) {
    if (number == each) return std::string(name);
  }
  return {};
}

}  // namespace

FileFacts facts_of(const ModelFile& file) {
  FileFacts facts;
  facts.format = file.format() == FileFormat::gguf ? "gguf" : "safetensors";
  std::map<DType, int64_t> bytes;
  std::string records;
  for (const TensorRecord& tensor : file.tensors()) {
    facts.parameters += tensor.shape.count();
    bytes[tensor.dtype] += tensor.bytes;
    records += fmt::format("{} {} {} {}\n", tensor.name, info(tensor.dtype).name, tensor.offset, tensor.bytes);
  }
  facts.bytes = file.total_bytes();
  facts.quantization = name_of_file_type(file);
  const auto most =
      std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (facts.quantization.empty() && most != bytes.end()) facts.quantization = upper(info(most->first).name);
  for (uint64_t part = 0; part < 4; ++part) {
    facts.digest += fmt::format("{:016x}", keyed_hash(std::as_bytes(std::span(records)), {part + 1, 0}));
  }
  return facts;
}

std::string spoken_size(int64_t parameters) {
  const auto number = static_cast<double>(parameters);
  return number < 1e9 ? fmt::format("{:.1f}M", number / 1e6) : fmt::format("{:.1f}B", number / 1e9);
}

}  // namespace gemma::serve
