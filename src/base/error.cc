// SPDX-License-Identifier: MIT
#include "base/error.hh"

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tmb::base {

Error::Error(ExitCode code, std::string message)
    : std::runtime_error(""), code_(code), message_(std::move(message)) {}

Error& Error::with_state(std::string state) {
  state_ = std::move(state);
  return *this;
}

Error& Error::with_hint(std::string hint) {
  hint_ = std::move(hint);
  return *this;
}

Error& Error::with_code(ExitCode code) {
  code_ = code;
  return *this;
}

Error& Error::with_context(std::string_view context) {
  message_.insert(0, std::string(context) + ": ");
  return *this;
}

Error system_error(int error, std::string message, ExitCode code) {
  std::array<char, 256> buffer{};
  const char* text = strerror_r(error, buffer.data(), buffer.size());
  return {code, std::move(message) + ": " + text};
}

namespace {

// Length of the valid UTF-8 sequence at the start of `text`, 0 when there is none.
std::size_t utf8_length(std::string_view text, std::uint32_t& code_point) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  std::size_t length = 0;
  std::uint32_t least = 0;
  if (first < 0x80) {
    code_point = first;
    return 1;
  }
  if (first >= 0xC2 && first < 0xE0) {
    length = 2, least = 0x80, code_point = first & 0x1FU;
  } else if (first >= 0xE0 && first < 0xF0) {
    length = 3, least = 0x800, code_point = first & 0x0FU;
  } else if (first >= 0xF0 && first < 0xF5) {
    length = 4, least = 0x10000, code_point = first & 0x07U;
  } else {
    return 0;
  }
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
    code_point = (code_point << 6U) | (byte(i) & 0x3FU);
  }
  const bool surrogate = code_point >= 0xD800 && code_point < 0xE000;
  return code_point < least || code_point > 0x10FFFF || surrogate ? 0 : length;
}

bool reorders_text(std::uint32_t c) {
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F ||
         c == 0x2028 || c == 0x2029 || (c >= 0x80 && c < 0xA0);
}

}  // namespace

std::string printable(std::string_view text) {
  static constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::uint32_t code_point = 0;
    std::size_t length = utf8_length(text, code_point);
    const bool plain = length > 0 && code_point >= 0x20 && code_point != 0x7F && !reorders_text(code_point);
    if (length == 0) length = 1;
    if (plain) {
      out.append(text.substr(0, length));
    } else if (text.front() == '\n') {
      out += "\\n";
    } else if (text.front() == '\t') {
      out += "\\t";
    } else {
      for (const char c : text.substr(0, length)) {
        const auto byte = static_cast<unsigned char>(c);
        out += {'\\', 'x', hex[byte >> 4U], hex[byte & 15U]};
      }
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace tmb::base
