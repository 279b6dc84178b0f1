// SPDX-License-Identifier: MIT
#include "restore/files_to.hh"

#include <memory>

#include "archive/tmb.hh"
#include "base/error.hh"
#include "file_argument.hh"
#include "files/extract.hh"
#include "open_tmb.hh"
#include "repository/source.hh"

namespace tmb::tools {

namespace {

std::unique_ptr<repository::BackupSource> open_source(const std::string& snapshot,
                                                      const cli::Context& context) {
  if (is_file_argument(snapshot)) return open_tmb(context, snapshot);
  repository::Repository repository = open_repository(context);
  std::string id = repository.resolve(snapshot);
  return std::make_unique<repository::RepositorySource>(std::move(repository), id);
}

}  // namespace

base::ExitCode restore_files_to(const std::string& folder, const std::string& snapshot,
                                cli::Context& context) {
  const auto source = open_source(snapshot, context);
  const auto& files = source->manifest().files;
  if (files.empty()) {
    throw base::Error(base::ExitCode::not_found, source->describe() + " carries no files")
        .with_hint("[files] in the settings names them, and the repository must be encrypted");
  }
  repository::Workspace workspace;
  const files::Extracted done =
      files::extract(files, folder, [&](const repository::ObjectRef& ref, std::string& content) {
        source->read(repository::ObjectType::file, ref, workspace, content);
      });
  for (const std::string& problem : done.problems) context.reporter.warning(problem);
  context.document.update({{"operation", "files-to"},
                           {"snapshot", source->manifest().id},
                           {"folder", folder},
                           {"files", done.files},
                           {"bytes", done.bytes}});
  context.reporter.result("brought back " + report::counted(done.files, "file", "files") + " (" +
                          report::byte_size(done.bytes) + ") of snapshot " + source->manifest().id +
                          " into " + base::printable(folder));
  return base::ExitCode::ok;
}

}  // namespace tmb::tools
