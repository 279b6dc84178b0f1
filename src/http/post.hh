// SPDX-License-Identifier: MIT
// Sends a few bytes to an address that the owner named. No redirects, no cookies, no answer kept.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "http/probe.hh"

namespace tmb::http {

// POST of `body`. Headers as "Name: value". Never throws for what the other side does or fails to do within
// `timeout`; throws Error(usage) for an address that is neither http nor https, without naming it.
Answer post(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
            std::chrono::milliseconds timeout);

}  // namespace tmb::http
