// SPDX-License-Identifier: MIT
// One snapshot in one file: a tar with the files that a repository would have if it held nothing else, byte
// for byte, in this order:
//   format.json   keys/SLOT.json …   objects/xx/ID …   snapshots/ID.json
// then two blocks of zeros and nothing more. The manifest comes last: a file that was cut off has none. The
// objects are those that the manifest names, no other, each once.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hh"
#include "base/fd.hh"
#include "base/file.hh"
#include "repository/objects_of.hh"
#include "repository/source.hh"

namespace tmb::archive {

// Takes the members in the order above; keeps nothing but the sum of their sizes.
class TmbWriter {
 public:
  // `time`: of the snapshot, for all members: the same snapshot makes the same file.
  TmbWriter(std::function<void(std::string_view)> out, base::Time time);
  void add(const std::string& name, std::string_view bytes);
  void finish();

 private:
  std::function<void(std::string_view)> out_;
  std::int64_t time_;
};

struct NamedBytes {
  std::string name;
  std::string bytes;
};

// The names of the members, with those of the repository's files.
std::string object_member(const std::string& id);
std::string manifest_member(const std::string& snapshot);

// An opened .tmb: where its members are. Nothing of it is trusted yet but its form. For several threads.
class TmbFile {
 public:
  // Throws damaged for a file that TmbWriter did not write, or not to its end; local_io.
  TmbFile(base::UniqueFd fd, std::string shown_name);

  const std::string& name() const { return name_; }  // for messages
  const std::string& format() const { return format_; }
  const std::vector<NamedBytes>& keys() const { return keys_; }
  const NamedBytes& manifest() const { return manifest_; }  // its name is the snapshot's id
  std::size_t objects() const { return objects_.size(); }

  // The bytes of an object's file. Throws damaged when it is not there.
  void read_object(const std::string& id, std::string& bytes) const;
  // Throws damaged unless the manifest's objects are those that are there.
  void compare_with(const repository::Manifest& manifest) const;

 private:
  using Id = std::array<unsigned char, 32>;
  struct Member {
    Id id{};
    std::uint64_t at = 0;
    std::uint64_t size = 0;
  };
  class Scan;

  const Member* find(const std::string& id) const;
  void read_exactly(std::uint64_t at, std::size_t size, std::string& bytes) const;
  base::Error damaged(const std::string& why) const;

  base::UniqueFd fd_;
  std::string name_;
  std::string format_;
  std::vector<NamedBytes> keys_;
  NamedBytes manifest_;
  std::vector<Member> objects_;  // by id
};

// Whether a file that begins with these bytes (512 or more) may be a .tmb.
bool looks_like_tmb(std::string_view beginning);

// A .tmb as something to restore from. All its functions may be called by several threads.
class TmbSource final : public repository::BackupSource {
 public:
  // `ask` is called for the key of an encrypted one. Throws damaged, wrong_key, unsupported.
  TmbSource(TmbFile file, const repository::AskSecret& ask);

  const repository::Manifest& manifest() const override { return manifest_; }
  void read(repository::ObjectType type, const repository::ObjectRef& ref, repository::Workspace& workspace,
            std::string& content) const override;
  void check(repository::ObjectType type, const repository::ObjectRef& ref,
             repository::Workspace& workspace) const override;
  std::string describe() const override;

  bool encrypted() const { return format_.encrypted; }
  const repository::Format& format() const { return format_; }
  const TmbFile& file() const { return file_; }

 private:
  std::string shown(const repository::ObjectRef& ref) const;  // for messages

  TmbFile file_;
  repository::Format format_;
  std::shared_ptr<const repository::KeyRing> ring_;
  repository::ObjectStore store_;  // without a folder
  repository::Manifest manifest_;
};

// `path` may be packed once more by gzip or zstd: then it is unpacked into a file without a name beside it,
// or in the folder for temporary files. Throws as TmbFile and TmbSource do, and not_found when there is no
// such file.
std::unique_ptr<TmbSource> open_tmb(const base::Path& path, const repository::AskSecret& ask = {});

}  // namespace tmb::archive
