// SPDX-License-Identifier: MIT
#include <algorithm>

#include "cli/run_main.hh"
#include "report/table.hh"

namespace tmb::cli {

namespace {

// The commands that were named, outermost first: "teslamate-snapshots show".
const CLI::App& innermost(const CLI::App& app, std::string& path) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += " " + at->get_name();
  }
  return *at;
}

std::string positional_usage(const CLI::Option& option) {
  const bool many = option.get_items_expected_max() > 1;
  const std::string name = option.get_name(true, false) + (many ? "..." : "");
  return option.get_required() ? name : "[" + name + "]";
}

std::string flag_names(const CLI::Option& option) {
  std::string out;
  for (const std::string& name : option.get_snames()) out += (out.empty() ? "-" : ", -") + name;
  if (option.get_snames().empty()) out = "   ";
  for (const std::string& name : option.get_lnames())
    out += (option.get_snames().empty() ? " --" : ", --") + name;
  if (option.get_items_expected_max() > 0) out += " " + option.get_type_name();
  return out;
}

std::vector<const CLI::Option*> shown_options(const CLI::App& app, bool positional) {
  return app.get_options([positional](const CLI::Option* option) {
    return option->get_positional() == positional && !option->get_group().empty();
  });
}

std::string section(const std::string& title,
                    const std::vector<std::pair<std::string, std::string>>& entries) {
  if (entries.empty()) return {};
  std::string out = "\n" + title + ":\n";
  std::size_t width = 0;
  for (const auto& [left, right] : entries) width = std::max(width, report::display_width(left));
  for (const auto& [left, right] : entries) out += "  " + report::pad(left, width) + "  " + right + "\n";
  return out;
}

// The flags of the innermost command, then those that it shares with the whole program; what both have, once.
std::vector<const CLI::Option*> flags_of(const CLI::App& command, const CLI::App& app) {
  std::vector<const CLI::Option*> out = shown_options(command, false);
  if (&command == &app) return out;
  std::erase_if(out, [](const CLI::Option* option) { return option->check_lname("help"); });
  for (const CLI::Option* option : shown_options(app, false)) out.push_back(option);
  return out;
}

std::string flag_sections(const std::vector<const CLI::Option*>& flags) {
  std::vector<std::string> groups;
  for (const CLI::Option* option : flags) {
    if (std::ranges::find(groups, option->get_group()) == groups.end()) groups.push_back(option->get_group());
  }
  // The program's own first, what all programs share last.
  std::ranges::stable_sort(groups, {}, [](const std::string& group) {
    return group == "Options" ? 0 : group == "Connection" ? 2 : group == "Common" ? 3 : 1;
  });
  std::string out;
  for (const std::string& group : groups) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (const CLI::Option* option : flags) {
      if (option->get_group() == group) entries.emplace_back(flag_names(*option), option->get_description());
    }
    out += section(group, entries);
  }
  return out;
}

}  // namespace

std::string help_text(const CLI::App& app, const ProgramInfo& info) {
  std::string path = info.name;
  const CLI::App& command = innermost(app, path);
  const auto commands =
      command.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); });
  const auto positionals = shown_options(command, true);

  std::string usage = "Usage: " + path + " [OPTION]...";
  if (!commands.empty()) usage += " COMMAND";
  std::vector<std::pair<std::string, std::string>> arguments;
  for (const CLI::Option* option : positionals) {
    usage += " " + positional_usage(*option);
    arguments.emplace_back(option->get_name(true, false), option->get_description());
  }
  std::vector<std::pair<std::string, std::string>> entries;
  for (const CLI::App* sub : commands) entries.emplace_back(sub->get_name(), sub->get_description());

  std::string out = usage + "\n" + (&command == &app ? info.about : command.get_description()) + "\n";
  out +=
      section("Commands", entries) + section("Arguments", arguments) + flag_sections(flags_of(command, app));
  if (&command == &app && !info.epilogue.empty()) out += "\n" + info.epilogue + "\n";
  return out;
}

}  // namespace tmb::cli
