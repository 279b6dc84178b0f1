// SPDX-License-Identifier: MIT
// What every main() is made of: shared flags, settings, reporter, signals, and the one place that catches,
// prints an error and chooses the exit code. The only user of CLI11. Knows no operation.
//
//   int main(int argc, char** argv) {
//     Options options;
//     return tmb::cli::run_main(argc, argv, {.name = "teslamate-x", .about = "…", .repository = true},
//                               [&](CLI::App& app) { add_options(app, options); },
//                               [&](tmb::cli::Context& context) { return run(options, context); });
//   }
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/exit_code.hh"
#include "config/settings.hh"
#include "report/json.hh"
#include "report/program_reporter.hh"

namespace tmb::cli {

// The version of this build, such as 0.1.0.
std::string version();

struct ProgramInfo {
  std::string name{};
  std::string about{};         // one or two lines under the usage line
  std::string epilogue{};      // under the flags: examples
  bool database = false;       // -h -p -U -d
  bool repository = false;     // -r
  bool jobs = false;           // -j
  bool state = false;          // --state-dir
  bool services = false;       // --unit, --no-service
  std::string unsaid_state{};  // the "state:" line of an error that says none: "nothing was changed"
  // Called when the settings cannot be had, before the program ends with that error; may be empty.
  std::function<void(const std::optional<base::Path>& config_file, const config::Environment&,
                     report::ProgramReporter&)>
      without_settings{};
};

// What a program's run function is given.
struct Context {
  config::Settings settings;  // defaults, file, environment and flags
  config::Environment environment;
  report::ProgramReporter& reporter;  // hand operations the Reporter in it; set_status_sink() for systemd
  report::Json& document;             // of --json: printed when the run is over, also when it fails
  std::stop_token stop;
  bool json = false;
  bool yes = false;
  bool no_service = false;
  int verbosity = 0;  // -1 --quiet, 1 --verbose

  // --repository or its setting. Throws no_repository when neither is given.
  const base::Path& repository() const;
  // Asks on the terminal, yes or no; yes without asking when --yes was given. Throws refused when there is no
  // terminal to ask on.
  bool ask(const std::string& question) const;
  // The same where no answer but yes lets the program go on: throws refused on no.
  void confirm(const std::string& question) const;
  // One line from the terminal, not echoed. Throws wrong_key when there is no terminal to ask on.
  base::Secret ask_secret(const std::string& question) const;
  bool on_terminal() const;  // there is somebody to ask
};

using AddOptions = std::function<void(CLI::App&)>;
using Run = std::function<base::ExitCode(Context&)>;

// Parses, runs, and turns whatever comes out into an exit code: what `run` returned, 3 for ok with warnings,
// an Error's code, 2 for wrong usage, 130 or 143 when a signal stopped it, 17 when stdout could not be
// written, 1 for any other exception. Errors are printed once on stderr, and with --json as {"error": …} on
// stdout too. SIGINT, SIGTERM and SIGHUP ask `Context::stop` to stop, however often they come.
int run_main(int argc, char** argv, const ProgramInfo& info, const AddOptions& add_options, const Run& run);

// The --help text, rendered here so that it does not change with the version of CLI11.
std::string help_text(const CLI::App& app, const ProgramInfo& info);

}  // namespace tmb::cli
