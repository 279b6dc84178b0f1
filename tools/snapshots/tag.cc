// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include "base/error.hh"
#include "open_repository.hh"
#include "repository/last_seen.hh"
#include "repository/tags.hh"

namespace tmb::tools::snapshots {

using base::Error;
using base::ExitCode;

namespace {

class Tag final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("tag", "name or pin a snapshot: no rule removes it then");
    command->add_option("SNAPSHOT", snapshot_, "its id, the beginning of it, or latest")->required();
    auto* text = command->add_option("TEXT", text_, "a word to find it by");
    auto* pin = command->add_flag("--pin", pin_, "keep it until --unpin, from forget too");
    auto* unpin = command->add_flag("--unpin", unpin_, "take the pin out");
    command->add_flag("--remove", remove_, "take name and pin away; the rules decide from now on")
        ->excludes(text)
        ->excludes(pin)
        ->excludes(unpin);
    pin->excludes(unpin);
    return command;
  }

  ExitCode run(cli::Context& context) override {
    if (text_.empty() && !pin_ && !unpin_ && !remove_)
      throw Error(ExitCode::usage, "say a TEXT, --pin, --unpin or --remove");
    if (base::printable(text_) != text_)
      throw Error(ExitCode::usage, "the tag is not plain text: " + base::printable(text_));
    const auto repository = open_repository(context);
    const std::string id = repository.resolve(snapshot_);
    repository::SnapshotTag tag = present(repository, id);
    if (!text_.empty()) tag.text = text_;
    tag.pinned = (tag.pinned || pin_) && !unpin_;
    if (remove_) tag = {"", false, true, tag.changed};
    const base::SystemClock clock;
    repository::write_tag(repository, id, tag, clock.now());
    remember(context, repository);
    context.document["snapshot"] = id;
    context.document["tag"] = tag.text;
    context.document["pinned"] = tag.pinned;
    context.document["scheduled"] = tag.scheduled;
    const std::string what = tag.text.empty() ? "no tag" : "tag " + tag.text;
    context.reporter.result(id + ": " + what + (tag.pinned ? ", pinned" : "") +
                            (remove_ ? "; the rules of [retention] decide about it" : ""));
    return ExitCode::ok;
  }

 private:
  // Whether a damaged one said "pinned" nobody knows, so whoever replaces it has to say so.
  repository::SnapshotTag present(const repository::Repository& repository, const std::string& id) const {
    const repository::Manifest manifest = repository.read_manifest(id);
    try {
      return repository::read_tag(repository, manifest);
    } catch (base::Error& error) {
      if (error.code() != ExitCode::damaged) throw;
      if (!pin_ && !unpin_ && !remove_) throw error.with_hint("tag it again, with --pin or --unpin");
      return {};
    }
  }

  // Else a tag that somebody takes away again before the next backup would not be missed.
  static void remember(const cli::Context& context, const repository::Repository& repository) {
    try {
      repository::remember_changes(context.settings.state_dir, repository);
    } catch (const base::Error& error) {
      context.reporter.warning("the tag was not noted in the state folder: " + error.message());
    }
  }

  std::string snapshot_;
  std::string text_;
  bool pin_ = false;
  bool unpin_ = false;
  bool remove_ = false;
};

}  // namespace

std::unique_ptr<Command> make_tag() { return std::make_unique<Tag>(); }

}  // namespace tmb::tools::snapshots
