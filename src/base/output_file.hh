// SPDX-License-Identifier: MIT
// A large file written piece by piece that appears under its name whole or not at all. Where the file system
// can, it has no name before (a killed run leaves nothing); created 0600 whatever the umask says.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/fd.hh"
#include "base/file.hh"

namespace tmb::base {

class OutputFile {
 public:
  // Throws at once, before there is any work to lose: refused when `target` is there and `overwrite` is no,
  // or when it is anything but a regular file (a device, a folder, a symbolic link); local_io.
  OutputFile(Path target, Overwrite overwrite);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  void write(std::string_view bytes);
  std::uint64_t size() const { return size_; }
  int fd() const { return fd_.get(); }  // open for reading too
  const Path& target() const { return target_; }

  // Synced, then named, then its folder synced. When it throws, `target` is as it was.
  void commit();

 private:
  void link_name(const Path& name) const;

  Path target_;
  Overwrite overwrite_;
  Path temporary_;  // empty while the file has no name
  UniqueFd fd_;
  std::uint64_t size_ = 0;
  std::uint64_t flushed_ = 0;
};

// A file without a name in `folder`, for what is needed only while this process lives. Throws local_io.
UniqueFd scratch_file(const Path& folder);

}  // namespace tmb::base
