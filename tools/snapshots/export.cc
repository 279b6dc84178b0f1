// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include "base/error.hh"
#include "open_repository.hh"
#include "repository/source.hh"
#include "scope_option.hh"
#include "transfer/export.hh"

namespace tmb::tools::snapshots {

using base::Error;
using base::ExitCode;

namespace {

class Export final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("export", "write one snapshot to a file of its own");
    command->add_option("SNAPSHOT", snapshot_, "its id, the beginning of it, or latest")->required();
    command
        ->add_option(
            "FILE", destination_.file,
            "what to write: NAME.tmb, NAME.sql or NAME.bck, with .gz or .zst behind it, or - for stdout")
        ->required();
    command->add_flag("--force", destination_.force, "replace FILE if it is there");
    command->add_option("--format", format_, "the kind of file whatever its name: tmb, sql, sql.gz, sql.zst")
        ->type_name("KIND");
    add_scope_option(*command, scope_, "settings: only what was configured, never encrypted; FILE is a .tmb");
    return command;
  }

  ExitCode run(cli::Context& context) override {
    transfer::ExportOptions options;
    options.destination = destination_;
    options.kind = kind();
    options.jobs = context.settings.jobs;
    options.pg_bin_dir = context.settings.database.pg_bin_dir;
    if (destination_.is_stdout() && context.json)
      throw Error(ExitCode::usage, "--json and the file cannot both go to the standard output");
    if (!scope_.empty()) transfer::require_settings_kind(options.kind);
    const auto repository = open_repository(context);
    const repository::RepositorySource source(repository.share(), repository.resolve(snapshot_));
    const transfer::ExportOutcome outcome = write(options, repository, source, context);
    if (!scope_.empty()) context.reporter.note(transfer::settings_note);
    show(source.manifest(), options, outcome, context);
    return ExitCode::ok;
  }

 private:
  transfer::ExportOutcome write(const transfer::ExportOptions& options,
                                const repository::Repository& repository,
                                const repository::RepositorySource& source, cli::Context& context) const {
    if (!scope_.empty()) return transfer::export_settings(options, source, context.reporter, context.stop);
    if (options.kind.content == transfer::Content::tmb)
      return transfer::export_tmb(options, repository, source.manifest(), context.reporter, context.stop);
    return transfer::export_sql(options, source, context.reporter, context.stop);
  }

  transfer::FileKind kind() const {
    if (!format_.empty()) return transfer::kind_by_name(format_);
    return destination_.is_stdout() ? transfer::FileKind{} : transfer::kind_of_file(destination_.file);
  }

  void show(const repository::Manifest& manifest, const transfer::ExportOptions& options,
            const transfer::ExportOutcome& outcome, cli::Context& context) const {
    context.document["snapshot"] = manifest.id;
    context.document["file"] = destination_.file;
    context.document["kind"] = transfer::describe(options.kind);
    context.document["rows"] = outcome.rows;
    context.document["bytes"] = outcome.bytes;
    context.document["seconds"] = outcome.seconds;
    const std::string line =
        "snapshot " + manifest.id + ": " + report::counted(outcome.rows, "row", "rows") + " written to " +
        (destination_.is_stdout() ? "stdout" : base::printable(destination_.file)) + ", " +
        report::byte_size(outcome.bytes) + ", " + report::duration(outcome.seconds);
    // What is on stdout is the file and nothing else.
    if (destination_.is_stdout()) {
      context.reporter.note(line);
    } else {
      context.reporter.result(line);
    }
  }

  std::string snapshot_;
  transfer::Destination destination_;
  std::string format_;
  std::string scope_;
};

}  // namespace

std::unique_ptr<Command> make_export() { return std::make_unique<Export>(); }

}  // namespace tmb::tools::snapshots
