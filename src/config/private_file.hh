// SPDX-License-Identifier: MIT
// Files with secrets in them: refused unless they are private. Private to config/.
#pragma once

#include <string>
#include <vector>

#include "base/file.hh"
#include "config/settings.hh"

namespace tmb::config {

// Throws as read_secret_file does.
std::string read_private_file(const base::Path& path, const Environment& environment, std::uint64_t limit,
                              const std::vector<unsigned>& owners);

// The accounts, besides root and ours, whose files we trust: the one that we would connect as.
std::vector<unsigned> trusted_owners(const DatabaseSettings& database);

// TeslaMate's environment file, which must be named.
Environment read_environment_file(const base::Path& path, const Environment& environment,
                                  const DatabaseSettings& database);

}  // namespace tmb::config
