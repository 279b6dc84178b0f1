// SPDX-License-Identifier: MIT
// Text made small for a file that everybody's gunzip or zstd can read. A file may be made of many pieces,
// each compressed for itself, one after another: so several threads can work at it.
#pragma once

#include <string>
#include <string_view>

namespace tmb::archive {

enum class Compression { none, gzip, zstd };

// Appends `piece` to `out`: as it is, as one gzip member or as one zstd frame with a checksum.
void append_compressed(Compression how, std::string_view piece, std::string& out);

}  // namespace tmb::archive
