// SPDX-License-Identifier: MIT
#include "http/probe.hh"

#include "base/error.hh"
#include "http/curl.hh"

namespace tmb::http {

Answer probe(const std::string& url, std::chrono::milliseconds timeout) {
  if (!is_http(url)) {
    throw base::Error(base::ExitCode::usage,
                      "the address " + base::printable(url) + " is neither http nor https");
  }
  return perform(url, timeout, [](CURL*) {});
}

}  // namespace tmb::http
