#!/usr/bin/python3
"""A camera's snapshots by HTTP, with Basic or Digest (RFC 7616, MD5) checked here.

usage: snapshot_server.py PORT {none|basic|digest} USER PASSWORD PICTURE...

/snap is the next of the pictures, again from the first; /page is HTML; /endless never ends; /hang never answers. Nonces are good for
three requests, so that a client meets a stale one. Says "ready".
"""
import base64
import hashlib
import http.server
import itertools
import re
import sys
import threading

PORT, AUTH, USER, PASSWORD = sys.argv[1:5]
PICTURES = [open(path, "rb").read() for path in sys.argv[5:]]
# One step is atomic under the interpreter's lock.
TURN = itertools.cycle(PICTURES)
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
                self.wfile.write(PICTURES[0])
        else:
            self.wfile.write(next(TURN))

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Camera)
server.daemon_threads = True
print("ready", flush=True)
server.serve_forever()
