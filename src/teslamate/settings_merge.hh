// SPDX-License-Identifier: MIT
// What a user configured, brought from a backup into the live database, domain by domain, each in a
// transaction of its own: settings, cars with their car settings, geofences, addresses. What the live
// database has besides stays; what both have becomes as the backup has it, but for addresses, which stay.
// Everything can be taken back.
#pragma once

#include "teslamate/remove.hh"
#include "teslamate/row_source.hh"

namespace tmb::teslamate {

struct SettingsOptions {
  bool dry_run = false;
  int lock_timeout_ms = 5000;
};

// Throws unsupported when the source's schema is newer or too old for it, refused, database, local_io: the
// error's state says which domains were done.
Outcome merge_settings(const SettingsOptions& options, RowSource& source, const MaintenanceAdapters& adapters,
                       report::Reporter& reporter, const std::stop_token& stop);

}  // namespace tmb::teslamate
