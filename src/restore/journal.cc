// SPDX-License-Identifier: MIT
#include "restore/journal.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.hh"
#include "base/fd.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using Json = nlohmann::ordered_json;

namespace {

constexpr int version = 1;
constexpr std::array<const char*, 6> names{"staging",  "stopping", "closing",
                                           "swapping", "starting", "undoing"};

// Names of databases are bytes; JSON is UTF-8. Latin-1 widening keeps every byte and stays readable for
// ASCII.
std::string widen(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xC0U | (byte >> 6U));
      out += static_cast<char>(0x80U | (byte & 0x3FU));
    }
  }
  return out;
}

std::string narrow(const std::string& utf8) {
  std::string out;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x80 || i + 1 >= utf8.size()) {
      out += utf8[i];
    } else {
      out += static_cast<char>(((byte & 0x1FU) << 6U) | (static_cast<unsigned char>(utf8[++i]) & 0x3FU));
    }
  }
  return out;
}

Json optional_text(const std::optional<std::string>& text) { return text ? Json(widen(*text)) : Json(); }
std::optional<std::string> optional_text(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return narrow(json.get<std::string>());
}

Step parse_step(const std::string& name) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (name == names[i]) return static_cast<Step>(i);
  }
  throw std::runtime_error("unknown step");
}

}  // namespace

std::string name_of(Step step) { return names[static_cast<std::size_t>(step)]; }

namespace {

// The state folder may belong to the account of the scheduled backup, which must not tell root what to undo:
// only a journal of our own or of root is read. Looked at through the open file, so that it cannot be
// exchanged in between.
std::optional<std::string> read_trusted(const base::Path& path) {
  constexpr std::size_t limit = 1 << 20;
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file && errno == ENOENT) return std::nullopt;
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) {
    throw base::system_error(errno, "cannot open " + base::printable(path.string()));
  }
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    throw Error(ExitCode::refused, "the journal " + base::printable(path.string()) +
                                       " was written by another account than this one or root")
        .with_hint(
            "run the restore as that account, or, if no restore of its is unfinished, delete the file");
  }
  std::string text(limit, '\0');
  text.resize(base::read_some(file.get(), text, path.string()));
  return text;
}

}  // namespace

std::optional<Journal> JournalFile::read() const {
  const std::optional<std::string> text = read_trusted(path_);
  if (!text) return std::nullopt;
  try {
    const Json json = Json::parse(*text);
    if (json.at("version").get<int>() != version) throw std::runtime_error("another version");
    Journal j;
    j.run = json.at("run").get<std::string>();
    j.operation = json.at("operation").get<std::string>();
    j.step = parse_step(json.at("step").get<std::string>());
    j.system_identifier = json.at("system_identifier").get<std::string>();
    j.live = narrow(json.at("live").get<std::string>());
    j.live_oid = json.at("live_oid").get<std::uint32_t>();
    j.staging = narrow(json.at("staging").get<std::string>());
    j.staging_oid = json.at("staging_oid").get<std::uint32_t>();
    j.kept = narrow(json.at("kept").get<std::string>());
    j.snapshot = json.at("snapshot").get<std::string>();
    j.before = json.value("before", "");
    j.transaction = json.value("transaction", "");
    for (const Json& unit : json.at("units")) {
      j.units.push_back({unit.at("name").get<std::string>(), unit.at("was_active").get<bool>(),
                         unit.at("keep_stopped").get<bool>()});
    }
    j.live_comment = optional_text(json.at("live_comment"));
    j.staging_comment = optional_text(json.at("staging_comment"));
    return j;
  } catch (const std::exception& error) {
    throw Error(ExitCode::needs_person, "the journal of an unfinished restore, " +
                                            base::printable(path_.string()) +
                                            ", cannot be understood: " + base::printable(error.what()))
        .with_state("unknown: a restore may have stopped half-way")
        .with_hint(
            "look at it and at the databases (psql -l), put them right by hand, then delete that file");
  }
}

void JournalFile::write(const Journal& j) const {
  Json units = Json::array();
  for (const UnitRecord& unit : j.units) {
    units.push_back(
        {{"name", unit.name}, {"was_active", unit.was_active}, {"keep_stopped", unit.keep_stopped}});
  }
  const Json json = {{"version", version},
                     {"run", j.run},
                     {"operation", j.operation},
                     {"step", name_of(j.step)},
                     {"system_identifier", j.system_identifier},
                     {"live", widen(j.live)},
                     {"live_oid", j.live_oid},
                     {"staging", widen(j.staging)},
                     {"staging_oid", j.staging_oid},
                     {"kept", widen(j.kept)},
                     {"snapshot", j.snapshot},
                     {"before", j.before},
                     {"transaction", j.transaction},
                     {"units", units},
                     {"live_comment", optional_text(j.live_comment)},
                     {"staging_comment", optional_text(j.staging_comment)}};
  base::publish_file(path_, json.dump(2) + "\n", base::Overwrite::yes);
}

void JournalFile::remove() const {
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
    throw base::system_error(errno, "cannot remove " + base::printable(path_.string()));
  }
  base::sync_directory(path_.parent_path());
}

}  // namespace tmb::restore
