// SPDX-License-Identifier: MIT
#include "diff/overlay.hh"

#include <unistd.h>

#include <cerrno>

#include "base/error.hh"

namespace tmb::diff {

using base::Error;
using base::ExitCode;
using repository::ObjectRef;
using repository::ObjectType;

Overlay::Overlay(const repository::Repository& base, const repository::Manifest& snapshot,
                 base::UniqueFd scratch)
    : base_(base), snapshot_(snapshot), scratch_(std::move(scratch)) {}

repository::Manifest Overlay::read_manifest(const std::string& id) const {
  if (id != snapshot_.id) throw Error(ExitCode::not_found, "there is no snapshot " + base::printable(id));
  return snapshot_;
}

repository::StoredObject Overlay::put(ObjectType type, std::string_view content,
                                      repository::Workspace& workspace) const {
  repository::StoredObject stored{base_.objects().name_of(type, content), 0, false};
  if (looks_intact(stored.ref)) return stored;
  std::string file;
  base_.objects().make_file(type, content, workspace, file);
  const std::lock_guard lock(mutex_);
  // Sealed as in the repository: what is in the scratch file is no more open than the snapshots are.
  base::write_all(scratch_.get(), file, "a temporary file");
  places_[stored.ref.id] = {end_, file.size()};
  end_ += file.size();
  stored.new_bytes = file.size();
  return stored;
}

const Overlay::Place* Overlay::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(id);
  return found == places_.end() ? nullptr : &found->second;
}

bool Overlay::looks_intact(const ObjectRef& ref) const {
  return find(ref.id) != nullptr || base_.objects().looks_intact(ref);
}

std::uint64_t Overlay::stored_bytes(const ObjectRef& ref) const {
  const Place* place = find(ref.id);
  return place == nullptr ? base_.objects().stored_bytes(ref) : place->size;
}

std::uint64_t Overlay::publish(const repository::Manifest& manifest) const {
  live_ = manifest;
  live_.id = "live";
  return 0;
}

void Overlay::read(ObjectType type, const ObjectRef& ref, repository::Workspace& workspace,
                   std::string& content) const {
  const Place* place = find(ref.id);
  if (place == nullptr) {
    base_.objects().get(type, ref, workspace, content);
    return;
  }
  std::string file(place->size, '\0');
  for (std::size_t done = 0; done < file.size();) {
    const ssize_t got =
        ::pread(scratch_.get(), file.data() + done, file.size() - done, static_cast<off_t>(place->at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw base::system_error(got == 0 ? EIO : errno, "cannot read a temporary file");
    done += static_cast<std::size_t>(got);
  }
  base_.objects().open_file(type, ref, file, "of the live database", workspace, content);
}

}  // namespace tmb::diff
