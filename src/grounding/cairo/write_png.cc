// SPDX-License-Identifier: Apache-2.0
// Drawing by cairo, letters by Pango, which finds a font for each and joins and turns them as their script does; the
// only file that includes them.
#include <pango/pangocairo.h>

#include <algorithm>
#include <memory>
#include <numbers>
#include <string_view>

#include "base/file.h"
#include "base/utf8.h"
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

struct Unref {
  void operator()(PangoLayout* layout) const { g_object_unref(layout); }
  void operator()(PangoFontDescription* font) const { pango_font_description_free(font); }
};
using Layout = std::unique_ptr<PangoLayout, Unref>;
using Font = std::unique_ptr<PangoFontDescription, Unref>;

/** The letters of a line that are drawn as boxes, each once. */
void add_unknown(std::string& letters, PangoLayoutLine* line, std::string_view text) {
  for (const GSList* item = line->runs; item != nullptr; item = item->next) {
    const auto* run = static_cast<const PangoGlyphItem*>(item->data);
    for (int i = 0; i < run->glyphs->num_glyphs; ++i) {
      if ((run->glyphs->glyphs[i].glyph & PANGO_GLYPH_UNKNOWN_FLAG) == 0) continue;
      const auto at = static_cast<size_t>(run->item->offset + run->glyphs->log_clusters[i]);
      const std::string_view rest = text.substr(std::min(at, text.size()));
      const std::string_view letter = rest.substr(0, static_cast<size_t>(std::max(utf8::length(rest), 1)));
      if (letters.find(letter) == std::string::npos) letters += letter;
    }
  }
}

/** Draws the label; `unknown` gets its letters that no font has. */
void draw_label(cairo_t* pen, const DrawnPlace& each, double font_height, std::string& unknown) {
  if (each.text.empty()) return;
  set_colour(pen, each.colour);
  cairo_rectangle(pen, each.label.left, each.label.top, each.label.width, each.label.height);
  cairo_fill(pen);
  set_colour(pen, each.ink);
  const Font font(pango_font_description_from_string("sans-serif"));
  pango_font_description_set_absolute_size(font.get(), font_height * PANGO_SCALE);
  const Layout layout(pango_cairo_create_layout(pen));
  pango_layout_set_font_description(layout.get(), font.get());
  pango_layout_set_single_paragraph_mode(layout.get(), TRUE);
  pango_layout_set_text(layout.get(), each.text.c_str(), -1);
  PangoLayoutLine* line = pango_layout_get_line_readonly(layout.get(), 0);
  PangoRectangle extents;
  pango_layout_line_get_extents(line, nullptr, &extents);
  add_unknown(unknown, line, each.text);
  const double padding = font_height / 4, room = each.label.width - 2 * padding;
  const double width = static_cast<double>(extents.width) / PANGO_SCALE;
  cairo_save(pen);
  cairo_translate(pen, each.label.left + padding, each.label.top + font_height * 1.05);
  cairo_scale(pen, width > room ? room / width : 1, 1);
  cairo_move_to(pen, 0, 0);
  pango_cairo_show_layout_line(pen, line);
  cairo_restore(pen);
}

cairo_status_t append(void* png, const unsigned char* bytes, unsigned count) {
  static_cast<std::string*>(png)->append(reinterpret_cast<const char*>(bytes), count);
  return CAIRO_STATUS_SUCCESS;
}

}  // namespace

bool has_cairo() { return true; }

std::string write_png(const std::string& path, const media::Pixels& pixels, const Drawing& drawing) {
  GEMMA_CHECK(pixels.width == drawing.width && pixels.height == drawing.height, "a drawing has its picture's size");
  const Surface surface = surface_of(path, pixels);
  const Pen pen(cairo_create(surface.get()));
  for (const DrawnPlace& each : drawing.places) draw_shape(pen.get(), each, drawing.line);
  std::string unknown;
  for (const DrawnPlace& each : drawing.places) draw_label(pen.get(), each, drawing.font, unknown);
  if (cairo_status(pen.get()) != CAIRO_STATUS_SUCCESS)
    fail(path, "{}", cairo_status_to_string(cairo_status(pen.get())));
  std::string png;
  const cairo_status_t written = cairo_surface_write_to_png_stream(surface.get(), append, &png);
  if (written != CAIRO_STATUS_SUCCESS) fail(path, "cannot write: {}", cairo_status_to_string(written));
  AtomicFile file(path);
  file.write(std::string_view(png));
  file.commit();
  return unknown;
}

}  // namespace gemma::grounding
