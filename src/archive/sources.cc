// SPDX-License-Identifier: MIT
#include "archive/sources.hh"

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/error.hh"

namespace tmb::archive {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

class FileSource final : public base::ByteSource {
 public:
  FileSource(int fd, std::string name, std::atomic<std::uint64_t>& position)
      : fd_(fd), name_(std::move(name)), position_(position) {
    position_ = 0;
  }

  std::size_t read(std::span<char> out) override {
    for (;;) {
      const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(at_));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw base::system_error(errno, "cannot read " + printable(name_));
      at_ += static_cast<std::uint64_t>(got);
      position_ = at_;
      return static_cast<std::size_t>(got);
    }
  }

 private:
  int fd_;
  std::string name_;
  std::atomic<std::uint64_t>& position_;
  std::uint64_t at_ = 0;
};

class GzipSource final : public base::ByteSource {
 public:
  explicit GzipSource(Source inner) : inner_(std::move(inner)), in_(std::size_t{64} << 10U) {
    // 15 bits of window, and 16: gzip with its sums checked.
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;
  ~GzipSource() override { inflateEnd(&stream_); }

  std::size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), std::numeric_limits<int>::max()));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted && !ended_) {
      if (stream_.avail_in == 0 && !refill()) fail("it ends too early");
      if (between_members_ && !begin_member()) break;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result == Z_STREAM_END) {
        between_members_ = true;
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        fail(stream_.msg == nullptr ? "its sums do not fit" : stream_.msg);
      }
      if (between_members_ && stream_.avail_in == 0 && !refill()) ended_ = true;
    }
    return wanted - stream_.avail_out;
  }

 private:
  bool refill() {
    const std::size_t got = inner_->read(in_);
    stream_.next_in = reinterpret_cast<Bytef*>(in_.data());
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }

  // Another member, or zeros to the end. False at the end.
  bool begin_member() {
    if (*stream_.next_in != 0x1f) {
      do {
        for (; stream_.avail_in > 0; --stream_.avail_in, ++stream_.next_in) {
          if (*stream_.next_in != 0) fail("something else follows its end");
        }
      } while (refill());
      ended_ = true;
      return false;
    }
    between_members_ = false;
    inflateReset(&stream_);
    return true;
  }

  [[noreturn]] static void fail(const std::string& why) {
    throw Error(ExitCode::damaged, "the gzip data is damaged: " + printable(why));
  }

  Source inner_;
  std::vector<char> in_;
  z_stream stream_{};
  bool between_members_ = false;
  bool ended_ = false;
};

class BombGuard final : public base::ByteSource {
 public:
  BombGuard(Source inner, const std::atomic<std::uint64_t>& packed)
      : inner_(std::move(inner)), packed_(packed) {}

  std::size_t read(std::span<char> out) override {
    const std::size_t got = inner_->read(out);
    unpacked_ += got;
    // Dumps of real databases become 5 to 30 times bigger. What is read ahead counts as not yet read.
    constexpr std::uint64_t plenty = std::uint64_t{256} << 20U;
    constexpr std::uint64_t ratio = 300;
    if (unpacked_ > plenty && unpacked_ / ratio > packed_ + (std::uint64_t{256} << 10U)) {
      throw Error(ExitCode::damaged, "the file unpacks to more than 300 times its size: no dump does that");
    }
    return got;
  }

 private:
  Source inner_;
  const std::atomic<std::uint64_t>& packed_;
  std::uint64_t unpacked_ = 0;
};

class CarriageReturns final : public base::ByteSource {
 public:
  explicit CarriageReturns(Source inner) : inner_(std::move(inner)), buffer_(std::size_t{64} << 10U) {}

  std::size_t read(std::span<char> out) override {
    if (at_ == end_) refill();
    const std::size_t size = std::min(out.size(), end_ - at_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(at_), size, out.begin());
    at_ += size;
    return size;
  }

 private:
  // Leaves nothing in the buffer at the end.
  void refill() {
    at_ = end_ = 0;
    while (end_ == 0) {
      const std::size_t kept = held_ ? 1 : 0;
      const std::size_t got = inner_->read(std::span(buffer_).subspan(kept));
      if (held_) buffer_[0] = '\r';
      held_ = false;
      if (got == 0) {
        end_ = kept;
        return;
      }
      end_ = squeeze(std::span(buffer_).first(kept + got));
    }
  }

  std::size_t squeeze(std::span<char> text) {
    std::size_t to = 0;
    for (std::size_t from = 0; from < text.size(); ++from) {
      if (text[from] == '\r') {
        if (from + 1 == text.size()) {
          held_ = true;
          break;
        }
        if (text[from + 1] == '\n') continue;
      }
      text[to++] = text[from];
    }
    return to;
  }

  Source inner_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
  bool held_ = false;  // a "\r" was the last byte; what follows decides
};

}  // namespace

Source file_source(int fd, std::string shown_name, std::atomic<std::uint64_t>& position) {
  return std::make_unique<FileSource>(fd, std::move(shown_name), position);
}

Source gzip_source(Source inner) { return std::make_unique<GzipSource>(std::move(inner)); }

Source bomb_guard(Source inner, const std::atomic<std::uint64_t>& packed_position) {
  return std::make_unique<BombGuard>(std::move(inner), packed_position);
}

Source without_carriage_returns(Source inner) { return std::make_unique<CarriageReturns>(std::move(inner)); }

}  // namespace tmb::archive
