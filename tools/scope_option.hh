// SPDX-License-Identifier: MIT
// --scope, which knows one word so far.
#pragma once

#include <string>

#include "cli/run_main.hh"

namespace tmb::tools {

inline CLI::Option* add_scope_option(CLI::App& app, std::string& scope, const std::string& text) {
  const CLI::Validator known(
      [](const std::string& word) {
        return word == "settings" ? std::string() : "the only scope is: settings, not " + word;
      },
      "");
  return app.add_option("--scope", scope, text)->type_name("SCOPE")->check(known);
}

}  // namespace tmb::tools
