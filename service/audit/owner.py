"""Whose rights a command works with."""

import os

from infrastructure.settings import Settings, read_settings


def owner_url() -> str:
    """Return the database URL of the tables' owner: `ADMIN_DATABASE_URL`, else `DATABASE_URL`."""
    admin = os.environ.get("ADMIN_DATABASE_URL")
    if admin:
        os.environ["DATABASE_URL"] = admin
    return read_settings(Settings).database_url
