// SPDX-License-Identifier: MIT
// Where an exported file goes: a file that is published when it is whole, or the standard output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "archive/compress.hh"
#include "base/output_file.hh"

namespace tmb::transfer {

struct Destination {
  std::string file;    // "-": the standard output
  bool force = false;  // an existing file may be replaced
  bool is_stdout() const { return file == "-"; }
};

class Output {
 public:
  // Throws what OutputFile does; usage when `binary` content would go to a terminal.
  Output(const Destination& destination, bool binary);
  // Throws local_io; also when whoever reads the standard output has gone.
  void write(std::string_view bytes);
  void commit();
  std::uint64_t size() const { return size_; }
  std::string name() const;  // for messages
  base::OutputFile* file() { return file_ ? &*file_ : nullptr; }

 private:
  std::optional<base::OutputFile> file_;  // empty: the standard output
  std::uint64_t size_ = 0;
};

// Collects what comes in small parts into pieces worth compressing.
class PackedOutput {
 public:
  PackedOutput(Output& output, archive::Compression compression)
      : output_(output), compression_(compression) {}
  void write(std::string_view bytes);
  void flush();  // to be called at the end

 private:
  Output& output_;
  archive::Compression compression_;
  std::string piece_;
  std::string packed_;
};

}  // namespace tmb::transfer
