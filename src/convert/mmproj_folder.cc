// SPDX-License-Identifier: Apache-2.0
// Tensors of an mmproj file as a Hugging Face folder has them.
#include <cmath>
#include <utility>

#include "base/error.h"
#include "config/media_names.h"
#include "convert/mmproj.h"

namespace gemma {
namespace {

using Change = MediaTensor::Change;

double softplus_inverse(double y) { return y + std::log(-std::expm1(-y)); }

/** `x` with so many bits behind the point. */
double rounded(double x, int bits) {
  int exponent = 0;
  const double mantissa = std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(mantissa, bits)), exponent - bits);
}

/** A number whose softplus is `y`, to the last place or two of f32. There are many, for softplus is flat where it is
 *  small: one that bf16 holds, if there is one, since released weights are of that type, or f16; else the nearest. */
float number_before_softplus(float y) {
  constexpr int kBf16Bits = 8, kF16Bits = 11;
  const double slack = 2 * std::ldexp(double{y}, -24);
  const double low = softplus_inverse(y - slack), high = softplus_inverse(y + slack);
  if (low <= 0 && high >= 0) return 0;
  const double exact = softplus_inverse(y);
  for (const int bits : {kBf16Bits, kF16Bits}) {
    const double x = rounded(exact, bits);
    if (low <= x && x <= high) return static_cast<float>(x);
  }
  return static_cast<float>(exact);
}

std::vector<float> changed_back(std::vector<float> values, const MediaTensor& t, std::string_view where,
                                std::string_view name) {
  if (t.change == Change::softplus) {
    for (float& v : values) {
      if (!(v > 0) || !std::isfinite(v)) {
        fail(where, "tensor '{}': expected values of softplus, which are above 0, found {}", name, v);
      }
      v = number_before_softplus(v);
    }
    return values;
  }
  std::vector<float> moved(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    moved[static_cast<size_t>(t.place(static_cast<int64_t>(i)))] = values[i];
  }
  return moved;
}

OutputTensor output_of(const ModelFile& mmproj, const MediaTensor& t) {
  const std::string name = media_gguf_name(t.name).value();
  const TensorRecord* record = mmproj.find(name);
  if (record == nullptr) fail(mmproj.name(), "tensor '{}' is missing (expected {})", name, t.to.str());
  if (!(record->shape == t.to)) {
    fail(mmproj.name(), "tensor '{}': expected shape {}, found {}", name, t.to.str(), record->shape.str());
  }
  OutputTensor out;
  out.tensor = {"model." + t.name, DType::f32, t.from};
  out.from = {name, record->dtype, record->shape, {{record, 0, record->shape.rows()}}};
  if (t.change != Change::nothing) {
    out.values = changed_back(out.read(mmproj), t, mmproj.name(), name);
    out.from.pieces.clear();
  }
  out.from.shape = t.from;
  return out;
}

}  // namespace

std::vector<OutputTensor> folder_tensors(const ModelFile& mmproj, const MediaConfig& media, int64_t text_dim) {
  std::vector<OutputTensor> outputs;
  for (const MediaTensor& t : media_tensors(media, text_dim)) outputs.push_back(output_of(mmproj, t));
  return outputs;
}

}  // namespace gemma
