// SPDX-License-Identifier: MIT
#include "restore/file_input.hh"

#include <sys/stat.h>

#include <algorithm>

#include "base/error.hh"
#include "catalog/admin.hh"
#include "catalog/timescale.hh"
#include "restore/dump_facts.hh"
#include "restore/dump_text.hh"
#include "restore/load_sql.hh"
#include "restore/preflight.hh"
#include "restore/stage.hh"
#include "restore/tracearr.hh"

namespace tmb::restore {

using archive::Content;
using base::Error;
using base::ExitCode;
using base::printable;

namespace {

base::Time modified(const base::Path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return base::Time(std::chrono::seconds(status.st_mtim.tv_sec));
}

std::string first_few(const std::vector<std::string>& items) {
  constexpr std::size_t shown = 5;
  std::string out;
  for (std::size_t i = 0; i < std::min(items.size(), shown); ++i)
    out += (i == 0 ? "" : ", ") + printable(items[i]);
  if (items.size() > shown) out += " and " + std::to_string(items.size() - shown) + " more";
  return out;
}

// A visitor that also remembers where it is: for the message about a dump that was cut off.
class Tracker final : public sql::Visitor {
 public:
  explicit Tracker(sql::Survey& survey) : survey_(survey) {}
  void database(const std::string& name) override { survey_.database(name); }
  void statement(const sql::Verdict& v, std::string_view text, std::uint64_t line) override {
    if (v.action == sql::Action::copy) table_ = v.name.text();
    survey_.statement(v, text, line);
  }
  void rows(std::string_view bytes) override { survey_.rows(bytes); }
  void end_of_rows() override { survey_.end_of_rows(); }
  const std::string& table() const { return table_; }

