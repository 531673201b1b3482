// SPDX-License-Identifier: Apache-2.0
// gemma4 convert SRC DST: a Hugging Face folder or a GGUF to GGUF, or a GGUF to a Hugging Face folder.
#include "convert/convert.h"

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "file/mmproj_name.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/local_model.h"
#include "gemma4/machine.h"
#include "gemma4/progress.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExamples = R"(What DST is, its name says: it ends in .gguf, or it is a folder.

To .gguf, --type is one of
  f32, bf16, f16            every matrix in that type
  q8_0                      8.5 bits a weight, as good as bf16 for most purposes
  q6_k, q5_k_m              6.6 and about 5.7 bits
  q4_k_m                    about 4.9 bits: the usual choice
  q4_0                      4.5 bits, the fastest
The type of each tensor is the one that llama.cpp's llama-quantize would choose.

A model that sees or hears has encoders for that, which go to a second file beside DST: "mmproj-" and its name, or what
--mmproj says ("none": no such file). Their weights are bf16, or f32, f16 and q8_0 where --type is that.

To a folder, --type is f32, bf16 or f16; without it the smallest that loses nothing. The encoders' file beside SRC, or
the one that --mmproj names, goes into the same folder.

Examples:
  gemma4 convert gemma-4-E2B-it gemma-4-e2b.gguf --type q4_k_m
  gemma4 convert model-bf16.gguf model-q8_0.gguf --type q8_0
  gemma4 convert model.gguf hf-folder
  gemma4 convert model.gguf hf-folder --type bf16 --mmproj encoders.gguf)";

struct ConvertOptions {
  std::string source, target, type, mmproj;
  bool force = false;
  int threads = 0;
};

bool wants_gguf(const std::string& target) { return target.ends_with(".gguf"); }

bool same_place(const fs::path& a, const fs::path& b) {
  std::error_code error;
  return fs::exists(a, error) && fs::exists(b, error) && fs::equivalent(a, b, error);
}

/** The target must not be what is read, nor something that would be lost. */
void check_target(const ConvertOptions& o, const std::string& target, const ModelFile& source) {
  bool same = same_place(o.source, target);
  for (int i = 0; i < source.sources(); ++i) same = same || same_place(source.source(i).name(), target);
  if (same) fail(target, "is the source itself; give another name");
  std::error_code error;
  if (!fs::exists(target, error)) return;
  const bool folder = fs::is_directory(target, error);
  if (wants_gguf(target) == folder) {
    fail(target, "is {} already, expected {}", folder ? "a folder" : "a file",
         folder ? "a file (or nothing) where the name ends in .gguf"
                : "a folder (or nothing): only names in .gguf are files");
  }
  if (!o.force) fail(target, "exists already (--force replaces it)");
}

FileType gguf_type(const ConvertOptions& o) {
  if (o.type.empty()) fail_usage("--type", "needed where the target is a .gguf: one of {}", file_type_names());
  const auto type = file_type_named(o.type);
  if (!type) fail_usage("--type", "expected one of {}, found '{}'", file_type_names(), o.type);
  return *type;
}

/** The encoders' file of a GGUF that becomes a folder: the one that is named, or is beside it. */
std::optional<ModelFile> mmproj_source(const ConvertOptions& o, const ModelFile& source) {
  if (wants_gguf(o.target) || o.mmproj == "none" || source.format() != FileFormat::gguf) return std::nullopt;
  const std::string path = o.mmproj.empty() && !is_drafter(source) ? find_mmproj(o.source) : o.mmproj;
  return path.empty() ? std::nullopt : std::optional(ModelFile::open(path));
}

Conversion plan(const ConvertOptions& o, const ModelFile& source, const ModelFile* mmproj) {
  if (wants_gguf(o.target)) return Conversion::to_gguf(source, gguf_type(o));
  if (o.type.empty()) return Conversion::to_folder(source, std::nullopt, mmproj);
  if (o.type != "f32" && o.type != "bf16" && o.type != "f16") {
    fail_usage("--type", "expected f32, bf16 or f16 where the target is a folder, found '{}'", o.type);
  }
  return Conversion::to_folder(source, dtype_named(o.type), mmproj);
}

