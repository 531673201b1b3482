// SPDX-License-Identifier: Apache-2.0
// Answers with boxes and points: what is read is in range and in order, and can be written down in every way.
// Links: grounding
#include "fuzz/fuzz.h"
#include "grounding/drawing.h"
#include "grounding/report.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    const auto findings = gemma::grounding::read_findings(gemma::fuzz::text(data, size));
    if (!findings) return;
    for (const gemma::grounding::Finding& each : findings.value().found) {
      const bool right = each.top >= 0 && each.left >= 0 && each.bottom <= gemma::grounding::kScale &&
                         each.right <= gemma::grounding::kScale && each.top <= each.bottom && each.left <= each.right;
      if (!right || each.label.empty()) __builtin_trap();
    }
    const int tag = 1 + static_cast<int>(size % 8), width = 1 + static_cast<int>(size % 700), height = 300;
    gemma::grounding::Sighting sighting{
        "f", gemma::grounding::frame_of(gemma::grounding::Frame::Kind::stored, width, height, tag), {}, {}};
    sighting.found = findings.value().found;
    sighting.places = gemma::grounding::places_in(sighting.frame, sighting.found, tag);
    gemma::grounding::table(sighting.places);
    if (!gemma::parse_json(gemma::write_json(gemma::grounding::to_json(sighting)))) __builtin_trap();
    if (!gemma::parse_json(gemma::write_json(gemma::grounding::coco({sighting})))) __builtin_trap();
    const auto upright = gemma::grounding::places_in(
        gemma::grounding::frame_of(gemma::grounding::Frame::Kind::upright, width, height, 1), sighting.found, 1);
    gemma::grounding::svg(gemma::grounding::arrange(upright, width, height), {"image/png", "x"});
  });
}
