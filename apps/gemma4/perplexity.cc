// SPDX-License-Identifier: Apache-2.0
// gemma4 perplexity MODEL TEXT: how well a model predicts a text, and how far its predictions are from another's.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
#include "eval/measure.h"
#include "gemma4/cache_types.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/local_model.h"
#include "gemma4/machine.h"
#include "gemma4/perplexity_report.h"
#include "gemma4/progress.h"
#include "gemma4/terminal.h"
#include "text/tokenizer.h"

namespace gemma::app {
namespace {

constexpr const char* kAbout = R"(
The text is cut into windows of --context tokens. Each is read by itself, and counts from row --skip on: by default its
second half, as llama.cpp's perplexity does it. A --stride below the context makes windows overlap (a token counts once,
where it comes first), one above it samples a long text.

A reference is another model (--kl-against), the same one with other settings (--reference-dtype, --reference-kv), or
what --save-logits kept of a model that ran before (--against-logits). Printed are then both perplexities, KL(reference
|| model) of each token's prediction, how often both like the same token best, and the change of the probability of the
token that came. A file keeps the best 1024 logits of each row: the others count as one, so that KL is a lower bound,
by little.

--dtype f32 computes with f32 activations on the weights' exact values; model as `run` does it. Each side has settings
of its own: one that is not given has its default, whatever the other side's is.

Examples:
  gemma4 perplexity model.gguf letters.txt
  gemma4 perplexity model-q4_0.gguf letters.txt --kl-against model-bf16.gguf --reference-dtype f32
  gemma4 perplexity model.gguf letters.txt --reference-dtype f32         what 8-bit activations cost
  gemma4 perplexity model.gguf letters.txt --kv bf16 --reference-kv f32
  gemma4 perplexity large.gguf letters.txt --save-logits large.logits
  gemma4 perplexity small.gguf letters.txt --against-logits large.logits --json
  man bash | gemma4 perplexity model.gguf - --stride 256 --skip 255      every token after 255 others)";

constexpr int64_t kTextLimit = int64_t{1} << 30;  // the tokenizer's

/** A model and how it runs; "" stands for the default. */
struct SideOptions {
  std::string model, dtype, kv;
};

struct PerplexityOptions {
  SideOptions model, reference;
  std::string text, save, against;
  int context = 512, skip = -1, stride = 0, batch = 512;
  MachineOptions machine;
  int64_t max_tokens = 0;
  bool json = false;
};

struct OpenSide {
  std::shared_ptr<const ModelFile> file;
  Config config;
  std::shared_ptr<const Model> model;  // last of all, when it is known what memory the rest takes
  KvOptions kv;
  MeasuredSide name;
};

class Perplexity {
 public:
  explicit Perplexity(const PerplexityOptions& options)
      : options_(options), pool_(options.machine.threads), ops_(make_cpu_ops(pool_)) {}

  void run() {
    if (!options_.against.empty()) against_ = std::make_unique<LogitsReader>(file_source(options_.against));
    const WindowOptions windows = window_options();
    std::string text = read_text();
    open_sides();
    report_.text = options_.text, report_.text_bytes = static_cast<int64_t>(text.size());
    plan_text(std::move(text), windows);
    if (against_) check_against();
    load_models();
    run_plan();
  }

 private:
  WindowOptions window_options() const {
    const int context = options_.context;
    const WindowOptions windows{context, options_.skip >= 0 ? options_.skip : context / 2,
                                options_.stride > 0 ? options_.stride : context};
    if (const auto fault = fault_in(windows)) fail_usage("--" + fault->field, "{}", fault->reason);
    if (against_ && !(against_->plan().options == windows)) {
      const WindowOptions& w = against_->plan().options;
      fail_usage("--against-logits", "{} was written with --context {} --skip {} --stride {}, found {}, {}, {}",
                 against_->name(), w.context, w.skip, w.stride, windows.context, windows.skip, windows.stride);
    }
    return windows;
  }

  std::string read_text() const {
    if (options_.text != "-") return read_file(options_.text, kTextLimit);
    std::string text(std::istreambuf_iterator<char>(std::cin), {});
    if (std::cin.bad()) fail("standard input", "cannot read");
    if (std::ssize(text) > kTextLimit) fail("standard input", "expected at most {} bytes of text", kTextLimit);
    return text;
  }

  void open_sides() {
    sides_.push_back(open(options_.model));
    SideOptions reference = options_.reference;
    if (!reference.model.empty() || !reference.dtype.empty() || !reference.kv.empty()) {
      if (reference.model.empty()) reference.model = options_.model.model;
      sides_.push_back(open(reference));
      check_vocabulary(sides_[1]);
      report_.reference = sides_[1].name;
    }
    if (against_) report_.reference = MeasuredSide{against_->name(), "", ""}, report_.kept = against_->kept();
    report_.side = sides_[0].name;
  }

