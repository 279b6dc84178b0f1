// SPDX-License-Identifier: MIT
// Where the secret of a new key slot comes from: a file that is made now, a file that is there, or a
// passphrase typed twice.
#pragma once

#include <string>

#include "cli/run_main.hh"

namespace tmb::tools::keys {

struct NewSecretFlags {
  std::string new_key_file;     // made now, with a generated key in it
  std::string passphrase_file;  // there already
  std::string label;
  bool given() const { return !new_key_file.empty() || !passphrase_file.empty(); }
};

void add_new_secret_flags(CLI::App& command, NewSecretFlags& flags);

struct NewSecret {
  base::Secret secret;
  std::string label;
};

// `shared`: without a flag of its own, --key-file, the credential and the settings are asked first.
// Throws usage, refused (the file exists, the two passphrases differ), wrong_key (empty, or nobody to ask),
// local_io. A file that was made is durable when this returns.
NewSecret make_new_secret(const cli::Context& context, const NewSecretFlags& flags, bool shared);

}  // namespace tmb::tools::keys
