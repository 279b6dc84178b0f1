// SPDX-License-Identifier: MIT
#include "backup/to_file.hh"

#include <filesystem>

#include "archive/tmb_sink.hh"
#include "base/error.hh"
#include "carried.hh"
#include "connection_settings.hh"
#include "open_repository.hh"
#include "transfer/dump.hh"

namespace tmb::tools {

namespace {

transfer::FileKind kind_of(const FileTarget& target) {
  if (!target.format.empty()) return transfer::kind_by_name(target.format);
  return target.destination.is_stdout() ? transfer::FileKind{}
                                        : transfer::kind_of_file(target.destination.file);
}

archive::TmbFamily family(const cli::Context& context) {
  const base::Path& path = context.settings.repository;
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path / "format.json", error)) return archive::new_family();
  return archive::family_of(open_repository(context));
}

void show(const FileTarget& target, cli::Context& context, const std::string& what, std::uint64_t bytes,
          double seconds) {
  const std::string line =
      what + " written to " +
      (target.destination.is_stdout() ? "stdout" : base::printable(target.destination.file)) + ", " +
      report::byte_size(bytes) + ", " + report::duration(seconds);
  // What is on stdout is the file and nothing else.
  if (target.destination.is_stdout()) {
    context.reporter.note(line);
  } else {
    context.reporter.result(line);
  }
}

void write_sql(const FileTarget& target, const transfer::ExportOptions& options,
               const postgres::ConnectionSettings& database, cli::Context& context) {
  const transfer::DumpOutcome outcome = transfer::dump_sql(options, database, context.reporter, context.stop);
  context.document["server_version"] = outcome.server_version;
  context.document["bytes"] = outcome.bytes;
  context.document["seconds"] = outcome.seconds;
  show(target, context, "the output of pg_dump " + outcome.tool_version + " was", outcome.bytes,
       outcome.seconds);
}

void write_tmb(const FileTarget& target, const transfer::ExportOptions& options,
               const postgres::ConnectionSettings& database, backup::Options how, cli::Context& context) {
  const base::SystemClock clock;
  const archive::TmbFamily family = how.settings_only ? archive::new_family() : tools::family(context);
  transfer::Output output(target.destination, true);
  transfer::PackedOutput packed(output, options.kind.compression);
  const archive::TmbSink sink(
      family, [&](std::string_view bytes) { packed.write(bytes); }, clock.now());
  if (!how.settings_only) add_extras(how, context, sink.encrypted());
  const backup::Outcome outcome = backup::run(how, {database, sink, clock}, context.reporter, context.stop);
  packed.flush();
  output.commit();
  if (how.settings_only) context.reporter.note(transfer::settings_note);
  context.document["snapshot"] = outcome.manifest.id;
  context.document["rows"] = outcome.manifest.rows();
  context.document["encrypted"] = sink.encrypted();
  context.document["bytes"] = output.size();
  context.document["seconds"] = outcome.manifest.seconds;
  show(target, context,
       report::counted(outcome.manifest.rows(), "row", "rows") + " in " +
           report::counted(outcome.manifest.tables.size(), "table", "tables") +
           (sink.encrypted() ? ", encrypted," : ""),
       output.size(), outcome.manifest.seconds);
}

}  // namespace

void back_up_to_file(const FileTarget& target, const backup::Options& options, cli::Context& context) {
  if (target.destination.is_stdout() && context.json) {
    throw base::Error(base::ExitCode::usage, "--json and the file cannot both go to the standard output");
  }
  if (options.full || options.scheduled) {
    throw base::Error(base::ExitCode::usage,
                      "--full and --scheduled are for a snapshot in the repository: "
                      "a file always holds everything, and no retention removes it")
        .with_hint("leave them out, or leave FILE out");
  }
  if (options.settings_only) transfer::require_settings_kind(kind_of(target));
  if (!options.tag.empty() && kind_of(target).content == transfer::Content::sql) {
    throw base::Error(base::ExitCode::usage, "plain SQL has no place for a --tag")
        .with_hint("leave it out, or write a .tmb");
  }
  const transfer::ExportOptions how{target.destination, kind_of(target), options.jobs, options.pg_bin_dir};
  const postgres::ConnectionSettings database = connection_settings(context.settings, context.environment);
  context.document["file"] = target.destination.file;
  context.document["kind"] = transfer::describe(how.kind);
  if (how.kind.content == transfer::Content::sql) {
    write_sql(target, how, database, context);
  } else {
    write_tmb(target, how, database, options, context);
  }
}

}  // namespace tmb::tools
