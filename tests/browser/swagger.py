"""Looks at the documentation page in a real browser that reaches nothing but this machine.

    python -m tests.browser.swagger --screenshot docs.png

An API over the in-memory store serves `/docs`; Chromium opens it, headless. Every operation of
`/openapi.json` has to be shown; a submission, tried out on the page as a reader would, has to be
accepted; and the page may neither ask for anything elsewhere nor report an error. The browser is
the installed one (`CHROMIUM` names it elsewhere); the exit code is 1 when something is wrong.
"""

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, Playwright, async_playwright

from tests.support.api import in_process_api
from tests.support.listening import listening

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
PATIENCE_MS = 15_000


@dataclass
class Findings:
    """What was seen.

    Attributes:
        operations: how many the page shows.
        elsewhere: addresses on other hosts that it has asked for.
        errors: what the page or the browser has reported.
        answer: status of the submission that was tried out.
    """

    operations: int = 0
    elsewhere: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    answer: str = ""

    def wrong(self, expected: int) -> Iterator[str]:
        """Say what must not be."""
        if self.operations != expected:
            yield f"{self.operations} of {expected} operations are shown"
        if self.answer != "202":
            yield f"the submission that was tried out was answered {self.answer or 'by nobody'}"
        yield from (f"the page asked for {url}" for url in self.elsewhere)
        yield from (f"the browser reported: {error}" for error in self.errors)


def program() -> str:
    """Return the browser; ends the program with advice where there is none."""
    named = os.environ.get("CHROMIUM")
    for name in [named] if named else PROGRAMS:
        if name and (found := shutil.which(name)):
            return found
    raise SystemExit("no browser: apt-get install chromium, or name one with CHROMIUM=…")


async def look(url: str, screenshot: Path | None) -> Findings:
    """Open the page and try it out."""
    async with async_playwright() as playwright:
        browser = await _start(playwright)
        try:
            page = await browser.new_page(viewport={"width": 1280, "height": 1600})
            return await _look(page, url, screenshot)
        finally:
            await browser.close()


async def _start(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(
        executable_path=program(),
        args=[NOWHERE, "--no-sandbox", "--disable-background-networking"],
    )


async def _look(page: Page, url: str, screenshot: Path | None) -> Findings:
    findings = Findings()
    here = urlsplit(url).netloc

    def asked(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != here:
            findings.elsewhere.append(request.url)

    def said(message: Any) -> None:
        if message.type in {"error", "warning"}:
            findings.errors.append(message.text)

    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: findings.errors.append(str(error)))
    page.on("requestfailed", lambda request: findings.errors.append(f"no answer: {request.url}"))
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{url}/docs")
    await page.locator(".opblock").first.wait_for()
    findings.operations = await page.locator(".opblock").count()
    await _try_out(page, findings)
    if screenshot is not None:
        await page.screenshot(path=screenshot, full_page=True)
    return findings


async def _try_out(page: Page, findings: Findings) -> None:
    """Submit the example as it stands."""
    operation = page.locator("#operations-tasks-submitTask")
    await operation.locator(".opblock-summary-control").click()
    await operation.locator(".execute").click()
    answer = operation.locator(".live-responses-table .response-col_status").last
    await answer.wait_for()
    findings.answer = (await answer.inner_text()).split()[0]


async def _run(screenshot: Path | None) -> list[str]:
    async with in_process_api() as api, listening(api.app) as served:
        url = f"http://127.0.0.1:{served.port}"
        document = (await api.http.get("/openapi.json")).json()
        findings = await look(url, screenshot)
        expected = sum(len(METHODS & item.keys()) for item in document["paths"].values())
        wrong = list(findings.wrong(expected))
        if len(api.committed) != 1:
            wrong.append("nothing was stored")
        return wrong


def main() -> int:
    """Look, and say what is wrong; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--screenshot", type=Path, help="where to put a picture of the page")
    options = parser.parse_args()
    wrong = asyncio.run(_run(options.screenshot))
    say = sys.stdout.write
    for line in wrong:
        say(f"{line}\n")
    if not wrong:
        say(f"/docs works in {program()} without any network\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
