// SPDX-License-Identifier: MIT
#include "repository/column_numbers.hh"

#include <algorithm>
#include <bit>

#include "base/error.hh"

namespace tmb::repository {

namespace {

// Differences wrap around at 2^64, so that every value comes back whatever its neighbours are.
std::uint64_t bits(std::int64_t value) { return static_cast<std::uint64_t>(value); }

std::uint64_t zigzag(std::uint64_t difference) { return (difference << 1U) ^ (0 - (difference >> 63U)); }

std::uint64_t unzigzag(std::uint64_t number) { return (number >> 1U) ^ (0 - (number & 1U)); }

constexpr std::size_t window_length = 64;   // consecutive values that are looked at together
constexpr std::size_t windows = 16;         // spread over the column
constexpr std::size_t piece_length = 8192;  // shorter planes share a zstd block with their neighbours

}  // namespace

NumberCoding NumberEncoder::choose(std::span<const std::int64_t> values) {
  NumberCoding best;
  unsigned best_cost = ~0U;
  for (std::uint8_t order = 0; order <= 2; ++order) {
    sample_.clear();
    const std::size_t stride = std::max(values.size() / windows, window_length);
    for (std::size_t start = 0; start < values.size(); start += stride) {
      const std::size_t end = std::min(start + window_length, values.size());
      for (std::size_t i = start + order; i < end; ++i) {
        std::uint64_t x = bits(values[i]);
        if (order >= 1) x -= bits(values[i - 1]);
        if (order == 2) x -= bits(values[i - 1]) - bits(values[i - 2]);
        sample_.push_back(static_cast<std::int64_t>(x));
      }
    }
    if (sample_.empty()) continue;
    std::int64_t centre = 0;
    if (order < 2) {
      const auto middle = sample_.begin() + static_cast<std::ptrdiff_t>(sample_.size() / 2);
      std::nth_element(sample_.begin(), middle, sample_.end());
      centre = *middle;
    }
    std::size_t cost = 0;  // in 1/16 bit for each value
    for (const std::int64_t x : sample_)
      cost += static_cast<std::size_t>(std::bit_width(zigzag(bits(x) - bits(centre))));
    cost = cost * 16 / sample_.size();
    if (cost >= best_cost) continue;
    best_cost = static_cast<unsigned>(cost);
    best.order = order;
    best.base = order == 0 ? centre : values[0];
    best.step = order == 1 ? centre : 0;
  }
  return best;
}

NumberCoding NumberEncoder::encode(std::span<std::int64_t> values, std::string& out,
                                   std::vector<std::size_t>& cuts) {
  NumberCoding coding = choose(values);
  std::uint64_t previous = bits(coding.base);
  std::uint64_t difference = 0;
  if (coding.order == 1) {
    previous -= bits(coding.step);
    coding.base = static_cast<std::int64_t>(previous);
  } else if (coding.order == 2) {
    difference = bits(values[1]) - bits(values[0]);
    coding.step = static_cast<std::int64_t>(difference);
    previous -= difference;
    coding.base = static_cast<std::int64_t>(previous);
  }
  std::uint64_t any = 0;
  std::uint64_t differing = 0;
  std::uint64_t first = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t x = bits(values[i]);
    std::uint64_t z = x - previous;
    if (coding.order == 1) {
      z -= bits(coding.step);
    } else if (coding.order == 2) {
      z -= difference;
      difference = x - previous;
    }
    if (coding.order > 0) previous = x;
    z = zigzag(z);
    if (i == 0) first = z;
    any |= z;
    differing |= z ^ first;
    values[i] = static_cast<std::int64_t>(z);
  }
  coding.width = static_cast<std::uint8_t>((static_cast<unsigned>(std::bit_width(any)) + 7) / 8);
  for (unsigned plane = 0; plane < coding.width; ++plane) {
    const unsigned shift = 8 * plane;
    if (((differing >> shift) & 0xFFU) == 0) {
      out += '\0';
      out += static_cast<char>(first >> shift);
      continue;
    }
    out += '\1';
    const std::size_t start = out.size();
    out.resize(start + values.size());
    char* const bytes = out.data() + start;
    for (std::size_t i = 0; i < values.size(); ++i) bytes[i] = static_cast<char>(bits(values[i]) >> shift);
    if (values.size() >= piece_length) cuts.push_back(out.size());
  }
  return coding;
}

