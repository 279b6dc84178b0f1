// SPDX-License-Identifier: MIT
// Objects: immutable pieces of content under the name of their hash, written once, read back before they
// count, verified on every read. Knows nothing of tables or snapshots.
//
// An object file, version 1 (integers little-endian):
//    0   4  magic "TMO1"
//    4   1  type: 1 table rows, 2 schema
//    5   1  codec: 0 plain, 1 columns (columns.hh)
//    6   2  flags, 0
//    8   8  plain length, at most 64 MiB
//   16   8  payload length
//   24   8  reserved, 0
//   32  32  SHA-256 over bytes 0 to 31 and the payload: damage is found without decoding
//   64   …  payload: one zstd frame of the (for codec 1: column-encoded) content
// The file's name is the SHA-256 of the plain content, in objects/<first two digits>/<all 64 digits>.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.hh"

namespace tmb::repository {

enum class ObjectType : unsigned char { rows = 1, schema = 2 };

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
  explicit ObjectStore(base::Path root) : root_(std::move(root)) {}

  // Stores `content` (at most max_plain_bytes) durably but for the directory entry: call sync_directories
  // before a manifest names it. Rows are tried with the columns codec. The object is read back, decoded and
  // compared before this returns. Throws local_io; damaged when it reads back differently.
  // For several threads, each with its own workspace.
  StoredObject put(ObjectType type, std::string_view content, Workspace& workspace) const;

  // The verified content, in `content`. Throws damaged when it is missing, of another length or type, or does
  // not have its hash. For several threads, each with its own workspace.
  void get(ObjectType type, const ObjectRef& ref, Workspace& workspace, std::string& content) const;

  // True when the object's file is there with a sane header and the length that the header says; its bytes
  // are not read.
  bool looks_intact(const ObjectRef& ref) const;

  std::uint64_t stored_bytes(const ObjectRef& ref) const;  // 0 when it is not there

  // Makes every name that put() added durable. Call after the last put, before the manifest.
  void sync_directories() const;

  base::Path path_of(const std::string& id) const;

 private:
  base::Path root_;
  using Flags = std::array<std::atomic<bool>, 256>;
  std::unique_ptr<Flags> changed_ = std::make_unique<Flags>();  // shards with names not yet synced
};

// Throws damaged unless `id` is 64 lower-case hex digits: ids become file names.
void check_object_id(std::string_view id);

}  // namespace tmb::repository
