// SPDX-License-Identifier: MIT
#include "backup/cutter.hh"

#include <set>
#include <vector>

#include "catch.hh"

namespace {

using tmb::backup::Cutter;

std::string random_text(std::size_t bytes, std::uint64_t seed) {
  std::string out(bytes, '\0');
  for (char& c : out) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    c = static_cast<char>(seed >> 56U);
  }
  return out;
}

std::vector<std::string> cut(const std::string& text, std::size_t step) {
  std::vector<std::string> pieces;
  Cutter cutter([&](std::string_view piece) { pieces.emplace_back(piece); });
  for (std::size_t at = 0; at < text.size(); at += step) cutter.add(std::string_view(text).substr(at, step));
  cutter.finish();
  return pieces;
}

}  // namespace

TEST_CASE("pieces put together are the stream, whatever it came in", "[cutter]") {
  const std::string text = random_text(std::size_t{12} << 20U, 1);
  const auto pieces = cut(text, 1 << 20);
  CHECK(pieces == cut(text, 65536 + 7));
  CHECK(pieces == cut(text, text.size()));
  std::string joined;
  for (const std::string& piece : pieces) joined += piece;
  CHECK(joined == text);
  CHECK(pieces.size() > 4);
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
    CHECK(pieces[i].size() >= tmb::backup::least_piece_bytes);
    CHECK(pieces[i].size() <= tmb::backup::most_piece_bytes);
  }
}

TEST_CASE("bytes that come in change the pieces near them alone", "[cutter]") {
  const std::string text = random_text(std::size_t{16} << 20U, 2);
  std::string changed = text;
  changed.insert(changed.size() / 2, "a row that was not there yesterday");
  const auto before = cut(text, 1 << 16);
  const auto after = cut(changed, 1 << 16);
  const std::set<std::string> known(before.begin(), before.end());
  std::size_t fresh = 0;
  for (const std::string& piece : after) fresh += known.contains(piece) ? 0U : 1U;
  CHECK(fresh <= 2);
  CHECK(after.size() > 8);
}

TEST_CASE("a stream that never changes is cut all the same", "[cutter]") {
  const auto pieces = cut(std::string(std::size_t{20} << 20U, 'x'), 1 << 16);
  for (const std::string& piece : pieces) CHECK(piece.size() <= tmb::backup::most_piece_bytes);
  CHECK(cut("", 1).empty());
  CHECK(cut("short", 1) == std::vector<std::string>{"short"});
}
