// SPDX-License-Identifier: MIT
#include "snapshots/commands.hh"

#include "base/error.hh"
#include "open_repository.hh"
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
    repository::SnapshotTag tag = repository::read_tag(repository, repository.read_manifest(id));
    if (!text_.empty()) tag.text = text_;
    tag.pinned = (tag.pinned || pin_) && !unpin_;
    if (remove_) tag = {"", false, true};
    repository::write_tag(repository, id, tag);
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
  std::string snapshot_;
  std::string text_;
  bool pin_ = false;
  bool unpin_ = false;
  bool remove_ = false;
};

}  // namespace

std::unique_ptr<Command> make_tag() { return std::make_unique<Tag>(); }

}  // namespace tmb::tools::snapshots
