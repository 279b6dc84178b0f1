// SPDX-License-Identifier: MIT
#include "repository/object_store.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hh"
#include "base/fd.hh"
#include "crypto/derive.hh"
#include "crypto/sha256.hh"
#include "repository/object_file.hh"
#include "repository/owned_file.hh"
#include "repository/workspace.hh"

namespace tmb::repository {

using base::Error;
using base::ExitCode;
using base::printable;
using object_file::Header;

namespace {

// What may stand in a file besides the encoded content.
constexpr std::uint64_t max_file_bytes = max_encoded_bytes + (std::uint64_t{1} << 20U);
constexpr const char* other_length = "has another length than the manifest says";

}  // namespace

Workspace::Workspace() : impl_(std::make_unique<Impl>()) {}
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;
Workspace::~Workspace() = default;

bool is_object_file(std::string_view bytes) { return object_file::has_magic(bytes); }

void check_object_id(std::string_view id) {
  const bool digits =
      std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (id.size() != 64 || !digits)
    throw Error(ExitCode::damaged, "not an object id: " + printable(id.substr(0, 80)));
}

base::Path ObjectStore::path_of(const std::string& id) const { return root_ / id.substr(0, 2) / id; }

const RepositoryKeys* ObjectStore::sealing_keys() const { return ring_ ? ring_->current.get() : nullptr; }

const char* ObjectStore::look(ObjectType type, std::string_view file, Header& header,
                              const RepositoryKeys*& keys) const {
  if (const char* problem = object_file::parse_header(file, header)) return problem;
  if (const char* problem = object_file::check_payload(file, header)) return problem;
  if (header.type != type) return "is of another type than the manifest says";
  keys = nullptr;
  if (header.sealed) {
    keys = ring_ ? ring_->find(object_file::key_id_beginning(header.key_tag)) : nullptr;
    if (keys == nullptr) return "is sealed with a key that is not this repository's";
  } else if (sealing_keys() != nullptr && !ring_->plain_too) {
    return "is not sealed, as everything in this repository is";
  }
  return nullptr;
}

const char* ObjectStore::open(ObjectType type, std::string_view file, std::string_view name,
                              Workspace& workspace, std::string& content, const RepositoryKeys** used) const {
  Header header;
  const RepositoryKeys* keys = nullptr;
  if (const char* problem = look(type, file, header, keys)) return problem;
  if (used != nullptr) *used = keys;
  return workspace.impl().decode(file, header, keys, name, content);
}

bool ObjectStore::is_file_for(ObjectType type, std::string_view file, std::string_view name,
                              std::string_view content, Workspace& workspace) const {
  Header header;
  const RepositoryKeys* keys = nullptr;
  return look(type, file, header, keys) == nullptr && keys == sealing_keys() &&
         workspace.impl().decodes_to(file, header, keys, name, content);
}

std::optional<bool> ObjectStore::holds(ObjectType type, const std::string& id, std::string_view content,
                                       Workspace& workspace) const {
  std::optional<std::string> file;
  try {
    file = base::read_file_if_there(path_of(id), max_file_bytes);
  } catch (const Error& error) {
    if (error.code() == ExitCode::damaged) return false;
    throw;
  }
  if (!file) return std::nullopt;
  return is_file_for(type, *file, id, content, workspace);
}

void ObjectStore::make_named_file(ObjectType type, std::string_view name, std::string_view content,
                                  Workspace& workspace, std::string& file) const {
  if (content.size() > object_file::max_plain_bytes_of(type))
    throw Error(ExitCode::internal, "an object larger than it may be");
  Workspace::Impl& work = workspace.impl();
  work.encode(type, content, sealing_keys(), name, file);
  if (is_file_for(type, file, name, content, workspace)) return;
  throw Error(ExitCode::damaged, "object " + std::string(name) + " does not decode to what was encoded")
      .with_hint("check the memory of this machine");
}

void ObjectStore::open_named_file(ObjectType type, std::string_view name, std::string_view file,
                                  Workspace& workspace, std::string& content) const {
  const char* problem = open(type, file, name, workspace, content, nullptr);
  if (problem != nullptr) throw Error(ExitCode::damaged, std::string("it ") + problem);
}

ObjectRef ObjectStore::make_file(ObjectType type, std::string_view content, Workspace& workspace,
                                 std::string& file) const {
  ObjectRef ref = name_of(type, content);
  make_named_file(type, ref.id, content, workspace, file);
  return ref;
}

namespace {

std::string id_of(ObjectType type, std::string_view content, const RepositoryKeys* keys) {
  if (keys == nullptr) return crypto::hex(crypto::sha256(content));
  crypto::Hmac hmac(keys->ids);
  const char type_byte = static_cast<char>(type);
  hmac.update({&type_byte, 1});
  hmac.update(content);
  return crypto::hex(hmac.finish());
}

}  // namespace

ObjectRef ObjectStore::name_of(ObjectType type, std::string_view content) const {
  return {id_of(type, content, sealing_keys()), content.size()};
}

StoredObject ObjectStore::put(ObjectType type, std::string_view content, Workspace& workspace) const {
  if (content.size() > max_plain_bytes) throw Error(ExitCode::internal, "an object larger than 64 MiB");
  Workspace::Impl& work = workspace.impl();
  StoredObject stored{name_of(type, content), 0, false};
  // Also for content that is there already: a run that crashed may have left the name unsynced.
  mark_changed(stored.ref.id);

  const std::optional<bool> there = holds(type, stored.ref.id, content, workspace);
  if (there == true) return stored;
  stored.healed = there.has_value();
  make_file(type, content, workspace, work.file);
  require_room(work.file.size());
  publish_owned_unsynced_name(path_of(stored.ref.id), work.file, base::Overwrite::yes, 0400);
  stored.new_bytes = work.file.size();
  return stored;
}

void ObjectStore::put_file(const std::string& id, std::string_view file) const {
  check_object_id(id);
  mark_changed(id);
  require_room(file.size());
  publish_owned_unsynced_name(path_of(id), file, base::Overwrite::yes, 0400);
}

void ObjectStore::require_room(std::uint64_t bytes) const {
  if (keep_free_ == 0) return;
  const std::uint64_t free = base::free_space(root_);
  if (free >= keep_free_ && free - keep_free_ >= bytes) return;
  constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
  throw Error(ExitCode::local_io, "the disk of " + printable(root_.parent_path().string()) + " has " +
                                      std::to_string(free / mib) + " MiB free, and " +
                                      std::to_string(keep_free_ / mib) +
                                      " MiB of it stay free ([repository] min_free_mib)")
      .with_hint("teslamate-snapshots prune --now makes room, and so does a larger disk");
}

void ObjectStore::mark_changed(const std::string& id) const {
  (*changed_)[static_cast<std::size_t>(std::stoi(id.substr(0, 2), nullptr, 16))] = true;
}

std::string ObjectStore::read_file(const std::string& id) const {
  check_object_id(id);
  const base::Path path = path_of(id);
  std::optional<std::string> file = base::read_file_if_there(path, max_file_bytes);
  if (!file) throw Error(ExitCode::damaged, "object " + printable(path.string()) + " is missing");
  return std::move(*file);
}

void ObjectStore::get(ObjectType type, const ObjectRef& ref, Workspace& workspace,
                      std::string& content) const {
  const std::string file = read_file(ref.id);
  open_file(type, ref, file, path_of(ref.id).string(), workspace, content);
}

void ObjectStore::open_file(ObjectType type, const ObjectRef& ref, std::string_view file,
                            const std::string& where, Workspace& workspace, std::string& content) const {
  check_object_id(ref.id);
  const RepositoryKeys* used = nullptr;
  const char* problem = open(type, file, ref.id, workspace, content, &used);
  if (problem == nullptr && content.size() != ref.plain_bytes) problem = other_length;
  if (problem == nullptr && id_of(type, content, used) != ref.id)
    problem = "holds other content than its name says";
  if (problem == nullptr) return;
  content.clear();
  throw Error(ExitCode::damaged, "object " + printable(where) + " " + problem);
}

void ObjectStore::check_file(ObjectType type, const ObjectRef& ref, std::string_view file,
                             const std::string& where, Workspace& workspace) const {
  check_object_id(ref.id);
  Header header;
  const RepositoryKeys* keys = nullptr;
  const char* problem = look(type, file, header, keys);
  if (problem == nullptr && header.plain_bytes != ref.plain_bytes) problem = other_length;
  if (problem == nullptr && keys != nullptr) problem = workspace.impl().unseal(file, *keys, ref.id);
  if (problem != nullptr) throw Error(ExitCode::damaged, "object " + printable(where) + " " + problem);
}

void ObjectStore::check(ObjectType type, const ObjectRef& ref, Workspace& workspace) const {
  check_file(type, ref, read_file(ref.id), path_of(ref.id).string(), workspace);
}

bool ObjectStore::looks_intact(const ObjectRef& ref) const {
  const base::Path path = path_of(ref.id);
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return false;
  struct stat status {};
  std::array<char, object_file::header_bytes> bytes{};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (::read(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return false;
  Header header;
  if (object_file::parse_header({bytes.data(), bytes.size()}, header) != nullptr) return false;
  const bool sealed_as_due = sealing_keys() == nullptr ? !header.sealed : header.sealed || ring_->plain_too;
  if (!sealed_as_due) return false;
  return header.plain_bytes == ref.plain_bytes &&
         header.payload_bytes + object_file::header_bytes == static_cast<std::uint64_t>(status.st_size);
}

std::uint64_t ObjectStore::stored_bytes(const ObjectRef& ref) const {
  struct stat status {};
  return ::lstat(path_of(ref.id).c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

void ObjectStore::sync_directories() const {
  static constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t i = 0; i < changed_->size(); ++i) {
    if (!(*changed_)[i].exchange(false)) continue;
    base::sync_directory(root_ / std::string{digits[i >> 4U], digits[i & 15U]});
  }
}

}  // namespace tmb::repository
