// SPDX-License-Identifier: MIT
#include "report/json.hh"

namespace tmb::report {

std::string to_text(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tmb::report
