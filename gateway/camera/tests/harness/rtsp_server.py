#!/usr/bin/python3
"""A real RTSP server (gst-rtsp-server) for the suites. Listens on loopback only.

usage: rtsp_server.py PORT [--digest USER:PASSWORD | --basic USER:PASSWORD] PATH=ENCODING:UDP_PORT...

Each mount repeats what comes as RTP on its UDP port: ENCODING is H264, H265 or JPEG, or one of these
with "+timed". Says "ready".
"""
import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ROLE = "viewer"


def pipeline(encoding, port):
    # The time of a packet is that of its coming, unless asked for that of the encoder: pictures
    # that are sent in another order than they are shown need theirs.
    encoding, _, timed = encoding.partition("+")
    payload = 26 if encoding == "JPEG" else 96
    name = encoding.lower()
    short = "jpeg" if encoding == "JPEG" else name
    # The receive buffer holds a key frame's burst.
    head = (
        f"udpsrc address=127.0.0.1 port={port} buffer-size=4194304 "
        f'caps="application/x-rtp,media=video,clock-rate=90000,encoding-name={encoding},payload={payload}"'
    )
    if timed:
        head += " ! rtpjitterbuffer mode=none latency=50"
    tail = "" if encoding == "JPEG" else "config-interval=-1"
    return f"( {head} ! rtp{short}depay ! {short}parse ! rtp{short}pay name=pay0 pt={payload} {tail} )"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("port")
    options.add_argument("--digest")
    options.add_argument("--basic")
    options.add_argument("mounts", nargs="+")
    options = options.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    secret = options.digest or options.basic
    if secret:
        user, password = secret.split(":", 1)
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", ROLE)
        if options.digest:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(user, password, token)
        else:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
    for mount in options.mounts:
        path, source = mount.split("=", 1)
        encoding, port = source.split(":")
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(pipeline(encoding, port))
        factory.set_shared(True)
        factory.set_latency(0)
        if secret:
            permissions = GstRtspServer.RTSPPermissions()
            for what in ("access", "construct"):
                permissions.add_permission_for_role(ROLE, f"media.factory.{what}", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    if server.attach(None) == 0:
        raise SystemExit("cannot listen")
    print("ready", flush=True)
    GLib.MainLoop().run()


main()
