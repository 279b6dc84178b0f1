// SPDX-License-Identifier: MIT
#include "teslamate/undo_file.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "base/error.hh"
#include "teslamate/undo_pack.hh"

namespace tmb::teslamate {

using base::Error;
using base::ExitCode;
using base::printable;
using report::Json;

namespace {

constexpr std::string_view plain_line = "teslamate-backup undo 1 plain\n";
constexpr std::string_view sealed_line = "teslamate-backup undo 1 sealed\n";
constexpr std::size_t piece_bytes = std::size_t{1} << 20U;
constexpr std::size_t most_sealed_bytes = 2 * piece_bytes;
constexpr std::size_t plain_read_bytes = std::size_t{1} << 16U;
constexpr std::string_view end_of_rows = "\\.\n";

std::string_view name_of(Change change) {
  switch (change) {
    case Change::deleted: return "deleted";
    case Change::changed: return "changed";
    case Change::inserted: return "inserted";
  }
  return "";
}

std::string line_of(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json to_json(const UndoHeader& h) {
  return {{"act", h.act},
          {"title", h.title},
          {"ids", h.ids},
          {"time", h.time},
          {"database", h.database.name},
          {"database_oid", h.database.oid},
          {"system_identifier", h.database.system_identifier},
          {"transaction", h.transaction}};
}

UndoHeader header_from(const Json& j) {
  return {j.at("act").get<std::string>(),
          j.at("title").get<std::string>(),
          j.at("ids").get<std::vector<std::int64_t>>(),
          j.at("time").get<std::string>(),
          {j.at("system_identifier").get<std::string>(), j.at("database").get<std::string>(),
           j.at("database_oid").get<std::string>()},
          j.at("transaction").get<std::string>()};
}

UndoSection section_from(const Json& j) {
  UndoSection out;
  out.table = {j.at("schema").get<std::string>(), j.at("table").get<std::string>()};
  const auto change = j.at("change").get<std::string>();
  out.change = change == name_of(Change::deleted)    ? Change::deleted
               : change == name_of(Change::inserted) ? Change::inserted
                                                     : Change::changed;
  if (change != name_of(out.change)) throw Error(ExitCode::unsupported, "a change of an unknown kind");
  out.key = j.at("key").get<std::vector<std::string>>();
  out.columns = j.at("columns").get<std::vector<std::string>>();
  return out;
}

std::string length_of(std::size_t size) {
  std::string out;
  for (unsigned shift = 0; shift < 32; shift += 8) out += static_cast<char>((size >> shift) & 0xFFU);
  return out;
}

// The text behind the first line, line by line, opened where it is sealed, unpacked.
class Lines {
 public:
  Lines(const base::Path& path, const UndoSeal* seal) : path_(path.string()), seal_(seal) {
    fd_ = base::UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd_) {
      const int error = errno;
      throw base::system_error(error, "cannot open " + printable(path_),
                               error == ENOENT ? ExitCode::not_found : ExitCode::local_io);
    }
    check_owner();
    std::string first(plain_line.size() + 1, '\0');
    first.resize(base::read_some(fd_.get(), first, path_));
    sealed_ = first.starts_with(sealed_line);
    if (!sealed_ && !first.starts_with(plain_line)) {
      throw Error(ExitCode::damaged, printable(path_) + " is no undo file of this version");
    }
    if (sealed_ && (seal_ == nullptr || !seal_->open)) {
      throw Error(ExitCode::wrong_key, printable(path_) + " is encrypted with the repository's key")
          .with_hint("name the repository with -r, and its passphrase as for a restore");
    }
    if (!sealed_) unpack(std::string_view(first).substr(plain_line.size()));
  }

  // nullopt at the end. The newline is part of it.
  std::optional<std::string_view> next() {
    for (;;) {
      const std::size_t end = buffer_.find('\n', at_);
      if (end != std::string::npos) {
        const std::string_view line = std::string_view(buffer_).substr(at_, end + 1 - at_);
        at_ = end + 1;
        return line;
      }
      buffer_.erase(0, at_);
      at_ = 0;
      if (!fill()) break;
    }
    if (!unpacker_.is_at_end()) throw damaged("it is cut off");
    if (!buffer_.empty()) throw damaged("it ends in the middle of a line");
    return std::nullopt;
  }

  Error damaged(const std::string& why) const {
    return Error(ExitCode::damaged, printable(path_) + " is damaged: " + why)
        .with_hint("a snapshot from before has the same rows: teslamate-snapshots list");
  }

 private:
  // What it says is done to the database: it must be our own.
  void check_owner() const {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) throw base::system_error(errno, "cannot stat " + printable(path_));
    if (!S_ISREG(status.st_mode))
      throw Error(ExitCode::local_io, printable(path_) + " is not a regular file");
    const bool ours = status.st_uid == ::geteuid() || status.st_uid == 0;
    if (!ours || (status.st_mode & 022U) != 0) {
      throw Error(ExitCode::refused, printable(path_) + " may have been written by another account")
          .with_hint("look at it first; then make it yours alone: chown and chmod 600");
    }
  }

  void unpack(std::string_view bytes) {
    if (!unpacker_.unpack(bytes, buffer_)) throw damaged("it does not decompress");
  }

