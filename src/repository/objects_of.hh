// SPDX-License-Identifier: MIT
// All objects that a manifest names: the one place that knows where they stand in it.
#pragma once

#include "repository/manifest.hh"

namespace tmb::repository {

// Calls `visit(type, ref)` for each; one that is named twice comes twice. A manifest that may be changed
// gives references that may be.
template <class AnyManifest, class Visit>
void for_each_object(AnyManifest&& manifest, Visit&& visit) {
  visit(ObjectType::schema, manifest.schema);
  for (auto& table : manifest.tables) {
    for (auto& chunk : table.chunks) {
      for (auto& ref : chunk.objects) visit(ObjectType::rows, ref);
    }
  }
  for (auto& ref : manifest.dump) visit(ObjectType::schema, ref);
  for (auto& file : manifest.files) {
    for (auto& ref : file.objects) visit(ObjectType::file, ref);
  }
}

}  // namespace tmb::repository
