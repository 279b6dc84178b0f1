// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>

#include "archive/tar.hh"
#include "archive/tmb.hh"

namespace tmb::archive {

std::string object_member(const std::string& id) { return "objects/" + id.substr(0, 2) + "/" + id; }

std::string manifest_member(const std::string& snapshot) { return "snapshots/" + snapshot + ".json"; }

TmbWriter::TmbWriter(std::function<void(std::string_view)> out, base::Time time)
    : out_(std::move(out)),
      time_(std::max<std::int64_t>(
          0, std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count())) {}

void TmbWriter::add(const std::string& name, std::string_view bytes) {
  const TarBlock header = tar_header({name, bytes.size(), time_});
  out_({header.data(), header.size()});
  out_(bytes);
  out_(std::string(tar_padding(bytes.size()), '\0'));
}

void TmbWriter::finish() { out_(std::string(tar_end_bytes, '\0')); }

}  // namespace tmb::archive
