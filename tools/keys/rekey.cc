// SPDX-License-Identifier: MIT
// The subcommands that seal everything anew: encrypt, rotate, and finish for what was cut off.
#include "repository/rekey.hh"

#include "base/error.hh"
#include "keys/commands.hh"
#include "keys/new_secret.hh"
#include "keys/slots.hh"
#include "open_repository.hh"

namespace tmb::tools::keys {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

repository::RekeyProgress show_progress(const cli::Context& context, const std::string& path) {
  return [&context, path, begun = false](std::uint64_t done, std::uint64_t total) mutable {
    if (!begun) context.reporter.begin_phase("sealing", path, total, report::Unit::bytes);
    begun = true;
    context.reporter.progress(done);
    if (done == total) context.reporter.end_phase(report::byte_size(total));
  };
}

void tell(cli::Context& context, const repository::Rekeyed& done, const std::string& what) {
  remember_keys(context, done.repository);
  const auto slots = live_slots(done.repository.format(), done.repository.read_key_files());
  context.document.update({{"repository_id", done.repository.id()},
                           {"snapshots", done.snapshots},
                           {"objects", done.objects},
                           {"bytes", done.bytes},
                           {"slots", report::Json::array()}});
  for (const auto& slot : slots) context.document["slots"].push_back(to_json(slot));
  context.reporter.result(what + ": " + report::counted(done.snapshots, "snapshot", "snapshots") + ", " +
                          report::counted(done.objects, "object", "objects") + ", " +
                          report::byte_size(done.bytes));
  for (const auto& slot : slots) context.reporter.result("it is opened by key slot " + describe(slot));
}

class Encrypt final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command =
        app.add_subcommand("encrypt", "encrypt a repository that is not, with all its snapshots");
    add_new_secret_flags(*command, flags_);
    return command;
  }

  ExitCode run(cli::Context& context) override {
    const base::Path& path = context.repository();
    const repository::Format format = repository::Repository::read_format(path);
    if (format.encrypted) {
      require_settled(format);
      throw Error(ExitCode::refused, "the repository " + printable(path.string()) + " is encrypted already")
          .with_hint("teslamate-keys rotate gives it a new master key");
    }
    const auto repository = open_repository(context);
    context.confirm("Encrypt " + printable(path.string()) + " with " +
                    report::counted(repository.snapshot_ids().size(), "snapshot", "snapshots") +
                    "? Without the key nobody can read them.");
    const NewSecret secret = make_new_secret(context, flags_, true);
    const base::SystemClock clock;
    tell(context,
         repository::rekey(repository, {secret.secret, secret.label, clock.now()},
                           show_progress(context, path.string()), context.stop),
         "encrypted");
    context.reporter.note("what was readable until now may still be on this disk and in copies of it");
    context.reporter.note("print a recovery sheet: teslamate-keys recovery-sheet FILE.html");
    return ExitCode::ok;
  }

 private:
  NewSecretFlags flags_;
};

class Rotate final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command =
        app.add_subcommand("rotate", "a new master key, with everything sealed anew; other slots go");
    add_new_secret_flags(*command, flags_);
    return command;
  }

  ExitCode run(cli::Context& context) override {
    const base::Path& path = context.repository();
    const repository::Format format = repository::Repository::read_format(path);
    require_encrypted(format, path);
    require_settled(format);
    // The secret that opens it now opens it afterwards too, unless another one is given.
    base::Secret used;
    const repository::AskSecret ask = ask_for_key(context);
    const auto repository = repository::Repository::open(path, [&](const std::string& name) {
      used = ask(name);
      return used;
    });
    if (!context.settings.key.accept_repository)
      repository::compare_with_memory(repository, context.settings.state_dir);
    const auto slots = live_slots(format, repository.read_key_files());
    context.confirm("Seal all snapshots of " + printable(path.string()) + " anew? Of the " +
                    report::counted(slots.size(), "key slot", "key slots") +
                    ", only the one that is used now stays; recovery sheets become worthless.");
    NewSecret secret{used, flags_.label.empty() ? "kept at the change of " + today() : flags_.label};
    if (flags_.given()) secret = make_new_secret(context, flags_, false);
    const base::SystemClock clock;
    tell(context,
         repository::rekey(repository, {secret.secret, secret.label, clock.now()},
                           show_progress(context, path.string()), context.stop),
         "sealed anew");
    context.reporter.note(
        "add the other passphrases again with teslamate-keys add, and print a new recovery "
        "sheet with teslamate-keys recovery-sheet FILE.html");
    return ExitCode::ok;
  }

 private:
  static std::string today() {
    const base::SystemClock clock;
    return base::iso_utc(clock.now()).substr(0, 10);
  }

  NewSecretFlags flags_;
};

class Finish final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    return app.add_subcommand("finish", "do the rest of an encrypt or rotate that was cut off");
  }

  ExitCode run(cli::Context& context) override {
    const auto repository = open_repository(context);
    if (repository.format().rekey_from.empty()) {
      context.reporter.result("nothing was left to do");
      return ExitCode::ok;
    }
    tell(context,
         repository::finish_rekey(repository, show_progress(context, context.repository().string()),
                                  context.stop),
         "finished");
    return ExitCode::ok;
  }
};

}  // namespace

std::unique_ptr<Command> make_encrypt() { return std::make_unique<Encrypt>(); }
std::unique_ptr<Command> make_rotate() { return std::make_unique<Rotate>(); }
std::unique_ptr<Command> make_finish() { return std::make_unique<Finish>(); }

}  // namespace tmb::tools::keys
