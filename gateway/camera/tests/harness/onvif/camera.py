#!/usr/bin/python3
"""An ONVIF camera: device, media and event services by HTTP, with PullPoint and its long poll.

usage: camera.py OPTIONS, a JSON object; all of these are optional:

  auth        "none", "token" (WS-UsernameToken) or "digest" (RFC 7616, MD5)
  user, password
  skew_s      its clock is so far ahead of this machine's
  slack_s     a token may be so old by its clock
  lives_s     a subscription lives no longer, whatever is asked for
  keeps       pulls prolong a subscription
  host        what it calls itself in addresses
  parameters  subscriptions are told apart by reference parameters, not by address
  make        the manufacturer
  old         neither GetServices nor the newer media service
  plain       status and a page instead of faults
  longest_s   PullMessages may not wait longer
  eager       PullMessages does not wait at all
  renews      false: it has no Renew
  guards_clock  even GetSystemDateAndTime wants to be authenticated
  utc         the time in its messages
  mutate      a seed: bytes of every answer are changed by it
  garbage     answers of the event service are none
  rtsp        its streams are there: {"main": "rtsp://127.0.0.1:8554/a", …}; no other profiles
  masks       the masks that it paints itself, each {"type": "Color", "enabled": true, "points": [[-1, 1], …],
              "of": "vsc"}; null: it announces none
  discovery   answers a Probe of WS-Discovery on this UDP port of the loopback, by multicast too; 0: any
  scopes      what it says of itself there

Says its port; then takes one JSON command a line, and answers each with one line:
  {"do": "set", "topic": …, "source": …, "value": …}   a property changes, and is state from then on
  {"do": "reboot"}  subscriptions and nonces are forgotten, LastReboot is another one
  {"do": "option", "name": …, "value": …}
  {"do": "raw", "body": …}   the next PullMessages is answered so, whatever it is
  {"do": "log"}     what was called since, with the count of authentications that failed
"""
import base64
import email.utils
import hashlib
import http.server
import json
import random
import re
import secrets
import socket
import sys
import threading
import time
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone

OPTIONS = {
    "auth": "none", "user": "guard", "password": "s3cret", "skew_s": 0, "slack_s": 5, "lives_s": 600,
    "keeps": True, "host": "127.0.0.1", "parameters": False, "make": "Simulated", "old": False,
    "plain": False, "longest_s": 60, "eager": False, "renews": True, "utc": None, "mutate": None,
    "garbage": False, "guards_clock": False, "rtsp": None, "masks": None, "discovery": None,
    "scopes": ["type/video_encoder", "Profile/Streaming", "hardware/SIM-1", "name/Main%20gate", "location/north%20wall"],
}
OPTIONS.update(json.loads(sys.argv[1]))
NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope", "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl", "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl", "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "tt": "http://www.onvif.org/ver10/schema", "ter": "http://www.onvif.org/ver10/error",
    "wsa": "http://www.w3.org/2005/08/addressing", "tns1": "http://www.onvif.org/ver10/topics",
    "sim": "urn:simulated",
}
WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-"
LOCK = threading.Condition()
SUBSCRIPTIONS = {}
PROPERTIES = {}
NONCES = set()
TOKENS = set()
LOG = {"calls": [], "refused": 0, "unsafe": 0, "waits": []}
NUMBER = [0]
RAW = []
RANDOM = random.Random(OPTIONS["mutate"])


class Fault(Exception):
    def __init__(self, subcode, reason, status=400, detail=""):
        super().__init__(reason)
        self.subcode, self.status, self.detail = subcode, status, detail


def now():
    return datetime.now(timezone.utc) + timedelta(seconds=OPTIONS["skew_s"])


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def seconds(text):
    """Only what cameras read right everywhere."""
    match = re.fullmatch(r"PT(\d+)S", text or "")
    if not match:
        raise Fault("ter:InvalidArgVal", f"no duration in seconds: {text}")
    return int(match[1])


