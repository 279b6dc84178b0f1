// SPDX-License-Identifier: MIT
// What every request of libcurl is set to here. Private to http/.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <functional>
#include <string>

#include "http/probe.hh"

namespace tmb::http {

// Runs one request within `timeout`: no redirects, no signals, no proxy of the environment unless said, no
// body kept. `prepare` sets what is special about it.
Answer perform(const std::string& url, std::chrono::milliseconds timeout,
               const std::function<void(CURL*)>& prepare);

bool is_http(const std::string& url);

}  // namespace tmb::http
