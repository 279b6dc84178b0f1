// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include "base/error.hh"
#include "known_damage.hh"
#include "open_tmb.hh"
#include "restore/snapshot_code.hh"
#include "transfer/import.hh"

namespace tmb::tools::snapshots {

using base::ExitCode;

namespace {

class Import final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("import", "take the snapshot of a .tmb into the repository");
    command->add_option("FILE", file_, "a .tmb that export or teslamate-backup wrote")->required();
    command->add_flag("--init", options_.init, "make the repository's folder if it is missing");
    command->add_flag("--trust-code", trust_code_,
                      "take a .tmb of another repository also when it brings code that\n"
                      "the server would run");
    return command;
  }

  ExitCode run(cli::Context& context) override {
    const auto source = open_tmb(context, file_);
    // Once it is in, it is a snapshot of ours, and a restore asks nothing.
    if (!trust_code_ && may_be_of_stranger(context, *source))
      restore::refuse_code(*source, context.settings.database.pg_bin_dir, context.stop);
    const repository::Opened opened = open_for_backup(context, options_);
    const transfer::ImportOutcome outcome = transfer::import_tmb(
        *source, opened.repository, context.settings.jobs, context.reporter, context.stop);
    note_newest(opened.repository, context);
    note_mended(context, opened.repository, {outcome.object_ids, {}});
    const repository::Manifest& manifest = source->manifest();
    context.document["snapshot"] = outcome.snapshot;
    context.document["there_already"] = outcome.there_already;
    context.document["rows"] = manifest.rows();
    context.document["objects"] = outcome.objects;
    context.document["new_objects"] = outcome.new_objects;
    context.document["new_bytes"] = outcome.new_bytes;
    context.reporter.result(
        "snapshot " + outcome.snapshot +
        (outcome.there_already ? " was there already" +
                                     std::string(outcome.new_objects == 0 ? "" : "; what it lacked was added")
                               : ": " + report::counted(manifest.rows(), "row", "rows") + " imported, " +
                                     report::byte_size(outcome.new_bytes) + " of it new in the repository"));
    return ExitCode::ok;
  }

 private:
  // As after a backup: the snapshot is there, so a state folder that does not take the note is a warning.
  static void note_newest(const repository::Repository& repository, cli::Context& context) {
    try {
      if (const auto newest = repository.read_latest())
        repository::remember(context.settings.state_dir, repository,
                             {repository.id(), newest->sequence, newest->id});
    } catch (const base::Error& error) {
      context.reporter.warning("the snapshot was not noted in the state folder: " + error.message());
    }
  }

  std::string file_;
  bool trust_code_ = false;
  repository::OpenOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_import() { return std::make_unique<Import>(); }

}  // namespace tmb::tools::snapshots
