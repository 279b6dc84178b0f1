// SPDX-License-Identifier: MIT
#include "verify/repository.hh"

#include <optional>

#include "base/error.hh"
#include "open_repository.hh"
#include "verify/describe.hh"
#include "verify/vault.hh"

namespace tmb::tools {

using base::Error;
using base::ExitCode;

namespace {

// Will the tokens of the newest snapshot open with the ENCRYPTION_KEY of today, as far as that is known here?
void tell_about_vault(const repository::Repository& repository, const cli::Context& context,
                      report::Json& document) {
  const base::Secret key = config::find_encryption_key(context.settings.database, context.environment);
  if (key.empty()) return;
  try {
    const auto latest = repository.read_latest();
    if (!latest) return;
    const teslamate::VaultReport report = verify::check_vault(repository, *latest, key);
    document["tokens"] = {{"stored", report.values}, {"opened", report.opened}, {"refused", report.refused}};
    if (report.answer == teslamate::KeyAnswer::wrong) {
      context.reporter.warning("snapshot " + latest->id + ": " + report.sentence);
    } else {
      context.reporter.note("snapshot " + latest->id + ": " + report.sentence);
    }
  } catch (const Error& error) {
    if (error.code() != ExitCode::damaged) throw;  // told already
  }
}

// Does this machine remember more of the repository than is there? In the report as damage. Returns then what
// to do.
std::optional<std::string> compare_with_memory(const repository::Repository& repository,
                                               const cli::Context& context, verify::Report& report) {
  if (context.settings.key.accept_repository) return std::nullopt;
  try {
    repository::compare_with_memory(repository, context.settings.state_dir);
    return std::nullopt;
  } catch (const Error& error) {
    if (error.code() != ExitCode::damaged && error.code() != ExitCode::local_io) throw;
    report.damage.push_back({error.code(), "snapshots", error.message()});
    return error.hint();
  }
}

// What was found before, and what is to be remembered of this time.
class Memory {
 public:
  Memory(const repository::Repository& repository, const cli::Context& context)
      : repository_(repository), context_(context) {}

  // Where the list cannot be read, anything may be on it: then `options` come to read everything.
  void recall(verify::Options& options) {
    try {
      options.known = repository::read_known_damage(context_.settings.state_dir, repository_);
    } catch (const Error& error) {
      readable_ = false;
      options.read_data = true;
      context_.reporter.warning(error.message() + (options.snapshots.empty() ? ": every byte is read" : ""));
    }
  }

  // Whether what was found is noted.
  bool note(const verify::Report& report, bool all) const {
    const base::Path& state = context_.settings.state_dir;
    try {
      if (readable_) return repository::note_damage(state, repository_, report.damaged, report.mended);
      return all && repository::replace_known_damage(state, repository_, report.damaged);
    } catch (const Error& error) {
      if (!report.damaged.empty() || !report.mended.empty())
        context_.reporter.warning("what was found was not noted in the state folder: " + error.message());
      return false;
    }
  }

 private:
  const repository::Repository& repository_;
  const cli::Context& context_;
  bool readable_ = true;
};

const char* hint_for(const verify::Report& report, bool noted) {
  if (report.damaged.objects.empty())
    return "make a new backup; to give a damaged snapshot up: teslamate-snapshots forget";
  return noted ? "make a new backup: it takes nothing damaged over, and writes it again where the database "
                 "still has its rows"
               : "make a new backup that takes nothing over: teslamate-backup --full";
}

}  // namespace

Findings verify_repository(const base::Path& path, const verify::Options& options,
                           const std::vector<std::string>& names, cli::Context& context,
                           report::Json& document) {
  const auto repository = open_repository_at(context, path);
  verify::Options chosen = options;
  for (const std::string& name : names) chosen.snapshots.push_back(repository.resolve(name));
  Memory memory(repository, context);
  memory.recall(chosen);
  verify::Report report = verify::verify(repository, chosen, context.reporter, context.stop);
  const std::optional<std::string> mount_hint = compare_with_memory(repository, context, report);
  // What is missing in an older copy is not gone for good.
  if (mount_hint) report.mended = {};
  const bool noted = memory.note(report, names.empty());
  for (const std::string& line : verify::describe(report, chosen)) context.reporter.result(line);
  for (const std::string& stray : report.strays) {
    context.reporter.note("not part of the repository: " + (path / stray).string());
  }
  if (report.orphans > 0) {
    context.reporter.note(report::counted(report.orphans, "object", "objects") + " in no snapshot (" +
                          report::byte_size(report.orphan_bytes) +
                          "), left by a backup that runs or was cut off");
  }
  document = verify::to_json(report, chosen);
  document["repository"] = path.string();
  document["repository_id"] = repository.id();
  tell_about_vault(repository, context, document);
  Findings out;
  for (const verify::Damage& damage : report.damage) {
    out.code = out.code == ExitCode::ok ? damage.code : base::more_severe(out.code, damage.code);
  }
  if (out.code != ExitCode::ok) out.hint = mount_hint.value_or(hint_for(report, noted));
  return out;
}

}  // namespace tmb::tools
