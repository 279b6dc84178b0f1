// SPDX-License-Identifier: MIT
// The page to print and to put into a drawer: a recovery key, as text and as QR code, and what to do with it.
// Pure text; loads nothing from anywhere.
#pragma once

#include <string>

#include "base/secret.hh"

namespace tmb::sheet {

struct Facts {
  base::Secret key;  // the text of a generated key
  std::string repository_id;
  std::string repository_path;  // where it stood
  std::string host;
  std::string slot;
  std::string date;  // 2026-11-20
};

std::string to_html(const Facts& facts);  // one page of A4 or Letter
std::string to_text(const Facts& facts);  // UTF-8, for a terminal or a line printer

}  // namespace tmb::sheet
