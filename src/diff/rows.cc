// SPDX-License-Identifier: MIT
#include "diff/rows.hh"

#include <functional>
#include <unordered_map>

#include "base/error.hh"

namespace tmb::diff {

using repository::ObjectRef;

namespace {

constexpr std::uint64_t rows_at_once = 1000000;
// Rows longer than this are stored in pieces, and no other objects are as long.
constexpr std::uint64_t piece_of_a_row = std::uint64_t{16} << 20U;

std::string name_of(const Run& run) {
  std::string name;
  for (const ObjectRef* ref : run) name += ref->id;
  return name;
}

std::vector<Run> all_runs(const repository::TableData& table) {
  std::vector<Run> out;
  for (const repository::Chunk& chunk : table.chunks) {
    bool goes_on = false;
    for (const ObjectRef& ref : chunk.objects) {
      if (!goes_on) out.emplace_back();
      out.back().push_back(&ref);
      goes_on = ref.plain_bytes >= piece_of_a_row;
    }
  }
  return out;
}

// The cells of a row without its newline, which stay where they are.
void split(std::string_view row, std::vector<std::string_view>& cells) {
  cells.clear();
  for (std::size_t at = 0;;) {
    const std::size_t end = row.find('\t', at);
    cells.push_back(row.substr(at, end - at));
    if (end == std::string_view::npos) return;
    at = end + 1;
  }
}

struct Row {
  std::uint64_t key = 0;
  std::uint64_t content = 0;
};

class Reader {
 public:
  explicit Reader(const Side& side) : side_(side) {}

  // Calls `visit(row, car, day)` for each row of this pass.
  template <class Visit>
  void each(std::uint64_t pass, std::uint64_t passes, const std::stop_token& stop, Visit&& visit) {
    for (const Run& run : side_.runs) {
      if (stop.stop_requested()) throw base::Error(base::ExitCode::interrupted, "interrupted");
      read(run);
      for (std::size_t at = 0; at < text_.size();) {
        const std::size_t end = std::min(text_.find('\n', at), text_.size());
        const std::string_view line = std::string_view(text_).substr(at, end - at);
        at = end + 1;
        const Row row = take(line);
        if (row.key % passes == pass) visit(row, cell(side_.layout.car), day());
      }
    }
  }

  std::uint64_t objects_read() const { return objects_read_; }

 private:
  void read(const Run& run) {
    text_.clear();
    for (const ObjectRef* ref : run) {
      std::string& into = run.size() == 1 ? text_ : content_;
      side_.source.read(repository::ObjectType::rows, *ref, workspace_, into);
      if (run.size() != 1) text_ += content_;
      ++objects_read_;
    }
  }

  Row take(std::string_view line) {
    const Layout& layout = side_.layout;
    if (layout.key == first_alone_ && layout.cells.empty() && !layout.car) {
      return {hash(line.substr(0, line.find('\t'))), hash(line)};
    }
    split(line, cells_);
    const std::uint64_t content = layout.cells.empty() ? hash(line) : hash_of(layout.cells);
    return {layout.key.empty() ? content : hash_of(layout.key), content};
  }

  static std::uint64_t hash(std::string_view text) { return std::hash<std::string_view>()(text); }

  std::uint64_t hash_of(const std::vector<std::size_t>& which) {
    joined_.clear();
    for (const std::size_t i : which) {
      if (i < cells_.size()) joined_ += cells_[i];
      joined_ += '\t';
    }
    return hash(joined_);
  }

  std::string_view cell(const std::optional<std::size_t>& which) const {
    return which && *which < cells_.size() ? cells_[*which] : std::string_view();
  }

  std::string_view day() const {
    const std::string_view time = cell(side_.layout.day);
    return time == "\\N" ? std::string_view() : time.substr(0, time.find(' '));
  }

  const Side& side_;
  const std::vector<std::size_t> first_alone_{0};
  repository::Workspace workspace_;
  std::string text_;
  std::string content_;
  std::string joined_;
  std::vector<std::string_view> cells_;
  std::uint64_t objects_read_ = 0;
};

struct Kept {
  std::uint64_t content = 0;
  std::uint64_t count = 0;  // of equal rows without a key
  std::uint32_t label = 0;  // of car and day
};

// Numbers for cars and days, of which there are few.
class Labels {
 public:
  std::uint32_t number(std::string_view car, std::string_view day) {
    const auto [found, fresh] = numbers_.try_emplace({std::string(car), std::string(day)}, names_.size());
    if (fresh) names_.push_back(found->first);
    return static_cast<std::uint32_t>(found->second);
  }
  const std::pair<std::string, std::string>& name(std::uint32_t number) const { return names_[number]; }

 private:
  std::map<std::pair<std::string, std::string>, std::size_t> numbers_;
  std::vector<std::pair<std::string, std::string>> names_;
};

}  // namespace

std::vector<Run> runs_without(const repository::TableData& table, const repository::TableData* other,
                              std::uint64_t& skipped) {
  std::unordered_map<std::string, std::size_t> there;
  if (other != nullptr) {
    for (const Run& run : all_runs(*other)) ++there[name_of(run)];
  }
  std::vector<Run> out;
  for (Run& run : all_runs(table)) {
    const auto found = there.find(name_of(run));
    if (found != there.end() && found->second > 0) {
      --found->second;
      skipped += run.size();
    } else {
      out.push_back(std::move(run));
    }
  }
  return out;
}

RowsDiff compare_rows(const Side& before, const Side& after, const std::stop_token& stop) {
  RowsDiff out;
  const bool labelled = before.layout.car && after.layout.car && before.layout.day && after.layout.day;
  Labels labels;
  const auto day_of = [&](std::uint32_t label) -> Counts* {
    return labelled ? &out.days[labels.name(label)] : nullptr;
  };
  const auto count = [&](std::uint64_t Counts::*which, std::uint32_t label, std::uint64_t times) {
    out.counts.*which += times;
    if (Counts* day = day_of(label)) day->*which += times;
  };
  Reader old_rows(before);
  Reader new_rows(after);
  const std::uint64_t passes = before.rows / rows_at_once + 1;
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    std::unordered_map<std::uint64_t, Kept> kept;
    old_rows.each(pass, passes, stop, [&](const Row& row, std::string_view car, std::string_view day) {
      Kept& entry = kept[row.key];
      entry.content = row.content;
      entry.label = labelled ? labels.number(car, day) : 0;
      ++entry.count;
    });
    new_rows.each(pass, passes, stop, [&](const Row& row, std::string_view car, std::string_view day) {
      const auto found = kept.find(row.key);
      if (found == kept.end() || found->second.count == 0) {
        count(&Counts::added, labelled ? labels.number(car, day) : 0, 1);
        return;
      }
      if (found->second.content != row.content)
        count(&Counts::changed, labelled ? labels.number(car, day) : 0, 1);
      --found->second.count;
    });
    for (const auto& [key, entry] : kept) {
      if (entry.count > 0) count(&Counts::removed, entry.label, entry.count);
    }
  }
  out.objects_read = old_rows.objects_read() + new_rows.objects_read();
  return out;
}

}  // namespace tmb::diff
