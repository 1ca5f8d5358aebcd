#!/usr/bin/env bash
# Makes the virtual environment: setup.sh FOLDER. Every package is checked against the lock file.
set -euo pipefail

venv=$1
python=${SYSTEM_PYTHON:-python3}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

fail() {
  printf 'ketlog: %s\n' "$*" >&2
  exit 1
}

command -v "$python" >/dev/null ||
  fail "no $python: install Python 3.11 or newer, or name it with SYSTEM_PYTHON=…"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old: name Python 3.11 or newer with SYSTEM_PYTHON=…"

# Debian and Ubuntu keep the part of venv that brings pip in a package of its own.
if [ ! -x "$venv/bin/python" ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
  version=$("$python" -c 'import sys; print("{}.{}".format(*sys.version_info))')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing python$version-venv with apt-get, once"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 -qy update >/dev/null
    apt-get -o DPkg::Lock::Timeout=300 -qy install --no-install-recommends "python$version-venv" >/dev/null
  else
    fail "$python cannot make virtual environments: apt-get install python$version-venv (as root)"
  fi
fi

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi
echo "installing the packages of requirements-dev.lock into $venv (about a minute the first time)"
# The lock names every package. With dependencies, pip would also look at newer releases of some.
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input \
  --require-hashes --no-deps --requirement "$here/requirements-dev.lock"
touch "$venv/.ready"
