// SPDX-License-Identifier: MIT
// What a restore would change, table by table and car by car, found by reading alone. Private to restore/.
#pragma once

#include "restore/input.hh"
#include "restore/preflight.hh"
#include "restore/session.hh"

namespace tmb::restore {

Outcome describe_differences(Session& session, const Input& input, const Target& target);

}  // namespace tmb::restore
