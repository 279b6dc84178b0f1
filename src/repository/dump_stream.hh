// SPDX-License-Identifier: MIT
// The pieces of a snapshot that pg_dump's archive was cut into, as the one stream that they were.
#pragma once

#include <string>

#include "base/byte_source.hh"
#include "repository/source.hh"

namespace tmb::repository {

class DumpStream final : public base::ByteSource {
 public:
  // `source` outlives this.
  explicit DumpStream(const BackupSource& source) : source_(source) {}
  // Throws damaged as source.read() does.
  std::size_t read(std::span<char> out) override;

 private:
  const BackupSource& source_;
  Workspace workspace_;
  std::string piece_;
  std::size_t at_ = 0;    // in the piece
  std::size_t next_ = 0;  // piece
};

}  // namespace tmb::repository
