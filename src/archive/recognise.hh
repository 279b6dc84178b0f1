// SPDX-License-Identifier: MIT
// What bytes look like. Private to archive/.
#pragma once

#include <string>
#include <string_view>

namespace tmb::archive {

enum class Looks {
  empty,
  plain_sql,
  custom,
  gzip,
  zstd,
  xz,
  bzip2,
  zip,
  tar,
  other,  // see explain_other
};

// By the first bytes, best 64 KiB of them.
Looks recognise(std::string_view beginning);
inline bool is_dump(Looks looks) { return looks == Looks::plain_sql || looks == Looks::custom; }
inline bool is_packed(Looks looks) {
  return looks == Looks::gzip || looks == Looks::zstd || looks == Looks::xz || looks == Looks::bzip2;
}

// Whether the lines of the text end in "\r\n".
bool has_carriage_returns(std::string_view beginning);

struct Explanation {
  std::string what;  // "is a MySQL dump"
  std::string hint;  // may be empty
};
// Of bytes that look like nothing that can be restored.
Explanation explain_other(std::string_view beginning);

}  // namespace tmb::archive
