// SPDX-License-Identifier: MIT
// Asks Erlang's port mapper whether a node of a name runs: the one way to tell a wrong cookie from a node
// that is down. (Erlang distribution protocol, PORT_PLEASE2_REQ.) Speaks to no node.
#pragma once

#include <optional>
#include <string>

namespace tmb::teslamate {

// `node` as RELEASE_NODE has it, with or without @host; `port` as ERL_EPMD_PORT, empty for 4369. nullopt when
// no port mapper answers within a second.
std::optional<bool> is_node_registered(const std::string& node, const std::string& port);

}  // namespace tmb::teslamate