 private:
  sql::Survey& survey_;
  std::string table_;
};

}  // namespace

FileInput::FileInput(archive::InputFile file, FileOptions options)
    : file_(std::move(file)), options_(std::move(options)) {}

std::string FileInput::title() const { return "the file " + printable(file_.path().string()); }
std::string FileInput::mark() const { return printable(file_.path().filename().string()); }

std::string FileInput::origin() const {
  std::string out = file_.describe() + (frame_.complete ? ", complete, " : ", incomplete, ");
  out += frame_.server_version.empty() ? "from a PostgreSQL that it does not name"
                                       : "from PostgreSQL " + printable(frame_.server_version);
  if (!frame_.tool_version.empty()) out += ", by pg_dump " + printable(frame_.tool_version);
  const std::string& migration = manifest_.migration_version;
  return out + (migration.empty() ? "; not of TeslaMate" : "; TeslaMate's schema " + migration);
}

void FileInput::read_everything(Proof, unsigned, report::Reporter& reporter, const std::stop_token& stop) {
  if (file_.content() == Content::tracearr) tracearr_ = read_tracearr(file_.metadata());
  if (file_.content() != Content::plain_sql) tools_ = newest_tools(options_.pg_bin_dir);
  if (file_.has_carriage_returns()) {
    reporter.note("the lines of " + printable(file_.path().string()) +
                  " end as a terminal writes them (docker exec -t); that is mended while reading");
  }
  reporter.begin_phase("reading", file_.path().filename().string(),
                       file_.content() == Content::directory_dump ? 0 : file_.size(), report::Unit::bytes);
  DumpFacts facts;
  sql::Survey survey(facts.watches());
  survey.on_progress([&] {
    reporter.progress(file_.position());
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
  });
  Tracker tracker(survey);
  try {
    if (file_.content() == Content::tar_dump) file_.check_tar();
    const auto text = open_dump_text(file_, tools_, stop);
    frame_ = sql::walk(*text, tracker);
    file_.check_unchanged();
  } catch (Error& error) {
    if (error.message().find(printable(file_.path().string())) == std::string::npos)
      error.with_context(printable(file_.path().string()));
    if (error.hint().empty() && error.code() == ExitCode::damaged)
      error.with_hint(
          "nothing of the file is loaded; take a new dump with pg_dump, or look at what stands there");
    throw;
  }
  if (frame_.end == sql::End::in_rows)
    end_note_ = "in the middle of the rows of " + printable(tracker.table());
  if (frame_.end == sql::End::in_statement) end_note_ = "in the middle of a statement";
  choose_database(survey.databases());
  manifest_.cars = facts.cars();
  manifest_.migration_version = facts.migration_version();
  if (!options_.only_look) {
    check_complete(reporter);
    check_content();
    check_code();
  }
  fill_manifest();
  reporter.end_phase(report::counted(manifest_.rows(), "row", "rows") + " in " +
                     report::counted(manifest_.tables.size(), "table", "tables"));
}

// A dump of a whole server has several. One is restored: the only one with tables, or TeslaMate's.
void FileInput::choose_database(const std::vector<sql::DatabaseSurvey>& databases) {
  std::vector<std::size_t> with_tables;
  std::vector<std::size_t> of_teslamate;
  for (std::size_t i = 0; i < databases.size(); ++i) {
    if (databases[i].tables.empty()) continue;
    with_tables.push_back(i);
    if (databases[i].find("public", "schema_migrations") != nullptr) of_teslamate.push_back(i);
  }
  if (with_tables.size() > 1 && of_teslamate.size() != 1) {
    std::vector<std::string> names;
    for (const std::size_t i : with_tables) names.push_back(databases[i].name);
    throw Error(ExitCode::refused,
                title() + " is a dump of a whole server with several databases: " + first_few(names))
        .with_hint("take a dump of TeslaMate's alone: pg_dump teslamate > teslamate.sql");
  }
  chosen_ = with_tables.empty()       ? databases.size() - 1
            : with_tables.size() == 1 ? with_tables.front()
                                      : of_teslamate.front();
  database_ = databases[chosen_];
  for (const std::size_t i : with_tables) {
    if (i != chosen_) others_.push_back(databases[i].name);
  }
}

std::string FileInput::incompleteness() const {
  if (frame_.complete) return "";
  return title() + " is incomplete: it ends after " + std::to_string(frame_.lines) + " lines" +
         (end_note_.empty() ? " without the line that pg_dump writes at the end" : " " + end_note_);
}

void FileInput::check_complete(report::Reporter& reporter) const {
  const std::string what = incompleteness();
  if (what.empty()) return;
  if (options_.allow_incomplete && options_.beside) {
    reporter.warning(what + "; what is there is loaded");
    return;
  }
  throw Error(ExitCode::damaged, what)
      .with_hint(
          "look for another copy; or load what is there beside the live data: --allow-incomplete "
          "--as-database NAME");
}

void FileInput::check_content() const {
  if (!database_.foreign_rows.empty()) {
    throw Error(ExitCode::refused,
                title() + " has rows for " + printable(database_.foreign_rows) +
                    " but does not make that table: it is a dump of rows alone, or of a part")
        .with_hint("restore a whole dump, made without --data-only");
  }
  if (database_.tables.empty()) {
    throw Error(ExitCode::damaged, title() + " makes no table: there is nothing in it to restore");
  }
  const bool schema_only = std::none_of(database_.tables.begin(), database_.tables.end(),
                                        [](const auto& t) { return t.has_rows_section; });
  if (schema_only && !options_.beside) {
    throw Error(ExitCode::refused, title() + " has tables but no rows: it would replace all data by nothing")
        .with_hint("restore a dump made without --schema-only; to look at this one: --as-database NAME");
  }
}

void FileInput::check_code() const {
  if (database_.code.empty() || options_.trust_code) return;
  throw Error(ExitCode::refused, title() +
                                     " brings code of its own that the server would run with your rights: " +
                                     first_few(database_.code))
      .with_hint("look at it in the file; when it is yours, say --trust-code");
}

std::string FileInput::main_owner() const {
  const auto most = std::max_element(database_.owners.begin(), database_.owners.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == database_.owners.end() ? "" : most->first;
}

void FileInput::fill_manifest() {
  repository::Manifest& m = manifest_;
  m.time = modified(file_.path());
  m.server_version = frame_.server_version;
  m.server_version_number = sql::version_number(frame_.server_version);
  m.database.name = database_.name;
  for (const sql::SurveyTable& t : database_.tables) {
    repository::TableData table;
    table.schema = t.name.schema;
    table.name = t.name.name;
    table.columns = t.columns;
    table.rows = t.rows;
    repository::Chunk chunk;
    chunk.end_page = repository::Chunk::open_end;
    chunk.rows = t.rows;
    chunk.objects.emplace_back();
    chunk.objects.back().plain_bytes = t.bytes;
    table.chunks.push_back(std::move(chunk));
    m.tables.push_back(std::move(table));
  }
  for (const sql::SurveySequence& q : database_.sequences) {
    m.sequences.push_back({q.name.schema, q.name.name, q.last_value, q.is_called});
  }
  for (const std::string& name : database_.extensions)
    m.extensions.push_back({name, name == "timescaledb" ? tracearr_.timescale_version : "", ""});
  // The dump says its server's version itself; the metadata count where they say more.
  if (const int said = sql::version_number(tracearr_.postgres_version); said > m.server_version_number) {
    m.server_version_number = said;
    m.server_version = tracearr_.postgres_version;
  }
}

void FileInput::preflight(Session& session, Target& target) {
  if (!target.live && !database_.encoding.empty()) {
    target.facts.encoding = database_.encoding;
    if (!database_.collate.empty()) target.facts.collate = database_.collate;
    if (!database_.ctype.empty()) target.facts.ctype = database_.ctype;
  }
  if (database_.large_objects > 0) {
    session.reporter.detail(report::counted(database_.large_objects, "large object", "large objects"));
  }
  tell_left_out(session, target);
}

void FileInput::tell_left_out(Session& s, const Target& target) const {
  if (!others_.empty()) {
    s.reporter.note("the file is a dump of a whole server; only " + printable(database_.name) +
                    " is restored, not " + first_few(others_));
  }
  if (frame_.is_cluster) s.reporter.note("roles and their passwords are not restored");
  const RoleMap roles(s.admin, *this, target.facts.owner);
  for (const auto& [from, count] : database_.owners) {
    const std::string to = roles.owner(from);
    if (to != from) {
      s.reporter.note(report::counted(count, "object", "objects") + " of the role " + printable(from) +
                      " will belong to " + printable(to));
    }
  }
  std::vector<std::string> absent;
  for (const auto& [role, count] : database_.grantees) {
    if (roles.grantee(role).empty()) absent.push_back(role);
  }
  if (!absent.empty()) {
    s.reporter.note("grants to roles that this server does not have are left out: " + first_few(absent));
  }
  for (const auto& [what, count] : database_.left_out) s.reporter.note("left out: " + printable(what));
}

void FileInput::load(Session& session, const Target& target, const StagingDatabase& staging) {
  const auto text = open_dump_text(file_, tools_, session.stop);
  const std::string& timescale = database_.timescale_schema;
  if (!timescale.empty()) {
    catalog::begin_timescale_restore(staging.settings(), tracearr_.timescale_version, timescale,
                                     session.stop);
  }
  load_sql(session, target, staging, *this, *text);
  if (!timescale.empty()) catalog::end_timescale_restore(staging.settings(), session.stop);
  file_.check_unchanged();
}

}  // namespace tmb::restore
