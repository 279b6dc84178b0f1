// SPDX-License-Identifier: MIT
#include "diff/diff.hh"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/error.hh"
#include "diff/primary_keys.hh"
#include "diff/rows.hh"

namespace tmb::diff {

using repository::BackupSource;
using repository::Manifest;
using repository::TableData;

namespace {

using TableName = std::pair<std::string, std::string>;

// Drives and charges, which a person wants to know by car and day.
struct Dated {
  const char* table;
  Counts DayDiff::*counts;
};
constexpr Dated dated[] = {{"drives", &DayDiff::drives}, {"charging_processes", &DayDiff::charges}};

const Dated* dated_table(const TableName& name) {
  for (const Dated& d : dated) {
    if (name.first == "public" && name.second == d.table) return &d;
  }
  return nullptr;
}

std::optional<std::size_t> position(const std::vector<std::string>& columns, const std::string& name) {
  const auto found = std::ranges::find(columns, name);
  if (found == columns.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns.begin());
}

// The places of `names` in `columns`; empty when one is not there.
std::vector<std::size_t> positions(const std::vector<std::string>& columns,
                                   const std::vector<std::string>& names) {
  std::vector<std::size_t> out;
  for (const std::string& name : names) {
    const auto at = position(columns, name);
    if (!at) return {};
    out.push_back(*at);
  }
  return out;
}

class Comparison {
 public:
  Comparison(const BackupSource& before, const BackupSource& after, report::Reporter& reporter,
             std::stop_token stop)
      : before_(before), after_(after), reporter_(reporter), stop_(std::move(stop)) {}

  Report run() {
    const Manifest& a = before_.manifest();
    const Manifest& b = after_.manifest();
    refuse_archives(before_);
    refuse_archives(after_);
    report_.before = a.id;
    report_.after = b.id;
    read_schemas();
    std::set<TableName> names;
    for (const TableData& table : a.tables) names.insert({table.schema, table.name});
    for (const TableData& table : b.tables) names.insert({table.schema, table.name});
    reporter_.begin_phase("comparing", a.id + " with " + b.id, names.size(), report::Unit::items);
    for (const TableName& name : names) {
      compare_table(name, a.find_table(name.first, name.second), b.find_table(name.first, name.second));
      reporter_.progress(report_.tables.size());
    }
    collect_cars();
    reporter_.end_phase(report::counted(report_.objects_read, "object", "objects") + " read, " +
                        report::grouped(report_.objects_skipped) + " the same");
    return std::move(report_);
  }

 private:
  static void refuse_archives(const BackupSource& source) {
    if (!source.manifest().by_pg_dump()) return;
    throw base::Error(base::ExitCode::unsupported,
                      source.describe() + " is an archive of pg_dump, whose rows cannot be compared")
        .with_hint("export both as .sql and compare those");
  }

  void read_schemas() {
    repository::Workspace workspace;
    std::string archive;
    before_.read(repository::ObjectType::schema, before_.manifest().schema, workspace, archive);
    keys_before_ = read_primary_keys(archive);
    report_.schema_changed = before_.manifest().schema.id != after_.manifest().schema.id;
    if (!report_.schema_changed) {
      keys_after_ = keys_before_;
      return;
    }
    std::string other;
    after_.read(repository::ObjectType::schema, after_.manifest().schema, workspace, other);
    keys_after_ = read_primary_keys(other);
    report_.schema_changed = archive != other && read_definitions(archive) != read_definitions(other);
  }

