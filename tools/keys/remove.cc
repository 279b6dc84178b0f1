// SPDX-License-Identifier: MIT
#include <algorithm>

#include "base/error.hh"
#include "keys/commands.hh"
#include "keys/slots.hh"
#include "open_repository.hh"

namespace tmb::tools::keys {

using base::Error;
using base::ExitCode;
using repository::KeySlot;

namespace {

const KeySlot& find_slot(const std::vector<KeySlot>& slots, const std::string& name) {
  std::vector<const KeySlot*> found;
  for (const KeySlot& slot : slots) {
    if (!name.empty() && (slot.slot.starts_with(name) || slot.label == name)) found.push_back(&slot);
  }
  if (found.size() == 1) return *found.front();
  throw Error(ExitCode::not_found,
              (found.empty() ? "there is no key slot '" : "more than one key slot is '") +
                  base::printable(name) + "'")
      .with_hint("teslamate-keys list");
}

class Remove final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("remove", "remove a key slot; never the last");
    command->add_option("SLOT", slot_, "its name in the list, the beginning of it, or its label")->required();
    return command;
  }

  base::ExitCode run(cli::Context& context) override {
    require_encrypted(repository::Repository::read_format(context.repository()), context.repository());
    const auto repository = open_repository(context);
    require_settled(repository.format());
    const base::FileLock lock = repository.lock_for_writing();
    const std::vector<KeySlot> slots = live_slots(repository.format(), repository.read_key_files());
    const KeySlot& slot = find_slot(slots, slot_);
    if (slots.size() == 1) {
      throw Error(ExitCode::refused, "key slot " + describe(slot) +
                                         " is the last: without it nobody could read "
                                         "the repository")
          .with_hint("teslamate-keys add another one first");
    }
    context.confirm("Remove key slot " + describe(slot) + "? It will not open the repository any more.");
    remove_slot_file(repository.path(), slot);
    context.document["removed"] = to_json(slot);
    context.reporter.result("removed key slot " + describe(slot));
    context.reporter.note(
        "who opened the repository with it may have kept the master key: teslamate-keys "
        "rotate changes that");
    return ExitCode::ok;
  }

 private:
  std::string slot_;
};

}  // namespace

std::unique_ptr<Command> make_remove() { return std::make_unique<Remove>(); }

}  // namespace tmb::tools::keys
