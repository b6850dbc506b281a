#!/usr/bin/env python3
"""An MQTT client that was given nothing but the AsyncAPI document, and believes it.

Subscribes to everything below `gatehouse/`, checks each message against the document, and stops at the
first message on the topic UNTIL. Says what it saw; fails on a topic that no operation has, on what the
schemas do not allow, on another QoS, retain, expiry, content type or user property than is promised,
and on an operation that was expected and never seen. The line `subscribed` says when it listens.
"""

import argparse
import collections
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from contract import Contract

# More is of no use to who reads it.
LINES = 500

# Nothing of a run is longer silent.
SILENCE_S = 120


class Delivery:
    def __init__(self, message):
        properties = message.properties
        self.topic = message.topic
        self.payload = message.payload
        self.qos = message.qos
        self.retain = bool(message.retain)
        self.properties = getattr(properties, "UserProperty", [])
        self.content_type = getattr(properties, "ContentType", None)
        self.format_indicator = getattr(properties, "PayloadFormatIndicator", None)
        self.expiry = getattr(properties, "MessageExpiryInterval", None)
        self.name = None


def listen(arguments, deliveries):
    """Connects; returns once the broker has granted the subscriptions."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id="independent", protocol=mqtt.MQTTv5
    )
    granted = queue.Queue()
    client.on_subscribe = lambda _client, _data, _mid, codes, _properties: granted.put(codes)
    client.on_message = lambda _client, _data, message: deliveries.put(Delivery(message))
    client.connect(arguments.host, arguments.port)
    # QoS 2 and `retain as published`: each message comes as it was published, not as it was asked for.
    options = SubscribeOptions(qos=2, retainAsPublished=True)
    client.subscribe([("gatehouse/#", options), (arguments.until, options)])
    client.loop_start()
    codes = granted.get(timeout=SILENCE_S)
    if any(code.is_failure for code in codes):
        sys.exit(f"the broker refuses the subscription: {codes}")
    return client


def check(contract, delivery, seen):
    """What is wrong with a message."""
    fits = [it for it in contract.operations if it.pattern.fullmatch(delivery.topic)]
    if not fits:
        return ["no operation of the document has this topic"]
    # One topic may be sent on and received from: whichever it fits.
    answers = [(operation, operation.complaints(delivery.topic, delivery)) for operation in fits]
    operation, wrong = min(answers, key=lambda it: len(it[1]))
    seen[(operation.name, delivery.name)] += 1
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--document", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--until", required=True, help="the topic whose message ends the run")
    parser.add_argument("--expect", default="", help="messages that must be seen, by name")
    arguments = parser.parse_args()
    contract = Contract(arguments.document)
    deliveries = queue.Queue()
    client = listen(arguments, deliveries)
    print("subscribed", flush=True)
    seen, failures = collections.Counter(), []
    while (delivery := deliveries.get(timeout=SILENCE_S)).topic != arguments.until:
        for what in check(contract, delivery, seen):
            failures.append(f"{delivery.topic}: {what}\n    {delivery.payload[:600]!r}")
    client.loop_stop()
    for (operation, message), count in sorted(seen.items(), key=str):
        print(f"{count:6} {operation} {message}")
    names = {message for _, message in seen}
    for name in filter(None, arguments.expect.split(",")):
        if name not in names:
            failures.append(f"{name} was never seen")
    for failure in failures[:LINES]:
        print(f"FAILED {failure}")
    print(f"{sum(seen.values())} messages, {len(failures)} failures", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
