// SPDX-License-Identifier: MIT
#include "sheet/recovery_sheet.hh"

#include <unistd.h>

#include <array>

#include "base/error.hh"
#include "base/output_file.hh"
#include "keys/commands.hh"
#include "keys/slots.hh"
#include "open_repository.hh"
#include "repository/key_text.hh"
#include "sheet/qr_code.hh"

namespace tmb::tools::keys {

using base::Error;
using base::ExitCode;
using base::printable;

namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

class RecoverySheet final : public Command {
 public:
  CLI::App* add(CLI::App& app) override {
    CLI::App* command = app.add_subcommand(
        "recovery-sheet", "add a recovery key and write it on a page to print, with a QR code");
    command->add_option("FILE", file_, "by its suffix: .html a page, .svg the QR code alone, .txt plain text")
        ->required();
    return command;
  }

  ExitCode run(cli::Context& context) override {
    const std::string suffix = file_.extension().string();
    if (suffix != ".html" && suffix != ".svg" && suffix != ".txt")
      throw Error(ExitCode::usage, "the name of the sheet must end in .html, .svg or .txt");
    if (::access(file_.c_str(), F_OK) == 0)
      throw Error(ExitCode::refused, printable(file_.string()) + " is there already")
          .with_hint("name a new file");
    require_encrypted(repository::Repository::read_format(context.repository()), context.repository());
    const auto repository = open_repository(context);
    require_settled(repository.format());
    const base::FileLock lock = repository.lock_for_writing();

    sheet::Facts facts;
    facts.key = repository::generate_key_text();
    facts.repository_id = repository.id();
    facts.repository_path = std::filesystem::absolute(repository.path()).lexically_normal().string();
    facts.host = host_name();
    const repository::KeySlot slot = make_new_slot(repository, facts.key, "recovery sheet");
    facts.slot = slot.slot;
    facts.date = base::iso_utc(slot.created).substr(0, 10);
    // The sheet before the slot: killed in between, there is a page that opens nothing. The other way round
    // there would be a way in that counts, though nobody holds its key.
    write(facts, suffix);
    try {
      add_slot(repository, slot, facts.key);
    } catch (const Error&) {
      ::unlink(file_.c_str());
      throw;
    }
    context.document.update({{"file", file_.string()}, {"slot", to_json(slot)}});
    context.reporter.result("added key slot " + describe(slot) + " and wrote " + printable(file_.string()));
    context.reporter.note("print it, then remove the file: who has it can open the repository");
    return ExitCode::ok;
  }

 private:
  void write(const sheet::Facts& facts, const std::string& suffix) const {
    std::string text = suffix == ".html"  ? sheet::to_html(facts)
                       : suffix == ".txt" ? sheet::to_text(facts)
                                          : sheet::to_svg(sheet::make_qr_code(facts.key));
    // Without a name until all of it is there: the key of a run that was killed is nowhere.
    base::OutputFile file(file_, base::Overwrite::no);
    file.write(text);
    crypto::wipe(text.data(), text.size());
    file.commit();
  }

  base::Path file_;
};

}  // namespace

std::unique_ptr<Command> make_recovery_sheet() { return std::make_unique<RecoverySheet>(); }

}  // namespace tmb::tools::keys
