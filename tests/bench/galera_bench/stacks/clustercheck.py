"""GET anything on port 9200: 200 when this member is Synced, else 503. One question to the database per request."""

import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer

ASK = ["mariadb", "--batch", "--skip-column-names", "--connect-timeout=3", "--execute", "SHOW STATUS LIKE 'wsrep_local_state'"]


class Check(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            told = subprocess.run(ASK, capture_output=True, text=True, timeout=5, check=False).stdout.split()
        except subprocess.TimeoutExpired:
            told = []
        self.send_response(200 if told[-1:] == ["4"] else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


HTTPServer(("0.0.0.0", 9200), Check).serve_forever()
