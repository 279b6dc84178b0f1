// SPDX-License-Identifier: MIT
// One child process whose output is read as it comes, and which may be fed: for what is too big to be kept in
// memory. Without a shell, in a clean environment, gone with this.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/byte_source.hh"
#include "base/fd.hh"
#include "base/process.hh"

namespace tmb::base {

class ChildStream final : public ByteSource {
 public:
  // `input` becomes the child's stdin, at the descriptor's position; empty: nothing to read there.
  explicit ChildStream(const ProcessOptions& options, UniqueFd input = {});
  // `feed` is read on a thread of its own and written to the child's stdin; it has to live as long as this.
  // What it throws is thrown by read().
  ChildStream(const ProcessOptions& options, ByteSource& feed);
  ChildStream(const ChildStream&) = delete;
  ChildStream& operator=(const ChildStream&) = delete;
  // A child that still runs is killed.
  ~ChildStream() override;

  // How long the child may be silent; unlimited unless said. Then read() throws local_io.
  void set_patience(std::chrono::seconds patience);

  // 0 when the child has closed its stdout and ended; see exit_code(). Throws interrupted when
  // ProcessOptions::stop is asked to stop, also while only the child's end is waited for.
  std::size_t read(std::span<char> out) override;

  // Sends the child itself the signal and waits for its end, at most so long; what runs then is killed.
  void end_with(int signal, std::chrono::seconds patience);
  // Whether it has ended; exit_code() is valid then. For who does not read.
  bool has_ended();

  int exit_code() const;              // 128 + signal when it was killed by one; after read() gave 0
  const std::string& errors() const;  // what it wrote to stderr, its first 64 KiB

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tmb::base
