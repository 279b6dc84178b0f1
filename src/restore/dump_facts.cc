// SPDX-License-Identifier: MIT
#include "restore/dump_facts.hh"

#include <charconv>

#include "restore/preflight.hh"

namespace tmb::restore {

namespace {

constexpr std::string_view null = "\\N";

std::int64_t number(std::string_view text) {
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

// A cell of COPY text. Only what a name may hold: no octal, no hexadecimal.
std::string unescaped(std::string_view cell) {
  std::string out;
  for (std::size_t i = 0; i < cell.size(); ++i) {
    if (cell[i] != '\\' || i + 1 == cell.size()) {
      out += cell[i];
      continue;
    }
    const char c = cell[++i];
    out += c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
  }
  return out;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.size() < 30 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

void DumpFacts::see_date(repository::CarSummary& car, std::string_view date) const {
  if (date == null || date.size() > 40) return;
  if (car.first_date.empty() || date < car.first_date) car.first_date = date;
  if (date > car.last_date) car.last_date = date;
}

std::vector<sql::Watch> DumpFacts::watches() {
  const auto trips = [this](std::uint64_t repository::CarSummary::*count) {
    return [this, count](const Cells& cells) {
      if (cells[0] == null) return;
      repository::CarSummary& car = cars_[number(cells[0])];
      ++(car.*count);
      see_date(car, cells[1]);
      see_date(car, cells[2]);
    };
  };
  return {
      {{"public", "schema_migrations"},
       {"version"},
       [this](const Cells& cells) {
         const std::string version(cells[0]);
         if (is_digits(version) && compare_versions(version, migration_version_) > 0)
           migration_version_ = version;
       }},
      {{"public", "cars"},
       {"id", "name", "vin"},
       [this](const Cells& cells) {
         const bool named = cells[1] != null && !cells[1].empty();
         const std::string_view name = named ? cells[1] : cells[2] == null ? std::string_view{} : cells[2];
         repository::CarSummary& car = cars_[number(cells[0])];
         car.id = number(cells[0]);
         constexpr std::size_t longest_name = 255;
         car.name = unescaped(name.substr(0, longest_name));
       }},
      {{"public", "drives"}, {"car_id", "start_date", "end_date"}, trips(&repository::CarSummary::drives)},
      {{"public", "charging_processes"},
       {"car_id", "start_date", "end_date"},
       trips(&repository::CarSummary::charges)}};
}

std::vector<repository::CarSummary> DumpFacts::cars() const {
  std::vector<repository::CarSummary> out;
  for (const auto& [id, car] : cars_) {
    out.push_back(car);
    out.back().id = id;
  }
  return out;
}

}  // namespace tmb::restore
