// SPDX-License-Identifier: MIT
#include "teslamate/undo_store.hh"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "base/error.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using base::Path;
using base::printable;

namespace {

// Of the lock file.
constexpr std::uint64_t undo_byte = 0;
constexpr std::uint64_t close_byte = 1;

constexpr const char* pending_suffix = ".pending";
constexpr const char* done_suffix = ".undo";
constexpr const char* undone_suffix = ".undone";

std::optional<UndoEntry> entry_of(const Path& path) {
  const std::string suffix = path.extension().string();
  const std::string name = path.stem().string();
  if (name.empty() || name.front() == '.') return std::nullopt;
  if (suffix == pending_suffix) return UndoEntry{path, name, UndoState::pending};
  if (suffix == done_suffix) return UndoEntry{path, name, UndoState::done};
  if (suffix == undone_suffix) return UndoEntry{path, name, UndoState::undone};
  return std::nullopt;
}

std::string name_for(const UndoHeader& header, base::Time now) {
  std::string out = base::compact_utc(now) + "-" + header.act;
  if (!header.ids.empty()) out += "-" + std::to_string(header.ids.front());
  if (header.ids.size() > 1) out += "-and-" + std::to_string(header.ids.size() - 1) + "-more";
  return out;
}

bool is_taken(const Path& folder, const std::string& name) {
  return std::ranges::any_of(std::initializer_list<const char*>{pending_suffix, done_suffix, undone_suffix},
                             [&](const char* suffix) {
                               std::error_code error;
                               return std::filesystem::exists(folder / (name + suffix), error);
                             });
}

}  // namespace

UndoStore::Pending UndoStore::begin(const UndoHeader& header, base::Time now) const {
  try {
    base::make_directory(state_dir_);
    base::make_directory(folder());
    const std::string name = name_for(header, now);
    std::string free = name;
    for (int i = 2; is_taken(folder(), free); ++i) free = name + "-" + std::to_string(i);
    Path path = folder() / (free + pending_suffix);
    auto writer = std::make_unique<UndoWriter>(path, header, seal_);
    return {std::move(path), std::move(writer)};
  } catch (Error& error) {
    throw Error(error.with_context("the undo file cannot be kept")
                    .with_hint("run it as root, or name a folder of yours with --state-dir"));
  }
}

Path UndoStore::moved(const Path& path, const char* suffix) const {
  Path to = path;
  to.replace_extension(suffix);
  if (::rename(path.c_str(), to.c_str()) != 0) {
    throw base::system_error(errno, "cannot rename " + printable(path.string()));
  }
  base::sync_directory(path.parent_path());
  return to;
}

Path UndoStore::confirm(const Path& pending) const { return moved(pending, done_suffix); }
Path UndoStore::mark_undone(const Path& path) const { return moved(path, undone_suffix); }

void UndoStore::discard(const Path& pending) const {
  if (::unlink(pending.c_str()) != 0 && errno != ENOENT) {
    throw base::system_error(errno, "cannot remove " + printable(pending.string()));
  }
}

std::vector<UndoEntry> UndoStore::list() const {
  std::vector<UndoEntry> out;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder(), error), end; !error && it != end;
       it.increment(error)) {
    if (auto entry = entry_of(it->path())) out.push_back(std::move(*entry));
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw base::system_error(error.value(), "cannot list " + printable(folder().string()))
        .with_hint("run it as root, or name a folder of yours with --state-dir");
  }
  std::ranges::sort(out, {}, &UndoEntry::name);
  return out;
}

UndoEntry UndoStore::find(const std::string& wanted) const {
  const std::vector<UndoEntry> all = list();
  if (wanted == "last") {
    const auto newest = std::find_if(all.rbegin(), all.rend(),
                                     [](const UndoEntry& entry) { return entry.state != UndoState::undone; });
    if (newest != all.rend()) return *newest;
    throw Error(ExitCode::not_found, "there is nothing to undo in " + printable(folder().string()));
  }
  for (const UndoEntry& entry : all) {
    if (entry.name == wanted || entry.path.filename() == wanted) return entry;
  }
  const Path path(wanted);
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    if (auto entry = entry_of(path)) return *entry;
    throw Error(ExitCode::usage, printable(wanted) + " is not the name of an undo file");
  }
  throw Error(ExitCode::not_found, "there is no undo file " + printable(wanted))
      .with_hint("teslamate-undo --list");
}

Path UndoStore::lock_file() const {
  base::make_directory(state_dir_);
  base::make_directory(folder());
  Path path = folder() / "lock";
  try {
    if (!base::read_file_if_there(path, 0)) base::publish_file(path, "", base::Overwrite::no);
  } catch (const Error& error) {
    if (error.code() != ExitCode::refused) throw;  // refused: another made it at this very moment
  }
  return path;
}

base::FileLock UndoStore::lock() const {
  auto lock = base::FileLock::try_acquire(lock_file(), undo_byte, base::LockMode::exclusive);
  if (!lock) throw Error(ExitCode::locked, "another teslamate-undo is running").with_hint("wait for its end");
  return std::move(*lock);
}

base::FileLock UndoStore::lock_close() const {
  auto lock = base::FileLock::try_acquire(lock_file(), close_byte, base::LockMode::shared);
  if (!lock) throw Error(ExitCode::locked, "a teslamate-undo is running").with_hint("wait for its end");
  return std::move(*lock);
}

bool UndoStore::nobody_closes() const {
  return base::FileLock::try_acquire(lock_file(), close_byte, base::LockMode::exclusive).has_value();
}

std::optional<base::FileLock> keep_restores_out(const Path& state_dir) {
  const Path path = state_dir / "restore.lock";
  if (::access(path.c_str(), R_OK) != 0) return std::nullopt;  // none ever ran, or not where we may see it
  auto lock = base::FileLock::try_acquire(path, 0, base::LockMode::shared);
  if (!lock) {
    throw Error(ExitCode::locked, "a restore is running: what is changed now would be replaced by it")
        .with_hint("wait for it to end");
  }
  return lock;
}

}  // namespace tmb::teslamate
