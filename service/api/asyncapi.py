"""The AsyncAPI 3 document: what the processes of ketlog say to each other, at `/asyncapi.json`.

For those who look into the queues, or connect something of their own. Names and arguments are those
that the processes use; a test holds real messages against it.
"""

import json
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from domain import __version__
from infrastructure.postgres.notifications import CHANNEL, WORDS_AT_ONCE
from infrastructure.rabbitmq.message import CONTENT_TYPE, PERSISTENT, TYPE
from infrastructure.rabbitmq.topology import (
    DEAD_EXCHANGE,
    DEAD_QUEUE,
    DELIVERY_LIMIT,
    EXCHANGE,
    QUEUE,
    dead_queue_arguments,
    queue_arguments,
)
from service.api.asyncapi_checks import (
    CHECK_CHANNELS,
    CHECK_MESSAGES,
    CHECK_OPERATIONS,
    CHECK_SCHEMAS,
)

Json: TypeAlias = dict[str, Any]

_AMQP_BINDING = "0.3.0"
_DESCRIPTION = """\
The event log in PostgreSQL decides what happens to a task; RabbitMQ wakes workers and shares the
load. A message says which task to look at, and nothing else: it may be lost, doubled or late
without harm. One about a task that is not pending is acknowledged and dropped. Beside the tasks go
questions about circuits, which are stored nowhere.

Whoever puts messages of their own into these queues changes nothing about any task.
"""
_EXAMPLE = {
    "task_id": "0192f0a4-7c1e-7cc3-98c4-dc0c0c07398f",
    "correlation_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


def asyncapi_document() -> Json:
    """Return the document as JSON-compatible values."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:ketlog:messages",
        "info": {
            "title": "ketlog, between its processes",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": _SERVERS,
        "channels": _CHANNELS | CHECK_CHANNELS,
        "operations": _OPERATIONS | CHECK_OPERATIONS,
        "components": {
            "messages": _MESSAGES | CHECK_MESSAGES,
            "schemas": _SCHEMAS | CHECK_SCHEMAS,
        },
    }


async def asyncapi(_request: Request) -> Response:
    """`GET /asyncapi.json`."""
    text = json.dumps(asyncapi_document(), ensure_ascii=False).encode()
    return Response(text, media_type="application/json")


def _ref(*path: str) -> Json:
    return {"$ref": "#/" + "/".join(path)}


def _queue(name: str, title: str, description: str, message: str) -> Json:
    return {
        "address": name,
        "title": title,
        "description": description,
        "servers": [_ref("servers", "rabbitmq")],
        "messages": {message: _ref("components", "messages", message)},
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {"name": name, "durable": True, "exclusive": False, "autoDelete": False},
                "bindingVersion": _AMQP_BINDING,
            }
        },
    }


def _operation(action: str, channel: str, title: str, summary: str, by: str, **amqp: Any) -> Json:
    bindings = {"bindings": {"amqp": {**amqp, "bindingVersion": _AMQP_BINDING}}} if amqp else {}
    return {
        "action": action,
        "channel": _ref("channels", channel),
        "title": title,
        "summary": summary,
        "tags": [{"name": by}],
        "messages": [
            _ref("channels", channel, "messages", message)
            for message in _CHANNELS[channel]["messages"]
        ],
        **bindings,
    }


_SERVERS: Json = {
    "rabbitmq": {
        "host": "localhost:5672",
        "protocol": "amqp",
        "protocolVersion": "0-9-1",
        "description": "RabbitMQ 3.10 or newer, as `RABBITMQ_URL` names it.",
    },
    "postgresql": {
        "host": "localhost:5432",
        "pathname": "/quantum_tasks",
        "protocol": "postgresql",
        "description": "LISTEN and NOTIFY in the database that `DATABASE_URL` names. "
        "Nothing depends on a notification: who misses one polls.",
    },
}
_CHANNELS: Json = {
    "tasks": _queue(
        QUEUE,
        "Tasks for workers",
        "A quorum queue. At most `DISPATCH_WINDOW` tasks that no worker has claimed are here; "
        "what is missing is sent again within seconds. The relay sends to the exchange "
        f"`{EXCHANGE}` (direct, durable) with the routing key `{QUEUE}`.",
        "taskIsPending",
    )
    | {"x-queue-arguments": queue_arguments()},
    "deadLetters": _queue(
        DEAD_QUEUE,
        "Messages that nobody could use",
        "A quorum queue, filled by RabbitMQ itself through the exchange "
        f"`{DEAD_EXCHANGE}` (direct, durable). The relay looks at it every five seconds.",
        "deadLetter",
    )
    | {"x-queue-arguments": dead_queue_arguments()},
    "outbox": {
        "address": CHANNEL,
        "title": "The outbox has something new",
        "servers": [_ref("servers", "postgresql")],
        "messages": {"wake": _ref("components", "messages", "wake")},
    },
    "cancellations": {
        "address": "ketlog_worker_{worker}",
        "title": "What a worker shall stop",
        "parameters": {
            "worker": {
                "description": "The first 32 hexadecimal digits of the SHA-256 of its `WORKER_ID`."
            }
        },
        "servers": [_ref("servers", "postgresql")],
        "messages": {"cancelled": _ref("components", "messages", "cancelled")},
    },
}
_OPERATIONS: Json = {
    "sendTask": _operation(
        "send",
        "tasks",
        "Hand a task to workers",
        "Persistent, mandatory, confirmed by the broker, after the task is in the log.",
        "relay",
        deliveryMode=PERSISTENT,
        mandatory=True,
    ),
    "receiveTask": _operation(
        "receive",
        "tasks",
        "Take a task",
        "Acknowledged once the claim is committed, or the task turns out not to be pending.",
        "worker",
        ack=True,
    ),
    "receiveDeadLetter": _operation(
        "receive",
        "deadLetters",
        "Explain a dead letter",
        "A pending task gets another message; a letter that names no known task stays.",
        "relay",
        ack=True,
    ),
    "wakeRelay": _operation(
        "send", "outbox", "Wake the relay", "After a commit, and seldom more than necessary.", "api"
    ),
    "hearOutbox": _operation(
        "receive", "outbox", "Look at the outbox", "The relay also polls.", "relay"
    ),
    "stopRun": _operation(
        "send", "cancellations", "Stop a run", "After its cancellation is committed.", "api"
    ),
    "hearCancellation": _operation(
        "receive", "cancellations", "End a run", "A run also ends with its lease.", "worker"
    ),
}
_PROPERTIES = {
    "message_id": "Id of the event that made the task pending.",
    "delivery_mode": f"{PERSISTENT}: persistent.",
    "type": TYPE,
}
_MESSAGES: Json = {
    "taskIsPending": {
        "name": TYPE,
        "title": "A task is pending",
        "contentType": CONTENT_TYPE,
        "payload": _ref("components", "schemas", "Task"),
        "correlationId": {"location": "$message.payload#/correlation_id"},
        "bindings": {"amqp": {"messageType": TYPE, "bindingVersion": _AMQP_BINDING}},
        "x-amqp-properties": _PROPERTIES,
        "examples": [{"name": "submitted", "payload": _EXAMPLE}],
    },
    "deadLetter": {
        "name": f"{TYPE}.dead",
        "title": "A message that RabbitMQ has put away",
        "contentType": CONTENT_TYPE,
        "headers": _ref("components", "schemas", "Death"),
        "payload": _ref("components", "schemas", "Task"),
        "correlationId": {"location": "$message.payload#/correlation_id"},
        "bindings": {"amqp": {"messageType": TYPE, "bindingVersion": _AMQP_BINDING}},
        "x-amqp-properties": _PROPERTIES,
    },
    "wake": {
        "name": "ketlog.wake",
        "title": "Something is new",
        "contentType": "text/plain",
        "payload": {"type": "string", "maxLength": 0},
    },
    "cancelled": {
        "name": "ketlog.cancelled",
        "title": "Tasks were cancelled",
        "contentType": "text/plain",
        "payload": _ref("components", "schemas", "CancelledTasks"),
    },
}
_SCHEMAS: Json = {
    "Task": {
        "type": "object",
        "description": "Which task. Circuit and options stay in the log.",
        "properties": {
            "task_id": {"type": "string", "format": "uuid"},
            "correlation_id": {"type": "string", "pattern": "^[ -~]{1,128}$"},
            "traceparent": {
                "type": "string",
                "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
                "description": "W3C trace context of the submission.",
            },
        },
        "required": ["task_id", "correlation_id", "traceparent"],
    },
    "Death": {
        "type": "object",
        "description": "Written by RabbitMQ.",
        "properties": {
            "x-death": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "properties": {
                        "queue": {"const": QUEUE},
                        "reason": {
                            "description": "`delivery_limit`: given back "
                            f"{DELIVERY_LIMIT} times; `rejected`: a worker "
                            "could not read it; `expired`, `maxlen`: a policy of yours.",
                            "enum": ["rejected", "delivery_limit", "expired", "maxlen"],
                        },
                        "count": {"type": "integer", "minimum": 1},
                    },
                    "required": ["queue", "reason", "count"],
                },
            }
        },
        "required": ["x-death"],
    },
    "CancelledTasks": {
        "type": "string",
        "description": f"One to {WORDS_AT_ONCE} task ids, with a space between them.",
        "pattern": "^[0-9a-f-]{36}( [0-9a-f-]{36})*$",
    },
}
