// SPDX-License-Identifier: MIT
#include "http/curl.hh"

#include <array>
#include <memory>

#include "base/error.hh"

namespace tmb::http {

namespace {

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

// libcurl's own start is not safe in several threads at once; a static's is.
void start_libcurl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw base::Error(base::ExitCode::internal, "libcurl cannot be started");
}

std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

}  // namespace

bool is_http(const std::string& url) { return url.starts_with("http://") || url.starts_with("https://"); }

Answer perform(const std::string& url, std::chrono::milliseconds timeout,
               const std::function<void(CURL*)>& prepare) {
  start_libcurl();
  const std::unique_ptr<CURL, CurlDeleter> handle(curl_easy_init());
  if (!handle) return {0, "out of memory"};
  std::array<char, CURL_ERROR_SIZE> why{};
  CURL* curl = handle.get();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why.data());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, 16L << 20U);
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  prepare(curl);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return {0, base::printable(why[0] != '\0' ? why.data() : curl_easy_strerror(code))};
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return {static_cast<int>(status), ""};
}

}  // namespace tmb::http
