// SPDX-License-Identifier: MIT
#include "restore/load_sql.hh"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.hh"
#include "base/newlines.hh"
#include "base/workers.hh"
#include "catalog/admin.hh"
#include "catalog/dump_session.hh"
#include "catalog/staging.hh"
#include "restore/copy_crew.hh"
#include "restore/dump_post.hh"
#include "restore/file_input.hh"
#include "restore/index_memory.hh"
#include "restore/preflight.hh"
#include "restore/stage.hh"

namespace tmb::restore {

using base::Error;
using base::ExitCode;
using postgres::Connection;
using sql::Action;
using sql::Effect;

namespace {

// Sent when everything else is there.
struct Late {
  std::string text;
  std::uint64_t line = 0;
};

class Loader final : public sql::Visitor {
 public:
  Loader(Session& session, const Target& target, const StagingDatabase& staging, const FileInput& input)
      : s_(session),
        input_(input),
        settings_(staging.settings()),
        roles_(session.admin, input, target.facts.owner),
        jobs_(base::worker_count(session.options.jobs)),
        main_(Connection::open(settings_, session.stop)) {
    catalog::prepare_for_loading(main_);
    catalog::prepare_for_definitions(main_);
    catalog::prepare_for_indexing(main_, index_memory_mb(settings_, jobs_));
    const catalog::Rights rights = catalog::read_rights(session.admin);
    superuser_ = rights.superuser;
    if (rights.role != roles_.owner()) how_.role = roles_.owner();
    if (!how_.role.empty()) catalog::become(main_, how_.role);
  }

  void database(const std::string&) override { ++number_; }

  void statement(const sql::Verdict& v, std::string_view text, std::uint64_t line) override {
    if (v.action == Action::skip || !input_.is_chosen(number_)) return;
    line_ = line;
    if (v.action == Action::copy) return begin_rows(v);
    const std::string sql(text);
    switch (v.effect) {
      case Effect::setting: return apply_setting(v, sql);
      case Effect::index: return later(PostStatement{sql, line, {}, {v.name}}, false);
      case Effect::key: return later(PostStatement{sql, line, {v.name}, {}}, false);
      case Effect::foreign_key: return later(PostStatement{sql, line, {v.name, v.other}, {}}, true);
      case Effect::materialized_view: views_.push_back({sql, line}); return;
      case Effect::event_trigger: event_triggers_.push_back({sql, line}); return;
      case Effect::extension:
        return as_oneself([&] { catalog::create_extension(main_, v.name.name, v.name.schema); });
      case Effect::owner: return change_owner(v, sql);
      case Effect::grant: return grant(v, sql);
      case Effect::large_object: return large_object(v, sql);
      case Effect::sequence_position:
      case Effect::rows: return send_plain_values(v, sql);
      default: flush(); run(v, sql);
    }
  }

  void rows(std::string_view bytes) override {
    if (!loading_rows_) return;
    crew_->add(bytes);
    rows_ += base::count_newlines(bytes);
    s_.reporter.progress(rows_);
  }

  void end_of_rows() override {
    if (loading_rows_) crew_->end();
    if (loading_rows_ && one_by_one_) crew_->wait();
    loading_rows_ = false;
  }

  void finish() {
    end_of_rows();
    flush();
    if (in_large_object_) main_.execute("COMMIT");
    send_all(views_);
    // Everything was made and filled as one role: only now is each object given to its own, and then its
    // rights, which the server counts from the owner.
    if (fell_back_) owners_.insert(owners_.end(), own_owners_.begin(), own_owners_.end());
    as_oneself([&] { send_all(owners_); });
    // A role grants nothing on what is another's, and the server only warns of it.
    if (superuser_) {
      as_oneself([&] { send_all(grants_); });
    } else {
      send_all(grants_);
    }
    as_oneself([&] {
      send_all(event_triggers_);
      send_all(event_owners_);
    });
  }

 private:
  void apply_setting(const sql::Verdict& v, const std::string& sql) {
    flush();  // what was put off was meant under the settings before
    send(sql);
    if (v.what == "SET client_encoding") {
      how_.encoding = main_.parameter("client_encoding");
      if (crew_) crew_->wait();
      crew_.reset();
    } else if (v.what == "SET standard_conforming_strings") {
      how_.strings = sql;
    } else if (v.what != "SET xmloption") {
      how_.search_path = sql;
    }
  }

  void begin_rows(const sql::Verdict& v) {
    if (!crew_)
      crew_ = std::make_unique<CopyCrew>(settings_, jobs_, CopySession{how_.role, how_.encoding}, s_.stop);
    // An extension's table has its foreign keys already.
    one_by_one_ = is_of_extension(v.name);
    if (one_by_one_) crew_->wait();
    crew_->begin({v.name.schema, v.name.name, v.columns, one_by_one_});
    loading_rows_ = true;
  }

  void later(PostStatement statement, bool foreign_key) {
    if (crew_) crew_->wait();
    // Foreign keys lean on keys: those are all made first.
    if (foreign_key != put_off_are_foreign_keys_) flush();
    put_off_are_foreign_keys_ = foreign_key;
    put_off_.push_back(std::move(statement));
  }

  void flush() {
    if (crew_) crew_->wait();
    if (put_off_.empty()) return;
    const std::vector<PostStatement> statements = std::exchange(put_off_, {});
    run_post_statements(statements, settings_, jobs_, how_, s_.stop);
  }

  template <class Work>
  void as_oneself(Work&& work) {
    flush();
    if (!how_.role.empty()) catalog::become_oneself(main_);
    work();
    if (!how_.role.empty()) catalog::become(main_, how_.role);
  }

