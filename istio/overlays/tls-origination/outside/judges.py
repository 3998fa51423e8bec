"""Two servers outside the mesh that take sentences over TLS, and a plain one that says what they got.

TLS_PORT is for everyone; CLIENTS_PORT requires a certificate of the CA. PORT answers `/arrived`: how many
requests came for each name that clients asked for (SNI), with and without a certificate.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

FILES = os.environ["CERTIFICATES"]
HOP = f"judge/outside/{os.environ['POD_NAME']}"
ANALYSER = SentimentIntensityAnalyzer()
arrived: Counter[str] = Counter()


class Handler(BaseHTTPRequestHandler):
    """Answers with JSON, and keeps connections open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """What arrived so far; any other path only shows that the server is there."""
        self._answer(dict(arrived) if self.path == "/arrived" else {})

    def do_POST(self) -> None:
        """The polarity of a sentence."""
        sentence = json.loads(self.rfile.read(int(self.headers["content-length"])))["sentence"]
        certificate = "a certificate" if self.connection.getpeercert() else "no certificate"
        arrived[f"{self.connection.asked_for}, {certificate}"] += 1
        self._answer({"sentence": sentence, "polarity": ANALYSER.polarity_scores(sentence)["compound"]})

    def _answer(self, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("served-by", HOP)
        self.end_headers()
        self.wfile.write(content)


def serve(port: str, context: ssl.SSLContext | None = None) -> None:
    """Answer at a port in the background, over TLS if there is a context."""
    server = ThreadingHTTPServer((os.environ.get("HOST", ""), int(os.environ[port])), Handler)
    if context is not None:
        # the handshake happens at the first read, in the thread of the connection
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def tls(verify: ssl.VerifyMode) -> ssl.SSLContext:
    """TLS with the certificate of this server; connections remember the name that was asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{FILES}/tls.crt", f"{FILES}/tls.key")
    context.load_verify_locations(f"{FILES}/ca.crt")
    context.verify_mode = verify
    context.sni_callback = lambda connection, name, _: setattr(connection, "asked_for", name)
    return context


signal.signal(signal.SIGTERM, lambda *_: sys.exit())
serve("TLS_PORT", tls(ssl.CERT_NONE))
serve("CLIENTS_PORT", tls(ssl.CERT_REQUIRED))
serve("PORT")
threading.Event().wait()