  OpenSide open(const SideOptions& side) const {
    const bool widen = side.dtype == "f32";
    OpenSide out;
    out.name = {side.model, widen ? "f32" : "model", !side.kv.empty() ? side.kv : widen ? "f32" : "bf16"};
    out.kv.types = cache_types("--kv", out.name.kv);
    out.kv.remembered = 0;
    for (const OpenSide& other : sides_) {
      if (other.name.model == out.name.model) out.file = other.file;
    }
    if (out.file == nullptr)
      out.file = std::make_shared<const ModelFile>(ModelFile::open(local_model(side.model).path));
    out.config = Config::from(*out.file);
    return out;
  }

  int64_t bytes_beside_weights() const {
    int64_t sum = 0;
    for (const OpenSide& side : sides_) sum += bytes_of_side(plan_.options, side.config, side.kv, options_.batch);
    return sum;
  }

  void load_models() {
    const OpenSide &side = sides_.front(), &other = sides_.back();
    const bool one = side.file == other.file && side.name.dtype == other.name.dtype;
    int64_t leave = bytes_beside_weights();
    if (!one) leave += std::max<int64_t>(0, available_memory() - leave) / 2;  // half for the other's weights
    sides_.front().model = load(side, leave);
    if (sides_.size() > 1) sides_.back().model = one ? side.model : load(other, bytes_beside_weights());
  }

  std::shared_ptr<const Model> load(const OpenSide& side, int64_t leave) const {
    WeightOptions weights = weight_options(options_.machine, leave);
    weights.widen = side.name.dtype == "f32";
    return Model::load(side.file, side.config, *ops_, weights);
  }

  void check_vocabulary(const OpenSide& other) const {
    const int expected = sides_[0].config.vocab, found = other.config.vocab;
    if (expected != found) {
      fail(other.name.model, "vocabulary: expected {} ids as in {}, found {}", expected, sides_[0].name.model, found);
    }
  }

  void plan_text(std::string text, const WindowOptions& windows) {
    const Config& config = sides_[0].config;
    for (const OpenSide& side : sides_) {
      const int most = side.config.context;
      if (most > 0 && windows.context > most) {
        fail("--context", "expected at most {}, the context of {}, found {}", most, side.name.model, windows.context);
      }
    }
    const auto tokenizer = Tokenizer::from(*sides_[0].file);
    std::vector<int32_t> ids = tokenizer->encode(text);
    std::optional<int32_t> bos;
    if (tokenizer->add_bos()) bos = config.special.bos, ids.insert(ids.begin(), *bos);
    if (options_.max_tokens > 0 && std::ssize(ids) > options_.max_tokens) {
      ids.resize(static_cast<size_t>(options_.max_tokens));
    }
    check_ids(*tokenizer, ids);
    for (const int32_t id : ids) token_bytes_.push_back(static_cast<int32_t>(tokenizer->bytes(id).size()));
    plan_ = plan_windows(options_.text == "-" ? "standard input" : options_.text, std::move(ids), bos, windows);
    report_.plan = &plan_;
  }

  /** Ids must mean something to the model, and the same to its reference. */
  void check_ids(const Tokenizer& tokenizer, std::span<const int32_t> ids) const {
    const std::set<int32_t> used(ids.begin(), ids.end());
    const int vocab = sides_[0].config.vocab;
    if (!used.empty() && *used.rbegin() >= vocab) {
      fail(sides_[0].name.model, "the tokenizer gives id {}, the model has {} ids", *used.rbegin(), vocab);
    }
    if (sides_.size() < 2 || sides_[1].file == sides_[0].file) return;
    const auto other = Tokenizer::from(*sides_[1].file);
    for (const int32_t id : used) {
      if (id < other->size() && other->piece(id) == tokenizer.piece(id)) continue;
      fail(sides_[1].name.model, "another tokenizer than that of {}: expected '{}' as id {}, found '{}'",
           sides_[0].name.model, tokenizer.piece(id), id, id < other->size() ? other->piece(id) : "");
    }
  }

  void check_against() const {
    const std::string& where = against_->name();
    if (against_->vocab() != sides_[0].config.vocab) {
      fail(where, "vocabulary: expected {} ids as in {}, found {}", sides_[0].config.vocab, sides_[0].name.model,
           against_->vocab());
    }
    const std::vector<int32_t>&ours = plan_.tokens, &theirs = against_->plan().tokens;
    if (ours != theirs || plan_.bos != against_->plan().bos) {
      const auto n = std::mismatch(ours.begin(), ours.end(), theirs.begin(), theirs.end()).first - ours.begin();
      fail(where, "is about another text: expected {} tokens, found {}, not the same from the token {} on", ours.size(),
           theirs.size(), n);
    }
  }

