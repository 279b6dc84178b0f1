// SPDX-License-Identifier: MIT
// Objects: immutable pieces of content under the name of their hash, written once, read back before they
// count, verified on every read. Knows nothing of tables or snapshots.
//
// An object file, version 1 (integers little-endian):
//    0   4  magic "TMO1"
//    4   1  type: 1 table rows, 2 schema, 3 carried file, 4 manifest, 5 tag
//    5   1  codec: 0 plain, 1 columns (columns.hh)
//    6   2  flags: 1 sealed
//    8   8  plain length, at most 64 MiB
//   16   8  payload length
//   24   8  of a sealed one, the first eight bytes of the master key's id; else 0
//   32  32  SHA-256 over bytes 0 to 31 and the payload: damage is found without decoding
//   64   …  payload: one zstd frame of the (for codec 1: column-encoded) content
// The file's name is the SHA-256 of the plain content, in objects/<first two digits>/<all 64 digits>.
// In an encrypted repository the payload is sealed (crypto/seal.hh), with the repository's id, the object's
// name and bytes 0 to 31 as additional data; its name is the HMAC of its type and the plain content.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.hh"
#include "repository/keys.hh"

namespace tmb::repository {

namespace object_file {
struct Header;
}

enum class ObjectType : unsigned char { rows = 1, schema = 2, file = 3, manifest = 4, tag = 5 };

inline constexpr std::uint64_t max_plain_bytes = std::uint64_t{64} << 20U;

struct ObjectRef {
  std::string id;                 // 64 lower-case hex digits
  std::uint64_t plain_bytes = 0;  // length of the content
  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
};

// Buffers and contexts that one thread uses again for every object. Movable, not shared.
class Workspace {
 public:
  Workspace();
  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;
  ~Workspace();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct StoredObject {
  ObjectRef ref;
  std::uint64_t new_bytes = 0;  // bytes added to the repository; 0 when the content was there already
  bool healed = false;          // the object was there but damaged, and has been written again
};

class ObjectStore {
 public:
  // Without a ring nothing is sealed. An empty `root` is for make_file and open_file alone.
  explicit ObjectStore(base::Path root, std::shared_ptr<const KeyRing> ring = nullptr)
      : root_(std::move(root)), ring_(std::move(ring)) {}

  // Stores `content` (at most max_plain_bytes) durably but for the directory entry: call sync_directories
  // before a manifest names it. Rows are tried with the columns codec. The object is read back, decoded and
  // compared before this returns. Throws local_io; damaged when it reads back differently.
  // For several threads, each with its own workspace.
  StoredObject put(ObjectType type, std::string_view content, Workspace& workspace) const;

  // The verified content, in `content`. Throws damaged when it is missing, of another length or type, or does
  // not have its hash. For several threads, each with its own workspace.
  void get(ObjectType type, const ObjectRef& ref, Workspace& workspace, std::string& content) const;

  // The steps of put() and get() apart, for objects that are kept elsewhere than in this store's folder (a
  // .tmb). The bytes are those of an object's file, sealed where the repository is.
  ObjectRef name_of(ObjectType type, std::string_view content) const;
  // Replaces `file` by the file for `content`, decoded again and compared. Throws damaged.
  ObjectRef make_file(ObjectType type, std::string_view content, Workspace& workspace,
                      std::string& file) const;
  // The verified content of such a file. Throws damaged, calling the file `where`.
  void open_file(ObjectType type, const ObjectRef& ref, std::string_view file, const std::string& where,
                 Workspace& workspace, std::string& content) const;
  // Whether such a file is there as it was written: its checksum, and its seal where it has one. What it
  // decodes to is not looked at: that is for open_file, and get. Throws damaged.
  void check_file(ObjectType type, const ObjectRef& ref, std::string_view file, const std::string& where,
                  Workspace& workspace) const;
  void check(ObjectType type, const ObjectRef& ref, Workspace& workspace) const;
  // The same for a file that has a name of its own, such as a manifest: open_named_file does not compare
  // lengths.
  void make_named_file(ObjectType type, std::string_view name, std::string_view content, Workspace& workspace,
                       std::string& file) const;
  void open_named_file(ObjectType type, std::string_view name, std::string_view file, Workspace& workspace,
                       std::string& content) const;
  // The bytes of an object's file as they are, and back; unverified. Throws damaged when it is missing.
  std::string read_file(const std::string& id) const;
  void put_file(const std::string& id, std::string_view file) const;

  // True when the object's file is there with a sane header and the length that the header says; its bytes
  // are not read.
  bool looks_intact(const ObjectRef& ref) const;

  std::uint64_t stored_bytes(const ObjectRef& ref) const;  // 0 when it is not there

  // From now on an object is refused (local_io) rather than leave less than so many bytes free on the disk.
  void keep_free(std::uint64_t bytes) { keep_free_ = bytes; }
  std::uint64_t kept_free() const { return keep_free_; }
  // Throws local_io unless `bytes` more leave as much free as keep_free() said.
  void require_room(std::uint64_t bytes) const;

  // Makes every name that put() added durable. Call after the last put, before the manifest.
  void sync_directories() const;

  base::Path path_of(const std::string& id) const;

 private:
  void mark_changed(const std::string& id) const;
  const RepositoryKeys* sealing_keys() const;  // null: nothing is sealed
  // nullptr when its header, its checksum and what it is sealed with are as they should, else what is wrong.
  const char* look(ObjectType type, std::string_view file, object_file::Header& header,
                   const RepositoryKeys*& keys) const;
  // nullptr when done, else what is wrong; `used` are then the keys that opened it.
  const char* open(ObjectType type, std::string_view file, std::string_view name, Workspace& workspace,
                   std::string& content, const RepositoryKeys** used) const;
  // Whether `file` would be opened under that name, with today's keys, and holds exactly `content`.
  bool is_file_for(ObjectType type, std::string_view file, std::string_view name, std::string_view content,
                   Workspace& workspace) const;
  // Whether the object's file is there and holds exactly `content`, sealed with today's keys.
  std::optional<bool> holds(ObjectType type, const std::string& id, std::string_view content,
                            Workspace& workspace) const;

  base::Path root_;
  std::shared_ptr<const KeyRing> ring_;
  std::uint64_t keep_free_ = 0;  // 0: the disk may be filled
  using Flags = std::array<std::atomic<bool>, 256>;
  std::unique_ptr<Flags> changed_ = std::make_unique<Flags>();  // shards with names not yet synced
};

// Whether these bytes claim to be an object's file, and not JSON as it is.
bool is_object_file(std::string_view bytes);

// Throws damaged unless `id` is 64 lower-case hex digits: ids become file names.
void check_object_id(std::string_view id);

}  // namespace tmb::repository
