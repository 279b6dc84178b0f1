// SPDX-License-Identifier: MIT
#include "verify/repository.hh"

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

}  // namespace

ExitCode verify_repository(const base::Path& path, const verify::Options& options,
                           const std::vector<std::string>& names, cli::Context& context,
                           report::Json& document) {
  const auto repository = open_repository_at(context, path);
  verify::Options chosen = options;
  for (const std::string& name : names) chosen.snapshots.push_back(repository.resolve(name));
  const verify::Report report = verify::verify(repository, chosen, context.reporter, context.stop);
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
  ExitCode code = ExitCode::ok;
  for (const verify::Damage& damage : report.damage) {
    code = code == ExitCode::ok ? damage.code : base::more_severe(code, damage.code);
  }
  return code;
}

}  // namespace tmb::tools
