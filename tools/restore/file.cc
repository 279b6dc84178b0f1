// SPDX-License-Identifier: MIT
#include "restore/file.hh"

#include "archive/tmb.hh"
#include "base/error.hh"
#include "open_tmb.hh"
#include "restore/input.hh"

namespace tmb::tools {

using archive::Content;
using archive::InputFile;
using base::Error;
using base::ExitCode;

restore::Outcome restore_file(const std::string& path, const restore::Options& options,
                              const restore::FileOptions& file_options, const cli::Context& context,
                              const restore::Adapters& adapters) {
  InputFile file = InputFile::open(path);
  if (file.content() == Content::repository) {
    throw Error(ExitCode::usage, base::printable(path) + " is a repository, which holds many snapshots")
        .with_hint("teslamate-restore --repository " + base::printable(path) + " latest");
  }
  if (file.content() == Content::tmb) {
    const auto source = open_tmb(context, path);
    const restore::SnapshotTrust trust{!file_options.trust_code && may_be_of_stranger(context, *source),
                                       file_options.pg_bin_dir};
    return restore::run(options, *source, trust, adapters, context.reporter, context.stop);
  }
  context.reporter.note(base::printable(path) + " is " + file.describe());
  restore::FileInput input(std::move(file), file_options);
  return restore::run(options, input, adapters, context.reporter, context.stop);
}

}  // namespace tmb::tools
