// SPDX-License-Identifier: Apache-2.0
// Stands in for heif/ where the program is built without libheif.
#include "base/error.h"
#include "media/decoders.h"

namespace gemma::media {

bool has_heif() { return false; }

RawImage decode_heif(const ImageFile& file) {
  fail(file.name,
       "an AVIF or HEIC picture: this program was built without libheif (Debian: libheif-dev, README.md); save it as "
       "PNG or JPEG");
}

}  // namespace gemma::media
