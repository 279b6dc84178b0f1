// SPDX-License-Identifier: MIT
#include <map>

#include "archive/tmb_sink.hh"
#include "base/error.hh"
#include "repository/objects_of.hh"
#include "teslamate/settings_tables.hh"
#include "transfer/export.hh"

namespace tmb::transfer {

using base::Error;
using base::ExitCode;
using repository::ObjectRef;
using repository::ObjectType;

ExportOutcome export_settings(const ExportOptions& options, const repository::BackupSource& source,
                              report::Reporter& reporter, const std::stop_token& stop) {
  const auto started = std::chrono::steady_clock::now();
  if (source.manifest().by_pg_dump()) {
    throw Error(ExitCode::unsupported,
                source.describe() + " is an archive of pg_dump: single tables cannot be taken out of it")
        .with_hint("teslamate-backup --scope settings FILE.tmb takes them from the live database");
  }
  repository::Manifest manifest = source.manifest();
  manifest.narrow_to("settings", teslamate::settings_tables);
  if (manifest.tables.size() != teslamate::settings_tables.size())
    throw Error(ExitCode::refused, source.describe() + " has no settings of TeslaMate's");

  reporter.begin_phase("writing", options.destination.file, manifest.plain_bytes(), report::Unit::bytes);
  Output output(options.destination, true);
  PackedOutput packed(output, options.kind.compression);
  const archive::TmbFamily family = archive::new_family();
  const archive::TmbSink sink(
      family, [&](std::string_view bytes) { packed.write(bytes); }, manifest.time);
  repository::Workspace workspace;
  std::string content;
  std::map<std::string, std::string> names;
  repository::for_each_object(manifest, [&](ObjectType type, ObjectRef& ref) {
    if (stop.stop_requested()) throw Error(ExitCode::interrupted, "interrupted");
    auto [name, is_new] = names.try_emplace(ref.id);
    if (is_new) {
      source.read(type, ref, workspace, content);
      name->second = sink.put(type, content, workspace).ref.id;
    }
    ref.id = name->second;
  });
  manifest.repository_id = family.repository_id;
  manifest.parent.clear();
  sink.publish(manifest);
  packed.flush();
  output.commit();
  reporter.end_phase(report::byte_size(output.size()));
  return {output.size(), manifest.plain_bytes(), manifest.rows(),
          std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count()};
}

}  // namespace tmb::transfer
