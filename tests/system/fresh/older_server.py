#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A repository with one snapshot, taken from this machine's PostgreSQL, for one that may be newer: older_server.py FOLDER."""
import shutil
import sys

from harness import Cluster, Workspace, assert_exit

with Cluster() as server, Workspace(server) as workspace:
    server.load_sample("teslamate", positions=3000)
    assert_exit(workspace.backup("teslamate"), 0)
    shutil.copytree(workspace.repository, sys.argv[1])
