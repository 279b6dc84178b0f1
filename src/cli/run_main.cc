// SPDX-License-Identifier: MIT
#include "cli/run_main.hh"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <new>
#include <thread>

#include "base/error.hh"
#include "cli/flags.hh"
#include "cli/process_setup.hh"
#include "cli/signals.hh"

namespace tmb::cli {

using base::Error;
using base::ExitCode;

namespace {

enum class Parsed { run, done };

// The flags of `--json` and its like as they are on the command line, for errors found before it is
// understood.
bool is_there(const std::vector<std::string>& arguments, std::string_view flag) {
  return std::ranges::any_of(arguments, [flag](const std::string& argument) { return argument == flag; });
}

report::ReporterOptions reporter_options(const ProgramInfo& info, const SharedFlags& flags) {
  report::ReporterOptions options;
  options.program = info.name;
  options.json = flags.json;
  options.quiet = flags.quiet;
  options.verbose = flags.verbose;
  return report::detect(options,
                        [](const char* name) { return static_cast<const char*>(std::getenv(name)); });
}

Error usage_error(const std::string& why, const ProgramInfo& info) {
  return Error(ExitCode::usage, why).with_hint(info.name + " --help");
}

report::Json to_json(const Error& error) {
  return {{"code", static_cast<int>(error.code())},
          {"name", base::describe(error.code()).name},
          {"message", error.message()},
          {"state", error.state()},
          {"hint", error.hint()}};
}

// The exception that is being handled, as an Error.
Error current_error(const ProgramInfo& info) {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const CLI::Error& error) {
    return usage_error(error.what(), info);
  } catch (const std::bad_alloc&) {
    return {ExitCode::internal, "out of memory"};
  } catch (const std::exception& error) {
    return Error(ExitCode::internal, std::string("unexpected: ") + error.what())
        .with_hint("this is a mistake in " + info.name + "; please report it with this line");
  } catch (...) {
    return {ExitCode::internal, "unexpected: an exception of unknown type"};
  }
}

// One run of a program, from its arguments to its exit code.
class Program {
 public:
  Program(const ProgramInfo& info, const AddOptions& add_options, const Run& run)
      : info_(info), app_(info.about, info.name), run_(run) {
    app_.set_help_flag("--help", "show this and exit")->group("Common");
    app_.set_version_flag("--version", info.name + " " + version(), "show the version and exit")
        ->group("Common");
    add_options(app_);
    add_shared_flags(app_, info_, flags_);
    for (CLI::App* sub : app_.get_subcommands([](CLI::App*) { return true; })) sub->fallthrough();
  }

  ExitCode execute(std::vector<std::string> arguments) {
    flags_.json = is_there(arguments, "--json");
    reporter_ = report::make_reporter(reporter_options(info_, flags_));
    ExitCode code = ExitCode::internal;
    try {
      if (parse(std::move(arguments)) == Parsed::done) return finish_text();
      reporter_ = report::make_reporter(reporter_options(info_, flags_));
      code = run_with_settings();
    } catch (...) {
      code = failed(current_error(info_));
    }
    return finish(code);
  }

 private:
  // Done when there is nothing to run but --help or --version.
  Parsed parse(std::vector<std::string> arguments) {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    try {
      app_.parse(std::move(arguments));
      return Parsed::run;
    } catch (const CLI::CallForHelp&) {
      reporter_->text(help_text(app_, info_));
    } catch (const CLI::CallForVersion&) {
      reporter_->text(info_.name + " " + version() + "\n");
    }
    return Parsed::done;
  }

  config::Settings load_settings(const std::optional<base::Path>& file,
                                 const config::Environment& environment) {
    try {
      return config::load(file, environment);
    } catch (const Error&) {
      if (info_.without_settings) info_.without_settings(file, environment, *reporter_);
      throw;
    }
  }

  ExitCode run_with_settings() {
    config::Environment environment = config::process_environment();
    std::optional<base::Path> file;
    if (!flags_.config.empty()) file = flags_.config;
    config::Settings settings = load_settings(file, environment);
    apply_flags(settings, flags_);
    Context context{.settings = std::move(settings),
                    .environment = std::move(environment),
                    .reporter = *reporter_,
                    .document = document_,
                    .stop = signals_.stop(),
                    .json = flags_.json,
                    .yes = flags_.yes,
                    .no_service = flags_.no_service,
                    .verbosity = flags_.quiet     ? -1
                                 : flags_.verbose ? 1
                                                  : 0};
    const ExitCode code = run_(context);
    return code == ExitCode::ok && reporter_->warned() ? ExitCode::warnings : code;
  }

  ExitCode failed(Error error) {
    if (error.code() == ExitCode::interrupted || error.code() == ExitCode::terminated) {
      error.with_code(signals_.received().value_or(error.code()));
    }
    if (error.state().empty() && error.code() != ExitCode::usage) error.with_state(info_.unsaid_state);
    reporter_->error(error);
    document_["error"] = to_json(error);
    return error.code();
  }

  ExitCode finish_text() { return reporter_->output_error() == 0 ? ExitCode::ok : report_lost_output(); }

  ExitCode finish(ExitCode code) {
    if (flags_.json) {
      document_["warnings"] = reporter_->warnings();
      document_["exit_code"] = static_cast<int>(code);
      reporter_->finish(document_);
    }
    const bool fine = code == ExitCode::ok || code == ExitCode::warnings;
    return fine && reporter_->output_error() != 0 ? report_lost_output() : code;
  }

  ExitCode report_lost_output() {
    reporter_->error(base::system_error(reporter_->output_error(), "cannot write to standard output")
                         .with_state("everything else was done"));
    return ExitCode::local_io;
  }

  const ProgramInfo& info_;
  SharedFlags flags_;
  CLI::App app_;
  const Run& run_;
  SignalWatch signals_;
  std::unique_ptr<report::ProgramReporter> reporter_;
  report::Json document_ = report::Json::object();
};

}  // namespace

std::string version() { return TM_VERSION; }

int run_main(int argc, char** argv, const ProgramInfo& info, const AddOptions& add_options, const Run& run) {
  set_up_process();
  try {
    std::vector<std::string> arguments;
    for (int i = 1; i < argc; ++i) arguments.emplace_back(argv[i]);
    Program program(info, add_options, run);
    return static_cast<int>(program.execute(std::move(arguments)));
  } catch (...) {
    // Nothing could be set up to report with.
    const Error error = current_error(info);
    report::make_reporter({.program = info.name})->error(error);
    return static_cast<int>(error.code());
  }
}

}  // namespace tmb::cli
