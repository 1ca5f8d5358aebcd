"""One private RabbitMQ broker, with its own Erlang port mapper, on the loopback interface."""

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian
from infrastructure.local.ports import LOOPBACK, wait_until
from infrastructure.local.process import ServerProcess

# The epmd of every broker is its own, so all of them can bear the same name.
_NODE_NAME = "ketlog@localhost"

# Schedulers that look for work in a loop would keep an idle broker on the cores.
_QUIET_SCHEDULERS = "+sbwt none +sbwtdcpu none +sbwtdio none"


class RabbitMQServer:
    """A broker with its own data folder and ports, owned by the process that starts it.

    The same object also describes the broker to a supervisor: after `prepare`, first
    `epmd_command` and then `command` are what has to be run.
    """

    LOGIN_VARIABLES = "RABBITMQ_DEFAULT_USER and RABBITMQ_DEFAULT_PASS"

    def __init__(
        self,
        root: Path,
        *,
        port: int,
        management_port: int,
        distribution_port: int,
        epmd_port: int,
        user: str = "guest",
        password: str = "guest",  # noqa: S107
        account: ServerAccount | None = None,
        guardian: Guardian | None = None,
    ) -> None:
        """Describe the broker; nothing is started yet.

        Args:
            root: Folder for data, settings and logs. The broker's account must be able to pass
                through the folders above it.
            port: AMQP port; like the others on 127.0.0.1.
            management_port: Port of the management API and its pages.
            distribution_port: Port of the Erlang distribution, which `rabbitmqctl` talks to.
            epmd_port: Port of the broker's own Erlang port mapper.
            user: The administrator.
            password: Its password. Both are fixed when the data folder is made.
            account: Who runs the broker; the caller, or nobody when that is root.
            guardian: Ends the broker when the caller dies without doing so.
        """
        self.root = root
        self.home = root / "home"
        self.log = root / "rabbitmq.log"
        self.port = port
        self.management_port = management_port
        self.distribution_port = distribution_port
        self.epmd_port = epmd_port
        self.user = user
        self.password = password
        self._account = account or ServerAccount.current()
        self._guardian = guardian
        self._broker: ServerProcess | None = None
        self._epmd: ServerProcess | None = None

    @property
    def url(self) -> str:
        """Connection string of the administrator to the default vhost."""
        return f"amqp://{self._credentials}@{LOOPBACK}:{self.port}/"

    @property
    def management_url(self) -> str:
        """Base URL of the management API, with credentials."""
        return f"http://{self._credentials}@{LOOPBACK}:{self.management_port}"

    def vhost_url(self, vhost: str) -> str:
        """Connection string of the administrator to a vhost."""
        return self.url + quote(vhost, safe="")

    @property
    def command(self) -> list[str]:
        """Program that runs the broker in the foreground, once it is prepared."""
        return [str(installed_server())]

    @property
    def epmd_command(self) -> list[str]:
        """Program and arguments that run the port mapper in the foreground."""
        return [str(_program("epmd")), "-address", LOOPBACK, "-port", str(self.epmd_port)]

    @property
    def environment(self) -> Mapping[str, str]:
        """The whole environment of the broker, its port mapper and `rabbitmqctl`."""
        settings = self.root / "settings"
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.home),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self.epmd_port),
            "RABBITMQ_NODENAME": _NODE_NAME,
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_BASE": str(self.home),
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self.home / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(settings / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(settings / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(settings / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(settings / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{_QUIET_SCHEDULERS} -kernel inet_dist_use_interface {{127,0,0,1}}"
            ),
            # Makes the start script become the broker instead of staying in front of it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    @property
    def running(self) -> bool:
        """Whether this object has started the broker and it has not ended."""
        return self._broker is not None and self._broker.running

    def prepare(self) -> None:
        """Make the data folder if there is none, and write the settings."""
        self._account.make_root(self.root)
        self._account.make_folder(self.home)
        settings = self.root / "settings"
        settings.mkdir(mode=0o755, exist_ok=True)
        (settings / "rabbitmq-env.conf").write_text("")
        (settings / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (settings / "rabbitmq.conf").write_text(self._configuration())
        self._write_for_the_account(settings / "advanced.config", self._credential_terms())
        cookie = self.home / ".erlang.cookie"
        if not cookie.exists():
            self._write_for_the_account(cookie, secrets.token_hex(32), mode=0o400)

    def start(self, timeout: float = 90.0) -> None:
        """Prepare the broker, start it and wait until both of its ports answer.

        Raises:
            NotReadyError: It ended, or did not answer within `timeout` seconds.
        """
        if self.running:
            return
        self.prepare()
        if not self._epmd or not self._epmd.running:
            self._epmd = self._process(self.epmd_command)
            self._epmd.start()
            wait_until(
                lambda: _listens(self.epmd_port),
                what=f"epmd on port {self.epmd_port}",
                timeout=timeout,
                alive=lambda: self._epmd is not None and self._epmd.running,
            )
        self._broker = self._process(self.command)
        self._broker.start()
        self.wait_ready(timeout)

    def wait_ready(self, timeout: float = 90.0, alive: Callable[[], bool] | None = None) -> None:
        """Wait until both ports answer.

        Args:
            timeout: Seconds.
            alive: Whether it still makes sense to wait, for a broker that somebody else started.

        Raises:
            NotReadyError: It ended, or did not answer within `timeout` seconds.
        """
        wait_until(
            self.answers,
            what=f"RabbitMQ on port {self.port}",
            timeout=timeout,
            alive=alive or (lambda: self.running),
        )

    def answers(self) -> bool:
        """Whether the AMQP port and the management API answer; a refused login is an answer."""
        try:
            return self.accepts_login() is not None and _listens(self.port)
        except OSError:
            return False

    def accepts_login(self) -> bool:
        """Whether the broker knows this user and password.

        Raises:
            OSError: It does not answer.
        """
        status, answer = self.manage("GET", "/api/overview", timeout=2)
        if status not in {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED}:
            raise ConnectionError(f"the management API answered {status}: {answer[:200]!r}")
        return status == HTTPStatus.OK

    def manage(
        self, method: str, path: str, body: object = None, *, timeout: float = 10.0
    ) -> tuple[int, bytes]:
        """Call the management API as the administrator.

        Args:
            method: HTTP method.
            path: Path and query, starting with `/api/`.
            body: Sent as JSON unless it is `None`.
            timeout: Seconds.

        Returns:
            Status code and body of the answer.

        Raises:
            OSError: Nobody answers.
        """
        return manage(
            f"http://{LOOPBACK}:{self.management_port}{path}",
            method,
            body,
            user=self.user,
            password=self.password,
            timeout=timeout,
        )

    def control(self, *arguments: str, timeout: float = 30.0) -> str:
        """Run `rabbitmqctl` on the broker; returns what it printed.

        Raises:
            subprocess.CalledProcessError: It refused.
        """
        printed: bytes = subprocess.check_output(
            [str(installed_server().with_name("rabbitmqctl")), "--quiet", *arguments],
            env=dict(self.environment),
            cwd=self.home,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            **self._account.popen_options(),
        )
        return printed.decode()

    def stop(self) -> None:
        """Shut down cleanly, and the port mapper with it; killed after 30 s."""
        if self._broker:
            self._broker.stop()
        if self._epmd:
            self._epmd.stop(5)

    def kill(self) -> None:
        """SIGKILL the broker; `start` brings it back with what it had on disk."""
        if self._broker:
            self._broker.kill()

    def pause(self) -> None:
        """Freeze the broker: connections stay open, nothing answers."""
        if self._broker:
            self._broker.pause()

    def resume(self) -> None:
        """Undo `pause`."""
        if self._broker:
            self._broker.resume()

    @property
    def _credentials(self) -> str:
        return f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"

    def _configuration(self) -> str:
        return (
            f"listeners.tcp.default = {LOOPBACK}:{self.port}\n"
            f"management.tcp.ip = {LOOPBACK}\n"
            f"management.tcp.port = {self.management_port}\n"
            "log.console = true\n"
            "log.console.level = info\n"
            "log.file = false\n"
        )

    def _credential_terms(self) -> str:
        # rabbitmq.conf knows no quoting: a password with a `#` would end there.
        user, password = (",".join(map(str, text.encode())) for text in (self.user, self.password))
        return f"[{{rabbit, [{{default_user, <<{user}>>}}, {{default_pass, <<{password}>>}}]}}].\n"

    def _write_for_the_account(self, file: Path, content: str, mode: int = 0o600) -> None:
        temporary = file.parent / f".{file.name}-{secrets.token_hex(8)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(content)
        self._account.own(temporary)
        temporary.replace(file)

    def _process(self, command: list[str]) -> ServerProcess:
        return ServerProcess(
            command,
            account=self._account,
            environment=self.environment,
            folder=self.home,
            log=self.log,
            guardian=self._guardian,
        )


def manage(
    url: str, method: str, body: object, *, user: str, password: str, timeout: float
) -> tuple[int, bytes]:
    """One call of a RabbitMQ management API; see `RabbitMQServer.manage`."""
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def installed_server() -> Path:
    """The script that starts a broker as the account that calls it.

    The one on the PATH insists on root or on the account `rabbitmq`; the one inside the
    installation does not.

    Raises:
        FileNotFoundError: RabbitMQ is not installed.
    """
    for pattern in (
        "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
        "/opt/rabbitmq/sbin/rabbitmq-server",
        "/usr/local/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    ):
        found = sorted(Path("/").glob(pattern.removeprefix("/")))
        if found:
            return found[-1]
    raise FileNotFoundError(
        "no RabbitMQ: install it with "
        "`apt-get install --no-install-recommends rabbitmq-server` (as root, or with sudo)"
    )


def _program(name: str) -> Path:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
    if found is None:
        raise FileNotFoundError(f"no {name}: it comes with Erlang, which RabbitMQ needs")
    return Path(found)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=2).close()
    except OSError:
        return False
    return True
