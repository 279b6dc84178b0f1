// SPDX-License-Identifier: MIT
#include "archive/recognise.hh"

#include <algorithm>
#include <array>
#include <cctype>

namespace tmb::archive {

namespace {

using namespace std::string_view_literals;

bool is_tar_header(std::string_view text) {
  constexpr std::size_t block = 512;
  constexpr std::size_t sum_at = 148;
  constexpr std::size_t sum_size = 8;
  if (text.size() < block || text.front() == '\0') return false;
  unsigned sum = 0;
  for (std::size_t i = 0; i < block; ++i) {
    const bool of_sum = i >= sum_at && i < sum_at + sum_size;
    sum += static_cast<unsigned char>(of_sum ? ' ' : text[i]);
  }
  unsigned said = 0;
  for (const char c : text.substr(sum_at, sum_size)) {
    if (c >= '0' && c <= '7') said = said * 8 + static_cast<unsigned>(c - '0');
    if (c == '\0' && said > 0) break;
  }
  return sum == said;
}

// The first line that is neither empty nor a lone "--".
std::string_view first_line(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.remove_suffix(1);
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front())) != 0)
      line.remove_prefix(1);
    if (!line.empty() && line != "--") return line;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

bool begins_with_word(std::string_view line, std::string_view upper) {
  if (line.size() < upper.size()) return false;
  for (std::size_t i = 0; i < upper.size(); ++i) {
    if (std::toupper(static_cast<unsigned char>(line[i])) != upper[i]) return false;
  }
  return line.size() == upper.size() || std::isalnum(static_cast<unsigned char>(line[upper.size()])) == 0;
}

bool is_sql(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return false;
  const std::string_view line = first_line(text);
  if (line.starts_with("-- PostgreSQL database")) return true;
  if (line.starts_with("-- MySQL") || line.starts_with("-- MariaDB") || line.starts_with("-- phpMyAdmin"))
    return false;
  // Something in front of the dump's own header: messages of a wrapper, or a command for psql.
  if (text.find("-- PostgreSQL database") != std::string_view::npos) return true;
  if (line.starts_with('\\')) return true;
  constexpr std::array words{"SET"sv,    "SELECT"sv, "CREATE"sv, "DROP"sv,    "ALTER"sv,
                             "COPY"sv,   "INSERT"sv, "BEGIN"sv,  "COMMENT"sv, "GRANT"sv,
                             "REVOKE"sv, "DO"sv,     "UPDATE"sv, "DELETE"sv};
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view w) { return begins_with_word(line, w); });
}

struct Known {
  std::string_view magic;
  const char* what;
  const char* hint;
};

constexpr std::array known{
    Known{"\xFF\xFE"sv, "is text in UTF-16, as PowerShell's > writes it: characters may be lost already",
          "take the dump again with pg_dump --file=NAME, or in cmd.exe"},
    Known{"\xFE\xFF"sv, "is text in UTF-16: characters may be lost already",
          "take the dump again with pg_dump --file=NAME"},
    Known{"SQLite format 3"sv, "is an SQLite database; TeslaMate's data are in PostgreSQL", ""},
    Known{"\x04\x22\x4D\x18"sv, "is packed by lz4, which is not read here", "unpack it first: lz4 -d FILE"},
    Known{"7z\xBC\xAF\x27\x1C"sv, "is a 7z archive, which is not read here", "unpack it first: 7z x FILE"},
    Known{"Rar!"sv, "is a RAR archive, which is not read here", "unpack it first: unrar x FILE"},
    Known{"<!DOCTYPE"sv, "is a web page: the download failed or needed a login", ""},
    Known{"<html"sv, "is a web page: the download failed or needed a login", ""},
    Known{"age-encryption.org/"sv, "is encrypted with age", "decrypt it first: age -d FILE > DUMP"},
    Known{"-----BEGIN PGP MESSAGE"sv, "is encrypted with PGP", "decrypt it first: gpg -d FILE > DUMP"},
    Known{"Salted__"sv, "is encrypted with openssl", "decrypt it first with openssl enc -d"},
    Known{"-- MySQL"sv, "is a dump of MySQL; TeslaMate's data are in PostgreSQL", ""},
    Known{"-- MariaDB"sv, "is a dump of MariaDB; TeslaMate's data are in PostgreSQL", ""},
    Known{"pg_dump: error"sv, "holds the error message of pg_dump instead of a dump",
          "take the backup again"},
    Known{"pg_dump: "sv, "holds messages of pg_dump instead of a dump", "take the backup again"},
    Known{"Error response from daemon"sv, "holds Docker's error message instead of a dump",
          "take the backup again"},
    Known{"the input device is not a TTY"sv, "holds Docker's error message instead of a dump",
          "take the backup again, with docker compose exec -T"},
};

}  // namespace

Looks recognise(std::string_view text) {
  if (text.empty()) return Looks::empty;
  if (text.starts_with("PGDMP")) return Looks::custom;
  if (text.starts_with("\x1F\x8B\x08"sv)) return Looks::gzip;
  if (text.starts_with("\x28\xB5\x2F\xFD"sv)) return Looks::zstd;
  if (text.starts_with("\xFD\x37\x7A\x58\x5A\x00"sv)) return Looks::xz;
  if (text.size() > 3 && text.starts_with("BZh") && text[3] >= '1' && text[3] <= '9') return Looks::bzip2;
  if (text.starts_with("PK\x03\x04"sv) || text.starts_with("PK\x05\x06"sv)) return Looks::zip;
  if (is_tar_header(text)) return Looks::tar;
  return is_sql(text) ? Looks::plain_sql : Looks::other;
}

bool has_carriage_returns(std::string_view text) {
  const std::size_t first = text.find('\n');
  return first != std::string_view::npos && first > 0 && text[first - 1] == '\r';
}

Explanation explain_other(std::string_view text) {
  const std::string_view line = first_line(text);
  for (const Known& k : known) {
    if (text.starts_with(k.magic) || line.starts_with(k.magic)) return {k.what, k.hint};
  }
  if (std::all_of(text.begin(), text.end(), [](char c) { return c == '\0'; })) {
    return {"holds nothing but zeros: it was lost when a disk filled or failed", ""};
  }
  const bool text_only = std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 9 ||
           (static_cast<unsigned char>(c) > 13 && static_cast<unsigned char>(c) < 32);
  });
  if (text_only) return {"is text, but no dump of PostgreSQL", "look at its beginning: head FILE"};
  return {"is no dump: its first bytes are of no kind that is known here", ""};
}

}  // namespace tmb::archive
