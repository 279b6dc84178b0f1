// SPDX-License-Identifier: MIT
#include "http/post.hh"

#include <memory>

#include "base/error.hh"
#include "http/curl.hh"

namespace tmb::http {

namespace {

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

}  // namespace

Answer post(const std::string& url, const std::string& body, const std::vector<std::string>& headers,
            std::chrono::milliseconds timeout) {
  if (!is_http(url)) throw base::Error(base::ExitCode::usage, "an address is neither http nor https");
  std::unique_ptr<curl_slist, ListDeleter> list;
  for (const std::string& header : headers) {
    curl_slist* longer = curl_slist_append(list.get(), header.c_str());
    if (longer == nullptr) return {0, "out of memory"};
    static_cast<void>(list.release());  // the longer list is the owner of the old one
    list.reset(longer);
  }
  return perform(url, timeout, [&](CURL* curl) {
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list.get());
  });
}

}  // namespace tmb::http
