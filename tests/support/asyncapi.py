"""Holding messages against the AsyncAPI document."""

from typing import Any

import jsonschema

from service.api.asyncapi import asyncapi_document


def message_errors(name: str, payload: object, headers: object | None) -> list[str]:
    """What is wrong with a message of this name.

    Args:
        headers: its AMQP headers; `None` for a message that has none.
    """
    document = asyncapi_document()
    message: dict[str, Any] = document["components"]["messages"][name]
    errors = _errors(document, message["payload"], payload)
    if "headers" in message:
        errors += _errors(document, message["headers"], {} if headers is None else headers)
    return errors


def _errors(document: dict[str, Any], schema: dict[str, Any], value: object) -> list[str]:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(
        schema | {"components": document["components"]}, format_checker=checker
    )
    return [error.message for error in validator.iter_errors(value)]
