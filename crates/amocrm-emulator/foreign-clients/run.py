#!/usr/bin/env python3
"""Tries amoCRM clients that others wrote against the emulator.

Every client gets a fresh emulator on free ports and talks to it over TLS, as it would to amoCRM. The clients are
installed from npm and PyPI into a temporary directory, with the versions pinned beside this file. One line per check,
then `N passed, N failed`; the exit status is 0 only if nothing failed.

    crates/amocrm-emulator/foreign-clients/run.py [--emulator PATH] [--only NAME] [--keep]

Needs Python 3.10, Node.js 20.18 with npm, and npm and PyPI in reach. Without --emulator the binary is built first.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing

HERE = pathlib.Path(__file__).resolve().parent
WORKSPACE = HERE.parents[2]

# What runs, and how its requests find the emulator.
CLIENTS = {
    "amocrm-js": "amocrm-js.mjs",  # TLS port, the host's address replaced
    "shevernitskiy-amo": "shevernitskiy-amo.mjs",  # forward proxy
    "aioamocrm": "try_aioamocrm.py",  # forward proxy
    "amocrm-api": "try_amocrm_api.py",  # forward proxy
    "amocrm-api-wrapper": "try_amocrm_api_wrapper.py",  # TLS port, by address
    "amochka": "try_amochka.py",  # forward proxy
}
CLIENT_SECONDS = 180


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--emulator", type=pathlib.Path, help="the binary; built with cargo unless given")
    options.add_argument("--only", action="append", choices=CLIENTS, help="this client only; may be repeated")
    options.add_argument("--keep", action="store_true", help="keep the directory with the installed clients")
    options = options.parse_args()
    names = options.only or list(CLIENTS)
    emulator = options.emulator or build_emulator()

    directory = pathlib.Path(tempfile.mkdtemp(prefix="foreign-clients-"))
    try:
        scripts = directory / "scripts"
        shutil.copytree(HERE, scripts, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        python = install(scripts, [CLIENTS[name] for name in names])
        passed = failed = 0
        for name in names:
            ok, bad = try_client(name, emulator.resolve(), directory, scripts, python)
            passed, failed = passed + ok, failed + bad
        print(f"{passed} passed, {failed} failed")
        return 0 if passed and not failed else 1
    finally:
        if options.keep:
            print(f"kept in {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)


def build_emulator() -> pathlib.Path:
    cargo = ["cargo", "build", "--quiet", "--package", "amocrm-emulator", "--message-format", "json"]
    built = subprocess.run(cargo, cwd=WORKSPACE, check=True, stdout=subprocess.PIPE, text=True)
    messages = map(json.loads, built.stdout.splitlines())
    binaries = [message["executable"] for message in messages if message.get("executable")]
    return pathlib.Path(binaries[-1])


def install(scripts: pathlib.Path, wanted: list[str]) -> pathlib.Path:
    """Installs the clients beside the scripts. Returns the Python that has them."""
    if any(script.endswith(".mjs") for script in wanted):
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=scripts, check=True)
    environment = scripts / "venv"
    if any(script.endswith(".py") for script in wanted):
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", scripts / "requirements.txt"], check=True)
    return environment / "bin" / "python"


def try_client(
    name: str, emulator: pathlib.Path, directory: pathlib.Path, scripts: pathlib.Path, python: pathlib.Path
) -> tuple[int, int]:
    """Runs one client's script against its own emulator. Returns the numbers of passed and failed checks."""
    arguments = ["--json", "--seed", "asia-deals", "--listen", "127.0.0.1:0", "--rate-limit", "7"]
    arguments += ["--tls-port", "0", "--tls-dir", directory / "tls"]
    with open(directory / f"{name}.emulator.log", "w") as log:
        process = subprocess.Popen([emulator, *arguments], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        first_line = process.stdout.readline()
        if not first_line:
            print(f"FAIL {name}: the emulator did not start, see {log.name}")
            return 0, 1
        started = json.loads(first_line)
        command = [python if CLIENTS[name].endswith(".py") else "node", CLIENTS[name]]
        with open(directory / f"{name}.log", "w") as log:
            return count(name, command, scripts, {**os.environ, **environment(started)}, log)
    finally:
        process.terminate()
        process.wait()


def environment(started: dict) -> dict:
    """What a user would set: the authority to trust and the proxy. Loopback addresses are reached directly."""
    return {
        "EMULATOR": json.dumps(started),
        "NODE_EXTRA_CA_CERTS": started["ca_file"],
        "REQUESTS_CA_BUNDLE": started["ca_file"],
        "SSL_CERT_FILE": started["ca_file"],
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "HTTPS_PROXY": started["base_url"],
        "https_proxy": started["base_url"],
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def count(name: str, command: list, scripts: pathlib.Path, values: dict, log: typing.TextIO) -> tuple[int, int]:
    """Passes the script's lines on, counting them."""
    passed = failed = 0
    script = subprocess.Popen(command, cwd=scripts, env=values, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        output, _ = script.communicate(timeout=CLIENT_SECONDS)
    except subprocess.TimeoutExpired:
        script.kill()
        output, _ = script.communicate()
        failed += 1
        print(f"FAIL {name}: not ready after {CLIENT_SECONDS} s")
    for line in output.splitlines():
        verdict, _, what = line.partition(" ")
        if verdict in ("ok", "FAIL"):
            passed, failed = (passed + 1, failed) if verdict == "ok" else (passed, failed + 1)
            print(f"{verdict} {name}: {what.strip()}", flush=True)
    # A script that ends early has checked less than it should.
    if "done" not in output.splitlines():
        failed += 1
        print(f"FAIL {name}: the script ended before its last check (status {script.returncode})")
    return passed, failed


if __name__ == "__main__":
    sys.exit(main())
