// SPDX-License-Identifier: MIT
// What every user of OpenSSL in this folder needs. Private to it.
#pragma once

#include <memory>
#include <string>

#include "base/error.hh"

namespace tmb::crypto {

// OpenSSL says 1 for "done" and anything else for "not".
inline void require(int openssl_result, const char* what) {
  if (openssl_result != 1)
    throw base::Error(base::ExitCode::internal, std::string(what) + " failed in OpenSSL");
}

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

template <class T, auto Free>
using Owned = std::unique_ptr<T, Freed<Free>>;

}  // namespace tmb::crypto
