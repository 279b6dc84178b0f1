// SPDX-License-Identifier: MIT
#include "sheet/recovery_sheet.hh"

#include <array>
#include <utility>
#include <vector>

#include "base/error.hh"
#include "sheet/qr_code.hh"

namespace tmb::sheet {

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : base::printable(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

constexpr std::string_view style = R"(
  @page { margin: 18mm }
  body { font: 11pt/1.45 system-ui, sans-serif; color: #000; background: #fff; max-width: 170mm; margin: 10mm auto }
  h1 { font-size: 20pt; margin: 0 0 2mm }
  .key { font: bold 17pt/1.5 ui-monospace, monospace; border: 0.6mm solid #000; padding: 4mm; text-align: center;
         word-spacing: 2mm; margin: 6mm 0 }
  .qr { float: right; width: 46mm; height: 46mm; margin: 0 0 4mm 6mm }
  .qr svg { width: 100%; height: 100% }
  dt { font-weight: 600; float: left; clear: left; width: 34mm } dd { margin: 0 0 1mm 36mm }
  code { font-family: ui-monospace, monospace } li { margin-bottom: 2mm }
)";

// The steps from bare metal to a running TeslaMate. `code` marks a command.
std::vector<std::string> steps(const std::string& begin, const std::string& end) {
  const auto code = [&](const std::string& text) { return begin + text + end; };
  return {
      "Install PostgreSQL, TeslaMate and teslamate-backup; leave TeslaMate stopped.",
      "Bring the repository's folder (or a .tmb file of it) to this machine, for example to /mnt/repository.",
      "See what is there: " + code("teslamate-snapshots list -r /mnt/repository") +
          ". When asked, type the recovery key. Capitals, blanks and dashes do not matter; instead of typing "
          "it, "
          "scan the code into a file that only you can read and name it with " +
          code("--key-file FILE") + ".",
      "Bring back TeslaMate's environment file and the other files: " +
          code("teslamate-restore -r /mnt/repository --files-to /root/restored latest") +
          ", look at them and put them in their places. Without the right ENCRYPTION_KEY nothing is lost but "
          "the "
          "login at Tesla.",
      "Bring back the database: " + code("teslamate-restore -r /mnt/repository latest") + ".",
  };
}

std::vector<std::pair<std::string, std::string>> rows(const Facts& f) {
  return {{"Repository", f.repository_id},
          {"stood at", f.repository_path},
          {"on", f.host},
          {"Key slot", f.slot},
          {"Made on", f.date}};
}

constexpr std::string_view warning =
    "Whoever has this key and a copy of the repository can read where you drive, live and sleep. Keep it "
    "where "
    "you keep your passport, not beside the backup. If it is lost or seen by others: teslamate-keys remove "
    "its "
    "slot, then teslamate-keys rotate, and print a new sheet.";

// "TMBK-AAAA-BBBB…" in lines that an eye can follow.
std::string grouped(const std::string& key, std::string_view separator, std::string_view line_end) {
  std::string out;
  int groups = 0;
  for (const char c : key) {
    if (c != '-') {
      out += c;
    } else {
      out += ++groups % 5 == 0 ? line_end : separator;
    }
  }
  return out;
}

}  // namespace

std::string to_html(const Facts& facts) {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<title>Recovery sheet of a teslamate-backup repository</title>\n<style>";
  out.append(style)
      .append("</style></head><body>\n<div class=\"qr\">")
      .append(to_svg(make_qr_code(facts.key)));
  out += "</div>\n<h1>Recovery sheet</h1>\n<p>for the encrypted backup of TeslaMate</p>\n<dl>";
  for (const auto& [name, value] : rows(facts))
    out += "<dt>" + escaped(name) + "</dt><dd><code>" + escaped(value) + "</code></dd>\n";
  out += "</dl>\n<p class=\"key\">" + grouped(escaped(facts.key.reveal()), " ", "<br>") + "</p>\n<ol>\n";
  for (const std::string& step : steps("<code>", "</code>")) out += "<li>" + step + "</li>\n";
  return out.append("</ol>\n<p>").append(warning).append("</p>\n</body></html>\n");
}

std::string to_text(const Facts& facts) {
  std::string out = "RECOVERY SHEET for the encrypted backup of TeslaMate\n\n";
  for (const auto& [name, value] : rows(facts)) {
    std::string title = name;
    title.resize(12, ' ');
    out += title + base::printable(value) + "\n";
  }
  out += "\n    " + grouped(facts.key.reveal(), "-", "-\n    ") + "\n\n" +
         to_half_blocks(make_qr_code(facts.key)) + "\n";
  int number = 0;
  for (const std::string& step : steps("", "")) out += std::to_string(++number) + ". " + step + "\n";
  return out.append("\n").append(warning).append("\n");
}

}  // namespace tmb::sheet
