# SPDX-License-Identifier: MIT
"""The decoder of columns.py against a chunk that version 1 of the codec has written."""
import pathlib
import unittest

import columns

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "columns"


class Columns(unittest.TestCase):
    def setUp(self):
        self.rows = (GOLDEN / "version1.txt").read_bytes()
        self.encoded = (GOLDEN / "version1.bin").read_bytes()

    def test_a_chunk_of_version_1_decodes_to_its_rows(self):
        self.assertGreater(len(self.rows), 2000)
        self.assertEqual(columns.decode(self.encoded, len(self.rows)), self.rows)

    def test_another_length_or_version_is_refused(self):
        with self.assertRaises(ValueError):
            columns.decode(self.encoded, len(self.rows) + 1)
        with self.assertRaises(ValueError):
            columns.decode(b"\2" + self.encoded[1:], len(self.rows))


if __name__ == "__main__":
    unittest.main()
