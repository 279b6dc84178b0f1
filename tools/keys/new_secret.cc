// SPDX-License-Identifier: MIT
#include "keys/new_secret.hh"

#include "base/error.hh"
#include "crypto/key.hh"
#include "repository/key_text.hh"

namespace tmb::tools::keys {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

constexpr std::size_t short_passphrase = 12;  // characters

base::Secret type_twice(const cli::Context& context) {
  base::Secret secret = context.ask_secret("New passphrase");
  if (secret.empty()) throw Error(ExitCode::wrong_key, "the passphrase is empty");
  const base::Secret again = context.ask_secret("The same again");
  if (!crypto::equal_secrets(secret.reveal(), again.reveal()))
    throw Error(ExitCode::refused, "the two passphrases differ").with_hint("run it again");
  if (secret.reveal().size() < short_passphrase) {
    context.reporter.warning("the passphrase has fewer than " + std::to_string(short_passphrase) +
                             " characters: who has a copy of the repository can try many");
  }
  return secret;
}

base::Secret make_key_file(const base::Path& path) {
  base::Secret secret = repository::generate_key_text();
  std::string text = secret.reveal() + "\n";
  base::publish_file(path, text, base::Overwrite::no, 0600);
  crypto::wipe(text.data(), text.size());
  return secret;
}

}  // namespace

void add_new_secret_flags(CLI::App& command, NewSecretFlags& flags) {
  auto* made = command.add_option("--new-key-file", flags.new_key_file,
                                  "make this file with a random key in it, for this machine to use");
  made->type_name("FILE");
  command
      .add_option("--new-passphrase-file", flags.passphrase_file, "take the new passphrase from this file")
      ->type_name("FILE")
      ->excludes(made);
  command.add_option("--label", flags.label, "what to call it in the list")->type_name("TEXT");
}

NewSecret make_new_secret(const cli::Context& context, const NewSecretFlags& flags, bool shared) {
  const auto label = [&](const std::string& otherwise) {
    const std::string& chosen = flags.label.empty() ? otherwise : flags.label;
    if (printable(chosen) != chosen) throw Error(ExitCode::usage, "--label is not plain text");
    return chosen;
  };
  if (!flags.new_key_file.empty()) {
    const std::string name = label("key file " + printable(flags.new_key_file));
    return {make_key_file(flags.new_key_file), name};
  }
  if (!flags.passphrase_file.empty()) {
    config::KeySettings there;
    there.key_file_flag = flags.passphrase_file;
    const std::string name = label("passphrase");
    return {*config::find_repository_key(there, context.environment), name};
  }
  if (shared) {
    const std::string name = label("key file");
    if (auto key = config::find_repository_key(context.settings.key, context.environment))
      return {std::move(*key), name};
  }
  const std::string name = label("passphrase");
  return {type_twice(context), name};
}

}  // namespace tmb::tools::keys