def message(topic, operation, source, data):
    items = lambda pairs: "".join(f'<tt:SimpleItem Name="{n}" Value="{v}"/>' for n, v in pairs.items())
    utc = OPTIONS["utc"] or stamp(now())
    return (
        '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/'
        f'ConcreteSet">{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="{utc}" '
        f'PropertyOperation="{operation}"><tt:Source>{items(source)}</tt:Source><tt:Data>{items(data)}'
        "</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>"
    )


def change(topic, source, value):
    PROPERTIES[topic, json.dumps(source)] = value
    for subscription in SUBSCRIPTIONS.values():
        subscription["queue"].append(message(topic, "Changed", source, value))


def booted():
    PROPERTIES["tns1:Monitoring/OperatingTime/LastReboot", "{}"] = {"Status": stamp(now())}


# --- who asks -------------------------------------------------------------------------------------

def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def digest_good(header, body):
    fields = {k: q or p for k, q, p in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header or "")}
    if fields.get("nonce") not in NONCES:
        return False
    one = md5(f"{OPTIONS['user']}:cam:{OPTIONS['password']}")
    two = md5(f"POST:{fields['uri']}")
    return fields["response"] == md5(f"{one}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:auth:{two}")


def token_good(root):
    token = root.find(f".//{{{WSS}secext-1.0.xsd}}UsernameToken")
    if token is None:
        return False
    part = lambda name, of="secext": token.findtext(f"{{{WSS}{of}-1.0.xsd}}{name}") or ""
    nonce, created = part("Nonce"), part("Created", "utility")
    if nonce in TOKENS:
        return False
    TOKENS.add(nonce)
    made = datetime.strptime(created, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    if abs((now() - made).total_seconds()) > OPTIONS["slack_s"]:
        return False
    sha1 = hashlib.sha1(base64.b64decode(nonce) + created.encode() + OPTIONS["password"].encode())
    right = base64.b64encode(sha1.digest()).decode()
    return part("Username") == OPTIONS["user"] and part("Password") == right


# --- services -------------------------------------------------------------------------------------

def place(path):
    return f"http://{OPTIONS['host']}:{PORT}{path}"


def clock(_):
    at = now()
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime>"
        f"<tt:Time><tt:Hour>{at.hour}</tt:Hour><tt:Minute>{at.minute}</tt:Minute><tt:Second>{at.second}</tt:Second></tt:Time>"
        f"<tt:Date><tt:Year>{at.year}</tt:Year><tt:Month>{at.month}</tt:Month><tt:Day>{at.day}</tt:Day></tt:Date>"
        "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def information(_):
    return (
        f"<tds:GetDeviceInformationResponse><tds:Manufacturer>{OPTIONS['make']}</tds:Manufacturer>"
        "<tds:Model>Sim 1</tds:Model><tds:FirmwareVersion>1.0</tds:FirmwareVersion>"
        "<tds:SerialNumber>1</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId></tds:GetDeviceInformationResponse>"
    )


def services(_):
    if OPTIONS["old"]:
        raise Fault("ter:ActionNotSupported", "no such call", 500)
    pairs = [("tds", "device_service"), ("trt", "media"), ("tr2", "media2"), ("tev", "events")]
    each = "".join(
        f"<tds:Service><tds:Namespace>{NS[ns]}</tds:Namespace><tds:XAddr>{place('/onvif/' + path)}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
        for ns, path in pairs
    )
    return f"<tds:GetServicesResponse>{each}</tds:GetServicesResponse>"


def capabilities(_):
    return (
        "<tds:GetCapabilitiesResponse><tds:Capabilities>"
        f"<tt:Device><tt:XAddr>{place('/onvif/device_service')}</tt:XAddr></tt:Device>"
        f"<tt:Events><tt:XAddr>{place('/onvif/events')}</tt:XAddr><tt:WSPullPointSupport>true</tt:WSPullPointSupport></tt:Events>"
        f"<tt:Media><tt:XAddr>{place('/onvif/media')}</tt:XAddr></tt:Media>"
        "</tds:Capabilities></tds:GetCapabilitiesResponse>"
    )


PROFILES = [("main", "H264", 1920, 1080), ("sub", "H264", 640, 360), ("photo", "JPEG", 2560, 1440)]


def offered(more=()):
    return [one for one in [*PROFILES, *more] if OPTIONS["rtsp"] is None or one[0] in OPTIONS["rtsp"]]


def profiles(_):
    each = "".join(
        f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>'
        '<tt:VideoSourceConfiguration token="vsc"><tt:Name>v</tt:Name><tt:SourceToken>lens</tt:SourceToken></tt:VideoSourceConfiguration>'
        f'<tt:VideoEncoderConfiguration token="{token}"><tt:Encoding>{encoding}</tt:Encoding>'
        f"<tt:Resolution><tt:Width>{w}</tt:Width><tt:Height>{h}</tt:Height></tt:Resolution>"
        "<tt:RateControl><tt:FrameRateLimit>15</tt:FrameRateLimit></tt:RateControl>"
        "</tt:VideoEncoderConfiguration></trt:Profiles>"
        for token, encoding, w, h in offered()
    )
    return f"<trt:GetProfilesResponse>{each}</trt:GetProfilesResponse>"


def profiles2(_):
    each = "".join(
        f'<tr2:Profiles token="{token}"><tr2:Name>{token}</tr2:Name><tr2:Configurations>'
        '<tr2:VideoSource token="vsc"><tt:SourceToken>lens</tt:SourceToken></tr2:VideoSource>'
        f'<tr2:VideoEncoder token="{token}"><tt:Encoding>{encoding}</tt:Encoding>'
        f"<tt:Resolution><tt:Width>{w}</tt:Width><tt:Height>{h}</tt:Height></tt:Resolution>"
        "<tt:RateControl><tt:FrameRateLimit>12.5</tt:FrameRateLimit></tt:RateControl>"
        "</tr2:VideoEncoder></tr2:Configurations></tr2:Profiles>"
        for token, encoding, w, h in offered([("best", "H265", 3840, 2160)])
    )
    return f"<tr2:GetProfilesResponse>{each}</tr2:GetProfilesResponse>"


def stream(call):
    new = call.tag.startswith("{" + NS["tr2"])
    token = call.findtext("tr2:ProfileToken" if new else "trt:ProfileToken", namespaces=NS)
    uri = f"rtsp://admin:admin@{OPTIONS['host']}:8554/{token}?a=1&amp;b=2"
    if OPTIONS["rtsp"]:
        uri = OPTIONS["rtsp"][token]
    if new:
        return f"<tr2:GetStreamUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetStreamUriResponse>"
    return f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>"


def snapshot(call):
    prefix = "tr2" if call.tag.startswith("{" + NS["tr2"]) else "trt"
    uri = f"<tt:Uri>{place('/snap')}</tt:Uri>"
    if prefix == "tr2":
        return f"<tr2:GetSnapshotUriResponse><tr2:Uri>{place('/snap')}</tr2:Uri></tr2:GetSnapshotUriResponse>"
    return f"<trt:GetSnapshotUriResponse><trt:MediaUri>{uri}</trt:MediaUri></trt:GetSnapshotUriResponse>"


def capabilities2(_):
    announced = "" if OPTIONS["masks"] is None else ' Mask="true"'
    return (
        f'<tr2:GetServiceCapabilitiesResponse><tr2:Capabilities SnapshotUri="true"{announced}>'
        '<tr2:ProfileCapabilities MaximumNumberOfProfiles="8"/></tr2:Capabilities></tr2:GetServiceCapabilitiesResponse>'
    )


def masks(call):
    if OPTIONS["masks"] is None:
        raise Fault("ter:ActionNotSupported", "no such call", 500)
    of = call.findtext("tr2:ConfigurationToken", namespaces=NS)
    each = ""
    for number, mask in enumerate(OPTIONS["masks"]):
        whose = mask.get("of", "vsc")
        if of not in (None, whose):
            continue
        points = "".join(f'<tt:Point x="{x}" y="{y}"/>' for x, y in mask["points"])
        each += (
            f'<tr2:Masks token="mask-{number}"><tr2:ConfigurationToken>{whose}</tr2:ConfigurationToken>'
            f'<tr2:Polygon>{points}</tr2:Polygon><tr2:Type>{mask.get("type", "Color")}</tr2:Type>'
            f'<tr2:Enabled>{str(mask.get("enabled", True)).lower()}</tr2:Enabled></tr2:Masks>'
        )
    return f"<tr2:GetMasksResponse>{each}</tr2:GetMasksResponse>"


def mask_options(call):
    if OPTIONS["masks"] is None or call.findtext("tr2:ConfigurationToken", namespaces=NS) != "vsc":
        raise Fault("ter:InvalidArgVal", "no such configuration")
    return (
        '<tr2:GetMaskOptionsResponse><tr2:Options RectangleOnly="true"><tr2:MaxMasks>4</tr2:MaxMasks>'
        "<tr2:MaxPoints>4</tr2:MaxPoints><tr2:Types>Color</tr2:Types></tr2:Options></tr2:GetMaskOptionsResponse>"
    )


def event_properties(_):
    return (
        "<tev:GetEventPropertiesResponse><wsnt:FixedTopicSet>true</wsnt:FixedTopicSet>"
        '<wstop:TopicSet xmlns:wstop="http://docs.oasis-open.org/wsn/t-1"><tns1:RuleEngine><CellMotionDetector>'
        '<Motion wstop:topic="true"><tt:MessageDescription IsProperty="true"/></Motion></CellMotionDetector></tns1:RuleEngine>'
        '<tns1:Device><Trigger><DigitalInput wstop:topic="true"/></Trigger></tns1:Device></wstop:TopicSet>'
        "</tev:GetEventPropertiesResponse>"
    )


def subscribe(call):
    asked = seconds(call.findtext("tev:InitialTerminationTime", namespaces=NS))
    NUMBER[0] += 1
    number = str(NUMBER[0])
    ends = time.monotonic() + min(asked, OPTIONS["lives_s"])
    SUBSCRIPTIONS[number] = {"ends": ends, "queue": []}
    reference = f"<wsa:Address>{place('/onvif/subscription/' + number)}</wsa:Address>"
    if OPTIONS["parameters"]:
        reference = f"<wsa:Address>{place('/onvif/subscription')}</wsa:Address><wsa:ReferenceParameters>"
        reference += f"<sim:Id>{number}</sim:Id></wsa:ReferenceParameters>"
    return (
        f"<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>{reference}</tev:SubscriptionReference>"
        f"{times(SUBSCRIPTIONS[number], 'wsnt')}</tev:CreatePullPointSubscriptionResponse>"
    )


def times(subscription, prefix):
    left = timedelta(seconds=subscription["ends"] - time.monotonic())
    return (
        f"<{prefix}:CurrentTime>{stamp(now())}</{prefix}:CurrentTime>"
        f"<{prefix}:TerminationTime>{stamp(now() + left)}</{prefix}:TerminationTime>"
    )


def subscribed(root, path):
    number = path.rsplit("/", 1)[1]
    if OPTIONS["parameters"]:
        number = root.findtext("s:Header/sim:Id", namespaces=NS)
    to = root.findtext("s:Header/wsa:To", namespaces=NS) or ""
    if not to.startswith(place("/onvif/subscription")):
        raise Fault("wsa:DestinationUnreachable", f"not here: {to}")
    subscription = SUBSCRIPTIONS.get(number)
    if subscription is None or subscription["ends"] < time.monotonic():
        raise Fault("ter:ResourceUnknown", "unknown subscription", 400 if OPTIONS["make"] != "HIKVISION" else 500)
    return number, subscription


def pull(call, root, path):
    wait = seconds(call.findtext("tev:Timeout", namespaces=NS))
    limit = int(call.findtext("tev:MessageLimit", namespaces=NS))
    number, subscription = subscribed(root, path)
    LOG["waits"].append(wait)
    if wait > OPTIONS["longest_s"]:
        detail = f"<tev:PullMessagesFaultResponse><tev:MaxTimeout>PT{OPTIONS['longest_s']}S</tev:MaxTimeout>"
        detail += "<tev:MaxMessageLimit>10</tev:MaxMessageLimit></tev:PullMessagesFaultResponse>"
        raise Fault("ter:InvalidArgVal", "too long", detail=detail)
    if not OPTIONS["eager"]:
        LOCK.wait_for(lambda: RAW or subscription["queue"] or SUBSCRIPTIONS.get(number) is not subscription, wait)
    subscribed(root, path)
    if OPTIONS["keeps"]:
        subscription["ends"] = time.monotonic() + OPTIONS["lives_s"]
    if RAW:
        return RAW.pop(0).encode()
    queue = subscription["queue"]
    taken, queue[:] = queue[:limit], queue[limit:]
    return f"<tev:PullMessagesResponse>{times(subscription, 'tev')}{''.join(taken)}</tev:PullMessagesResponse>"


def renew(call, root, path):
    _, subscription = subscribed(root, path)
    if not OPTIONS["renews"]:
        raise Fault("ter:ActionNotSupported", "no such call", 500)
    asked = seconds(call.findtext("wsnt:TerminationTime", namespaces=NS))
    subscription["ends"] = time.monotonic() + min(asked, OPTIONS["lives_s"])
    return f"<wsnt:RenewResponse>{times(subscription, 'wsnt')}</wsnt:RenewResponse>"


def synchronise(_, root, path):
    _, subscription = subscribed(root, path)
    for (topic, source), value in PROPERTIES.items():
        subscription["queue"].append(message(topic, "Initialized", json.loads(source), value))
    LOCK.notify_all()
    return "<tev:SetSynchronizationPointResponse/>"


def unsubscribe(_, root, path):
    number, _ = subscribed(root, path)
    del SUBSCRIPTIONS[number]
    return "<wsnt:UnsubscribeResponse/>"


CALLS = {
    ("tds", "GetSystemDateAndTime"): clock, ("tds", "GetDeviceInformation"): information,
    ("tds", "GetServices"): services, ("tds", "GetCapabilities"): capabilities,
    ("trt", "GetProfiles"): profiles, ("tr2", "GetProfiles"): profiles2,
    ("trt", "GetStreamUri"): stream, ("tr2", "GetStreamUri"): stream,
    ("trt", "GetSnapshotUri"): snapshot, ("tr2", "GetSnapshotUri"): snapshot,
    ("tr2", "GetServiceCapabilities"): capabilities2, ("tr2", "GetMasks"): masks,
    ("tr2", "GetMaskOptions"): mask_options,
    ("tev", "GetEventProperties"): event_properties, ("tev", "CreatePullPointSubscription"): subscribe,
    ("tev", "PullMessages"): pull, ("wsnt", "Renew"): renew,
    ("tev", "SetSynchronizationPoint"): synchronise, ("wsnt", "Unsubscribe"): unsubscribe,
}
PREFIXES = {uri: prefix for prefix, uri in NS.items()}


class Camera(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if b"s3cret" in body or "s3cret" in str(self.headers) or "Basic" in str(self.headers):
            LOG["unsafe"] += 1
        try:
            with LOCK:
                status, answer = 200, self.answered(body)
        except Fault as fault:
            LOCK.acquire()
            if fault.subcode == "ter:NotAuthorized":
                LOG["refused"] += 1
            LOCK.release()
            if OPTIONS["plain"]:
                return self.say(fault.status, b"<html>no</html>")
            status, answer = fault.status, (
                "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>"
                f"{fault.subcode}</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang=\"en\">{fault}</s:Text></s:Reason>"
                f"<s:Detail>{fault.detail}</s:Detail></s:Fault>"
            )
        if isinstance(answer, bytes):
            return self.say(status, answer)
        if answer is None:
            nonce = secrets.token_hex(8)
            NONCES.add(nonce)
            challenge = f'Digest realm="cam", qop="auth", nonce="{nonce}"'
            return self.say(401, b"<html>log in</html>", challenge)
        declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items())
        whole = f'<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope {declared}><s:Body>{answer}</s:Body></s:Envelope>'
        whole = whole.encode()
        if OPTIONS["garbage"] and self.path != "/onvif/device_service":
            whole = b"\x00\xff<s:Envelope" * 40
        if OPTIONS["mutate"] is not None:
            whole = bytearray(whole)
            for _ in range(RANDOM.randint(1, 6)):
                at = RANDOM.randrange(len(whole))
                whole[at:at + RANDOM.randint(0, 3)] = RANDOM.randbytes(RANDOM.randint(0, 3))
            whole = bytes(whole)
        return self.say(status, whole)

    def answered(self, body):
        root = ET.fromstring(body)
        call = root.find("s:Body", NS)[0]
        uri, name = call.tag[1:].split("}")
        LOG["calls"].append(name)
        if name != "GetSystemDateAndTime" or OPTIONS["guards_clock"]:
            if OPTIONS["auth"] == "digest" and not digest_good(self.headers.get("Authorization"), body):
                LOG["refused"] += 1
                return None
            if OPTIONS["auth"] == "token" and not token_good(root):
                raise Fault("ter:NotAuthorized", "sender not authorized")
        answer = CALLS.get((PREFIXES.get(uri), name))
        if answer is None:
            raise Fault("ter:ActionNotSupported", "no such call", 500)
        if answer in (pull, renew, synchronise, unsubscribe):
            return answer(call, root, self.path)
        return answer(call)

    def date_time_string(self, timestamp=None):
        return email.utils.format_datetime(now(), usegmt=True)

    def say(self, status, body, challenge=None):
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def command(given):
    do = given["do"]
    if do == "raw":
        RAW.append(given["body"])
    elif do == "set":
        change(given["topic"], given["source"], given["value"])
    elif do == "reboot":
        SUBSCRIPTIONS.clear()
        NONCES.clear()
        booted()
    elif do == "option":
        OPTIONS[given["name"]] = given["value"]
    elif do == "log":
        told = json.dumps({**LOG, "alive": len(SUBSCRIPTIONS)})
        LOG.update({"calls": [], "waits": []})
        return told
    LOCK.notify_all()
    return "done"


# --- WS-Discovery ---------------------------------------------------------------------------------

def discovered(sock):
    """Answers each Probe that asks for a camera; whatever else comes is not for us."""
    namespaces = {
        "s": NS["s"], "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
        "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
    }
    declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
    scopes = " ".join(f"onvif://www.onvif.org/{scope}" for scope in OPTIONS["scopes"])
    while True:
        question, sender = sock.recvfrom(65536)
        try:
            root = ET.fromstring(question)
        except ET.ParseError:
            continue
        asked = root.findtext("s:Header/a:MessageID", namespaces=namespaces)
        if root.find("s:Body/d:Probe", namespaces) is None or not asked:
            continue
        answer = (
            f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {declared}><s:Header><a:RelatesTo>{asked}</a:RelatesTo>'
            "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action></s:Header><s:Body>"
            "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:5e0f7a34-0000-4000-8000-"
            f"{PORT:012}</a:Address></a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types>"
            f"<d:Scopes>{scopes}</d:Scopes><d:XAddrs>{place('/onvif/device_service')}</d:XAddrs>"
            "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
        )
        sock.sendto(answer.encode(), sender)
        # Some answer twice.
        sock.sendto(answer.encode(), sender)


def discovers(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", port))
    group = socket.inet_aton("239.255.255.250") + socket.inet_aton("127.0.0.1")
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    threading.Thread(target=discovered, args=(sock,), daemon=True).start()
    return sock.getsockname()[1]


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
server.daemon_threads = True
PORT = server.server_address[1]
booted()
threading.Thread(target=server.serve_forever, daemon=True).start()
print(PORT if OPTIONS["discovery"] is None else f"{PORT} {discovers(OPTIONS['discovery'])}", flush=True)
for line in sys.stdin:
    with LOCK:
        answer = command(json.loads(line))
    print(answer, flush=True)
