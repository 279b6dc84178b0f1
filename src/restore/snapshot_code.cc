// SPDX-License-Identifier: MIT
#include "restore/snapshot_code.hh"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "base/child_stream.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "repository/dump_stream.hh"
#include "restore/dump_text.hh"
#include "sql/walk.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using base::printable;
using repository::BackupSource;

namespace {

// What asks for trust. A snapshot's definitions go to pg_restore whole, so that what is left out of a dump
// would be run too.
class CodeSeeker final : public sql::Visitor {
 public:
  void database(const std::string&) override { found.emplace_back("a second database"); }

  void statement(const sql::Verdict& v, std::string_view text, std::uint64_t) override {
    if (!v.code.empty()) found.push_back(v.code);
    jobs_ = v.action == sql::Action::copy && v.name.name == "bgw_job";
    // The last two stand around large objects.
    constexpr std::array harmless{"CREATE extension", "CREATE schema", "COMMENT",
                                  "ALTER schema",     "begin",         "commit"};
    const bool passed = v.action != sql::Action::skip || v.what.empty() || v.what.starts_with("SET ") ||
                        std::ranges::find(harmless, v.what) != harmless.end();
    if (!passed) found.push_back(v.what);
    // Indexes are made in sessions of our own, which would read their definitions in another way.
    if (v.what == "SET standard_conforming_strings" && text.find("off") != std::string_view::npos)
      found.emplace_back("strings with escapes");
  }

  void rows(std::string_view bytes) override {
    if (std::exchange(jobs_, false) && !bytes.empty()) found.emplace_back("background jobs of TimescaleDB");
  }
  void end_of_rows() override {}

  std::vector<std::string> found;

 private:
  bool jobs_ = false;
};

bool is_plain(const std::string& encoding) {
  constexpr std::array<std::string_view, 9> plain{"UTF",    "SQL_ASCII", "LATIN", "ISO", "WIN125",
                                                  "WIN866", "WIN874",    "KOI",   "EUC"};
  return encoding.empty() ||
         std::ranges::any_of(plain, [&](std::string_view name) { return encoding.starts_with(name); });
}

Error untrusted(const BackupSource& source, const std::string& what) {
  return Error(ExitCode::refused, source.describe() +
                                      " is not of your repository, and brings what the server would run "
                                      "with your rights: " +
                                      what)
      .with_hint("when it is yours, or you trust who made it, say --trust-code");
}

class Definitions final : public base::ByteSource {
 public:
  Definitions(const BackupSource& source, const std::string& pg_bin_dir, const std::stop_token& stop)
      : name_(source.describe()), pieces_(source) {
    const postgres::Tools tools = newest_tools(pg_bin_dir);
    base::ProcessOptions options;
    options.argv = {tools.path("pg_restore"), "--file=-"};
    options.environment = {"LC_ALL=C", "PATH=/usr/bin:/bin"};
    if (::geteuid() == 0) options.as_user = base::find_os_user("nobody");
    options.stop = stop;
    if (source.manifest().by_pg_dump()) {
      child_ = std::make_unique<base::ChildStream>(options, pieces_);
    } else {
      repository::Workspace workspace;
      std::string content;
      source.read(repository::ObjectType::schema, source.manifest().schema, workspace, content);
      base::UniqueFd file = base::memory_file("schema", content);
      ::lseek(file.get(), 0, SEEK_SET);
      child_ = std::make_unique<base::ChildStream>(options, std::move(file));
    }
    child_->set_patience(std::chrono::seconds(120));
  }

  std::size_t read(std::span<char> out) override {
    const std::size_t got = child_->read(out);
    if (got == 0 && child_->exit_code() != 0)
      throw Error(ExitCode::damaged, name_ + ": pg_restore: " + postgres::first_error(child_->errors()));
    return got;
  }

 private:
  std::string name_;
  repository::DumpStream pieces_;
  std::unique_ptr<base::ChildStream> child_;
};

}  // namespace

void refuse_code(const BackupSource& source, const std::string& pg_bin_dir, const std::stop_token& stop) {
  CodeSeeker seeker;
  Definitions definitions(source, pg_bin_dir, stop);
  sql::DumpFrame frame;
  try {
    frame = sql::walk(definitions, seeker);
  } catch (const Error& error) {
    if (error.code() != ExitCode::damaged) throw;
    throw untrusted(source, error.message());
  }
  if (frame.end != sql::End::between) throw untrusted(source, "definitions that do not end");
  if (!is_plain(frame.encoding)) seeker.found.push_back("the encoding " + frame.encoding);
  if (seeker.found.empty()) return;
  std::string what;
  constexpr std::size_t shown = 5;
  for (std::size_t i = 0; i < std::min(shown, seeker.found.size()); ++i)
    what += (i == 0 ? "" : ", ") + printable(seeker.found[i]);
  if (seeker.found.size() > shown) what += " and " + std::to_string(seeker.found.size() - shown) + " more";
  throw untrusted(source, what);
}

}  // namespace tmb::restore
