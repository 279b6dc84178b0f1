// SPDX-License-Identifier: MIT
#include "verify/file.hh"

#include <filesystem>

#include "archive/tmb.hh"
#include "base/error.hh"
#include "open_tmb.hh"
#include "restore/describe_file.hh"

namespace tmb::tools {

namespace {

void verify_tmb(const std::string& path, cli::Context& context) {
  const auto source = open_tmb(context, path);
  restore::SnapshotInput input(*source);
  input.read_everything(restore::Proof::content, context.settings.jobs, context.reporter, context.stop);
  for (const std::string& line : restore::describe_snapshot_file(path, input)) context.reporter.result(line);
  context.document["files"].push_back(restore::snapshot_file_to_json(path, input));
}

}  // namespace

bool is_dump_argument(const std::string& argument) {
  std::error_code error;
  const std::filesystem::path path(argument);
  return (std::filesystem::exists(path, error) && !std::filesystem::is_directory(path, error)) ||
         std::filesystem::exists(path / "toc.dat", error);
}

void verify_file(const std::string& path, cli::Context& context) {
  archive::InputFile file = archive::InputFile::open(path);
  if (file.content() == archive::Content::tmb) return verify_tmb(path, context);
  restore::FileOptions options;
  options.only_look = true;
  restore::FileInput input(std::move(file), options);
  input.read_everything(restore::Proof::content, context.settings.jobs, context.reporter, context.stop);
  for (const std::string& line : restore::describe_file(input)) context.reporter.result(line);
  context.document["files"].push_back(restore::file_to_json(input));
  if (!input.incompleteness().empty()) {
    throw base::Error(base::ExitCode::damaged, input.incompleteness())
        .with_hint("look for another copy of the dump");
  }
}

}  // namespace tmb::tools
