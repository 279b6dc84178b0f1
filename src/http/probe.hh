// SPDX-License-Identifier: MIT
// Asks one address whether a service answers. No redirects, no cookies, no body
// kept, no proxy from the environment.
#pragma once

#include <chrono>
#include <string>

namespace tmb::http {

struct Answer {
  int status = 0;     // 0: there was none
  std::string error;  // why, when there was none
  bool is_success() const { return status >= 200 && status <= 299; }
};

// GET of an http or https address. Never throws for what the other side does; throws Error(usage) for an
// address that is neither.
Answer probe(const std::string& url, std::chrono::milliseconds timeout);

}  // namespace tmb::http
