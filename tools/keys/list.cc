// SPDX-License-Identifier: MIT
#include "keys/commands.hh"
#include "keys/slots.hh"
#include "report/table.hh"

namespace tmb::tools::keys {

namespace {

class List final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    return app.add_subcommand("list", "list the key slots; needs no key");
  }

  base::ExitCode run(cli::Context& context) override {
    const base::Path& path = context.repository();
    const repository::Format format = repository::Repository::read_format(path);
    const auto files = repository::read_key_files(path);
    context.document.update({{"repository", path.string()},
                             {"repository_id", format.id},
                             {"encrypted", format.encrypted},
                             {"key_change_under_way", !format.rekey_from.empty()},
                             {"slots", report::Json::array()}});
    if (!format.encrypted) {
      context.reporter.result("the repository " + base::printable(path.string()) + " is not encrypted");
      return base::ExitCode::ok;
    }
    report::Table table({{"slot"}, {"kind"}, {"label"}, {"made"}});
    for (const repository::KeySlot& slot : live_slots(format, files)) {
      const bool passphrase = slot.kind == repository::KeySlot::Kind::passphrase;
      table.add_row({slot.slot, passphrase ? "passphrase" : "generated key", slot.label,
                     base::local_time(slot.created)});
      context.document["slots"].push_back(to_json(slot));
    }
    for (const std::string& line : table.lines()) context.reporter.result(line);
    for (const auto& damaged : repository::read_slots(files).damaged) context.reporter.warning(damaged.why);
    if (!format.rekey_from.empty())
      context.reporter.warning(
          "a change of the key was cut off: teslamate-keys finish, or the next backup, "
          "does the rest");
    return base::ExitCode::ok;
  }
};

}  // namespace

std::unique_ptr<Command> make_list() { return std::make_unique<List>(); }

}  // namespace tmb::tools::keys
