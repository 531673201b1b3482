// SPDX-License-Identifier: Apache-2.0
// What people have and this program does not read, each by its name and with what to do instead.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "file/readers.h"

namespace gemma {
namespace {

constexpr std::string_view kInstead =
    "take the original BF16 checkpoint (and make it small with 'gemma4 convert'), or a GGUF file";

struct Method {
  std::string_view key;   // as in quantization_config.quant_method
  std::string_view name;  // for people
};

constexpr std::array<Method, 20> kMethods{{
    {"gptq", "GPTQ"},
    {"awq", "AWQ"},
    {"fp8", "FP8"},
    {"fbgemm_fp8", "FP8 (fbgemm)"},
    {"compressed-tensors", "compressed-tensors"},
    {"bitsandbytes", "bitsandbytes"},
    {"bitsandbytes_4bit", "bitsandbytes"},
    {"bitsandbytes_8bit", "bitsandbytes"},
    {"mxfp4", "MXFP4"},
    {"nvfp4", "NVFP4"},
    {"modelopt", "ModelOpt (NVFP4, FP8)"},
    {"torchao", "torchao"},
    {"quanto", "Quanto"},
    {"hqq", "HQQ"},
    {"aqlm", "AQLM"},
    {"eetq", "EETQ"},
    {"higgs", "HIGGS"},
    {"spqr", "SpQR"},
    {"vptq", "VPTQ"},
    {"auto-round", "AutoRound"},
}};

[[noreturn]] void refuse(std::string_view where, std::string_view method) {
  fail(where, "weights quantized by {} are not supported: {}", method, kInstead);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

struct Ending {
  std::string_view end, method;
};

// Names of tensors that only these methods store.
constexpr std::array<Ending, 17> kEndings{{
    {".g_idx", "GPTQ"},
    {".qweight", "GPTQ or AWQ"},
    {".qzeros", "GPTQ or AWQ"},
    {".weight_packed", "compressed-tensors"},
    {".weight_zero_point", "compressed-tensors"},
    {".weight_shape", "compressed-tensors"},
    {".weight_scale_inv", "FP8"},
    {".weight_scale_2", "NVFP4 (ModelOpt)"},
    {".weight_scale", "FP8 or compressed-tensors"},
    {".absmax", "bitsandbytes"},
    {".quant_map", "bitsandbytes"},
    {".quant_state.bitsandbytes__nf4", "bitsandbytes"},
    {".quant_state.bitsandbytes__fp4", "bitsandbytes"},
    {".SCB", "bitsandbytes"},
    {".scales", "MLX"},
    {".biases", "MLX"},
    {"_blocks", "MXFP4"},
}};

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

void refuse_quantized_config(std::string_view where, const json::value& config) {
  const json::object* object = config.if_object();
  if (object == nullptr) return;
  const json::value* method = object->if_contains("quantization_config");
  if (method != nullptr && method->is_object()) {
    const json::object& fields = method->get_object();
    const std::string name = lower(text_of(fields, "quant_method"));
    const std::string algorithm = text_of(fields, "quant_algo");
    if (!algorithm.empty()) refuse(where, algorithm);
    for (const Method& m : kMethods) {
      if (m.key == name) refuse(where, m.name);
    }
    refuse(where, name.empty() ? "an unnamed method (quantization_config)" : "'" + name + "'");
  }
  const json::value* mlx = object->if_contains("quantization");  // mlx-lm: {"group_size": 64, "bits": 4}
  if (mlx != nullptr && mlx->is_object()) {
    const std::string algorithm = text_of(mlx->get_object(), "quant_algo");  // hf_quant_config.json of ModelOpt
    refuse(where, algorithm.empty() ? "MLX" : algorithm);
  }
  const json::value* text = object->if_contains("text_config");
  if (text != nullptr) refuse_quantized_config(where, *text);
}

void refuse_quantized_tensor(std::string_view where, std::string_view tensor) {
  for (const Ending& e : kEndings) {
    if (!tensor.ends_with(e.end)) continue;
    fail(where, "tensor '{}': weights quantized by {} are not supported: {}", tensor, e.method, kInstead);
  }
}

FileFormat recognise(const ByteSource& source) {
  const std::string& where = source.name();
  if (source.size() == 0) fail(where, "the file is empty: expected GGUF or safetensors");
  std::array<char, 32> first{};
  const auto n = static_cast<size_t>(std::min<int64_t>(source.size(), static_cast<int64_t>(first.size())));
  source.read(0, std::as_writable_bytes(std::span(first).first(n)));
  const std::string_view text(first.data(), n);
  const auto starts = [&](std::string_view magic) { return text.starts_with(magic); };
  if (starts("GGUF")) return FileFormat::gguf;
  // Magics of ggml before GGUF are numbers, so their letters are turned round.
  for (const std::string_view old : {"lmgg", "fmgg", "tjgg", "algg"}) {
    if (starts(old)) {
      fail(where, "a GGML file from before GGUF ('{}{}{}{}') is not supported: convert the model anew, to GGUF", old[3],
           old[2], old[1], old[0]);
    }
  }
  if (starts("version https://git-lfs")) {
    fail(where, "a Git LFS pointer and not the model itself: fetch it with 'git lfs pull'");
  }
  if (starts("PK\x03\x04") || starts("\x80\x02") || starts("\x80\x04")) {
    fail(where, "a PyTorch checkpoint (or another ZIP or pickle file) is not supported: {}", kInstead);
  }
  if (starts("\x89HDF")) fail(where, "an HDF5 checkpoint is not supported: {}", kInstead);
  if (starts("\x93NUMPY")) fail(where, "a NumPy file is not supported: {}", kInstead);
  if (starts("LITERTLM") || (n >= 8 && text.substr(4, 4) == "TFL3")) {
    fail(where, "a LiteRT model is not supported: {}", kInstead);
  }
  if (starts("\x1f\x8b")) fail(where, "a gzip archive: unpack it first");
  if (starts("<!DOCTYPE") || starts("<!doctype") || starts("<html")) {
    fail(where, "a web page and not a model: the download went wrong");
  }
  if (where.ends_with(".onnx")) fail(where, "an ONNX model is not supported: {}", kInstead);
  if (n > 8 && text[8] == '{') return FileFormat::safetensors;
  if (where.ends_with(".safetensors")) return FileFormat::safetensors;  // its reader says what is wrong
  std::string bytes;
  for (size_t i = 0; i < std::min<size_t>(n, 4); ++i) {
    bytes += fmt::format("{}{:02x}", i ? " " : "", static_cast<unsigned char>(first[i]));
  }
  fail(where, "not a model file: expected GGUF or safetensors, found a file that starts with bytes {}", bytes);
}

}  // namespace gemma