std::size_t NumberReader::open(const NumberCoding& coding, std::size_t count, std::span<const char> encoded) {
  coding_ = coding;
  value_ = bits(coding.base);
  step_ = bits(coding.step);
  constant_ = 0;
  planes_count_ = 0;
  std::size_t at = 0;
  for (unsigned plane = 0; plane < coding.width; ++plane) {
    if (at >= encoded.size())
      throw base::Error(base::ExitCode::damaged, "column codec: a byte plane is missing");
    const char mode = encoded[at++];
    const std::size_t length = mode == 0 ? 1 : count;
    if ((mode != 0 && mode != 1) || encoded.size() - at < length || count == 0) {
      throw base::Error(base::ExitCode::damaged, "column codec: a byte plane is malformed");
    }
    if (mode == 0) {
      constant_ |= std::uint64_t{static_cast<unsigned char>(encoded[at])} << (8 * plane);
    } else {
      planes_[planes_count_++] = {encoded.data() + at, 8 * plane};
    }
    at += length;
  }
  return at;
}

template <typename Number>
void NumberReader::add_up(std::size_t count, std::int64_t* values, Number number) {
  std::uint64_t value = value_;
  std::uint64_t step = step_;
  if (coding_.order == 0) {
    for (std::size_t i = 0; i < count; ++i)
      values[i] = static_cast<std::int64_t>(value + unzigzag(number(i)));
  } else if (coding_.order == 1) {
    for (std::size_t i = 0; i < count; ++i) {
      value += step + unzigzag(number(i));
      values[i] = static_cast<std::int64_t>(value);
    }
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      step += unzigzag(number(i));
      value += step;
      values[i] = static_cast<std::int64_t>(value);
    }
  }
  value_ = value;
  step_ = step;
}

// The bytes of the lowest planes, which nearly always differ from row to row, one behind the other.
template <std::size_t... Index>
auto NumberReader::low_planes(std::index_sequence<Index...> /*planes*/) const {
  return [constant = constant_, bytes = std::array{planes_[Index].next...}](std::size_t i) {
    return constant | ((std::uint64_t{static_cast<unsigned char>(bytes[Index][i])} << (8 * Index)) | ...);
  };
}

bool NumberReader::only_low_planes() const {
  for (std::size_t p = 0; p < planes_count_; ++p) {
    if (planes_[p].shift != 8 * p) return false;
  }
  return true;
}

void NumberReader::read_any_planes(std::size_t count, std::int64_t* values) {
  std::fill_n(values, count, static_cast<std::int64_t>(constant_));
  for (std::size_t p = 0; p < planes_count_; ++p) {
    const char* const bytes = planes_[p].next;
    const unsigned shift = planes_[p].shift;
    for (std::size_t i = 0; i < count; ++i)
      values[i] |= static_cast<std::int64_t>(std::uint64_t{static_cast<unsigned char>(bytes[i])} << shift);
  }
  add_up(count, values, [values](std::size_t i) { return bits(values[i]); });
}

void NumberReader::read(std::size_t count, std::int64_t* values) {
  if (!only_low_planes()) {
    read_any_planes(count, values);
  } else {
    switch (planes_count_) {
      case 0: add_up(count, values, [c = constant_](std::size_t) { return c; }); break;
      case 1: add_up(count, values, low_planes(std::make_index_sequence<1>())); break;
      case 2: add_up(count, values, low_planes(std::make_index_sequence<2>())); break;
      case 3: add_up(count, values, low_planes(std::make_index_sequence<3>())); break;
      case 4: add_up(count, values, low_planes(std::make_index_sequence<4>())); break;
      case 5: add_up(count, values, low_planes(std::make_index_sequence<5>())); break;
      case 6: add_up(count, values, low_planes(std::make_index_sequence<6>())); break;
      default: read_any_planes(count, values);
    }
  }
  for (std::size_t p = 0; p < planes_count_; ++p) planes_[p].next += count;
}

}  // namespace tmb::repository
