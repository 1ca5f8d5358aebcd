"""The dashboard and the alert rules ask for metrics that there are, and promtool likes them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from infrastructure.telemetry.exposition import exposition

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
DASHBOARD = ROOT / "deploy/grafana/ketlog.json"
RUNBOOK = ROOT / "docs/operations.md"
SOURCES = (
    "infrastructure/telemetry/metrics.py",
    "relay/gauges.py",
    "relay/pause.py",
    "service/worker/gauges.py",
    "service/api/runtime.py",
)
_METRIC = re.compile(r"\b(?:ketlog|http_server)_[a-z_]+")
_NOT_OURS = {"http_route", "http_request_method", "http_response_status_code"}


def known_metrics() -> set[str]:
    text = "\n".join((ROOT / source).read_text() for source in SOURCES)
    worker = re.findall(r'(?:counter|gauge)\(\s*"([a-z_]+)"', text)
    return {*re.findall(r'"((?:ketlog|http_server)_[a-z_]+)"', text)} | {
        f"ketlog_worker_{name}" for name in worker
    }


def alerts() -> list[str]:
    return re.findall(r"^ +- alert: (\w+)$", ALERTS.read_text(), re.MULTILINE)


def alert_expressions() -> list[str]:
    found = re.findall(r"^ +expr: (.*?)^ +for:", ALERTS.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == len(alerts())
    return found


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    return asked + alert_expressions()


def test_every_metric_that_is_asked_for_exists() -> None:
    known = known_metrics()
    for expression in expressions():
        for name in set(_METRIC.findall(expression)) - _NOT_OURS:
            base = re.sub(r"_(total|bucket|count|sum)$", "", name)
            assert {name, base} & known, name


def test_every_alert_is_in_the_runbook() -> None:
    headings = re.findall(r"^#+ (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert set(alerts()) <= set(headings)


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed: it comes with Debian's package prometheus",
)


def promtool(*command: str, text: str = "") -> str:
    outcome = subprocess.run(
        ["promtool", *command],
        check=False,
        cwd=ALERTS.parent,
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts_test.yaml"),
        ("check", "config", "prometheus.yaml"),
    ],
)
def test_promtool_likes_the_rules(command: tuple[str, ...]) -> None:
    assert "SUCCESS" in promtool(*command)


@needs_promtool
def test_promtool_likes_what_the_processes_count() -> None:
    assert promtool("check", "metrics", text=exposition().decode()) == ""


def test_every_alert_is_tried() -> None:
    tried = re.findall(r"alertname: (\w+)", (ALERTS.parent / "alerts_test.yaml").read_text())
    assert set(alerts()) == set(tried)
