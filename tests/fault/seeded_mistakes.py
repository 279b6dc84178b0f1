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
KEYS = "integration/keys_test.py"
KEYS_KILL = "fault/keys_kill_test.py"
UNIT = "unit_tests"
# What a test needs besides teslamate-backup.
PROGRAMS = {KEYS: ["teslamate-keys", "teslamate-restore", "teslamate-snapshots", "teslamate-verify", "sample-database"],
            KEYS_KILL: ["teslamate-keys", "teslamate-snapshots", "teslamate-verify"]}

# name, [(file, what stands there, what stands there instead)…], program, test that must fail
MISTAKES = [
    ("no fsync of a file", [("src/base/file.cc", "if (::fsync(file.fd()) != 0) throw", "if (false) throw")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("names of objects not synced before the manifest", [("src/repository/repository.cc", "  objects_.sync_directories();\n", "")],
     KILL, "Sweep.test_every_file_is_synced_before_its_name_and_every_name_before_the_manifest"),
    ("manifest before the names of its objects",
     [("src/repository/repository.cc", "  objects_.sync_directories();\n", ""),
      ("src/repository/repository.cc", "publish_owned(manifest_path(id), bytes, base::Overwrite::no, 0400);\n",
       "publish_owned(manifest_path(id), bytes, base::Overwrite::no, 0400);\n  objects_.sync_directories();\n")],
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
    ("object read without its hash", [("src/repository/object_store.cc", "id_of(type, content, used) != ref.id", "false")],
     UNIT, "a whole object of the same type*"),
    ("object read without its checksum", [("src/repository/object_file.cc", "return same ? nullptr :", "return same || !same ? nullptr :")],
     UNIT, "every flipped bit*"),
    ("manifest read without its checksum", [("src/repository/sealed_json.cc", "if (tail.substr(checksum_key.size(), 64) !=", "if (false && tail.substr(0, 1) !=")],
     UNIT, "every flipped bit*"),
    ("manifest of another repository accepted", [("src/repository/repository.cc", " || manifest.repository_id != repository_id", "")],
     UNIT, "a manifest of another repository*"),
    ("content there already is trusted by its name", [("src/repository/object_store.cc", "if (there == true) return stored;", "if (there) return stored;")],
     UNIT, "an object that is there under the right name*"),
    ("a snapshot's id can be taken twice", [("src/repository/repository.cc", "publish_owned(manifest_path(id), bytes, base::Overwrite::no, 0400", "publish_owned(manifest_path(id), bytes, base::Overwrite::yes, 0400")],
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
    # Keys and secrets.
    ("a wrong tag gives the bytes", [("src/crypto/seal.cc", "if (EVP_DecryptFinal_ex(gcm, none.data(), &length) == 1) return true;",
                                      "if (EVP_DecryptFinal_ex(gcm, none.data(), &length) < 2) return true;")],
     UNIT, "every flipped bit and every other length of sealed bytes*"),
    ("bytes are left before the tag is known", [("src/crypto/seal.cc", "  wipe(plain.data(), plain.size());\n  plain.clear();\n  return false;", "  return false;")],
     UNIT, "every flipped bit and every other length of sealed bytes*"),
    ("a nonce comes twice", [("src/crypto/seal.cc", "seal_with_nonce(key, random_bytes(seal_nonce_bytes), aad", "seal_with_nonce(key, std::string(seal_nonce_bytes, 'n'), aad")],
     UNIT, "no nonce comes twice"),
    ("the additional data without the object's name",
     [("src/repository/object_file.cc", "out.append(repository_id).append(\"\\n\").append(name).append(\"\\n\");", "out.append(repository_id).append(name.substr(0, 0)).append(\"\\n\");")],
     KEYS, "Golden.test_it_is_listed_verified_and_restored_with_each_of_its_keys"),
    ("the additional data without the header", [("src/repository/object_file.cc", "return out.append(file.substr(0, hashed_header_bytes));", "return out.append(file.substr(0, 0));")],
     KEYS, "Encrypted.test_the_recovery_script_alone_restores_an_encrypted_snapshot"),
    ("the last slot can be removed", [("tools/keys/remove.cc", "if (slots.size() == 1) {", "if (slots.empty()) {")],
     KEYS, "Slots.test_slots_are_added_listed_and_removed_but_never_the_last"),
    ("a wrong passphrase is told as damage", [("src/repository/key_slot.cc", "throw Error(ExitCode::wrong_key, message)", "throw Error(ExitCode::damaged, message)")],
     UNIT, "a wrong passphrase is 12*"),
    ("a slot without its commitment", [("src/repository/key_slot.cc", "text)), slot.commit))\n    return std::nullopt;", "text)), slot.commit) && text.empty())\n    return std::nullopt;")],
     UNIT, "a wrong passphrase is 12*"),
    ("a slot may ask for any work", [("src/repository/key_slot.cc", "  if (!sane) {", "  if (!sane && c.n == 1) {")],
     UNIT, "no slot makes us work much harder*"),
    ("a slot in another spelling", [("src/repository/key_slot.cc", "if (!sane || to_file(s) != bytes)", "if (!sane)")],
     UNIT, "members of a slot that are missing*"),
    ("format.json is not authenticated", [("src/repository/format.cc", "if (crypto::equal_secrets(format.mac, mac_of(format, keys))) return;", "if (format.mac != mac_of(format, keys) || !what.empty()) return;")],
     UNIT, "a repository that says it is not encrypted any more*"),
    ("an unsealed object looks intact", [("src/repository/object_store.cc", "  if (!sealed_as_due) return false;\n", "  static_cast<void>(sealed_as_due);\n")],
     UNIT, "objects that changed places*"),
    ("older and thinned repositories pass", [("src/repository/last_seen.cc", "  if (gone.empty() && !older) return;\n", "  if (gone.empty() || !older) return;\n")],
     UNIT, "an older*"),
    ("a tag that was taken away is not missed", [("src/repository/last_seen.cc", "tag == tags.end() || tag->second < changed", "tag != tags.end() && tag->second < changed")],
     UNIT, "a tag that is taken away*"),
    ("an unsealed tag counts", [("src/repository/tags.cc", "} else if (repository.encrypted() && !repository.keys().plain_too) {", "} else if (repository.id().empty()) {")],
     UNIT, "every flipped bit* cut and foreign tag*"),
    ("a damaged tag lets a snapshot be forgotten", [("src/retention/prune.cc", "    throw error.with_hint(hint);\n", "    return;\n")],
     KEYS, "Hostile.test_a_tag_cannot_be_forged_or_taken_away"),
    ("secrets in files that are open to others", [("src/config/private_file.cc", "if ((status.st_mode & 077U) != 0) {", "if ((status.st_mode & 07U) == 8U) {")],
     KEYS, "Encrypted.test_the_key_comes_from_flag_credential_or_settings_and_a_missing_one_is_12"),
    ("a typed passphrase is shown", [("src/cli/context.cc", "~static_cast<tcflag_t>(ECHO | ECHONL)", "~static_cast<tcflag_t>(0)")],
     KEYS, "Terminal.test_the_terminal_shows_again_what_is_typed_however_a_prompt_is_left"),
    ("the process may be dumped", [("src/cli/process_setup.cc", "  ::prctl(PR_SET_DUMPABLE, 0);\n", "")],
     KEYS, "Terminal.test_a_process_that_waits_for_a_passphrase_is_closed_to_others_of_its_account"),
    ("an environment file that came as a credential is not carried", [("tools/carried.hh", "config::environment_file_here(settings.database, environment)", "environment.empty() ? base::Path() : environment_file")],
     KEYS, "Carried.test_an_environment_file_that_came_as_a_credential_is_carried_under_its_own_name"),
    ("names are not synced while the key is changed", [("src/repository/rekey.cc", "    repository_.objects().sync_directories();\n", "")],
     KEYS_KILL, "Sweep.test_every_name_is_durable_before_what_needs_it"),
    ("format.json before the slot", [("src/repository/rekey.cc", "  publish_owned(folder / slot.file_name(), to_file(slot), base::Overwrite::no, 0400);\n", ""),
                                     ("src/repository/rekey.cc", "  replace_format(repository, format, *keys);\n", "  replace_format(repository, format, *keys);\n  publish_owned(folder / slot.file_name(), to_file(slot), base::Overwrite::no, 0400);\n")],
     KEYS_KILL, "Sweep.test_encrypting_a_plain_repository"),
]


def build(tree: pathlib.Path, out: pathlib.Path, program: str, command: str | None) -> None:
    environment = os.environ | {"CCACHE_NOHASHDIR": "1"}
    targets = ["unit_tests"] if program == UNIT else ["teslamate-backup", *PROGRAMS.get(program, [])]
    if command:
        argv = [[command, str(tree), str(out), *targets]]
    else:
        argv = [["cmake", "-S", str(tree), "-B", str(out), "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
                ["cmake", "--build", str(out), "--target", *targets, "-j2"]]
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
