#!/usr/bin/python3
"""A camera's snapshots by HTTP, with Basic or Digest (RFC 7616, MD5) checked here.

usage: snapshot_server.py PICTURE {none|basic|digest} USER PASSWORD

/snap is the picture; /page is HTML; /endless never ends; /hang never answers. Nonces are good for
three requests, so that a client meets a stale one. Says its port.
"""
import base64
import hashlib
import http.server
import re
import sys
import threading

PICTURE = open(sys.argv[1], "rb").read()
AUTH, USER, PASSWORD = sys.argv[2:5]
NONCES = {}


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def allowed(method, header):
    if AUTH == "none":
        return True
    if not header:
        return False
    if AUTH == "basic":
        return header == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    fields = {key: quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}
    nonce = fields.get("nonce")
    if NONCES.get(nonce, 0) <= 0:
        return False
    NONCES[nonce] -= 1
    one = md5(f"{USER}:cam:{PASSWORD}")
    two = md5(f"{method}:{fields['uri']}")
    return fields["response"] == md5(f"{one}:{nonce}:{fields['nc']}:{fields['cnonce']}:auth:{two}")


class Camera(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if not allowed("GET", self.headers.get("Authorization")):
            nonce = hashlib.sha256(str(len(NONCES)).encode()).hexdigest()[:16]
            NONCES[nonce] = 3
            challenge = {"basic": 'Basic realm="cam"'}.get(AUTH, f'Digest realm="cam", qop="auth", nonce="{nonce}"')
            self.send_response(401)
            self.send_header("WWW-Authenticate", challenge)
            self.end_headers()
            return
        if self.path == "/hang":
            threading.Event().wait()
        if self.path.split("?")[0] not in ("/snap", "/page", "/endless"):
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        if self.path == "/page":
            self.wfile.write(b"<html>log in</html>")
        elif self.path == "/endless":
            while True:
                self.wfile.write(PICTURE)
        else:
            self.wfile.write(PICTURE)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
