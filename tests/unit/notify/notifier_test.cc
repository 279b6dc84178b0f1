// SPDX-License-Identifier: MIT
#include "notify/notifier.hh"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "base/error.hh"
#include "catch.hh"
#include "folder.hh"
#include "notify/unit_failure.hh"

using namespace tmb;
using notify::Event;
using notify::Notifier;
using tmb::test::Folder;

namespace {

// Keeps what is said.
class Said final : public report::Reporter {
 public:
  void begin_phase(std::string_view, std::string_view, std::uint64_t, report::Unit) override {}
  void progress(std::uint64_t) override {}
  void end_phase(std::string_view) override {}
  void result(std::string_view line) override { keep(line); }
  void note(std::string_view line) override { keep(line); }
  void warning(std::string_view line) override { keep(line), warned_ = true; }
  void detail(std::string_view line) override { keep(line); }
  bool warned() const override { return warned_; }
  std::string text;

 private:
  void keep(std::string_view line) { text += std::string(line) + "\n"; }
  bool warned_ = false;
};

std::string read(const base::Path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

notify::Message failure() {
  return {Event::failure, "backup", "backup failed", "why \x1b[1m it did", {{"rows", 3}}};
}

}  // namespace

TEST_CASE("nobody named, nobody told", "[notify]") {
  Said said;
  const config::NotifySettings settings;
  const Notifier notifier(settings, {}, said);
  CHECK_FALSE(notifier.tells_anybody());
  CHECK(notifier.send(failure()) == 0);
}

TEST_CASE("a command gets failures with their facts, and good runs only when that is wanted", "[notify]") {
  const Folder folder;
  const base::Path out = folder.path() / "out";
  Said said;
  config::NotifySettings settings;
  settings.command = {"/bin/sh", "-c", "env >>" + out.string()};
  const Notifier notifier(settings, config::Environment{{"SECRET", "hidden"}}, said);
  CHECK(notifier.send({Event::start, "backup", "begins", "", {}}) == 0);
  CHECK(notifier.send({Event::success, "backup", "done", "", {}}) == 0);
  CHECK_FALSE(std::filesystem::exists(out));
  CHECK(notifier.send(failure()) == 0);
  const std::string text = read(out);
  CHECK(text.find("TESLAMATE_BACKUP_EVENT=failure\n") != std::string::npos);
  CHECK(text.find("TESLAMATE_BACKUP_FACTS={\"rows\":3}\n") != std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("hidden") == std::string::npos);
  settings.on_success = true;
  CHECK(notifier.send({Event::success, "backup", "done", "", {}}) == 0);
  CHECK(read(out).find("TESLAMATE_BACKUP_EVENT=success\n") != std::string::npos);
}

TEST_CASE("a command that fails, hangs or is not there is said and throws nothing", "[notify]") {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"/bin/false"}, {"/nonexistent/program"}, {"/bin/sh", "-c", "sleep 30"}}) {
    Said said;
    config::NotifySettings settings;
    settings.command = command;
    settings.timeout = std::chrono::seconds(1);
    const auto began = std::chrono::steady_clock::now();
    CHECK(Notifier(settings, {}, said).send(failure()) == 1);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(10));
    CHECK(said.text.find("could not be told") != std::string::npos);
    CHECK_FALSE(said.warned());
  }
}

TEST_CASE("an address that cannot be reached is not said", "[notify]") {
  Said said;
  config::NotifySettings settings;
  settings.webhook = "http://127.0.0.1:1/canary";
  settings.ntfy = "gopher://canary/";
  settings.healthchecks = "http://127.0.0.1:1/canary";
  settings.timeout = std::chrono::seconds(1);
  CHECK(Notifier(settings, {}, said).send(failure()) == 3);
  CHECK(said.text.find("canary") == std::string::npos);
}

TEST_CASE(
    "a credential of systemd goes before the file of the settings, and a file that others read is refused",
    "[notify]") {
  const Folder folder;
  const base::Path credential = folder.path() / "notify-webhook";
  const base::Path file = folder.path() / "open-to-all";
  std::ofstream(credential) << "http://127.0.0.1:1/\n";
  std::ofstream(file) << "http://127.0.0.1:1/\n";
  ::chmod(credential.c_str(), 0400);
  ::chmod(file.c_str(), 0644);
  Said said;
  config::NotifySettings settings;
  settings.webhook_file = file;
  CHECK(Notifier(settings, config::Environment{{"CREDENTIALS_DIRECTORY", folder.path().string()}}, said)
            .tells_anybody());
  CHECK(said.text.empty());
  CHECK(Notifier(settings, {}, said).send(failure()) == 1);
  CHECK(said.text.find("open to group or others") != std::string::npos);
}

TEST_CASE("only the name of a unit is taken for one, and that there is nobody to tell is said", "[notify]") {
  Said said;
  config::NotifySettings settings;
  settings.command = {"/bin/true"};
  for (const char* name : {"", "--all", "a b", "a/b", "a;b", "a\nb"})
    CHECK_THROWS_AS(notify::tell_of_failed_unit(name, settings, {}, said), base::Error);
  notify::tell_of_failed_unit("x.service", config::NotifySettings{}, {}, said);
  CHECK(said.text.find("nobody is told that x.service failed") != std::string::npos);
  notify::tell_of_failed_unit("x@y-z\\x2d.service", settings, {}, said);
  CHECK(said.text.find("told that") != std::string::npos);
}
