"""Starts the built program with made-up people and connects real clients to it.

CORDON_BIN names the program.
"""

import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import pytest

READY_WITHIN_S = 180
AGREEMENT = "DARS-NIC-000001-DEMO1"
ENDED_AGREEMENT = "DARS-NIC-000003-DEMO3"


@dataclass(frozen=True)
class House:
    """A running server: where it listens, and a token for each role."""

    address: str
    tokens: dict = field(repr=False)
    folder: Path

    @property
    def uri(self) -> str:
        return f"grpc://{self.address}"

    def connect(self, role="researcher", headers=None, **options):
        """An ADBC connection with a bearer token."""
        wanted = {"adbc.flight.sql.authorization_header": f"Bearer {self.tokens[role]}"}
        for name, value in (headers or {}).items():
            wanted[f"adbc.flight.sql.rpc.call_header.{name}"] = value
        return flightsql.connect(self.uri, db_kwargs={**wanted, **options}, autocommit=True)


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    told = folder / "told.txt"
    program = os.environ.get("CORDON_BIN", "cordon")
    command = [program, "demo", "--people", "2000", "--data-dir", str(folder), "--flight-port", "0"]
    with open(told, "wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        address = _address(server, told)
        tokens = json.loads((folder / "demo" / "tokens.json").read_text())
        yield House(address, tokens, folder)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    assert server.returncode == 0, told.read_text()


def _address(server, told) -> str:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        text = told.read_text(errors="replace")
        found = re.search(r"cordon is ready\s+Flight SQL\s+grpc://(\S+)", text)
        if found:
            return found[1]
        if server.poll() is not None:
            pytest.exit(f"the server ended with {server.returncode}:\n{text}", returncode=1)
        time.sleep(0.1)
    pytest.exit(f"the server was not ready in {READY_WITHIN_S} s:\n{text}", returncode=1)


@pytest.fixture
def connection(house):
    with house.connect() as connection:
        yield connection


@pytest.fixture
def ask(connection):
    """Runs a statement; the answer as an Arrow table."""

    def ask(sql, parameters=None):
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetch_arrow_table()

    return ask
