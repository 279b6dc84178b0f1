// SPDX-License-Identifier: MIT
#include "transfer/dump.hh"

#include <chrono>

#include "base/error.hh"
#include "postgres/tool_stream.hh"

namespace tmb::transfer {

using base::Error;
using base::ExitCode;

namespace {

constexpr std::size_t kept_bytes = 256;

// Hands on pg_dump's text and remembers how it ends.
class Collector {
 public:
  Collector(PackedOutput output, report::Reporter& reporter)
      : output_(std::move(output)), reporter_(reporter) {}

  void add(std::string_view text) {
    total_ += text.size();
    end_.append(text.size() > kept_bytes ? text.substr(text.size() - kept_bytes) : text);
    if (end_.size() > 2 * kept_bytes) end_.erase(0, end_.size() - kept_bytes);
    reporter_.progress(total_);
    output_.write(text);
  }

  void finish() {
    output_.flush();
    if (end_.find("\n-- PostgreSQL database dump complete\n") == std::string::npos)
      throw Error(ExitCode::database, "pg_dump ended well but its output has no \"dump complete\" line");
  }

 private:
  PackedOutput output_;
  report::Reporter& reporter_;
  std::string end_;
  std::uint64_t total_ = 0;
};

}  // namespace

DumpOutcome dump_sql(const ExportOptions& options, const postgres::ConnectionSettings& database,
                     report::Reporter& reporter, const std::stop_token& stop) {
  const auto started = std::chrono::steady_clock::now();
  DumpOutcome outcome;
  int major = 0;
  {
    const postgres::Connection connection = postgres::Connection::open(database, stop);
    outcome.server_version = connection.parameter("server_version");
    major = connection.server_version() / 10000;
  }
  const postgres::Tools tools = postgres::choose_tools(postgres::find_tools(options.pg_bin_dir), major);
  outcome.tool_version = tools.version;
  Output output(options.destination, options.kind.compression != archive::Compression::none);
  Collector collector(PackedOutput(output, options.kind.compression), reporter);
  reporter.begin_phase("writing", output.name(), 0, report::Unit::bytes);
  const postgres::ToolRun run{"pg_dump", {"--format=plain", "--lock-wait-timeout=5000"}, "", true};
  try {
    postgres::stream_tool(
        tools, run, database, [&](std::string_view text) { collector.add(text); }, stop);
  } catch (Error& error) {
    // That is how pg_dump says that it did not get its locks in time.
    if (error.message().find("statement timeout") != std::string::npos)
      error.with_hint("a table is locked by another session: run the backup again when that one has ended");
    throw;
  }
  collector.finish();
  output.commit();
  reporter.end_phase(report::byte_size(output.size()));
  outcome.bytes = output.size();
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return outcome;
}

}  // namespace tmb::transfer