/** Where the encoders go. */
std::string mmproj_target(const ConvertOptions& o) { return o.mmproj.empty() ? mmproj_name_of(o.target) : o.mmproj; }

std::optional<Conversion> plan_mmproj(const ConvertOptions& o, const ModelFile& source) {
  if (!wants_gguf(o.target) || o.mmproj == "none" || is_drafter(source)) return std::nullopt;
  auto mmproj = Conversion::to_mmproj(source, gguf_type(o));
  if (!mmproj && !o.mmproj.empty()) fail(o.source, "has no encoders of pictures or sound for --mmproj");
  if (mmproj && same_place(o.target, mmproj_target(o))) fail_usage("--mmproj", "expected another name than DST");
  return mmproj;
}

/** False when it was interrupted. */
bool write(const ConvertOptions& o, const Conversion& conversion, const std::string& target, const char* what) {
  const auto start = Clock::now();
  Progress progress(what, conversion.bytes_to_read(), Progress::Unit::bytes);
  StreamOptions options{o.threads, [&](int64_t bytes) { progress.add(bytes); },
                        [] { return InterruptGuard::interrupted(); }};
  const auto written = conversion.run(target, options, o.force);
  progress.finish();
  if (!written) {
    fmt::print(stderr, "gemma4: interrupted; {} was not written\n", target);
    set_exit_status(kInterrupted);
    return false;
  }
  for (const std::string& note : conversion.notes()) fmt::print(stderr, "gemma4: note: {}\n", note);
  const double seconds = seconds_since(start);
  fmt::print(stderr, "{}: {} from {}, {:.1f} s ({}/s)\n", target, format_bytes(*written),
             format_bytes(conversion.bytes_to_read()), seconds,
             format_bytes(static_cast<int64_t>(static_cast<double>(conversion.bytes_to_read()) / seconds)));
  return true;
}

void run(ConvertOptions o) {
  while (o.target.size() > 1 && o.target.back() == '/') o.target.pop_back();
  if (!o.mmproj.empty() && o.mmproj != "none" && !wants_gguf(o.mmproj)) {
    fail_usage("--mmproj", "expected a name that ends in .gguf, or none, found '{}'", o.mmproj);
  }
  const ModelFile source = ModelFile::open(local_model(o.source).path);
  check_target(o, o.target, source);
  const std::optional<ModelFile> encoders = mmproj_source(o, source);
  const Conversion conversion = plan(o, source, encoders ? &*encoders : nullptr);
  const std::optional<Conversion> mmproj = plan_mmproj(o, source);
  if (mmproj) check_target(o, mmproj_target(o), source);

  const InterruptGuard interrupt;
  if (encoders && o.mmproj.empty()) {
    fmt::print(stderr, "gemma4: note: with the encoders of {} (--mmproj none: without)\n", encoders->name());
  }
  if (!write(o, conversion, o.target, "converting")) return;
  if (mmproj) write(o, *mmproj, mmproj_target(o), "encoders");
}

}  // namespace

void add_convert(CLI::App& app) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* command =
      app.add_subcommand("convert", "Write a model in another form: GGUF of any type, or a Hugging Face folder");
  command->add_option("SRC", options->source, "A Hugging Face folder, .safetensors or .gguf")
      ->required()
      ->check(not_empty());
  command->add_option("DST", options->target, "A name that ends in .gguf, or a folder")->required()->check(not_empty());
  command->add_option("--type", options->type, "Type of the weights (see below)");
  command->add_option("--mmproj", options->mmproj,
                      "The encoders' file, beside a .gguf: to be written, or of SRC to be read; none: without it");
  command->add_flag("--force", options->force, "Replace what is there");
  add_threads_option(*command, options->threads);
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app