  void run_plan() {
    std::vector<Side> sides;
    for (const OpenSide& side : sides_) sides.push_back({side.model.get(), side.kv});
    require_memory(options_.model.model, "keys, values and activations", bytes_beside_weights());
    std::unique_ptr<LogitsWriter> save;
    if (!options_.save.empty()) {
      save = std::make_unique<LogitsWriter>(options_.save, plan_, sides_[0].config.vocab);
    }
    const InterruptGuard interrupt;
    const auto start = Clock::now();
    Progress progress("measuring", std::ssize(plan_.windows) * plan_.options.context, Progress::Unit::items);
    MeasureOptions how;
    how.batch = options_.batch, how.reference = against_.get(), how.save = save.get();
    how.go_on = [&](int64_t tokens) {
      progress.add(tokens);
      return !InterruptGuard::interrupted();
    };
    report_.measured = measure(plan_, token_bytes_, sides, *ops_, pool_, how);
    progress.finish();
    report_.seconds = seconds_since(start);
    if (save && report_.measured.whole) save->finish();
    print();
  }

  void print() const {
    const Measured& m = report_.measured;
    if (m.whole || m.summary.nll.count() > 0) {
      const std::string out = options_.json ? write_json(report_.for_programs(), 2) + "\n" : report_.for_people();
      if (std::fwrite(out.data(), 1, out.size(), stdout) != out.size() || std::fflush(stdout) != 0) {
        fail("standard output", "cannot write (disk full, or nobody reads)");
      }
    }
    if (m.whole) return;
    fmt::print(stderr, "gemma4: interrupted after {} of {} tokens that count{}\n", m.summary.nll.count(), plan_.rows(),
               options_.save.empty() ? "" : "; " + options_.save + " was not written");
    set_exit_status(kInterrupted);
  }

  const PerplexityOptions& options_;
  ThreadPool pool_;
  std::unique_ptr<Ops> ops_;
  std::unique_ptr<LogitsReader> against_;
  std::vector<OpenSide> sides_;
  WindowPlan plan_;
  std::vector<int32_t> token_bytes_;
  PerplexityReport report_;
};

/** Weights and cache of one side; `prefix`: "" or "reference-". */
void add_side(CLI::App* command, SideOptions& side, const std::string& prefix, const std::string& whose) {
  command->add_option("--" + prefix + "dtype", side.dtype, whose + "numbers: model (the default), or f32 throughout")
      ->check(CLI::IsMember({"model", "f32"}));
  command->add_option("--" + prefix + "kv", side.kv,
                      whose + "cache: f32, bf16 (the default; with dtype f32, f32), kv8, tq4 ... as in docs/cache.md");
}

void add_windows(CLI::App* command, PerplexityOptions& o) {
  command->add_option("-c,--context", o.context, "Tokens of a window")->check(whole(2, 1 << 24))->capture_default_str();
  command->add_option("--skip", o.skip, "Rows of each window that do not count (half the context)")
      ->check(whole(0, 1 << 24));
  command->add_option("--stride", o.stride, "Tokens from one window to the next (the context)")
      ->check(whole(1, 1 << 24));
  command->add_option("--max-tokens", o.max_tokens, "Read only so many tokens of the text")
      ->check(whole(1, std::numeric_limits<int64_t>::max()));
  command->add_option("--batch", o.batch, "Tokens of one pass: parts of a window, or several windows")
      ->check(whole(1, 1 << 20))
      ->capture_default_str();
}

}  // namespace

void add_perplexity(CLI::App& app) {
  auto options = std::make_shared<PerplexityOptions>();
  PerplexityOptions& o = *options;
  CLI::App* command = app.add_subcommand("perplexity", "How well a model predicts a text; how far from another's");
  command->add_option("MODEL", o.model.model, "A GGUF file, a safetensors file or a Hugging Face folder")
      ->required()
      ->check(not_empty());
  command->add_option("TEXT", o.text, "A file of text; -: standard input")->required()->check(not_empty());
  add_windows(command, o);
  add_side(command, o.model, "", "");
  CLI::Option* reference =
      command->add_option("--kl-against,--reference", o.reference.model, "Compare with this model's predictions");
  add_side(command, o.reference, "reference-", "The reference's ");
  command->add_option("--save-logits", o.save, "Keep the best logits of MODEL in this file");
  CLI::Option* against =
      command->add_option("--against-logits", o.against, "Compare with what --save-logits kept of another model");
  against->excludes(reference);
  against->excludes(command->get_option("--reference-dtype"));
  against->excludes(command->get_option("--reference-kv"));
  add_machine_options(*command, o.machine);
  command->add_flag("--json", o.json, "Print a JSON object");
  command->footer(kAbout);
  command->callback([options] {
    take_machine_options(options->machine);
    Perplexity(*options).run();
  });
}

}  // namespace gemma::app
