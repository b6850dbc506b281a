#!/usr/bin/python3
"""Records what ipycam answers, each answer with its head as it came, into the folder of this file.

usage: record.py PYTHON, one that has ipycam 1.3.0

Run in a network of its own, because ipycam listens everywhere:
  unshare -n sh -c 'ip link set lo up && ip route add 10.0.0.0/8 dev lo && ip link set lo multicast on &&
    ip route add 224.0.0.0/4 dev lo && ./record.py PYTHON'
"""
import base64
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone

HERE = pathlib.Path(__file__).parent
DEVICE, MEDIA = "http://www.onvif.org/ver10/device/wsdl", "http://www.onvif.org/ver10/media/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"


def token(password):
    nonce = os.urandom(16)
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
    return (
        f'<s:Header><w:Security xmlns:w="{WSS}wssecurity-secext-1.0.xsd"><w:UsernameToken>'
        f'<w:Username>guard</w:Username><w:Password Type="{WSS}username-token-profile-1.0#PasswordDigest">{digest}'
        f"</w:Password><w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce>"
        f'<u:Created xmlns:u="{WSS}wssecurity-utility-1.0.xsd">{created}</u:Created>'
        "</w:UsernameToken></w:Security></s:Header>"
    )


def call(path, namespace, name, inner="", password="s3cret", file=None):
    body = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
        f'{token(password) if password else ""}<s:Body><c:{name} xmlns:c="{namespace}">{inner}</c:{name}></s:Body></s:Envelope>'
    )
    kind = f'application/soap+xml; charset=utf-8; action="{namespace}/{name}"'
    request = urllib.request.Request("http://127.0.0.1:8080" + path, body.encode(), {"Content-Type": kind})
    try:
        answer = urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    head = f"HTTP/1.1 {answer.status} {answer.reason}\r\n"
    head += "".join(f"{key}: {value}\r\n" for key, value in answer.headers.items()) + "\r\n"
    data = answer.read()
    (HERE / f"{file or name}.http").write_bytes(head.encode() + data)
    return data.decode()


def record():
    for _ in range(240):
        try:
            call("/onvif/device_service", DEVICE, "GetSystemDateAndTime", password=None)
            break
        except urllib.error.URLError:
            time.sleep(0.5)
    call("/onvif/device_service", DEVICE, "GetDeviceInformation")
    call("/onvif/device_service", DEVICE, "GetServices", "<c:IncludeCapability>false</c:IncludeCapability>")
    call("/onvif/device_service", DEVICE, "GetCapabilities", "<c:Category>All</c:Category>")
    profiles = call("/onvif/media_service", MEDIA, "GetProfiles")
    setup = (
        f'<c:StreamSetup xmlns:t="{SCHEMA}"><t:Stream>RTP-Unicast</t:Stream>'
        "<t:Transport><t:Protocol>RTSP</t:Protocol></t:Transport></c:StreamSetup>"
    )
    for profile in re.findall(r'Profiles[^>]* token="([^"]+)"', profiles):
        of = f"<c:ProfileToken>{profile}</c:ProfileToken>"
        call("/onvif/media_service", MEDIA, "GetStreamUri", setup + of, file=f"GetStreamUri-{profile}")
        call("/onvif/media_service", MEDIA, "GetSnapshotUri", of, file=f"GetSnapshotUri-{profile}")
    call("/onvif/media_service", MEDIA, "GetProfiles", password="other", file="refused")


with tempfile.TemporaryDirectory() as folder:
    subprocess.run(
        ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=10", "-t", "2", f"{folder}/clip.mp4"],
        check=True,
    )
    pathlib.Path(folder, "camera.json").write_text('{ "username": "guard", "password": "s3cret" }')
    camera = subprocess.Popen(
        [sys.argv[1], "-m", "ipycam", "--config", "camera.json", "--source", "clip.mp4", "--width", "1280",
         "--height", "720", "--fps", "10", "--hw", "cpu"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        record()
    finally:
        camera.terminate()
        camera.wait()
