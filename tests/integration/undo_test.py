# SPDX-License-Identifier: MIT
"""Undo files through what happens to them later: keys are changed, the database is replaced, the disk is full, the file is
damaged or made by another."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from harness import assert_exit, database_digest, diff_digests
from sample_stage import DB, SampleStage
from undo_text import FIRST_LINE, packed, unpacked, with_header


class Undo(SampleStage):
    def run_tool(self, name: str, *args: str, **keywords):
        return self.ws.run(name, *self.flags, "--yes", *args, **keywords)

    def delete(self, *args: str, **keywords):
        return self.run_tool("teslamate-delete-drive", "--positions", "delete", *args, self.drive, **keywords)

    def undo(self, *args: str, **keywords):
        return self.run_tool("teslamate-undo", *(args or ("last",)), **keywords)

    def file(self) -> pathlib.Path:
        return next((self.ws.state / "undo").glob("*.undo"))

    # -- keys

    def encrypt(self, *args: str):
        self.key = self.ws.folder / "key"
        self.key.write_text("a passphrase of some length\n", encoding="utf-8")
        self.key.chmod(0o600)
        self.ws.config.write_text(f'[repository]\npath = "{self.ws.repository}"\nkey_file = "{self.key}"\n', encoding="utf-8")

    def test_a_file_sealed_before_keys_were_changed_opens_after(self):
        self.ws.repository.rmdir()
        self.encrypt()
        assert_exit(self.ws.backup(DB, "--init"), 0)
        assert_exit(self.delete(), 0)
        self.assertNotIn(b"drives", self.file().read_bytes())
        for _ in range(2):
            assert_exit(self.ws.run("teslamate-keys", "rotate", "-r", str(self.ws.repository), "--yes"), 0)
        assert_exit(self.undo(), 0)
        self.assert_as_before()

    def test_a_plain_file_opens_after_its_repository_was_encrypted(self):
        self.ws.repository.rmdir()
        assert_exit(self.ws.backup(DB, "--init"), 0)
        assert_exit(self.delete(), 0)
        self.assertTrue(self.file().read_bytes().startswith(FIRST_LINE))
        self.encrypt()
        assert_exit(self.ws.run("teslamate-keys", "encrypt", "-r", str(self.ws.repository), "--yes"), 0)
        assert_exit(self.undo(), 0)
        self.assert_as_before()

    def test_a_sealed_file_without_its_repository_or_by_another_key_names_what_is_missing(self):
        self.ws.repository.rmdir()
        self.encrypt()
        assert_exit(self.ws.backup(DB, "--init"), 0)
        assert_exit(self.delete(), 0)
        deleted = database_digest(self.pg, DB)
        away = self.ws.folder / "away"
        self.ws.repository.rename(away)
        result = assert_exit(self.undo(), 12)
        self.assertIn("-r", result.err)
        # Another repository with the same passphrase.
        assert_exit(self.ws.backup(DB, "--init"), 0)
        result = assert_exit(self.undo(), 12)
        self.assertIn("another key", result.err)
        self.assertEqual(diff_digests(deleted, database_digest(self.pg, DB)), [])
        shutil.rmtree(self.ws.repository)
        away.rename(self.ws.repository)
        assert_exit(self.undo(), 0)
        self.assert_as_before()

    def test_nothing_is_deleted_where_the_key_to_seal_by_is_missing(self):
        self.ws.repository.rmdir()
        self.encrypt()
        assert_exit(self.ws.backup(DB, "--init"), 0)
        self.key.unlink()
        result = self.delete()
        self.assertIn(result.code, (12, 17), result.text())
        self.assertIn("nothing was deleted", result.err)
        self.assert_as_before()

    # -- again

    def test_rows_of_a_table_without_a_primary_key_come_back_once_however_often_it_is_undone(self):
        self.pg.script(DB, f"""
            CREATE TABLE public.notes (drive_id int REFERENCES drives (id) ON DELETE CASCADE, text text, extra json);
            INSERT INTO public.notes VALUES ({self.drive}, 'a', '{{"n": 1}}'), ({self.drive}, NULL, NULL), ({self.drive}, NULL, NULL),
                                            ({self.drive}, 'b', NULL), ({self.drives[1]}, NULL, NULL)""")
        self.before = self.digest()
        assert_exit(self.delete(), 0)
        self.assertEqual(self.pg.scalar(DB, "SELECT count(*) FROM notes"), "1")
        name = self.file().stem
        assert_exit(self.undo(), 0)
        self.assert_as_before()
        self.assertIn("all as before already", assert_exit(self.undo(name), 0).out)
        self.assert_as_before()
        # Of two rows that are alike, the one that is missing.
        self.pg.sql(DB, f"DELETE FROM notes WHERE ctid = (SELECT min(ctid) FROM notes WHERE drive_id = {self.drive} AND text IS NULL)")
        self.assertIn("undone: 1 row", assert_exit(self.undo(name), 0).out)
        self.assert_as_before()

    def test_a_file_that_cannot_be_renamed_afterwards_is_a_warning(self):
        assert_exit(self.delete(), 0)
        result = self.ws.run_traced(*self.undoing, inject="rename:error=EIO", strace_args=["-P", str(self.file())])
        self.assertIn("(INJECTED)", result.trace)
        self.assertIn("it is undone, but the undo file keeps its name", assert_exit(result, 3).err)
        self.assertNotIn("nothing was changed", result.text())
        self.assert_as_before()
        self.assertIn("all as before already", assert_exit(self.undo(), 0).out)

    # -- the database

    def test_of_a_database_that_was_replaced_since(self):
        """By a restore: the name is the same, the database is another. Its rows decide."""
        assert_exit(self.delete(), 0)
        for name, source, words in (("after", DB, "as before"), ("before", "template_of_it", "as before already")):
            with self.subTest(restored=name):
                self.pg.sql("postgres", f"CREATE DATABASE replaced TEMPLATE {source}", f"DROP DATABASE {DB}",
                            f"ALTER DATABASE replaced RENAME TO {DB}")
                result = assert_exit(self.undo("--dry-run", self.file().stem), 0)
                self.assertIn("was replaced since", result.err)
                result = assert_exit(self.undo(self.file().stem), 0)
                self.assertIn(words, result.out)
                self.assert_as_before()
                undone = next((self.ws.state / "undo").glob("*.undone"))
                undone.rename(undone.with_suffix(".undo"))

    def test_what_was_cut_off_on_another_server_is_not_called_running(self):
        assert_exit(self.delete(), 0)
        text = unpacked(self.file())
        header = json.loads(text.splitlines()[0])
        with self.pg.session(DB) as other:
            # A transaction of this number is open here; the file is another server's.
            number = other.run("BEGIN; SELECT pg_current_xact_id()").split()[-1]
            header |= {"transaction": number, "system_identifier": "1234567890"}
            pending = self.file().with_suffix(".pending")
            self.file().unlink()
            pending.write_bytes(packed(with_header(header, text)))
            pending.chmod(0o600)
            listed = assert_exit(self.undo("--list", "--json"), 0).json()["undo_files"]
            self.assertEqual([f["state"] for f in listed], ["unfinished"])
            assert_exit(self.undo(pending.stem), 0)
        self.assert_as_before()

    # -- the file

    def test_it_is_small_and_can_be_read_by_hand(self):
        assert_exit(self.delete(), 0)
        text = unpacked(self.file())
        self.assertIn(f"\t{self.drive}\t".encode(), text)
        self.assertLess(self.file().stat().st_size, len(text) / 2.5)

    def test_what_was_forged_does_nothing(self):
        assert_exit(self.delete(), 0)
        deleted = database_digest(self.pg, DB)
        whole, text = self.file().read_bytes(), unpacked(self.file())
        lines = text.splitlines(keepends=True)
        forged = {
            "a row more": packed(b"".join([*lines[:2], lines[2], *lines[2:]])),
            "a row less": packed(b"".join([*lines[:2], *lines[3:]])),
            "another value": packed(text.replace(b"\tt\t", b"\tf\t", 1) if b"\tt\t" in text else text.replace(b"1", b"2", 1)),
            "no end": packed(b"".join(lines[:-1])),
            "two ends": packed(text + lines[-1]),
            "text behind the end": packed(text + b"x\n"),
            "a frame behind the end": whole + packed(b"x\n")[len(FIRST_LINE):],
            "bytes behind the end": whole + b"x",
            "not compressed": FIRST_LINE + text,
            "nothing": FIRST_LINE,
            "no line": packed(b"\xff\xfe\x00" * 100),
            "no bytes": b"",
        }
        for name, data in forged.items():
            with self.subTest(name):
                path = self.file()
                path.write_bytes(data)
                result = assert_exit(self.undo(), 13)
                self.assertIn("nothing was changed", result.err)
                path.write_bytes(whole)
        # Rows that this program would never have written, with a hash that fits: the server's types refuse them.
        header = json.loads(lines[0])
        path = self.file()
        for name, old, new in (("a table that is not there", b'"table":"drives"', b'"table":"pg_authid"'),
                               ("a column that is not there", b'"columns":["id"', b'"columns":["id); DROP TABLE cars; --"')):
            with self.subTest(name):
                changed = text.replace(old, new, 1)
                self.assertNotEqual(changed, text)
                path.write_bytes(packed(with_header(header, changed)))
                assert_exit(self.undo(), 14)
        path.write_bytes(whole)
        self.assertEqual(diff_digests(deleted, database_digest(self.pg, DB)), [])
        assert_exit(self.undo(), 0)
        self.assert_as_before()

    def test_a_full_disk_deletes_nothing(self):
        if os.geteuid() != 0:
            self.fail("this test has to run as root: it mounts a small tmpfs")
        folder = self.ws.state / "undo"
        folder.mkdir(mode=0o700)
        for size in (4096, 8192, 16384, 1 << 20):
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder], check=True)
            try:
                with self.subTest(size=size):
                    result = self.delete()
                    if size == 1 << 20:
                        assert_exit(result, 0)
                        assert_exit(self.undo(), 0)
                    else:
                        assert_exit(result, 17)
                        self.assertIn("No space left", result.err)
                        self.assertIn("nothing was deleted", result.err)
                        self.assertEqual([p.name for p in folder.iterdir() if p.name != "lock"], [])
                    self.assert_as_before()
            finally:
                subprocess.run(["umount", folder], check=True)

    def test_a_folder_that_cannot_be_written_deletes_nothing(self):
        folder = self.ws.state / "undo"
        folder.symlink_to("/proc/self")
        self.assertEqual(self.delete().code, 17)
        folder.unlink()
        folder.write_text("a file")
        self.assertEqual(self.delete().code, 17)
        folder.unlink()
        self.assert_as_before()
        with contextlib.suppress(FileNotFoundError):
            self.assertEqual([p for p in folder.iterdir()], [])

    # -- one after another

    def test_acts_are_taken_back_in_any_order_that_the_rows_allow(self):
        assert_exit(self.run_tool("teslamate-delete-drive", "--positions", "keep", self.drive), 0)
        kept = self.file()
        result = assert_exit(self.run_tool("teslamate-delete-drive", "--orphaned-positions"), 0)
        self.assertIn("rows of public.positions will be deleted", result.out)
        self.assertEqual(self.pg.scalar(DB, "SELECT count(*) FROM positions WHERE drive_id IS NULL AND speed > 0"), "0")
        # The drive's positions are gone: it cannot come back before them.
        result = assert_exit(self.undo(kept.stem), 22)
        self.assertIn("public.positions", result.err)
        self.assertIn("not there any more", result.err)
        assert_exit(self.undo("last"), 0)
        assert_exit(self.undo("last"), 0)
        self.assert_as_before()
        assert_exit(self.undo("last"), 21)

    def test_two_undos_at_once(self):
        assert_exit(self.delete(), 0)
        name = self.file().stem
        arguments = ["teslamate-undo", *self.pg.connection_flags(DB), "--state-dir", str(self.ws.state), "--yes", name]
        results = [running.wait() for running in [self.ws.start(*arguments) for _ in range(4)]]
        self.assertIn(0, [r.code for r in results])
        self.assertLessEqual({r.code for r in results}, {0, 11}, [r.text() for r in results])
        self.assert_as_before()


if __name__ == "__main__":
    unittest.main()