  void compare_table(const TableName& name, const TableData* a, const TableData* b) {
    TableDiff table;
    table.schema = name.first;
    table.name = name.second;
    table.rows_before = a == nullptr ? 0 : a->rows;
    table.rows_after = b == nullptr ? 0 : b->rows;
    if (a == nullptr || b == nullptr) {
      table.where = a == nullptr ? TableDiff::Where::only_after : TableDiff::Where::only_before;
      table.rows = a == nullptr ? Counts{table.rows_after, 0, 0} : Counts{0, 0, table.rows_before};
      report_.tables.push_back(std::move(table));
      return;
    }
    Side old_side{before_, runs_without(*a, b, report_.objects_skipped), {}, a->rows};
    Side new_side{after_, runs_without(*b, a, unused_), {}, b->rows};
    table.columns_changed = a->columns != b->columns;
    table.by_key = choose_layouts(name, *a, *b, old_side.layout, new_side.layout);
    if (!old_side.runs.empty() || !new_side.runs.empty()) {
      RowsDiff rows;
      try {
        rows = compare_rows(old_side, new_side, stop_);
      } catch (base::Error& error) {
        throw error.with_context("rows of " + base::printable(name.first + "." + name.second));
      }
      table.rows = rows.counts;
      report_.objects_read += rows.objects_read;
      if (const Dated* which = dated_table(name)) {
        for (const auto& [key, counts] : rows.days) days_[key].*(which->counts) = counts;
      }
    }
    report_.tables.push_back(std::move(table));
  }

  // False when there is no key that both states know.
  bool choose_layouts(const TableName& name, const TableData& a, const TableData& b, Layout& old_layout,
                      Layout& new_layout) const {
    if (a.columns != b.columns) {
      std::vector<std::string> common;
      std::ranges::copy_if(a.columns, std::back_inserter(common), [&](const std::string& column) {
        return position(b.columns, column).has_value();
      });
      old_layout.cells = positions(a.columns, common);
      new_layout.cells = positions(b.columns, common);
    }
    if (dated_table(name) != nullptr) {
      for (auto [layout, table] : {std::pair(&old_layout, &a), std::pair(&new_layout, &b)}) {
        layout->car = position(table->columns, "car_id");
        layout->day = position(table->columns, "start_date");
      }
    }
    const auto key = keys_after_.find(name);
    const auto old_key = keys_before_.find(name);
    if (key == keys_after_.end() || old_key == keys_before_.end() || key->second != old_key->second)
      return false;
    old_layout.key = positions(a.columns, key->second);
    new_layout.key = positions(b.columns, key->second);
    if (old_layout.key.empty() || new_layout.key.empty()) {
      old_layout.key.clear();
      new_layout.key.clear();
      return false;
    }
    return true;
  }

  std::string car_name(const std::string& id) const {
    for (const BackupSource* source : {&after_, &before_}) {
      for (const repository::CarSummary& car : source->manifest().cars) {
        if (std::to_string(car.id) == id) return car.name;
      }
    }
    return "";
  }

  void collect_cars() {
    for (const auto& [key, day] : days_) {
      const std::string id = key.first == "\\N" ? "" : key.first;
      if (!day.drives.any() && !day.charges.any()) continue;
      if (report_.cars.empty() || report_.cars.back().id != id)
        report_.cars.push_back({id, car_name(id), {}});
      report_.cars.back().days.push_back(day);
      report_.cars.back().days.back().date = key.second;
    }
  }

  const BackupSource& before_;
  const BackupSource& after_;
  report::Reporter& reporter_;
  std::stop_token stop_;
  PrimaryKeys keys_before_;
  PrimaryKeys keys_after_;
  std::map<std::pair<std::string, std::string>, DayDiff> days_;
  std::uint64_t unused_ = 0;  // the objects that both have are counted once
  Report report_;
};

}  // namespace

bool Report::same() const {
  return !schema_changed && std::ranges::none_of(tables, [](const TableDiff& table) {
    return table.rows.any() || table.where != TableDiff::Where::both || table.columns_changed;
  });
}

Report compare(const BackupSource& before, const BackupSource& after, report::Reporter& reporter,
               const std::stop_token& stop) {
  const auto started = std::chrono::steady_clock::now();
  Report report = Comparison(before, after, reporter, stop).run();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

}  // namespace tmb::diff
