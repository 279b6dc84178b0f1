// SPDX-License-Identifier: MIT
#include "base/error.hh"
#include "keys/commands.hh"
#include "keys/new_secret.hh"
#include "keys/slots.hh"

namespace tmb::tools::keys {

namespace {

class Init final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand("init", "make a new encrypted repository");
    add_new_secret_flags(*command, flags_);
    return command;
  }

  base::ExitCode run(cli::Context& context) override {
    const base::Path& path = context.repository();
    refuse_existing(path);
    const NewSecret secret = make_new_secret(context, flags_, true);
    const base::SystemClock clock;
    const auto repository =
        repository::Repository::create(path, repository::NewKey{secret.secret, secret.label, clock.now()});
    const auto slots = live_slots(repository.format(), repository.read_key_files());
    context.document.update(
        {{"repository", path.string()}, {"repository_id", repository.id()}, {"slot", to_json(slots.at(0))}});
    context.reporter.result("made the encrypted repository " + base::printable(path.string()) +
                            ", key slot " + describe(slots.at(0)));
    context.reporter.note(
        "without a key nobody can read it, neither can you: print a recovery sheet with "
        "teslamate-keys recovery-sheet FILE.html");
    return base::ExitCode::ok;
  }

 private:
  static void refuse_existing(const base::Path& path) {
    try {
      const repository::Format there = repository::Repository::read_format(path);
      throw base::Error(base::ExitCode::refused,
                        "there is a repository at " + base::printable(path.string()) + " already")
          .with_hint(there.encrypted ? "teslamate-keys add gives it another passphrase"
                                     : "teslamate-keys encrypt encrypts it");
    } catch (const base::Error& error) {
      if (error.code() != base::ExitCode::no_repository) throw;
    }
  }

  NewSecretFlags flags_;
};

}  // namespace

std::unique_ptr<Command> make_init() { return std::make_unique<Init>(); }

}  // namespace tmb::tools::keys
