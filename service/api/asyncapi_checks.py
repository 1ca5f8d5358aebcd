"""The part of the AsyncAPI document about questions on circuits, which the API asks the workers."""

from typing import Any, Final, TypeAlias

from domain.execution import METHODS
from infrastructure.rabbitmq.inspection_messages import (
    ANSWER_TYPE,
    CONTENT_TYPE,
    QUESTION_TYPE,
    QUEUE,
    TRANSIENT,
    queue_arguments,
)

Json: TypeAlias = dict[str, Any]

_AMQP_BINDING: Final = "0.3.0"
_NAME = {"location": "$message.header#/correlation_id"}


def _ref(*path: str) -> Json:
    return {"$ref": "#/" + "/".join(path)}


def _object(description: str, properties: Json, optional: tuple[str, ...] = ()) -> Json:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _message(name: str, title: str, schema: str, properties: Json, examples: list[Json]) -> Json:
    return {
        "name": name,
        "title": title,
        "contentType": CONTENT_TYPE,
        "payload": _ref("components", "schemas", schema),
        "correlationId": _NAME,
        "bindings": {"amqp": {"messageType": name, "bindingVersion": _AMQP_BINDING}},
        "x-amqp-properties": properties,
        "examples": examples,
    }


CHECK_CHANNELS: Json = {
    "checks": {
        "address": QUEUE,
        "title": "Questions about circuits",
        "description": "A classic queue that the workers make, and that goes with the last of "
        "them. A question that no worker takes within seconds expires; it never outlives the "
        "broker.",
        "servers": [_ref("servers", "rabbitmq")],
        "messages": {"question": _ref("components", "messages", "question")},
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {"name": QUEUE, "durable": True, "exclusive": False, "autoDelete": True},
                "bindingVersion": _AMQP_BINDING,
            }
        },
        "x-queue-arguments": queue_arguments(),
    },
    "answers": {
        "address": None,
        "title": "Answers about circuits",
        "description": "Straight back over the connection that asked (`amq.rabbitmq.reply-to`).",
        "servers": [_ref("servers", "rabbitmq")],
        "messages": {"answer": _ref("components", "messages", "answer")},
    },
}
_REPLY: Json = {
    "address": {"location": "$message.header#/reply_to"},
    "channel": _ref("channels", "answers"),
    "messages": [_ref("channels", "answers", "messages", "answer")],
}
CHECK_OPERATIONS: Json = {
    "askAboutCircuit": {
        "action": "send",
        "channel": _ref("channels", "checks"),
        "title": "Ask about a circuit",
        "summary": "Transient, mandatory and with an expiry: what no queue takes comes back at "
        "once, and means that no worker is there.",
        "tags": [{"name": "api"}],
        "messages": [_ref("channels", "checks", "messages", "question")],
        "reply": _REPLY,
        "bindings": {
            "amqp": {
                "deliveryMode": TRANSIENT,
                "mandatory": True,
                "bindingVersion": _AMQP_BINDING,
            }
        },
    },
    "answerAboutCircuit": {
        "action": "receive",
        "channel": _ref("channels", "checks"),
        "title": "Look at a circuit",
        "summary": "One at a time; acknowledged with the answer.",
        "tags": [{"name": "worker"}],
        "messages": [_ref("channels", "checks", "messages", "question")],
        "reply": _REPLY,
        "bindings": {"amqp": {"ack": True, "bindingVersion": _AMQP_BINDING}},
    },
}
CHECK_MESSAGES: Json = {
    "question": _message(
        QUESTION_TYPE,
        "A question about a circuit",
        "Question",
        {
            "correlation_id": "Of the question; comes back with the answer.",
            "reply_to": "Where the answer goes.",
            "expiration": "Milliseconds after which the question is gone.",
            "delivery_mode": f"{TRANSIENT}: transient.",
            "type": QUESTION_TYPE,
        },
        [
            {
                "name": "check",
                "payload": {
                    "kind": "check",
                    "circuit": "OPENQASM 3; qubit q; h q; measure q;",
                    "parameters": {},
                    "options": {
                        "shots": 1024,
                        "seed": None,
                        "method": "automatic",
                        "memory": False,
                        "timeout_seconds": None,
                        "measure_all": False,
                    },
                },
            }
        ],
    ),
    "answer": _message(
        ANSWER_TYPE,
        "What a worker says of a circuit",
        "Answer",
        {
            "correlation_id": "Of the question.",
            "delivery_mode": f"{TRANSIENT}: transient.",
            "type": ANSWER_TYPE,
        },
        [
            {"name": "drawing", "payload": {"drawing": "   ┌───┐\nq: ┤ H ├\n   └───┘\n"}},
            {
                "name": "error",
                "payload": {
                    "code": "parse_error",
                    "message": "expected ';', found the end of the program",
                    "line": 1,
                    "column": 5,
                },
            },
            {"name": "refusal", "payload": {"refused": "too_long", "reason": "after 10 seconds"}},
        ],
    ),
}
_PLACE = {"type": ["integer", "null"], "minimum": 1}
CHECK_SCHEMAS: Json = {
    "Question": _object(
        "Which circuit, and what about it: what its run would be like, or how it looks.",
        {
            "kind": {"enum": ["check", "drawing"]},
            "circuit": {"type": "string"},
            "parameters": {"type": "object"},
            "options": _object(
                "How it would be run, as `POST /tasks` takes it.",
                {
                    "shots": {"type": "integer", "minimum": 1},
                    "seed": {"type": ["integer", "null"], "minimum": 0},
                    "method": {"enum": list(METHODS)},
                    "memory": {"type": "boolean"},
                    "timeout_seconds": {"type": ["number", "null"], "exclusiveMinimum": 0},
                    "measure_all": {"type": "boolean"},
                },
            ),
        },
    ),
    "Answer": {
        "description": "One of four: facts, a drawing, why the circuit cannot be run, or why there "
        "is no answer.",
        "oneOf": [
            _object("As `POST /circuits:check` shows it.", {"facts": {"type": "object"}}),
            _object("The circuit drawn with characters.", {"drawing": {"type": "string"}}),
            _object(
                "As its task would fail.",
                {
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "line": _PLACE,
                    "column": _PLACE,
                },
            ),
            _object(
                "Nothing is wrong with the circuit.",
                {
                    "refused": {"enum": ["away", "busy", "too_long"]},
                    "reason": {"type": "string"},
                },
            ),
        ],
    },
}
