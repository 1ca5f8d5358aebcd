"""The connection strings that a container makes for its program."""

import subprocess
import sys

from infrastructure.local.container import urls


def test_parts_with_any_characters_become_urls() -> None:
    made = urls(
        {
            "POSTGRES_USER": "me",
            "POSTGRES_PASSWORD": "p@ss/w%",
            "POSTGRES_DB": "my db",
            "RABBITMQ_DEFAULT_USER": "u",
            "RABBITMQ_DEFAULT_PASS": "#?",
            "DATABASE_URL": "",
        }
    )
    assert made == {
        "DATABASE_URL": "postgresql://me:p%40ss%2Fw%25@postgres:5432/my%20db",
        "RABBITMQ_URL": "amqp://u:%23%3F@rabbitmq:5672/",
    }


def test_a_url_that_is_set_is_left_alone() -> None:
    assert set(urls({"DATABASE_URL": "postgresql://db.example/x"})) == {"RABBITMQ_URL"}


def test_the_tests_get_the_stack_as_their_servers() -> None:
    made = urls({"TEST_ON_THE_STACK": "yes"})
    assert made["TEST_DATABASE_URL"] == made["DATABASE_URL"]
    assert made["TEST_RABBITMQ_URL"] == made["RABBITMQ_URL"]


def test_the_program_replaces_the_entry_point() -> None:
    show = "import os; print(os.getpid(), os.environ['RABBITMQ_URL'])"
    process = subprocess.Popen(
        [sys.executable, "-m", "infrastructure.local.container", sys.executable, "-c", show],
        env={},
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = process.communicate(timeout=20)
    assert output == f"{process.pid} amqp://guest:guest@rabbitmq:5672/\n"
