// SPDX-License-Identifier: Apache-2.0
#include "gemma4/info_report.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/memory.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

std::string_view name_of(FileFormat format) { return format == FileFormat::gguf ? "gguf" : "safetensors"; }
std::string_view kind_of(const LayerConfig& layer) { return layer.global ? "global" : "sliding"; }

/** "268 M", "4.65 B": as parameters are spoken of. */
std::string spoken(int64_t n) {
  constexpr std::array<const char*, 4> kUnits{"", " k", " M", " B"};
  double value = static_cast<double>(n);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f}{}", value, unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, kUnits[unit]);
}

std::string plural(int64_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

int64_t tensor_bytes(const InfoReport& report) {
  int64_t bytes = 0;
  for (const TypeCount& t : report.types) bytes += t.bytes;
  return bytes;
}

// ---- JSON ----

json::value layer_json(const LayerKind& kind) {
  const LayerConfig& l = kind.layer;
  json::object out{
      {"count", kind.count},    {"kind", kind_of(l)},     {"window", l.window},       {"heads", l.heads},
      {"kv_heads", l.kv_heads}, {"head_dim", l.head_dim}, {"mlp_width", l.mlp_width}, {"kv_shared", kind.shares_kv},
      {"k_is_v", l.k_is_v},     {"moe", nullptr}};
  if (l.moe) out["moe"] = {{"experts", l.moe->experts}, {"top_k", l.moe->top_k}, {"width", l.moe->width}};
  return out;
}

void add_model_json(const InfoReport& report, json::object& out) {
  const Config& c = *report.config;
  out["architecture"] = c.architecture;
  out["drafter"] = report.drafter;
  out["width"] = c.dim;
  out["vocabulary"] = c.vocab;
  out["context"] = c.context;
  out["per_layer_dim"] = c.per_layer_dim;
  const auto count = [&](auto test) {
    int n = 0;
    for (const LayerKind& kind : report.layers) n += test(kind) ? kind.count : 0;
    return n;
  };
  json::array kinds;
  for (const LayerKind& kind : report.layers) kinds.push_back(layer_json(kind));
  out["layers"] = {{"count", c.layers.size()},
                   {"sliding", count([](const LayerKind& k) { return !k.layer.global; })},
                   {"global", count([](const LayerKind& k) { return k.layer.global; })},
                   {"kv_shared", count([](const LayerKind& k) { return k.shares_kv; })},
                   {"moe", count([](const LayerKind& k) { return k.layer.moe.has_value(); })},
                   {"kinds", std::move(kinds)}};
}

json::value verify_json(const InfoReport& report) {
  json::array bad;
  for (const BadValues& b : *report.verified) {
    bad.push_back({{"tensor", b.tensor},
                   {"type", info(b.dtype).name},
                   {"nan", b.nan},
                   {"infinite", b.infinite},
                   {"blocks", b.blocks},
                   {"first", b.first}});
  }
  return {{"bytes", tensor_bytes(report)}, {"bad", std::move(bad)}};
}

// ---- text ----

/** Columns as wide as their widest cell; numbers to the right. */
class Table {
 public:
  explicit Table(std::vector<bool> right) : right_(std::move(right)), widths_(right_.size(), 0) {}

  void row(std::vector<std::string> cells) {
    for (size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], display_width(cells[i]));
    rows_.push_back(std::move(cells));
  }

  std::string str() const {
    std::string out;
    for (const std::vector<std::string>& cells : rows_) {
      std::string line = "   ";
      for (size_t i = 0; i < cells.size(); ++i) {
        const std::string pad(static_cast<size_t>(widths_[i] - display_width(cells[i])), ' ');
        line += right_[i] ? " " + pad + cells[i] + " " : " " + cells[i] + pad + " ";
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }

 private:
  std::vector<bool> right_;
  std::vector<int> widths_;
  std::vector<std::vector<std::string>> rows_;
};

std::string line(std::string_view label, std::string_view text) { return fmt::format("  {:<14}{}\n", label, text); }

/** A file's own words: they must not speak to the terminal. */
std::string printable(std::string text) {
  std::replace_if(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text;
}

std::string parameters_text(const InfoReport& report) {
  const Parameters& p = report.parameters;
  std::string text = spoken(p.total);
  if (p.per_layer_embedding > 0)
    text += fmt::format(", {} of them per-layer embeddings", spoken(p.per_layer_embedding));
  if (p.idle_experts > 0)
    text += fmt::format(", {} used for a token", spoken(p.total - p.idle_experts - p.other_parts));
  if (p.other_parts > 0) text += fmt::format(", {} for pictures and sound", spoken(p.other_parts));
  return text;
}

std::string layers_text(const InfoReport& report) {
  Table table({true, false, false, false, false, false});
  for (const LayerKind& kind : report.layers) {
    const LayerConfig& l = kind.layer;
    std::string notes;
    if (l.moe) notes += fmt::format("{} experts of {}, {} used", l.moe->experts, l.moe->width, l.moe->top_k);
    if (l.k_is_v) notes += fmt::format("{}K = V", notes.empty() ? "" : ", ");
    if (kind.shares_kv)
      notes += fmt::format("{}{}", notes.empty() ? "" : ", ",
                           report.drafter ? "reads the target's K and V" : "reads K and V of an earlier layer");
    table.row({fmt::format("{}", kind.count), std::string(kind_of(l)),
               l.window > 0 ? fmt::format("window {}", l.window) : "",
               fmt::format("{} heads of {}, {} K/V", l.heads, l.head_dim, l.kv_heads),
               fmt::format("MLP {}", l.mlp_width), notes});
  }
  return table.str();
}

std::string model_text(const InfoReport& report) {
  const Config& c = *report.config;
  std::string out = line("Model", c.architecture + (report.drafter ? " (a drafter)" : "") +
                                      (report.name.empty() ? "" : ", \"" + printable(report.name) + "\""));
  out += line("Parameters", parameters_text(report));
  out += line("Sizes", fmt::format("width {}, vocabulary {}, context {}{}", c.dim, c.vocab, c.context,
                                   c.per_layer_dim > 0 ? fmt::format(", {} per layer", c.per_layer_dim) : ""));
  out += line("Layers", fmt::format("{}", c.layers.size())) + layers_text(report);
  out += line("Tokenizer", report.tokenizer ? fmt::format("{}, {} pieces", printable(report.tokenizer->kind),
                                                          report.tokenizer->pieces)
                                            : "none in the file or its folder");
  if (report.chat) {
    const ChatFormat::Choice& chat = *report.chat;
    const std::string_view which = gemma::name_of(chat.which);
    out += line("Chat template", !chat.present     ? std::string("none")
                                 : chat.recognised ? fmt::format("{} (recognised)", which)
                                                   : fmt::format("not one that is known; {} is used", which));
  }
  return out;
}

/** Keys and values for each context, a column a type. */
std::string caches_text(const std::vector<MemoryNeed>& needs) {
  std::vector<bool> right(1 + needs.size(), true);
  right.front() = false;
  Table table(std::move(right));
  std::vector<std::string> head{"--kv"};
  for (const MemoryNeed& need : needs) head.push_back(fmt::format("{} tokens", need.context));
  table.row(head);
  for (size_t i = 0; i < needs.front().caches.size(); ++i) {
    std::vector<std::string> row{std::string(gemma::name_of(needs.front().caches[i].first))};
    for (const MemoryNeed& need : needs) row.push_back(format_bytes(need.caches[i].second));
    table.row(row);
  }
  return line("Keys, values", "by what they are kept as (bf16 where nobody says)") + table.str();
}

std::string memory_text(const InfoReport& report) {
  if (report.memory.empty()) return "";
  const std::string weights = "weights " + format_bytes(report.memory.front().weights);
  if (report.drafter) return line("Memory", weights + ", and no keys and values of its own");
  std::string out = line("Memory", fmt::format("{}, a step {}, and keys and values of one conversation", weights,
                                               format_bytes(report.memory.front().step)));
  Table table({true, false, true, false, true, false});
  for (const MemoryNeed& need : report.memory) {
    table.row({fmt::format("{}", need.context), "tokens", "+ " + format_bytes(need.cache), "=",
               format_bytes(need.total()), need.total() > report.available ? "more than is available" : ""});
  }
  return out + table.str() + line("", fmt::format("{} are available now", format_bytes(report.available))) +
         caches_text(report.memory);
}

std::string verify_text(const InfoReport& report) {
  if (!report.verified) return "";
  const auto& bad = *report.verified;
  if (bad.empty())
    return line("Verified", fmt::format("all {} read, every number is finite", format_bytes(tensor_bytes(report))));
  std::string out = line("Verified", fmt::format("{} with numbers that are NaN or infinite",
                                                 plural(static_cast<int64_t>(bad.size()), "tensor", "tensors")));
  Table table({false, false, false, false});
  for (const BadValues& b : bad) {
    const std::string what = b.blocks > 0 ? plural(b.blocks, "block with a bad scale", "blocks with a bad scale")
                                          : fmt::format("{} NaN, {} infinite", b.nan, b.infinite);
    table.row({printable(b.tensor), std::string(info(b.dtype).name), what, fmt::format("first at value {}", b.first)});
  }
  return out + table.str();
}

}  // namespace

json::value to_json(const InfoReport& report) {
  json::object out{{"path", report.file->name()},
                   {"format", name_of(report.file->format())},
                   {"files", report.file->sources()},
                   {"bytes", report.file->total_bytes()},
                   {"name", report.name.empty() ? json::value(nullptr) : json::value(report.name)}};
  if (report.config) add_model_json(report, out);
  const Parameters& p = report.parameters;
  out["parameters"] = {{"total", p.total},
                       {"per_layer_embedding", p.per_layer_embedding},
                       {"idle_experts", p.idle_experts},
                       {"other_parts", p.other_parts}};
  json::array types;
  for (const TypeCount& t : report.types) {
    types.push_back({{"type", info(t.dtype).name}, {"tensors", t.tensors}, {"values", t.values}, {"bytes", t.bytes}});
  }
  out["tensors"] = {{"count", report.file->tensors().size()}, {"bytes", tensor_bytes(report)}, {"by_type", types}};
  out["tokenizer"] = report.tokenizer
                         ? json::value{{"kind", report.tokenizer->kind}, {"pieces", report.tokenizer->pieces}}
                         : json::value(nullptr);
  out["chat_template"] = report.chat ? json::value{{"present", report.chat->present},
                                                   {"recognised", report.chat->recognised},
                                                   {"name", gemma::name_of(report.chat->which)}}
                                     : json::value(nullptr);
  if (!report.memory.empty()) {
    const MemoryNeed& need = report.memory.back();
    out["memory"] = {{"context", need.context}, {"weights", need.weights}, {"cache", need.cache},
                     {"step", need.step},       {"total", need.total()},   {"available", report.available}};
    if (!report.drafter) {
      json::object caches;
      for (const auto& [type, bytes] : need.caches) caches[gemma::name_of(type)] = bytes;
      out["memory"].as_object()["caches"] = std::move(caches);
    }
  }
  if (report.verified) out["verify"] = verify_json(report);
  return out;
}

std::string to_text(const InfoReport& report) {
  const ModelFile& file = *report.file;
  std::string out = bold(file.name(), STDOUT_FILENO) + "\n";
  out += line("Format", fmt::format("{}, {}, {}", file.format() == FileFormat::gguf ? "GGUF" : "safetensors",
                                    plural(file.sources(), "file", "files"), format_bytes(file.total_bytes())));
  if (report.config) out += model_text(report);
  out += line("Tensors", fmt::format("{}, {}", file.tensors().size(), format_bytes(tensor_bytes(report))));
  Table table({false, true, false, true, false, true});
  for (const TypeCount& t : report.types) {
    table.row({std::string(info(t.dtype).name), fmt::format("{}", t.tensors), t.tensors == 1 ? "tensor" : "tensors",
               spoken(t.values), "values", format_bytes(t.bytes)});
  }
  return out + table.str() + memory_text(report) + verify_text(report);
}

}  // namespace gemma::app
