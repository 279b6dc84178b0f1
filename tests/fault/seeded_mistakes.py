#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves the tests: puts one mistake at a time into a copy of the tree and demands that the named test goes red.

    seeded_mistakes.py [--build COMMAND] [NAME…]     all mistakes, or those whose names contain one of the words

COMMAND is called with the copy and a folder for the build, whose bin/ gets teslamate-backup and unit_tests; the
default uses cmake. Not part of the ordinary run: each mistake costs a build. Ends with 1 when a mistake survives.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BACKUP = "integration/backup_test.py"
REFUSAL = "integration/backup_refusal_test.py"
KILL = "fault/backup_kill_test.py"
UNIT = "unit_tests"

# name, [(file, what stands there, what stands there instead)…], program, test that must fail
MISTAKES = [
    ("no fsync of a file", [("src/base/file.cc", "if (::fsync(file.fd()) != 0) throw", "if (false) throw")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("names of objects not synced before the manifest", [("src/repository/repository.cc", "  objects_.sync_directories();\n", "")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("manifest before the names of its objects",
     [("src/repository/repository.cc", "  objects_.sync_directories();\n", ""),
      ("src/repository/repository.cc", "to_file(manifest), base::Overwrite::no, 0400);\n",
       "to_file(manifest), base::Overwrite::no, 0400);\n  objects_.sync_directories();\n")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("what was written is not read back", [("src/base/file.cc", "  compare_with_disk(file.fd(), bytes, file.path());\n", "")],
     KILL, "Sweep.test_a_byte_that_write_claims_to_have_written_and_has_not_is_found"),
    ("a snapshot that could not be made durable stays listed",
     [("src/base/file.cc", "if (overwrite == Overwrite::no) ::unlink(path.c_str());", "")],
     KILL, "Sweep.test_an_error_while_only_the_manifest_is_written"),
    ("temporary files are left after an error", [("src/base/file.cc", "if (there_) ::unlink(path_.c_str());", "")],
     KILL, "Sweep.test_an_error_while_rows_and_definitions_are_stored"),
    ("temporary files of dead runs are not swept", [("src/base/file.cc", "starts_with(temporary_prefix) && ", "starts_with(\"no\") && ")],
     UNIT, "the writer sweeps temporary files*"),
    ("object read without its hash", [("src/repository/object_store.cc", "crypto::hex(crypto::sha256(content)) != ref.id", "false")],
     UNIT, "a whole object of the same type*"),
    ("object read without its checksum", [("src/repository/object_store.cc", "return same ? nullptr :", "return true ? nullptr :")],
     UNIT, "every flipped bit*"),
    ("manifest read without its checksum", [("src/repository/sealed_json.cc", "if (tail.substr(checksum_key.size(), 64) !=", "if (false && tail.substr(0, 1) !=")],
     UNIT, "every flipped bit*"),
    ("manifest of another repository accepted", [("src/repository/repository.cc", " || manifest.repository_id != id_", "")],
     UNIT, "a manifest of another repository*"),
    ("content there already is trusted by its name", [("src/repository/object_store.cc", "if (there == true) return stored;", "if (there) return stored;")],
     UNIT, "an object that is there under the right name*"),
    ("a snapshot's id can be taken twice", [("src/repository/repository.cc", "to_file(manifest), base::Overwrite::no, 0400", "to_file(manifest), base::Overwrite::yes, 0400")],
     UNIT, "a snapshot's id is taken once"),
    ("two writers at once", [("src/repository/repository.cc", "writer_byte, base::LockMode::exclusive", "writer_byte, base::LockMode::shared")],
     UNIT, "one writer*"),
    ("clock back makes an older id", [("src/backup/plan.cc", "if (!parent_id.empty() && stamp <=", "if (false && stamp <=")],
     UNIT, "a snapshot's id is its time*"),
    ("a folder that cannot be listed is empty", [("src/repository/repository.cc", "  if (error) throw base::system_error(error.value(), \"cannot list \" + shown(folder));\n  std::ranges::sort", "  std::ranges::sort")],
     UNIT, "a folder of snapshots that cannot be listed*"),
    ("missing objects are taken over", [("src/backup/copy.cc", "return shared_.store->looks_intact(ref);", "return !ref.id.empty();")],
     BACKUP, "TheTailAlone.test_a_missing_or_cut_object_is_written_again_without_full"),
    ("the signature of a table does not count", [("src/backup/plan.cc", "&& before->signature == entry.signature", "")],
     BACKUP, "AfterAChange.test_enum_value_renamed"),
    ("new row versions do not count", [("src/backup/copy.cc", "if (now.young == 0) {", "if (now.young < 1000000000) {")],
     BACKUP, "AfterAChange.test_update_of_one_row"),
    ("the number of rows does not count", [("src/backup/copy.cc", "return now.rows - now.young == before.rows &&", "return")],
     BACKUP, "AfterAChange.test_delete_of_one_row"),
    ("transactions open at the last snapshot are forgotten",
     [("src/backup/backup.cc", "0 : trusted->origin.oldest_transaction", "0 : trusted->origin.next_transaction")],
     BACKUP, "AfterAChange.test_a_transaction_open_during_the_first_snapshot"),
    ("trusted after a restart", [("src/backup/plan.cc", "if (o.server_started != server.started) return", "if (false) return")],
     BACKUP, "AfterTheServerOrDatabaseChanged"),
    ("trusted on another cluster", [("src/backup/plan.cc", "if (o.system_identifier != server.system_identifier) return", "if (false) return"),
                                    ("src/backup/plan.cc", "if (o.server_started != server.started) return", "if (false) return"),
                                    ("src/backup/plan.cc", "if (o.database_oid != database.oid) return", "if (false) return")],
     UNIT, "chunks are comparable only in the same history of the same database"),
    ("snapshot before lock",
     [("src/backup/session.cc", "  catalog::lock_tables(connection, listed);\n", ""),
      ("src/backup/session.cc", "  session.snapshot = catalog::export_snapshot(connection);\n",
       "  session.snapshot = catalog::export_snapshot(connection);\n  catalog::lock_tables(connection, listed);\n"),
      ("src/backup/session.cc", "return same_definitions(listed, session.tables);", "return true;")],
     REFUSAL, "Locks.test_a_truncate_between_the_listing_and_the_lock_is_never_read_as_an_empty_table"),
    ("the end of a COPY is not looked at",
     [("src/postgres/connection.cc", "    if (failed) throw_refused(connection, failed->result, stop);\n", ""),
      ("src/backup/copy.cc", "if (sent != rows || ", "if (false && ")],
     REFUSAL, "Interrupted.test_a_backend_cancelled_in_the_middle_of_copy"),
    ("names may change while rows are read", [("src/backup/backup.cc", "if (catalog::read_names_fingerprint(session.connection) != names)", "if (false)")],
     REFUSAL, "Locks.test_schemas_that_swap_their_names_while_we_read"),
    ("locks are waited for without end", [("src/catalog/reader.cc", "\"SET lock_timeout = \" + std::to_string(timeout_ms)", "\"SET lock_timeout = \" + std::to_string(timeout_ms * 0)")],
     REFUSAL, "Locks.test_a_locked_sequence_is_refused_in_bounded_time"),
    ("formats are not pinned", [("src/postgres/connection.cc", "SET extra_float_digits = 3; ", "")],
     REFUSAL, "SettingsOfTheRole.test_settings_and_shadowing_functions_change_no_byte"),
    ("search_path is not pinned", [("src/postgres/connection.cc", "SET search_path = ''; ", "")],
     REFUSAL, "SettingsOfTheRole.test_settings_and_shadowing_functions_change_no_byte"),
    ("obstacles are ignored", [("src/backup/backup.cc", "  refuse_obstacles(session);\n", "")],
     REFUSAL, "WhatCannotBeCarried.test_large_objects"),
    ("a pooler is not noticed", [("src/postgres/connection.cc", "if (pid.integer(0, 0) != out.backend_pid())", "if (false)")],
     REFUSAL, "Connecting.test_transaction_pooling_is_refused"),

    # Files of other programs, archives, single rows, settings.
    ("a setting is taken in words that we do not know", [("src/sql/judge_session.cc", 'if (value != "on" && value != "off") refuse(', 'if (false) refuse(')],
     UNIT, "what the server would read in another way than we is refused"),
    ("an encoding's name may hold anything", [("src/sql/judge_session.cc", 'if (!part) refuse(', 'if (!part && false) refuse(')],
     UNIT, "what the server would read in another way than we is refused"),
    ("unicode escapes are passed over", [("src/sql/statement_parts.cc", 'if (token.is("U") && i + 2', 'if (false && i + 2')],
     UNIT, "what the server would read in another way than we is refused"),
    ("a statement may have any number of words", [("src/sql/tokens.cc", "if (out.size() == most) throw", "if (false && out.size() == most) throw")],
     UNIT, "what the server would read in another way than we is refused"),
    ("every byte is a character", [("src/sql/spelling.hh", "return wide == Wide::gb18030 && second >= '0' && second <= '9' ? 4 : 2;", "return second == 0 ? 1 : 1;")],
     UNIT, "a character's second byte is no backslash"),
    ("functions that reach out are let through", [("src/sql/statement_parts.cc", "    if (bad) refuse(what,", "    if (bad && what.empty()) refuse(what,")],
     UNIT, "what pg_dump does not write is refused as damaged"),
    ("any language is let through", [("src/sql/judge_create.cc", 'if (name != "sql" && name != "plpgsql") {', 'if (name.empty()) {')],
     UNIT, "what pg_dump does not write is refused as damaged"),
    ("a dump's own functions are not told", [("src/sql/judge_create.cc", '  v.code = describe(kind, v.name) + " (" + name + ")";\n', "")],
     UNIT, "code of the file's author is told*"),
    ("a gzip may end anywhere", [("src/archive/sources.cc", 'if (stream_.avail_in == 0 && !refill()) fail("it ends too early");', "if (stream_.avail_in == 0 && !refill()) break;")],
     UNIT, "every cut of a gzip is seen"),
    ("the objects of a .tmb are not read", [("src/restore/verify.cc", "run_workers(worker_count(jobs), stop,", "run_workers(jobs, stop,")],
     "integration/told_test.py", "Told.test_damage_anywhere_in_a_tmb_is_seen"),
    ("a settings file holds every table", [("src/repository/manifest.cc", 'return table.schema != "public" ||', "return false &&"),
                                           ("src/transfer/export_settings.cc", "if (manifest.tables.size() != teslamate::settings_tables.size())", "if (false)")],
     "integration/settings_test.py", "Settings.test_the_file_holds_what_was_configured_and_nothing_else"),
    ("changed settings are not kept for the undo", [("src/teslamate/settings_merge.cc", "    for (const Changes& of_table : changes) of_table.record(*pending.writer);\n", "")],
     "integration/settings_test.py", "Settings.test_into_a_fresh_teslamate"),
    ("settings of a newer TeslaMate are taken", [("src/teslamate/settings_merge.cc", "    require_schema(connection_, source_);\n", "")],
     "integration/settings_test.py", "Settings.test_a_newer_teslamate_s_settings_are_refused"),
    ("an imported snapshot stays the timer's", [("src/transfer/import.cc", "    manifest.scheduled = false;  // a person brought it: retention leaves it alone\n", "")],
     "integration/import_test.py", "Import.test_what_a_timer_took_and_a_person_brings_back_is_the_person_s"),
    ("Tracearr's word for its server is not heard", [("src/restore/file_input.cc", "said > m.server_version_number) {", "said < 0) {")],
     "integration/foreign_corpus_test.py", "Corpus.test_every_file_has_its_code_and_message_and_nothing_is_touched"),
]


def build(tree: pathlib.Path, out: pathlib.Path, program: str, command: str | None) -> None:
    environment = os.environ | {"CCACHE_NOHASHDIR": "1"}
    target = "unit_tests" if program == UNIT else "teslamate-backup" if program in (BACKUP, REFUSAL, KILL) else "all"
    if command:
        argv = [[command, str(tree), str(out), target]]
    else:
        argv = [["cmake", "-S", str(tree), "-B", str(out), "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                ["cmake", "--build", str(out), "--target", target, "-j2"]]
    for arguments in argv:
        done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise RuntimeError(f"the mistaken tree does not build:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def is_red(tree: pathlib.Path, out: pathlib.Path, program: str, test: str) -> bool:
    if program == UNIT:
        done = subprocess.run([str(out / "bin" / "unit_tests"), test], capture_output=True, text=True)
        if "assertion" not in done.stdout:  # a comma in a name would mean "or"
            raise RuntimeError(f"no unit test is called {test}")
        return done.returncode != 0
    environment = os.environ | {"TM_BIN_DIR": str(out / "bin"), "PYTHONPATH": str(tree / "tests" / "integration"),
                                "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, str(tree / "tests" / program), test], env=environment, capture_output=True, text=True)
    if "HarnessError" in done.stderr and "AssertionError" not in done.stderr:
        raise RuntimeError(f"the stage broke, not the play:\n{done.stderr[-1500:]}")
    return done.returncode != 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    chosen = [m for m in MISTAKES if not options.names or any(n in m[0] for n in options.names)]
    survived = 0
    with tempfile.TemporaryDirectory(prefix="tmb-seed-", dir="/tmp") as folder:
        tree, out = pathlib.Path(folder) / "tree", pathlib.Path(folder) / "build"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
        for name, patches, program, test in chosen:
            originals = {file: (tree / file).read_text(encoding="utf-8") for file, _, _ in patches}
            try:
                for file, old, new in patches:
                    text = (tree / file).read_text(encoding="utf-8")
                    if text.count(old) != 1:
                        raise RuntimeError(f"{file} holds {text.count(old)} times: {old}")
                    (tree / file).write_text(text.replace(old, new), encoding="utf-8")
                build(tree, out, program, options.build)
                red = is_red(tree, out, program, test)
                print(f"{'caught  ' if red else 'SURVIVED'}  {name}", flush=True)
                survived += not red
            except RuntimeError as error:
                print(f"UNPROVEN  {name}: {error}", flush=True)
                survived += 1
            finally:
                for file, text in originals.items():
                    (tree / file).write_text(text, encoding="utf-8")
    print(f"{len(chosen) - survived} of {len(chosen)} mistakes caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
