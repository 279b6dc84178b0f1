// SPDX-License-Identifier: MIT
// What a session has to be told before it is sent the statements of a dump, and the few statements that a
// dump does not write itself.
#pragma once

#include <string>

#include "postgres/connection.hh"

namespace tmb::catalog {

// The encoding of the text that follows; empty: the database's own. Throws database for one that the server
// does not know.
void read_as(postgres::Connection& connection, const std::string& encoding);
// Functions may name what is made later.
void prepare_for_definitions(postgres::Connection& connection);

// SET ROLE, and back to the session's own.
void become(postgres::Connection& connection, const std::string& role);
void become_oneself(postgres::Connection& connection);

void create_extension(postgres::Connection& connection, const std::string& name, const std::string& schema);
// COPY statements of a dump made anew are catalog::copy_in_statement's.

}  // namespace tmb::catalog
