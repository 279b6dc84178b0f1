// SPDX-License-Identifier: MIT
#include "catalog/dump_session.hh"

namespace tmb::catalog {

using postgres::Connection;

void read_as(Connection& c, const std::string& encoding) {
  if (!encoding.empty()) c.execute("SET client_encoding = " + c.literal(encoding));
}

void prepare_for_definitions(Connection& c) { c.execute("SET check_function_bodies = false"); }

void become(Connection& c, const std::string& role) { c.execute("SET ROLE " + c.identifier(role)); }
void become_oneself(Connection& c) { c.execute("RESET ROLE"); }

void create_extension(Connection& c, const std::string& name, const std::string& schema) {
  c.execute("CREATE EXTENSION IF NOT EXISTS " + c.identifier(name) + " WITH SCHEMA " + c.identifier(schema));
}

}  // namespace tmb::catalog
