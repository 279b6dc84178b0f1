// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hh"
#include "sample.hh"

namespace {

using tmb::base::Error;
using tmb::base::ExitCode;

constexpr const char* usage =
    "usage: sample-database [--positions N] [--seed S] [--plain-values] [--rounded]\n"
    "       sample-database --day N [--rows R] [--seed S]\n"
    "Writes a made up TeslaMate database, or one day's changes to it, as SQL for\n"
    "  psql -X -q -v ON_ERROR_STOP=1 -d DATABASE\n"
    "  --positions N     rows of positions (default 200000, at least 1000)\n"
    "  --seed S          another database (default 1)\n"
    "  --plain-values    without the rows that hold nasty values\n"
    "  --rounded         milliseconds and six decimals of the odometer: compresses better\n"
    "  --day N           the N-th day after it, for any sample database\n"
    "  --rows R          positions of that day (default 3000, at least 10)\n"
    "The tokens open with ENCRYPTION_KEY=sample-encryption-key.\n";

std::int64_t number(std::string_view option, std::string_view text, std::int64_t low, std::int64_t high) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    throw Error(ExitCode::usage, std::string(option) + ": not a number from " + std::to_string(low) + " to " +
                                     std::to_string(high) + ": " + tmb::base::printable(text));
  }
  return value;
}

tmb::sample::Options parse(std::span<char*> arguments) {
  tmb::sample::Options options;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view option = arguments[i];
    if (option == "--plain-values") {
      options.plain_values = true;
    } else if (option == "--rounded") {
      options.precision = tmb::sample::Precision::rounded;
    } else if (option == "--positions" || option == "--seed" || option == "--day" || option == "--rows") {
      if (++i == arguments.size()) {
        throw Error(ExitCode::usage, std::string(option) + ": needs a number");
      }
      const std::string_view text = arguments[i];
      if (option == "--positions") {
        options.positions = number(option, text, 1'000, 2'000'000'000);
      } else if (option == "--seed") {
        options.seed = static_cast<std::uint64_t>(number(option, text, 0, INT64_MAX));
      } else if (option == "--day") {
        options.day = number(option, text, 1, 100'000);
      } else {
        options.rows = number(option, text, 10, 100'000'000);
      }
    } else {
      throw Error(ExitCode::usage, "unknown argument: " + tmb::base::printable(option)).with_hint(usage);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
    if (arguments.size() == 2 && std::string_view(arguments[1]) == "--help") {
      std::fputs(usage, stdout);
      return 0;
    }
    const tmb::sample::Options options = parse(arguments);
    tmb::sample::Script script(STDOUT_FILENO);
    if (options.day) {
      write_day(script, options);
    } else {
      write_sample(script, options);
    }
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "sample-database: %s\n%s", error.what(), error.hint().c_str());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sample-database: %s\n", error.what());
    return static_cast<int>(ExitCode::internal);
  }
}
