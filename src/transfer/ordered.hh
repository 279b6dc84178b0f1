// SPDX-License-Identifier: MIT
// Many pieces made by several threads and taken by one, in their order, with few of them in memory at once.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>

#include "repository/object_store.hh"

namespace tmb::transfer {

struct Bench {
  repository::Workspace workspace;
  std::string content;
  std::string text;
};

// Replaces `piece` by the piece of that number. Called on the workers, each with a bench of its own.
using Make = std::function<void(std::size_t number, Bench& bench, std::string& piece)>;
// Called on the calling thread, in order.
using Take = std::function<void(std::size_t number, const std::string& piece)>;

// At most `jobs` + 2 pieces exist at once. The first error of either side stops all and is thrown;
// interrupted when asked to stop.
void make_in_order(std::size_t count, unsigned jobs, const std::stop_token& stop, const Make& make,
                   const Take& take);

}  // namespace tmb::transfer
