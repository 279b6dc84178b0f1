#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stands in for TeslaMate: answers /health_check, and nothing else."""
import http.server


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health_check" else 404)
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", 4000), Answer).serve_forever()
