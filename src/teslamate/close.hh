// SPDX-License-Identifier: MIT
// Closes drives and charges that TeslaMate left open, through the running TeslaMate, which works out their
// end. Shows first what will happen, keeps the rows, and believes only what it reads back.
#pragma once

#include "teslamate/records.hh"
#include "teslamate/remove.hh"
#include "teslamate/rpc.hh"

namespace tmb::teslamate {

struct CloseOptions {
  Kind kind = Kind::drive;  // drive or charge
  Ids ids;                  // empty with `all_open`
  bool all_open = false;
  bool allow_delete = false;  // a drive that is so short that TeslaMate deletes it
  bool recompute = false;     // one that is closed already
  bool dry_run = false;
  // A record whose last row is younger than this is still being driven or charged.
  double still_alive_seconds = 300;
};

// One after the other; of several, each is tried and the first failure is thrown at the end. Throws
// not_found, refused, wrong_key, service, database, local_io.
Outcome close_records(const CloseOptions& options, const MaintenanceAdapters& adapters,
                      const RpcSettings& rpc, report::Reporter& reporter, const std::stop_token& stop);

// Everything that is open, drives and charges.
Outcome list_open(const MaintenanceAdapters& adapters, report::Reporter& reporter,
                  const std::stop_token& stop);

}  // namespace tmb::teslamate
