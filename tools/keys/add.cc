// SPDX-License-Identifier: MIT
#include "keys/commands.hh"
#include "keys/new_secret.hh"
#include "keys/slots.hh"
#include "open_repository.hh"

namespace tmb::tools::keys {

namespace {

class Add final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("add", "add a passphrase or key that opens the repository");
    add_new_secret_flags(*command, flags_);
    return command;
  }

  base::ExitCode run(cli::Context& context) override {
    require_encrypted(repository::Repository::read_format(context.repository()), context.repository());
    const auto repository = open_repository(context);
    require_settled(repository.format());
    const NewSecret secret = make_new_secret(context, flags_, false);
    const base::FileLock lock = repository.lock_for_writing();
    const repository::KeySlot slot = make_new_slot(repository, secret.secret, secret.label);
    add_slot(repository, slot, secret.secret);
    context.document["slot"] = to_json(slot);
    context.reporter.result("added key slot " + describe(slot));
    return base::ExitCode::ok;
  }

 private:
  NewSecretFlags flags_;
};

}  // namespace

std::unique_ptr<Command> make_add() { return std::make_unique<Add>(); }

}  // namespace tmb::tools::keys
