// SPDX-License-Identifier: Apache-2.0
// Drawing by cairo, which brings text with it; the only file that includes it.
#include <cairo/cairo.h>

#include <algorithm>
#include <memory>
#include <numbers>

#include "grounding/drawing.h"

namespace gemma::grounding {
namespace {

struct Destroy {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* pen) const { cairo_destroy(pen); }
};
using Surface = std::unique_ptr<cairo_surface_t, Destroy>;
using Pen = std::unique_ptr<cairo_t, Destroy>;

Surface surface_of(const std::string& path, const media::Pixels& pixels) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, pixels.width, pixels.height));
  if (cairo_surface_status(surface.get()) != CAIRO_STATUS_SUCCESS) {
    fail(path, "cannot draw on {} x {}: {}", pixels.width, pixels.height,
         cairo_status_to_string(cairo_surface_status(surface.get())));
  }
  cairo_surface_flush(surface.get());
  unsigned char* rows = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  const uint8_t* from = pixels.rgb.data();
  for (int y = 0; y < pixels.height; ++y) {
    auto* row = reinterpret_cast<uint32_t*>(rows + static_cast<ptrdiff_t>(y) * stride);
    for (int x = 0; x < pixels.width; ++x, from += 3) {
      row[x] = uint32_t{from[0]} << 16 | uint32_t{from[1]} << 8 | from[2];
    }
  }
  cairo_surface_mark_dirty(surface.get());
  return surface;
}

void set_colour(cairo_t* pen, const Colour& colour) {
  cairo_set_source_rgb(pen, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
}

void draw_shape(cairo_t* pen, const DrawnPlace& each, double line) {
  const Place& place = each.place;
  for (const bool edge : {true, false}) {
    if (place.point) {
      cairo_arc(pen, place.left, place.top, 2.5 * line, 0, 2 * std::numbers::pi);
    } else {
      cairo_rectangle(pen, place.left, place.top, place.right - place.left, place.bottom - place.top);
    }
    set_colour(pen, edge ? Colour{} : each.colour);
    cairo_set_line_width(pen, edge ? 2 * line : line);
    cairo_stroke(pen);
  }
}

void draw_label(cairo_t* pen, const DrawnPlace& each, double font) {
  if (each.text.empty()) return;
  set_colour(pen, each.colour);
  cairo_rectangle(pen, each.label.left, each.label.top, each.label.width, each.label.height);
  cairo_fill(pen);
  set_colour(pen, each.ink);
  cairo_text_extents_t extents;
  cairo_text_extents(pen, each.text.c_str(), &extents);
  const double padding = font / 4, room = each.label.width - 2 * padding;
  const double squeeze = extents.x_advance > room ? room / extents.x_advance : 1;
  cairo_save(pen);
  cairo_translate(pen, each.label.left + padding, each.label.top + font * 1.05);
  cairo_scale(pen, squeeze, 1);
  cairo_move_to(pen, 0, 0);
  cairo_show_text(pen, each.text.c_str());
  cairo_restore(pen);
}

}  // namespace

bool has_cairo() { return true; }

void write_png(const std::string& path, const media::Pixels& pixels, const Drawing& drawing) {
  GEMMA_CHECK(pixels.width == drawing.width && pixels.height == drawing.height, "a drawing has its picture's size");
  const Surface surface = surface_of(path, pixels);
  const Pen pen(cairo_create(surface.get()));
  cairo_select_font_face(pen.get(), "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(pen.get(), drawing.font);
  for (const DrawnPlace& each : drawing.places) draw_shape(pen.get(), each, drawing.line);
  for (const DrawnPlace& each : drawing.places) draw_label(pen.get(), each, drawing.font);
  if (cairo_status(pen.get()) != CAIRO_STATUS_SUCCESS)
    fail(path, "{}", cairo_status_to_string(cairo_status(pen.get())));
  const cairo_status_t written = cairo_surface_write_to_png(surface.get(), path.c_str());
  if (written != CAIRO_STATUS_SUCCESS) fail(path, "cannot write: {}", cairo_status_to_string(written));
}

}  // namespace gemma::grounding
