"""The published contract, as somebody reads it who knows nothing but the AsyncAPI document."""

import json
import re

import jsonschema
import referencing
import referencing.jsonschema
import yaml

HERE = "urn:contract"


class Broken(Exception):
    """The document itself is not what AsyncAPI 3 wants."""


class Contract:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.document = yaml.safe_load(file)
        if not str(self.document.get("asyncapi", "")).startswith("3."):
            raise Broken(f"{path} is no AsyncAPI 3 document")
        resource = referencing.Resource(self.document, referencing.jsonschema.DRAFT7)
        self.registry = referencing.Registry().with_resource(HERE, resource)
        self.operations = [
            Operation(self, name, operation)
            for name, operation in self.document["operations"].items()
        ]
        used = {operation.channel_path for operation in self.operations}
        for name in self.document["channels"]:
            if f"#/channels/{name}" not in used:
                raise Broken(f"channel {name} has no operation")

    def follow(self, value):
        """What a reference points at, however many references that takes."""
        while isinstance(value, dict) and "$ref" in value:
            place = self.document
            for step in value["$ref"].removeprefix("#/").split("/"):
                if step not in place:
                    raise Broken(f"{value['$ref']} points at nothing")
                place = place[step]
            value = place
        return value

    def validator(self, schema):
        """A JSON Schema whose references are into the document."""
        return jsonschema.Draft7Validator(
            absolute(schema),
            registry=self.registry,
            format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER,
        )


def absolute(schema):
    """The same schema with its references into the document wherever it is validated from."""
    if isinstance(schema, dict):
        return {
            key: HERE + value if key == "$ref" else absolute(value)
            for key, value in schema.items()
        }
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema


class Operation:
    """One operation: a topic, a way, and the messages that may be there."""

    def __init__(self, contract, name, operation):
        self.name = name
        self.sent = {"send": True, "receive": False}[operation["action"]]
        self.channel_path = operation["channel"]["$ref"]
        channel = contract.follow(operation["channel"])
        self.address = channel["address"]
        self.parameters = {
            parameter: contract.follow(value)
            for parameter, value in channel.get("parameters", {}).items()
        }
        binding = operation["bindings"]["mqtt"]
        self.qos, self.retain = binding["qos"], binding["retain"]
        self.expiry = binding.get("messageExpiryInterval")
        self.messages = [Message(contract, message) for message in operation["messages"]]
        self.pattern = re.compile(self.regex())

    def regex(self):
        levels = []
        for level in self.address.split("/"):
            if not level.startswith("{"):
                levels.append(re.escape(level))
                continue
            name = level[1:-1]
            if name not in self.parameters:
                raise Broken(f"{self.address}: the parameter {name} is not described")
            words = self.parameters[name].get("enum")
            # `_dc` and its like are no ids.
            one = "|".join(map(re.escape, words)) if words else "[^/_][^/]*"
            levels.append(f"(?P<{name}>{one})")
        return "/".join(levels)

    def complaints(self, topic, delivery):
        """Everything that is wrong with what was published on a topic of this operation."""
        found = []
        if delivery.qos != self.qos:
            found.append(f"QoS {delivery.qos}, must be {self.qos}")
        if delivery.retain != self.retain:
            found.append(f"retain is {delivery.retain}, must be {self.retain}")
        # What says that nothing is there cannot grow old.
        expiry = self.expiry if delivery.payload else None
        if self.sent and delivery.expiry != expiry and not late(delivery.expiry, expiry):
            found.append(f"message expiry {delivery.expiry}, must be {expiry}")
        # JSON is never empty: what is empty was meant to be a message without content.
        fits = [it for it in self.messages if ("json" in it.content_type) == bool(delivery.payload)]
        tried = []
        for message in fits or self.messages:
            wrong = message.complaints(self, topic, delivery)
            if not wrong:
                delivery.name = message.name
                return found
            tried.append((message.name, wrong))
        # What it was meant to be is what it comes nearest to.
        name, wrong = min(tried, key=lambda it: len(it[1]))
        return found + [f"as {name}: {what}" for what in wrong]


def late(given, allowed):
    """A broker that has held a message for a while says what is left of its time."""
    return None not in (given, allowed) and given <= allowed


class Message:
    def __init__(self, contract, message):
        message = contract.follow(message)
        self.name = message["name"]
        self.content_type = message.get("contentType", contract.document.get("defaultContentType"))
        whole = dict(message)
        for trait in message.get("traits", []):
            whole = {**contract.follow(trait), **whole}
        self.payload = contract.validator(whole["payload"])
        self.headers = contract.validator(whole["headers"]) if "headers" in whole else None
        bindings = whole.get("bindings", {}).get("mqtt", {})
        self.format_indicator = bindings.get("payloadFormatIndicator")

    def complaints(self, operation, topic, delivery):
        if delivery.payload == b"":
            instance = ""
        else:
            try:
                instance = json.loads(delivery.payload.decode("utf-8"))
            except ValueError as error:
                return [f"no JSON: {error}"]
        found = [place(error) for error in self.payload.iter_errors(instance)]
        if found:
            return found
        if delivery.payload and operation.sent:
            if delivery.content_type != self.content_type:
                found.append(f"content type {delivery.content_type!r}, must be {self.content_type!r}")
            if delivery.format_indicator != self.format_indicator:
                found.append(f"payload format indicator {delivery.format_indicator}")
            if self.headers is not None:
                headers = self.headers.iter_errors(dict(delivery.properties))
                found += [f"user properties: {place(error)}" for error in headers]
        for name, value in operation.pattern.fullmatch(topic).groupdict().items():
            location = operation.parameters[name].get("location", "")
            pointer = location.removeprefix("$message.payload#/")
            if pointer != location and instance and instance.get(pointer) != value:
                found.append(f"{name} is {value} in the topic, {instance.get(pointer)} in the payload")
        return found


def place(error):
    path = "/".join(str(step) for step in error.absolute_path)
    return f"{path or 'the whole'}: {error.message[:300]}"
