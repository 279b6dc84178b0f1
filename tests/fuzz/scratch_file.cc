// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <filesystem>

#include "base/fd.hh"
#include "fuzz.hh"

namespace tmb::fuzz {

ScratchFile::ScratchFile() : path_((std::filesystem::temp_directory_path() / "tmb-fuzz-XXXXXX").string()) {
  fd_ = ::mkstemp(path_.data());
  if (fd_ < 0) fail("no temporary file");
}

ScratchFile::~ScratchFile() {
  ::close(fd_);
  ::unlink(path_.c_str());
}

const std::string& ScratchFile::with(std::string_view bytes) {
  if (::ftruncate(fd_, 0) != 0 || ::lseek(fd_, 0, SEEK_SET) != 0)
    fail("the temporary file cannot be emptied");
  base::write_all(fd_, bytes, path_);
  return path_;
}

}  // namespace tmb::fuzz
