// SPDX-License-Identifier: MIT
// The text of an undo file made small: zstd frames, one after another, which everybody's zstd can read. The
// only user of zstd in this folder.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace tmb::teslamate {

// Makes one frame with a checksum of each piece.
class Packer {
 public:
  Packer();
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  std::string pack(std::string_view piece);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// Takes frames cut anywhere; its memory does not grow with them.
class Unpacker {
 public:
  Unpacker();
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // Appends the text of `bytes` to `out`. False when they are no zstd, or do not match their checksum.
  bool unpack(std::string_view bytes, std::string& out);
  // Whether what was taken ends with the end of a frame.
  bool is_at_end() const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace tmb::teslamate
