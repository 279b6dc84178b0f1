// SPDX-License-Identifier: MIT
#include "archive/input.hh"

#include <zlib.h>

#include <fstream>
#include <optional>

#include "archive/recognise.hh"
#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"

namespace {

using namespace tmb;
using archive::InputFile;

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 200, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string dump() {
  std::string out = "--\n-- PostgreSQL database dump\n--\n\n";
  for (int i = 0; i < 40; ++i) out += "SELECT " + std::to_string(i * i * 7919) + ";\n";
  return out;
}

void write(const base::Path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// The whole content through the layers, or nullopt when it is refused.
std::optional<std::string> content(const base::Path& path, std::size_t piece = 1000) {
  try {
    const InputFile file = InputFile::open(path);
    const auto source = file.read();
    std::string out;
    std::string buffer(piece, '\0');
    while (const std::size_t got = source->read(buffer)) out.append(buffer, 0, got);
    return out;
  } catch (const base::Error& error) {
    return std::nullopt;
  }
}

}  // namespace

TEST_CASE("every cut of a gzip is seen", "[archive]") {
  const test::Folder folder;
  const base::Path path = folder.path() / "x";
  const std::string whole = gzipped(dump());
  write(path, whole);
  REQUIRE(content(path) == dump());
  REQUIRE(content(path, 1) == dump());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write(path, whole.substr(0, size));
    CHECK_FALSE(content(path).has_value());
  }
}

TEST_CASE("no flipped bit of a gzip changes what is read unseen", "[archive]") {
  const test::Folder folder;
  const base::Path path = folder.path() / "x";
  const std::string whole = gzipped(dump());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    write(path, flipped);
    const auto got = content(path);
    CHECK((!got || *got == dump()));
  }
}

TEST_CASE("members of gzip one after another are one text, zeros behind are padding, else it is refused",
          "[archive]") {
  const test::Folder folder;
  const base::Path path = folder.path() / "x";
  const std::string text = dump();
  write(path, gzipped(text.substr(0, 100)) + gzipped(text.substr(100)));
  CHECK(content(path) == text);
  write(path, gzipped(text) + std::string(1000, '\0'));
  CHECK(content(path) == text);
  write(path, gzipped(text) + "x");
  CHECK_FALSE(content(path).has_value());
}

TEST_CASE("carriage returns in front of line ends are dropped, others stay, whatever the pieces",
          "[archive]") {
  const test::Folder folder;
  const base::Path path = folder.path() / "x";
  write(path, "-- PostgreSQL database dump\r\nSELECT 'a\rb\r\r\nc';\r\n\r");
  for (std::size_t piece = 1; piece < 12; ++piece) {
    CHECK(content(path, piece) == "-- PostgreSQL database dump\nSELECT 'a\rb\r\nc';\n\r");
  }
}

TEST_CASE("a file that changes while it is read is noticed", "[archive]") {
  const test::Folder folder;
  const base::Path path = folder.path() / "x";
  write(path, dump());
  const InputFile file = InputFile::open(path);
  CHECK_NOTHROW(file.check_unchanged());
  std::ofstream(path, std::ios::app) << "SELECT 1;\n";
  CHECK_THROWS_AS(file.check_unchanged(), base::Error);
}

TEST_CASE("kinds are told by content", "[archive]") {
  using archive::Looks;
  using archive::recognise;
  CHECK(recognise("") == Looks::empty);
  CHECK(recognise("PGDMP\1") == Looks::custom);
  CHECK(recognise("--\n-- PostgreSQL database dump\n") == Looks::plain_sql);
  CHECK(recognise("\n\n  set statement_timeout = 0;") == Looks::plain_sql);
  CHECK(recognise("WARNING: something\n--\n-- PostgreSQL database dump\n") == Looks::plain_sql);
  CHECK(recognise("settled") == Looks::other);
  CHECK(recognise("-- MySQL dump 10.13") == Looks::other);
  CHECK(recognise(std::string(512, '\0')) == Looks::other);
}