  bool fill() {
    if (!sealed_) {
      packed_.resize(plain_read_bytes);
      packed_.resize(base::read_some(fd_.get(), packed_, path_));
      unpack(packed_);
      return !packed_.empty();
    }
    std::array<char, 5> head{};
    const std::size_t got = base::read_some(fd_.get(), head, path_);
    if (got == 0 && last_) return false;
    if (got != head.size() || last_) throw damaged("its pieces do not end where they should");
    std::size_t size = 0;
    for (unsigned i = 0; i < 4; ++i) size |= std::size_t{static_cast<unsigned char>(head[i])} << (8 * i);
    if (size > most_sealed_bytes) throw damaged("a piece of it is too long");
    packed_.resize(size);
    if (base::read_some(fd_.get(), packed_, path_) != size) throw damaged("it is cut off");
    last_ = head[4] == 1;
    unpack(seal_->open(packed_, number_++, last_));
    return true;
  }

  std::string path_;
  const UndoSeal* seal_;
  base::UniqueFd fd_;
  Unpacker unpacker_;
  std::string packed_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t number_ = 0;
  bool sealed_ = false;
  bool last_ = false;
};

}  // namespace

UndoWriter::UndoWriter(base::Path path, const UndoHeader& header, const UndoSeal* seal)
    : path_(std::move(path)),
      temporary_(path_.parent_path() /
                 (".tmp-" + std::to_string(::getpid()) + "-" + path_.filename().string())),
      seal_(seal),
      packer_(std::make_unique<Packer>()) {
  fd_ = base::UniqueFd(
      ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));  // NOLINT
  if (!fd_) throw base::system_error(errno, "cannot create " + printable(temporary_.string()));
  base::write_all(fd_.get(), seal_ != nullptr ? sealed_line : plain_line, temporary_.string());
  put(line_of(to_json(header)));
}

UndoWriter::~UndoWriter() {
  if (there_) ::unlink(temporary_.c_str());
}

void UndoWriter::put(std::string_view text) {
  hash_.update(text);
  buffer_ += text;
  while (buffer_.size() >= piece_bytes) flush(false);
}

void UndoWriter::flush(bool last) {
  const std::size_t size = std::min(buffer_.size(), piece_bytes);
  const std::string packed = packer_->pack(std::string_view(buffer_).substr(0, size));
  if (seal_ == nullptr) {
    base::write_all(fd_.get(), packed, temporary_.string());
  } else {
    const std::string sealed = seal_->seal(packed, pieces_++, last);
    base::write_all(fd_.get(), length_of(sealed.size()) + (last ? '\1' : '\0') + sealed, temporary_.string());
  }
  buffer_.erase(0, size);
}

void UndoWriter::begin(const UndoSection& section) {
  put(line_of({{"schema", section.table.schema},
               {"table", section.table.name},
               {"change", name_of(section.change)},
               {"key", section.key},
               {"columns", section.columns}}));
}

void UndoWriter::row(std::string_view line) {
  ++rows_;
  put(line);
}

void UndoWriter::end() { put(end_of_rows); }

void UndoWriter::publish() {
  const std::string digest = crypto::hex(hash_.finish());
  hash_ = crypto::Sha256();
  put(line_of({{"end", true}, {"rows", rows_}, {"sha256", digest}}));
  flush(true);
  if (::fsync(fd_.get()) != 0)
    throw base::system_error(errno, "cannot sync " + printable(temporary_.string()));
  fd_.close_checked(temporary_.string());
  if (::link(temporary_.c_str(), path_.c_str()) != 0) {
    throw base::system_error(errno, "cannot publish " + printable(path_.string()),
                             errno == EEXIST ? ExitCode::refused : ExitCode::local_io);
  }
  ::unlink(temporary_.c_str());
  there_ = false;
  try {
    base::sync_directory(path_.parent_path());
  } catch (const Error&) {
    ::unlink(path_.c_str());
    throw;
  }
}

UndoReader::UndoReader(base::Path path, const UndoSeal* seal) : path_(std::move(path)), seal_(seal) {
  check();
}

void UndoReader::check() {
  Lines lines(path_, seal_);
  crypto::Sha256 hash;
  std::uint64_t rows = 0;
  bool in_rows = false;
  bool first = true;
  while (const auto line = lines.next()) {
    if (in_rows && *line != end_of_rows) {
      ++rows;
      ++counts_.back();
    } else if (in_rows) {
      in_rows = false;
    } else {
      try {
        const Json entry = Json::parse(*line);
        if (entry.contains("end")) {
          const bool whole = entry.at("rows").get<std::uint64_t>() == rows &&
                             entry.at("sha256").get<std::string>() == crypto::hex(hash.finish());
          if (!whole || lines.next()) throw lines.damaged("its hash does not match");
          return;
        }
        if (std::exchange(first, false)) {
          header_ = header_from(entry);
        } else {
          sections_.push_back(section_from(entry));
          counts_.push_back(0);
          in_rows = true;
        }
      } catch (const Json::exception&) {
        throw lines.damaged("a line of it is not what it should be");
      }
    }
    hash.update(*line);
  }
  throw lines.damaged("it is cut off");
}

void UndoReader::read(const std::function<void(std::size_t, std::string_view)>& row) const {
  Lines lines(path_, seal_);
  lines.next();  // the header
  for (std::size_t section = 0; section < sections_.size(); ++section) {
    lines.next();  // its own line
    while (const auto line = lines.next()) {
      if (*line == end_of_rows) break;
      row(section, *line);
    }
  }
}

std::string copy_cell(const std::optional<std::string>& value) {
  if (!value) return "\\N";
  std::string out;
  for (const char c : *value) {
    switch (c) {
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace tmb::teslamate
