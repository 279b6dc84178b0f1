// SPDX-License-Identifier: MIT
// A text as a QR code: for a page (SVG) and for a terminal. The only user of libqrencode.
#pragma once

#include <string>
#include <vector>

#include "base/secret.hh"

namespace tmb::sheet {

// The dark squares, row by row, without the margin. They tell the text, so they are as secret as it is.
struct QrCode {
  std::size_t width = 0;
  std::vector<bool> dark;
  bool at(std::size_t row, std::size_t column) const { return dark[row * width + column]; }
};

// Throws internal for a text that is too long (about 2 kB).
QrCode make_qr_code(const base::Secret& text);

std::string to_svg(const QrCode& code);          // one <svg> element, sized by whoever holds it
std::string to_half_blocks(const QrCode& code);  // lines of UTF-8, two rows in one
}  // namespace tmb::sheet
