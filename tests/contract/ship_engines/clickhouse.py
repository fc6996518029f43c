"""ClickHouse's HTTP interface, as far as the script for ship uses it, before chdb: clickhouse.py PORT DIR."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb.session import Session

session = Session(sys.argv[2])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        query = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            settings = {"insert_deduplication_token": "", **dict(parse_qsl(urlsplit(self.path).query))}
            settings.pop("wait_end_of_query", None)  # of the interface, not of the engine
            for name, value in settings.items():
                session.query(f"SET {name} = '{value}'")
            status, answer = 200, session.query(query).bytes()
        except Exception as error:
            status, answer = 500, str(error).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
