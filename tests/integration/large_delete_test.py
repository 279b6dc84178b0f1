# SPDX-License-Identifier: MIT
"""A car with many positions goes and comes back in memory that does not grow with them, through a small file."""

from __future__ import annotations

import pathlib
import sys
import unittest

from harness import ROOT, Cluster, Workspace, database_digest, diff_digests, tool_path

sys.path.insert(0, str(ROOT / "tests" / "bench"))
from bench import Run, measure  # noqa: E402

DB = "teslamate"
MIB = 1 << 20


class Large(unittest.TestCase):
    maxDiff = None

    def delete_and_undo(self, pg: Cluster, positions: int) -> tuple[Run, Run, int, int]:
        """What the two took, and the bytes of the undo file and of its rows as text."""
        pg.load_sample(DB, positions=positions)
        pg.sql(DB, "VACUUM ANALYZE")
        before = database_digest(pg, DB)
        car = pg.scalar(DB, "SELECT car_id FROM positions GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
        text = len(pg.client("psql", "-Xqc", f"COPY (SELECT * FROM positions WHERE car_id = {car}) TO STDOUT", database=DB).stdout)
        with Workspace(pg) as ws:
            flags = [*pg.connection_flags(DB), "--state-dir", str(ws.state), "--yes", "--quiet"]
            deleted = measure([tool_path("teslamate-delete-car"), *flags, "--force", car], ws.environment())
            self.assertEqual(pg.scalar(DB, f"SELECT count(*) FROM positions WHERE car_id = {car}"), "0")
            file: pathlib.Path = next((ws.state / "undo").glob("*.undo"))
            size = file.stat().st_size
            undone = measure([tool_path("teslamate-undo"), *flags, "last"], ws.environment())
        self.assertEqual(diff_digests(before, database_digest(pg, DB)), [])
        pg.drop_db(DB)
        return deleted, undone, size, text

    def test_memory_stays_flat_and_the_file_is_small(self):
        with Cluster(settings={"shared_buffers": "128MB"}) as pg:
            small_delete, small_undo, _, _ = self.delete_and_undo(pg, 30000)
            large_delete, large_undo, size, text = self.delete_and_undo(pg, 300000)
        print(f"peak of delete {small_delete.peak_bytes / MIB:.1f} -> {large_delete.peak_bytes / MIB:.1f} MiB, of undo "
              f"{small_undo.peak_bytes / MIB:.1f} -> {large_undo.peak_bytes / MIB:.1f} MiB; {large_delete.seconds:.1f} s and "
              f"{large_undo.seconds:.1f} s; the undo file {size / MIB:.1f} MiB of {text / MIB:.1f} MiB of text", file=sys.stderr)
        for small, large in ((small_delete, large_delete), (small_undo, large_undo)):
            self.assertGreater(small.peak_bytes, MIB)
            self.assertLess(large.peak_bytes, small.peak_bytes + 3 * MIB)
            self.assertLess(large.peak_bytes, 48 * MIB)
        self.assertLess(size, text / 4)


if __name__ == "__main__":
    unittest.main()
