// SPDX-License-Identifier: MIT
#include "verify/folders.hh"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.hh"
#include "repository/manifest.hh"

namespace tmb::verify {

namespace fs = std::filesystem;

namespace {

template <class Visit>
void for_each_entry(const base::Path& folder, Visit&& visit) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) visit(*it);
  if (error) throw base::system_error(error.value(), "cannot list " + base::printable(folder.string()));
}

bool is_hex(const std::string& text, std::size_t digits) {
  return text.size() == digits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_regular(const fs::directory_entry& entry) {
  std::error_code error;
  return entry.symlink_status(error).type() == fs::file_type::regular;
}

bool is_temporary(const std::string& name) { return name.starts_with(".tmp-"); }

void list_shard(const fs::directory_entry& shard, Folders& out) {
  const std::string shard_name = shard.path().filename().string();
  for_each_entry(shard.path(), [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (is_temporary(name)) return;
    if (is_hex(name, 64) && name.starts_with(shard_name) && is_regular(entry)) {
      std::error_code error;
      const std::uintmax_t size = entry.file_size(error);
      out.objects[name] = error ? 0 : size;
    } else {
      out.strays.push_back("objects/" + shard_name + "/" + name);
    }
  });
}

}  // namespace

Folders list_folders(const base::Path& repository) {
  static constexpr std::array known{"format.json",     "lock",         "objects", "snapshots", "tags",
                                    "tombstones.json", "removed.json", "keys"};
  Folders out;
  for_each_entry(repository, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    const bool ours = std::ranges::find(known, name) != known.end() || name == "lost+found";
    if (!ours && !is_temporary(name)) out.strays.push_back(name);
  });
  for_each_entry(repository / "objects", [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (is_hex(name, 2) && entry.is_directory()) {
      list_shard(entry, out);
    } else if (!is_temporary(name)) {
      out.strays.push_back("objects/" + name);
    }
  });
  for_each_entry(repository / "snapshots", [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    const bool ours =
        entry.path().extension() == ".json" && repository::is_snapshot_id(entry.path().stem().string());
    if (!ours && !is_temporary(name)) out.strays.push_back("snapshots/" + name);
  });
  std::ranges::sort(out.strays);
  return out;
}

}  // namespace tmb::verify
