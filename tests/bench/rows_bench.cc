// SPDX-License-Identifier: Apache-2.0
// What it costs that the per-layer embedding table stays in its file: the same model with the table in memory, with its
// rows in the page cache, and with none of them there, in turn.
//
//   rows_bench MODEL.gguf [tokens of a prompt] [rounds]
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/tensor_map.h"
#include "cpu/cpu_ops.h"
#include "model/single.h"

namespace gemma {
namespace {

/** A file of which one part is held in memory. */
class HeldPart final : public ByteSource {
 public:
  HeldPart(const std::string& path, int64_t offset, int64_t bytes)
      : file_(File::open(path)), offset_(offset), held_(static_cast<size_t>(bytes)) {
    file_.read(offset, held_);
  }
  int64_t size() const override { return file_.size(); }
  const std::string& name() const override { return file_.path(); }
  void read(int64_t offset, std::span<std::byte> out) const override {
    const auto n = static_cast<int64_t>(out.size());
    if (offset < offset_ || offset + n > offset_ + std::ssize(held_)) return file_.read(offset, out);
    std::memcpy(out.data(), held_.data() + (offset - offset_), out.size());
  }

 private:
  File file_;
  int64_t offset_;
  std::vector<std::byte> held_;
};

/** Prompts and single tokens through one model whose table is in memory or in the file. */
class RowsBench {
 public:
  RowsBench(const std::string& path, int tokens) : path_(path), tokens_(tokens), ops_(make_cpu_ops(pool_)) {
    const auto file = std::make_shared<const ModelFile>(ModelFile::open(path));
    model_ = Model::load(file, *ops_, {});
    if (!model_->weights.per_layer_rows.defined()) fail(path, "has no per-layer embedding table");
    const auto stored = TensorMap(*file, model_->config).find("embed_tokens_per_layer.weight");
    record_ = *stored->pieces.front().record;
    std::vector<std::unique_ptr<ByteSource>> sources;
    sources.push_back(std::make_unique<HeldPart>(path, record_.offset, record_.bytes));
    held_ = *model_;
    held_.weights.per_layer_rows =
        RowSource(std::make_shared<const ModelFile>(ModelFile::open(std::move(sources))), record_);
  }

  void round() {
    std::vector<int32_t> ids(static_cast<size_t>(tokens_));
    for (int32_t& id : ids) id = static_cast<int32_t>(random_() % static_cast<uint64_t>(model_->config.vocab));
    const std::vector<int32_t> prompt(ids.begin(), ids.end() - kAnswer);
    const std::span<const int32_t> answer(ids.end() - kAnswer, ids.end());
    for (const char* how : {"memory", "cached", "cold"}) {
      if (how == std::string_view("cached")) model_->weights.per_layer_rows.read(ids, *ops_);
      if (how == std::string_view("cold")) forget_pages();
      const Model& model = how == std::string_view("memory") ? held_ : *model_;
      SingleSequence sequence(model, *ops_, {});
      note("prompt", how, [&] { sequence.feed(prompt_of(prompt)); });
      note("token", how, [&] {
        for (const int32_t& id : answer) {
          sequence.feed(batch_rows({&id, 1}, static_cast<int32_t>(prompt.size() + (&id - answer.data()))));
        }
      });
    }
  }

  void print() const {
    for (const char* what : {"prompt", "token"}) {
      for (const char* how : {"memory", "cached", "cold"}) {
        std::vector<double> ratios;
        const auto& with = seconds_.at({what, how});
        const auto& without = seconds_.at({what, "memory"});
        for (size_t i = 0; i < with.size(); ++i) ratios.push_back(with[i] / without[i]);
        const double per = std::string_view(what) == "token" ? kAnswer : 1;
        fmt::print("{:6} {:6} {:9.2f} ms   beside memory: median {:.3f}, {:.3f} to {:.3f}\n", what, how,
                   median(with) / per * 1e3, median(ratios), *std::ranges::min_element(ratios),
                   *std::ranges::max_element(ratios));
      }
    }
  }

 private:
  static constexpr int kAnswer = 16;

  static Batch prompt_of(const std::vector<int32_t>& ids) {
    Batch batch = batch_rows(ids);
    batch.wanted = {static_cast<int32_t>(ids.size()) - 1};
    return batch;
  }

  static double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
  }

  /** No page of the table is in memory any more. */
  void forget_pages() const {
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::posix_fadvise(fd, record_.offset, record_.bytes, POSIX_FADV_DONTNEED) != 0) {
      fail(path_, "cannot make the table cold");
    }
    ::close(fd);
  }

  template <class Work>
  void note(const char* what, const char* how, const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    seconds_[{what, how}].push_back(time.count());
  }

  std::string path_;
  int tokens_;
  ThreadPool pool_;
  std::unique_ptr<Ops> ops_;
  std::shared_ptr<const Model> model_;
  TensorRecord record_;
  Model held_;
  std::mt19937_64 random_{1};
  std::map<std::pair<std::string, std::string>, std::vector<double>> seconds_;
};

}  // namespace
}  // namespace gemma

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: rows_bench MODEL.gguf [tokens] [rounds]\n");
    return 2;
  }
  const int tokens = argc > 2 ? std::atoi(argv[2]) : 528, rounds = argc > 3 ? std::atoi(argv[3]) : 7;
  try {
    gemma::RowsBench bench(argv[1], tokens);
    for (int i = 0; i < rounds; ++i) bench.round();
    bench.print();
  } catch (const gemma::Error& error) {
    fmt::print(stderr, "rows_bench: {}\n", error.what());
    return 1;
  }
}
