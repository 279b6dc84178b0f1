// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "base/fd.hh"
#include "catch.hh"
#include "folder.hh"
#include "report/program_reporter.hh"

using namespace tmb::report;
using tmb::base::Error;
using tmb::base::ExitCode;
using tmb::test::ContainsSubstring;

namespace {

// A reporter that writes into two files.
class Screen {
 public:
  explicit Screen(ReporterOptions options = {}) {
    options.program = "prog";
    options.out = out_.get();
    options.err = err_.get();
    reporter = make_reporter(options);
  }
  std::string out() const { return content(out_); }
  std::string err() const { return content(err_); }

 private:
  tmb::base::UniqueFd create(const char* name) const {
    return tmb::base::UniqueFd(
        ::open((folder_ / name).c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  }
  static std::string content(const tmb::base::UniqueFd& fd) {
    std::string text(65536, '\0');
    ::lseek(fd.get(), 0, SEEK_SET);
    text.resize(tmb::base::read_some(fd.get(), text, "test"));
    return text;
  }
  tmb::test::Folder folder_;
  tmb::base::UniqueFd out_ = create("out");
  tmb::base::UniqueFd err_ = create("err");

 public:
  std::unique_ptr<ProgramReporter> reporter;
};

}  // namespace

TEST_CASE("results go to stdout, all else to stderr") {
  Screen screen;
  screen.reporter->result("the result");
  screen.reporter->note("a note");
  screen.reporter->warning("a warning");
  screen.reporter->detail("a detail");
  CHECK(screen.out() == "the result\n");
  CHECK(screen.err() == "a note\nprog: warning: a warning\n");
  CHECK(screen.reporter->warned());
}

TEST_CASE("quiet leaves warnings and errors only") {
  Screen screen({.quiet = true});
  screen.reporter->result("the result");
  screen.reporter->note("a note");
  screen.reporter->begin_phase("loading", "x", 10, Unit::rows);
  screen.reporter->end_phase("10 rows");
  screen.reporter->warning("w");
  CHECK(screen.out().empty());
  CHECK(screen.err() == "prog: warning: w\n");
}

TEST_CASE("details appear with verbose") {
  Screen screen({.verbose = true});
  screen.reporter->detail("a detail");
  CHECK(screen.err() == "a detail\n");
}

TEST_CASE("an error is three lines: what failed, what is live, what to do") {
  Screen screen;
  screen.reporter->error(
      Error(ExitCode::damaged, "it is broken").with_state("nothing was changed").with_hint("one\ntwo"));
  CHECK(screen.err() ==
        "prog: error[13]: it is broken\n"
        "state: nothing was changed\n"
        "hint:  one\n"
        "       two\n");
}

TEST_CASE("an error that knows no state and no hint is one line") {
  Screen screen;
  screen.reporter->error(Error(ExitCode::not_found, "gone"));
  CHECK(screen.err() == "prog: error[21]: gone\n");
}

TEST_CASE("without a terminal a phase is one plain line at its end") {
  Screen screen;
  screen.reporter->begin_phase("loading", "teslamate_staging", 100, Unit::rows);
  for (std::uint64_t i = 0; i < 100; ++i) screen.reporter->progress(i);
  CHECK(screen.err().empty());
  screen.reporter->end_phase("100 rows");
  CHECK(screen.err() == "loading  teslamate_staging       100 rows  0.0 s\n");
}

TEST_CASE("a phase without a total has no time") {
  Screen screen;
  screen.reporter->begin_phase("checking", "", 0, Unit::items);
  screen.reporter->end_phase("15 tables");
  CHECK(screen.err() == "checking 15 tables\n");
}

TEST_CASE("a terminal gets a bar that a line of text removes and that ends full") {
  Screen screen({.progress = true, .width = 60});
  screen.reporter->begin_phase("reading", "x", 1000, Unit::bytes);
  CHECK_THAT(screen.err(), ContainsSubstring("\rreading  x                       ░░░░"));
  screen.reporter->note("n");
  CHECK_THAT(screen.err(), ContainsSubstring("\r\x1b[Kn\n"));
  screen.reporter->end_phase("1.0 kB");
  CHECK_THAT(screen.err(), ContainsSubstring(" █████████████ 1.0 kB  0.0 s\n"));
}

TEST_CASE("the bar is 20 cells where there is room, less where not, and none next to long words") {
  const auto ended = [](unsigned width, const std::string& words) {
    Screen screen({.progress = true, .width = width});
    screen.reporter->begin_phase("reading", "manifests", 1, Unit::items);
    screen.reporter->end_phase(words);
    const std::string all = screen.err();
    return all.substr(all.rfind("reading"));
  };
  const std::string bar = "████████████████████";
  CHECK(ended(80, "1 snapshot") == "reading  manifests               " + bar + " 1 snapshot  0.0 s\n");
  CHECK(ended(80, "1 snapshot, 180 objects") ==
        "reading  manifests               ████████████████ 1 snapshot, 180 objects  0.0 s\n");
  CHECK(ended(60, "1 snapshot, 180 objects") ==
        "reading  manifests               1 snapshot, 180 objects  0.0 s\n");
}

TEST_CASE("what reaches the screen cannot control it") {
  Screen screen({.progress = true});
  const std::string bad = "a\x1b]0;t\x07\nb\r\xE2\x80\xAE";
  screen.reporter->result(bad);
  screen.reporter->warning(bad);
  screen.reporter->error(Error(ExitCode::internal, bad).with_state(bad));
  const std::string all = screen.out() + screen.err();
  CHECK(all.find('\x1b') == std::string::npos);
  CHECK(all.find('\x07') == std::string::npos);
  CHECK(all.find("\xE2\x80\xAE") == std::string::npos);
  CHECK(screen.out() == "a\\x1b]0;t\\x07\\nb\\x0d\\xe2\\x80\\xae\n");
}

TEST_CASE("colours appear only where they are allowed") {
  Screen plain;
  plain.reporter->warning("w");
  CHECK(plain.err().find('\x1b') == std::string::npos);
  Screen colored({.color = true});
  colored.reporter->warning("w");
  CHECK(colored.err() == "prog: \x1b[33mwarning\x1b[0m: w\n");
}

TEST_CASE("JSON leaves stdout to the one document and remembers the warnings") {
  Screen screen({.json = true});
  screen.reporter->result("human");
  screen.reporter->begin_phase("loading", "x", 10, Unit::rows);
  screen.reporter->end_phase("human");
  screen.reporter->warning("w");
  CHECK(screen.out().empty());
  CHECK(screen.reporter->warnings() == std::vector<std::string>{"w"});
  screen.reporter->finish({{"a", 1}});
  CHECK(Json::parse(screen.out()) == Json{{"a", 1}});
}

TEST_CASE("a reader that is gone is remembered and does no harm") {
  Screen screen;
  const tmb::base::UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const auto reporter = make_reporter({.program = "prog", .out = full.get(), .err = full.get()});
  reporter->note("to stderr: not remembered");
  CHECK(reporter->output_error() == 0);
  reporter->result("x");
  CHECK(reporter->output_error() == ENOSPC);
}

TEST_CASE("systemd's status line is fed at the beginning of a phase") {
  Screen screen;
  std::vector<std::string> seen;
  screen.reporter->set_status_sink([&](std::string_view line) { seen.emplace_back(line); });
  screen.reporter->begin_phase("loading", "x", 10, Unit::rows);
  screen.reporter->begin_phase("checking", "", 0, Unit::items);
  CHECK(seen == std::vector<std::string>{"loading x", "checking"});
}

TEST_CASE("many threads may report at once") {
  Screen screen({.progress = true});
  screen.reporter->begin_phase("loading", "x", 4000, Unit::rows);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (std::uint64_t i = 0; i < 50; ++i) {
          screen.reporter->progress(i);
          screen.reporter->result("line");
        }
      });
    }
  }
  screen.reporter->end_phase("done");
  std::string expected;
  for (int i = 0; i < 200; ++i) expected += "line\n";
  CHECK(screen.out() == expected);
}

TEST_CASE("a file is no terminal and JOURNAL_STREAM counts only for the stream it names") {
  Screen screen;
  const auto variable = [](const char* name) -> const char* {
    if (std::string_view(name) == "JOURNAL_STREAM") return "1:2";
    return std::string_view(name) == "TERM" ? "xterm" : nullptr;
  };
  const tmb::base::UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  const ReporterOptions options = detect({.program = "prog", .out = null.get(), .err = null.get()}, variable);
  CHECK_FALSE(options.color);
  CHECK_FALSE(options.progress);
  CHECK_FALSE(options.journal);
}
