// SPDX-License-Identifier: MIT
// Where the separators of a piece of COPY text are, and arrays that grow without being cleared.
// Private to the column codec.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace tmb::repository {

// An array of plain values that is filled from chunk to chunk and keeps its memory.
template <typename T>
class Grown {
 public:
  // Adds `count` values that the caller fills in. Invalidates what earlier calls returned.
  T* grow(std::size_t count) {
    if (capacity_ - size_ < count) {
      capacity_ = std::max(size_ + count, size_ + size_ / 2 + 64);
      std::unique_ptr<T[]> larger(new T[capacity_]);  // not make_unique: it would write zeros first
      if (size_ > 0) std::memcpy(larger.get(), values_.get(), size_ * sizeof(T));
      values_ = std::move(larger);
    }
    size_ += count;
    return values_.get() + size_ - count;
  }

  void shrink(std::size_t count) { size_ -= count; }
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  T* data() { return values_.get(); }
  const T* data() const { return values_.get(); }
  std::span<T> span() { return {values_.get(), size_}; }

 private:
  std::unique_ptr<T[]> values_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// The positions of all tabs and newlines of one block, in order.
class SeparatorList {
 public:
  // The bytes that find() may read behind the text.
  static constexpr std::size_t slack = 64;

  // Replaces the list by that of `text`; returns how many of them are newlines.
  std::size_t find(const char* text, std::size_t length);

  std::size_t size() const { return ends_.size() - 1; }
  std::uint32_t operator[](std::size_t i) const { return ends_.data()[i + 1]; }
  // Where the cell begins that separator `i` ends.
  std::uint32_t start(std::size_t i) const { return ends_.data()[i] + 1; }

 private:
  Grown<std::uint32_t> ends_;  // the first is before the text
};

}  // namespace tmb::repository
