// SPDX-License-Identifier: MIT
#include "keys/slots.hh"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.hh"
#include "repository/last_seen.hh"
#include "repository/owned_file.hh"

namespace tmb::tools::keys {

using base::Error;
using base::ExitCode;
using base::printable;
using repository::KeySlot;

KeySlot make_new_slot(const repository::Repository& repository, const base::Secret& secret,
                      const std::string& label) {
  if (live_slots(repository.format(), repository.read_key_files()).size() >= repository::max_slots) {
    throw Error(ExitCode::refused, "the repository has " + std::to_string(repository::max_slots) +
                                       " key slots, as many as it may have")
        .with_hint("teslamate-keys list and remove");
  }
  const base::SystemClock clock;
  return repository::make_slot(*repository.keys().current, secret, label, clock.now());
}

void add_slot(const repository::Repository& repository, const KeySlot& slot, const base::Secret& secret) {
  repository::publish_owned(repository.path() / "keys" / slot.file_name(), to_file(slot), base::Overwrite::no,
                            0400);
  try {
    const auto files = repository.read_key_files();
    const auto there = std::ranges::find(files, slot.file_name(), &repository::KeyFile::name);
    const auto master = there == files.end()
                            ? std::nullopt
                            : open_slot(repository::slot_from_file(there->bytes, there->name), secret);
    if (!master || !crypto::equal_secrets(master->reveal(), repository.keys().current->master.reveal()))
      throw Error(ExitCode::damaged, "the new key slot does not open the repository; it was removed again");
  } catch (const Error&) {
    remove_slot_file(repository.path(), slot);
    throw;
  }
}

std::vector<KeySlot> live_slots(const repository::Format& format,
                                const std::vector<repository::KeyFile>& files) {
  std::vector<KeySlot> slots = repository::read_slots(files).slots;
  std::erase_if(slots, [&](const KeySlot& slot) {
    return slot.key_id != format.key_id || slot.repository_id != format.id;
  });
  std::ranges::stable_sort(slots, {}, &KeySlot::created);
  return slots;
}

void remove_slot_file(const base::Path& repository, const KeySlot& slot) {
  const base::Path path = repository / "keys" / slot.file_name();
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    throw base::system_error(errno, "cannot remove " + printable(path.string()));
  base::sync_directory(repository / "keys");
}

std::string describe(const KeySlot& slot) {
  return slot.slot + " (" + printable(slot.label) + ", " + base::iso_utc(slot.created).substr(0, 10) + ")";
}

report::Json to_json(const KeySlot& slot) {
  report::Json json{
      {"slot", slot.slot},
      {"kind", slot.kind == KeySlot::Kind::passphrase ? "passphrase" : "generated"},
      {"label", slot.label},
      {"created", base::iso_utc(slot.created)},
  };
  if (slot.kind == KeySlot::Kind::passphrase) json["scrypt_n"] = slot.cost.n;
  return json;
}

void require_settled(const repository::Format& format) {
  if (format.rekey_from.empty()) return;
  throw Error(ExitCode::refused, "a change of this repository's key was cut off")
      .with_hint("teslamate-keys finish");
}

void require_encrypted(const repository::Format& format, const base::Path& path) {
  if (format.encrypted) return;
  throw Error(ExitCode::refused, "the repository " + printable(path.string()) + " is not encrypted")
      .with_hint("teslamate-keys encrypt");
}

void remember_keys(const cli::Context& context, const repository::Repository& repository) {
  try {
    repository::remember_changes(context.settings.state_dir, repository);
  } catch (const base::Error& error) {
    context.reporter.warning("the new key was not noted in the state folder: " + error.message());
  }
}

}  // namespace tmb::tools::keys
