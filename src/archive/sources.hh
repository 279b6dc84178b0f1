// SPDX-License-Identifier: MIT
// What unpacks one layer of a file: gzip, zstd, xz, bzip2, a tar, a zip. Each checks what its format can
// check (sums, lengths, the end), writes nothing to disk and needs the same memory for any size. Private to
// archive/.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_source.hh"
#include "base/error.hh"

namespace tmb::archive {

using Source = std::unique_ptr<base::ByteSource>;

// The whole of an open regular file; `position` tells how far it was read, for a progress bar.
Source file_source(int fd, std::string shown_name, std::atomic<std::uint64_t>& position);

// zlib itself, since libarchive's reader does not look at the sums of gzip. Several members one after another
// are one text; zeros behind the last one are padding.
Source gzip_source(Source inner);

enum class Filter { zstd, xz, bzip2 };
Source filter_source(Source inner, Filter filter);

// Throws damaged when far more comes out than went in: a file made to fill a disk or an evening.
Source bomb_guard(Source inner, const std::atomic<std::uint64_t>& packed_position);

// Each "\r\n" becomes "\n".
Source without_carriage_returns(Source inner);

// A file inside a tar or zip. `number` counts the entries from 0.
struct Member {
  std::string name;
  std::uint64_t size = 0;  // as the archive says, 0 where it does not
  std::string beginning;   // its first bytes, at most 64 KiB
  std::size_t number = 0;
};

// An entry whose name would be written elsewhere by a program that unpacks.
class UnsafeName : public base::Error {
 public:
  explicit UnsafeName(const std::string& name);
  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

// The entries in order, until `look` returns false. Throws damaged for links, devices, sparse files, names
// that lead out of the folder or come twice, and too many of them.
void list_tar(Source inner, const std::function<bool(const Member&)>& look);
void list_zip(int fd, const std::function<bool(const Member&)>& look);

// The content of one entry. At its end the rest of the archive is read too; `other` says of each later entry
// whether it may be there.
Source tar_member(Source inner, std::size_t number, std::function<void(const Member&)> other);
Source zip_member(int fd, std::size_t number, std::atomic<std::uint64_t>& position);

}  // namespace tmb::archive
