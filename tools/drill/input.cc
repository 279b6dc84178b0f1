// SPDX-License-Identifier: MIT
#include "drill/input.hh"

#include "archive/tmb.hh"
#include "base/error.hh"
#include "file_argument.hh"
#include "open_repository.hh"
#include "open_tmb.hh"
#include "restore/file_input.hh"

namespace tmb::tools {

using archive::Content;
using base::Error;
using base::ExitCode;

DrillInput open_drill_input(const std::string& name, bool trust_code, const cli::Context& context) {
  DrillInput out;
  restore::SnapshotTrust trust{false, context.settings.database.pg_bin_dir};
  if (!is_file_argument(name)) {
    const auto repository = open_repository(context);
    out.source = std::make_unique<repository::RepositorySource>(repository.share(), repository.resolve(name));
  } else {
    archive::InputFile file = archive::InputFile::open(name);
    if (file.content() == Content::repository) {
      throw Error(ExitCode::usage, base::printable(name) + " is a repository, which holds many snapshots")
          .with_hint("teslamate-drill --repository " + base::printable(name) + " latest");
    }
    if (file.content() != Content::tmb) {
      restore::FileOptions options;
      options.trust_code = trust_code;
      options.beside = true;
      options.pg_bin_dir = context.settings.database.pg_bin_dir;
      out.input = std::make_unique<restore::FileInput>(std::move(file), options);
      return out;
    }
    auto source = open_tmb(context, name);
    trust.of_stranger = !trust_code && may_be_of_stranger(context, *source);
    out.source = std::move(source);
  }
  out.input = std::make_unique<restore::SnapshotInput>(*out.source, trust);
  return out;
}

repository::Manifest look_into(const std::string& name, const DrillInput& opened,
                               const cli::Context& context) {
  if (opened.source) return opened.source->manifest();
  restore::FileOptions options;
  options.only_look = true;
  options.pg_bin_dir = context.settings.database.pg_bin_dir;
  restore::FileInput input(archive::InputFile::open(name), options);
  input.read_everything(restore::Proof::content, context.settings.jobs, context.reporter, context.stop);
  repository::Manifest out = input.manifest();
  out.database.owner = input.main_owner();
  return out;
}

}  // namespace tmb::tools
