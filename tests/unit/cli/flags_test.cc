// SPDX-License-Identifier: MIT
#include "cli/flags.hh"

#include "base/error.hh"
#include "catch.hh"

using namespace tmb::cli;
using tmb::base::Error;
using tmb::base::ExitCode;
using tmb::config::Settings;

namespace {

ProgramInfo every_flag() {
  ProgramInfo info;
  info.name = "prog";
  info.about = "Does things.";
  info.database = info.repository = info.jobs = info.state = info.services = true;
  return info;
}

// What the settings are after a command line (given backwards, as CLI11 takes it).
Settings after(std::vector<std::string> backwards, std::vector<std::string>* positional = nullptr) {
  CLI::App app;
  app.set_help_flag("--help");
  std::vector<std::string> rest;
  app.add_option("REST", rest);
  SharedFlags flags;
  add_shared_flags(app, every_flag(), flags);
  app.parse(std::move(backwards));
  Settings settings;
  settings.database.host = "from the file";
  apply_flags(settings, flags);
  if (positional != nullptr) *positional = rest;
  return settings;
}

ExitCode code_of(const std::vector<std::string>& backwards) {
  try {
    after(backwards);
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::ok;
}

}  // namespace

TEST_CASE("flags go over the settings, and -h is the host") {
  const Settings s = after({"/r", "-r", "db", "-d", "role", "-U", "5433", "-p", "/run/pg", "-h", "3", "-j"});
  CHECK(s.database.host == "/run/pg");
  CHECK(s.database.port == "5433");
  CHECK(s.database.user == "role");
  CHECK(s.database.name == "db");
  CHECK(s.repository == "/r");
  CHECK(s.jobs == 3);
  CHECK(after({}).database.host == "from the file");
}

TEST_CASE("--unit is given once for each unit and does not take what follows") {
  std::vector<std::string> rest;
  const Settings s = after({"snapshot", "b.service", "--unit", "a.service", "--unit"}, &rest);
  CHECK(s.restore.units == std::vector<std::string>{"a.service", "b.service"});
  CHECK(rest == std::vector<std::string>{"snapshot"});
  CHECK(after({}).restore.units == std::vector<std::string>{"teslamate.service"});
}

TEST_CASE("numbers out of range are wrong usage") {
  for (const char* bad : {"0", "-1", "65536", "5432x", "", " 1", "1e3"}) {
    INFO(bad);
    if (*bad != '\0') CHECK(code_of({std::string("--port=") + bad}) == ExitCode::usage);
  }
  CHECK(code_of({"--jobs=0"}) == ExitCode::usage);
  CHECK(code_of({"--jobs=257"}) == ExitCode::usage);
}

TEST_CASE("the help text names every flag once, its own first and the common ones last") {
  CLI::App app("", "prog");
  app.set_help_flag("--help", "show this and exit")->group("Common");
  bool own = false;
  std::vector<std::string> files;
  app.add_flag("--own", own, "its own");
  app.add_option("FILE", files, "files to read");
  SharedFlags flags;
  add_shared_flags(app, every_flag(), flags);
  const std::string text = help_text(app, every_flag());
  CHECK(text.starts_with("Usage: prog [OPTION]... [FILE...]\nDoes things.\n"));
  for (const char* flag : {"--own", "-h, --host HOST", "-p, --port PORT", "-U, --username NAME",
                           "-d, --dbname NAME", "-r, --repository DIR", "-j, --jobs N", "    --state-dir DIR",
                           "    --unit NAME", "    --no-service", "    --json", "    --help", "    --yes"}) {
    INFO(flag << "\n" << text);
    const std::size_t at = text.find(flag);
    CHECK(at != std::string::npos);
    CHECK(text.find(flag, at + 1) == std::string::npos);
  }
  CHECK(text.find("--own") < text.find("--host"));
  CHECK(text.find("--host") < text.find("--json"));
}
