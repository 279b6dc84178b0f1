// SPDX-License-Identifier: MIT
// What the fuzz targets share. Each is one LLVMFuzzerTestOneInput: libFuzzer calls it where TM_FUZZ is on,
// else replay.cc with the files of corpus/. Whatever the bytes are, the answer is a result or one of our
// refusals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.hh"
#include "crypto/sha256.hh"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace tmb::fuzz {

[[noreturn]] inline void fail(const std::string& why) {
  std::fprintf(stderr, "fuzz: %s\n", why.c_str());
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Runs `act`; true when it was not refused. An internal error is a failure of ours, not an answer.
template <class Act>
bool accepted(Act&& act) {
  try {
    act();
    return true;
  } catch (const base::Error& error) {
    if (error.code() == base::ExitCode::internal) fail("internal error: " + error.message());
    return false;
  }
}

// JSON without its closing brace, with the checksum that our files have: else no mutation would get past it.
inline std::string with_checksum(std::string_view json) {
  std::string text(json);
  text += ",\n";
  const std::string checksum = crypto::hex(crypto::sha256(text));
  return text.append("  \"sha256\": \"").append(checksum).append("\"\n}\n");
}

// A file with these bytes, for what reads files; the same one each time.
class ScratchFile {
 public:
  ScratchFile();
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::string& with(std::string_view bytes);

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace tmb::fuzz
