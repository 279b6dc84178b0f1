// SPDX-License-Identifier: MIT
// What the subcommands share: a slot added for good, slots found by name.
#pragma once

#include <string>
#include <vector>

#include "cli/run_main.hh"
#include "repository/repository.hh"

namespace tmb::tools::keys {

// A slot that is nowhere yet. Throws refused when there are as many as there may be.
repository::KeySlot make_new_slot(const repository::Repository& repository, const base::Secret& secret,
                                  const std::string& label);
// Publishes it and opens the repository with it before this returns. Throws damaged when that fails; the slot
// is gone then. Under the writer's lock.
void add_slot(const repository::Repository& repository, const repository::KeySlot& slot,
              const base::Secret& secret);

// Those that open the repository now, oldest first.
std::vector<repository::KeySlot> live_slots(const repository::Format& format,
                                            const std::vector<repository::KeyFile>& files);

void remove_slot_file(const base::Path& repository, const repository::KeySlot& slot);

std::string describe(const repository::KeySlot& slot);  // "3fa20c17 (passphrase, 2026-11-20)"
report::Json to_json(const repository::KeySlot& slot);

// Throws refused while the key is being changed.
void require_settled(const repository::Format& format);
// Throws refused when the repository is not encrypted.
void require_encrypted(const repository::Format& format, const base::Path& path);

// Notes the changed repository in the state folder, as far as it is already known there.
void remember_keys(const cli::Context& context, const repository::Repository& repository);

}  // namespace tmb::tools::keys
