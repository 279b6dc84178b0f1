// SPDX-License-Identifier: MIT
// TeslaMate's schema after its 100 migrations up to 20260411070212, as tests/golden/catalog/ lists it:
// what comes before the data and what comes after. The SQL function bodies are our own.
#pragma once

#include <string_view>

namespace tmb::sample {

constexpr int migration_count = 100;
constexpr long long newest_migration = 20260411070212;

std::string_view schema_before_data();
std::string_view schema_after_data();

}  // namespace tmb::sample
