// SPDX-License-Identifier: MIT
#include "transfer/output.hh"

#include <unistd.h>

#include "base/error.hh"

namespace tmb::transfer {

using base::Error;
using base::ExitCode;

Output::Output(const Destination& destination, bool binary) {
  if (!destination.is_stdout()) {
    file_.emplace(destination.file, destination.force ? base::Overwrite::yes : base::Overwrite::no);
    return;
  }
  if (binary && ::isatty(STDOUT_FILENO) != 0) {
    throw Error(ExitCode::usage, "this kind of file is not for a terminal to show")
        .with_hint("send the output to another program or a file");
  }
}

void Output::write(std::string_view bytes) {
  size_ += bytes.size();
  if (file_) {
    file_->write(bytes);
  } else {
    base::write_all(STDOUT_FILENO, bytes, "the standard output");
  }
}

void Output::commit() {
  if (file_) file_->commit();
}

std::string Output::name() const {
  return file_ ? base::printable(file_->target().string()) : "the standard output";
}

void PackedOutput::write(std::string_view bytes) {
  constexpr std::size_t piece_bytes = std::size_t{4} << 20U;
  if (piece_.empty() && compression_ == archive::Compression::none && bytes.size() >= piece_bytes / 16) {
    output_.write(bytes);
    return;
  }
  piece_.append(bytes);
  if (piece_.size() >= piece_bytes) flush();
}

void PackedOutput::flush() {
  if (piece_.empty()) return;
  packed_.clear();
  archive::append_compressed(compression_, piece_, packed_);
  piece_.clear();
  output_.write(packed_);
}

}  // namespace tmb::transfer
