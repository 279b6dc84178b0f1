// SPDX-License-Identifier: MIT
#include "diff/primary_keys.hh"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace tmb::diff {

namespace {

// The layout is that of PostgreSQL's pg_backup_archiver.c: ReadHead, ReadToc, ReadStr, ReadInt.
class Archive {
 public:
  explicit Archive(std::string_view bytes) : bytes_(bytes) {}

  // False at anything that is not understood.
  bool open() {
    if (!bytes_.starts_with("PGDMP") || bytes_.size() < 16) return false;
    version_ = byte(5) * 256 + byte(6);
    integer_bytes_ = byte(8);
    offset_bytes_ = byte(9);
    const bool custom = byte(10) == 1;
    if (byte(5) != 1 || version_ < 256 + 12 || integer_bytes_ != 4 || offset_bytes_ != 8 || !custom)
      return false;
    at_ = 11;
    if (version_ >= 256 + 15) {
      ++at_;
    } else {
      integer();
    }
    for (int i = 0; i < 7; ++i) integer();  // the time
    for (int i = 0; i < 3; ++i) text();     // database and versions
    entries_ = integer();
    return good_;
  }

  struct Entry {
    std::string description;
    std::string definition;
    std::string all;  // what it is, whose and how, without numbers that mean nothing elsewhere
  };

  std::optional<Entry> next() {
    if (entries_-- <= 0) return std::nullopt;
    Entry entry;
    integer();  // number
    integer();  // has data
    text();     // oids
    text();
    const std::string tag = text().value_or("");
    entry.description = text().value_or("");
    integer();  // section
    entry.definition = text().value_or("");
    text();  // DROP
    text();  // COPY
    const std::string schema = text().value_or("");
    text();                               // tablespace
    if (version_ >= 256 + 14) text();     // access method
    if (version_ >= 256 + 16) integer();  // kind of relation
    const std::string owner = text().value_or("");
    entry.all = entry.description + "\n" + schema + "\n" + tag + "\n" + owner + "\n" + entry.definition;
    text();                    // with oids
    while (good_ && text()) {  // what it depends on
    }
    at_ += 1 + offset_bytes_;  // where the data are
    return good_ && at_ <= bytes_.size() ? std::optional(entry) : std::nullopt;
  }

 private:
  std::size_t byte(std::size_t at) const { return static_cast<unsigned char>(bytes_[at]); }

  std::int64_t integer() {
    if (at_ + 1 + integer_bytes_ > bytes_.size()) good_ = false;
    if (!good_) return 0;
    const bool negative = byte(at_++) != 0;
    std::int64_t value = 0;
    for (std::size_t i = 0; i < integer_bytes_; ++i)
      value |= static_cast<std::int64_t>(byte(at_++)) << (8 * i);
    return negative ? -value : value;
  }

  std::optional<std::string> text() {
    const std::int64_t length = integer();
    if (!good_ || length < 0) return std::nullopt;
    const auto size = static_cast<std::size_t>(length);
    if (size > bytes_.size() - at_) {
      good_ = false;
      return std::nullopt;
    }
    at_ += size;
    return std::string(bytes_.substr(at_ - size, size));
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::size_t version_ = 0;
  std::size_t integer_bytes_ = 0;
  std::size_t offset_bytes_ = 0;
  std::int64_t entries_ = 0;
  bool good_ = true;
};

// Reads "ALTER TABLE ONLY public.cars ADD CONSTRAINT cars_pkey PRIMARY KEY (id);" word by word.
class Statement {
 public:
  explicit Statement(std::string_view text) : text_(text) {}

  bool words(std::string_view wanted) {
    skip_blanks();
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }

  std::optional<std::string> name() {
    skip_blanks();
    std::string out;
    if (at_ < text_.size() && text_[at_] == '"') {
      for (++at_; at_ < text_.size(); ++at_) {
        if (text_[at_] == '"' && text_.substr(at_).substr(0, 2) != "\"\"") break;
        if (text_[at_] == '"') ++at_;
        out += text_[at_];
      }
      ++at_;
    } else {
      while (at_ < text_.size() && std::string_view(" \n.,();").find(text_[at_]) == std::string_view::npos)
        out += text_[at_++];
    }
    return out.empty() || at_ > text_.size() ? std::nullopt : std::optional(out);
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void add_key(std::string_view definition, PrimaryKeys& keys) {
  Statement statement(definition);
  if (!statement.words("ALTER TABLE ")) return;
  statement.words("ONLY ");
  const auto schema = statement.name();
  if (!schema || !statement.words(".")) return;
  const auto table = statement.name();
  if (!table || !statement.words("ADD CONSTRAINT ") || !statement.name() || !statement.words("PRIMARY KEY ("))
    return;
  std::vector<std::string> columns;
  do {
    const auto column = statement.name();
    if (!column) return;
    columns.push_back(*column);
  } while (statement.words(","));
  if (statement.words(")")) keys[{*schema, *table}] = std::move(columns);
}

}  // namespace

PrimaryKeys read_primary_keys(std::string_view schema_archive) {
  PrimaryKeys keys;
  Archive archive(schema_archive);
  if (!archive.open()) return keys;
  while (const auto entry = archive.next()) {
    if (entry->description == "CONSTRAINT") add_key(entry->definition, keys);
  }
  return keys;
}

std::vector<std::string> read_definitions(std::string_view schema_archive) {
  std::vector<std::string> out;
  Archive archive(schema_archive);
  if (!archive.open()) return out;
  while (const auto entry = archive.next()) out.push_back(entry->all);
  std::ranges::sort(out);
  return out;
}

}  // namespace tmb::diff