  void send(const std::string& sql) {
    try {
      main_.query(sql);
    } catch (Error& error) {
      error.with_context("line " + std::to_string(line_));
      throw;
    }
  }

  // A table that the dump does not make.
  bool is_of_extension(const sql::Name& name) const {
    return input_.database().find(name.schema, name.name) == nullptr;
  }

  // INSERT and setval, of plain values alone.
  void send_plain_values(const sql::Verdict& v, const std::string& sql) {
    const bool rows = v.effect == Effect::rows;
    if (rows) flush();
    const bool oneself = rows ? is_of_extension(v.name) : v.name.schema.starts_with("_timescaledb_");
    if (!oneself) return send(sql);
    as_oneself([&] { send(sql); });
  }

  // As the owner. What that role may not make is made by the superuser that we are, where no expression of
  // the dump is evaluated on the way: never rows, tables, views or indexes.
  void run(const sql::Verdict& v, const std::string& sql) {
    constexpr std::array of_superusers{
        "CREATE publication", "CREATE server",    "CREATE user",     "CREATE foreign",   "CREATE cast",
        "CREATE operator",    "CREATE aggregate", "CREATE function", "CREATE procedure", "CREATE schema",
        "ALTER publication",  "ALTER operator",   "COMMENT"};
    try {
      send(sql);
    } catch (postgres::DatabaseError& error) {
      if (error.sqlstate() != "42501" || how_.role.empty()) throw;
      if (!superuser_ || std::ranges::find(of_superusers, v.what) == of_superusers.end()) {
        error.with_hint("it is done as " + base::printable(how_.role) +
                        ", whose database it will be, and that role may not");
        throw;
      }
      as_oneself([&] { send(sql); });
      fell_back_ = true;
    }
  }

  void send_all(const std::vector<Late>& statements) {
    for (const Late& statement : statements) {
      line_ = statement.line;
      send(statement.text);
    }
  }

  void change_owner(const sql::Verdict& v, const std::string& sql) {
    const std::string to = roles_.owner(v.roles.front().role);
    const bool own = to == roles_.owner();
    // Those have to be superusers'.
    const bool of_event = v.what == "ALTER event";
    if (of_event && own) return;
    const Late late{sql::with_roles(sql, v.roles, {main_.identifier(to)}), line_};
    (of_event ? event_owners_ : own ? own_owners_ : owners_).push_back(late);
  }

  void grant(const sql::Verdict& v, const std::string& sql) {
    std::vector<std::string> names;
    for (const sql::RolePlace& place : v.roles) {
      const std::string to = roles_.grantee(place.role);
      if (to.empty()) return;
      names.push_back(main_.identifier(to));
    }
    grants_.push_back({sql::with_roles(sql, v.roles, names), line_});
  }

  // Those that write one need a transaction around them.
  void large_object(const sql::Verdict& v, const std::string& sql) {
    if (v.what == "SELECT lo_open" && !in_large_object_) {
      main_.execute("BEGIN");
      in_large_object_ = true;
    }
    send(sql);
    if (v.what == "SELECT lo_close" && in_large_object_) {
      main_.execute("COMMIT");
      in_large_object_ = false;
    }
  }

  Session& s_;
  const FileInput& input_;
  postgres::ConnectionSettings settings_;
  RoleMap roles_;
  unsigned jobs_;
  Connection main_;
  bool superuser_ = false;
  PostSession how_;
  std::unique_ptr<CopyCrew> crew_;
  bool loading_rows_ = false;
  bool one_by_one_ = false;
  bool in_large_object_ = false;
  std::vector<PostStatement> put_off_;
  bool put_off_are_foreign_keys_ = false;
  std::vector<Late> views_;  // to be filled
  std::vector<Late> owners_;
  std::vector<Late> own_owners_;  // of what belongs to the owner already, if the owner made it
  std::vector<Late> grants_;
  std::vector<Late> event_triggers_;
  std::vector<Late> event_owners_;
  bool fell_back_ = false;  // something was made by ourselves in the owner's place
  std::size_t number_ = 0;  // of the file's database that the statements are of
  std::uint64_t line_ = 0;
  std::uint64_t rows_ = 0;
};

}  // namespace

RoleMap::RoleMap(Connection& admin, const FileInput& input, std::string owner)
    : owner_(std::move(owner)), main_(input.main_owner()) {
  std::vector<std::string> named;
  for (const auto& [role, count] : input.database().owners) named.push_back(role);
  for (const auto& [role, count] : input.database().grantees) named.push_back(role);
  const std::vector<std::string> missing = catalog::missing_roles(admin, named);
  for (const std::string& role : named) {
    known_[role] = std::find(missing.begin(), missing.end(), role) == missing.end();
  }
}

std::string RoleMap::owner(const std::string& role) const {
  const auto it = known_.find(role);
  return role == main_ || it == known_.end() || !it->second ? owner_ : role;
}

std::string RoleMap::grantee(const std::string& role) const {
  if (role == main_) return owner_;
  const auto it = known_.find(role);
  return it != known_.end() && it->second ? role : "";
}

void load_sql(Session& s, const Target& target, const StagingDatabase& staging, const FileInput& input,
              base::ByteSource& text) {
  s.reporter.begin_phase("loading", staging.name(), input.manifest().rows(), report::Unit::rows);
  Loader loader(s, target, staging, input);
  const sql::DumpFrame frame = sql::walk(text, loader);
  if (frame.bytes != input.frame().bytes || frame.statements != input.frame().statements) {
    throw Error(ExitCode::damaged, input.title() + " was changed between reading and loading it")
        .with_hint("run the same command again");
  }
  loader.finish();
  s.reporter.end_phase(report::counted(input.manifest().rows(), "row", "rows") + ", indexes and constraints");
}

}  // namespace tmb::restore
