// SPDX-License-Identifier: MIT
#include "sheet/qr_code.hh"

#include <qrencode.h>

#include <memory>

#include "base/error.hh"

namespace tmb::sheet {

namespace {

constexpr std::size_t margin = 4;  // that the standard wants around it

struct FreeCode {
  void operator()(QRcode* code) const { QRcode_free(code); }
};

}  // namespace

QrCode make_qr_code(const base::Secret& text) {
  const std::unique_ptr<QRcode, FreeCode> code(
      QRcode_encodeString(text.reveal().c_str(), 0, QR_ECLEVEL_M, QR_MODE_8, 1));
  if (!code) throw base::Error(base::ExitCode::internal, "libqrencode could not make a QR code");
  QrCode out;
  out.width = static_cast<std::size_t>(code->width);
  for (std::size_t i = 0; i < out.width * out.width; ++i) out.dark.push_back((code->data[i] & 1U) != 0);
  return out;
}

std::string to_svg(const QrCode& code) {
  const std::string side = std::to_string(code.width + 2 * margin);
  std::string out =
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 )" + side + " " + side +
      R"(" shape-rendering="crispEdges"><rect width="100%" height="100%" fill="#fff"/><path d=")";
  for (std::size_t row = 0; row < code.width; ++row) {
    for (std::size_t column = 0; column < code.width; ++column) {
      if (!code.at(row, column)) continue;
      std::size_t end = column + 1;
      while (end < code.width && code.at(row, end)) ++end;
      const std::string length = std::to_string(end - column);
      out.append("M").append(std::to_string(column + margin)).append(" ");
      out.append(std::to_string(row + margin)).append("h").append(length);
      out.append("v1h-").append(length).append("z");
      column = end;
    }
  }
  return out + "\"/></svg>\n";
}

std::string to_half_blocks(const QrCode& code) {
  const auto dark = [&](std::size_t row, std::size_t column) {
    const bool inside =
        row >= margin && column >= margin && row < margin + code.width && column < margin + code.width;
    return inside && code.at(row - margin, column - margin);
  };
  std::string out;
  // Light squares are drawn: most terminals are dark, and readers want dark on light.
  for (std::size_t row = 0; row < code.width + 2 * margin; row += 2) {
    for (std::size_t column = 0; column < code.width + 2 * margin; ++column) {
      const bool upper = !dark(row, column);
      const bool lower = !dark(row + 1, column);
      out += upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
    }
    out += "\n";
  }
  return out;
}

}  // namespace tmb::sheet
