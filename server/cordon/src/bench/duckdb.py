"""The worker of DuckDB: lines of JSON in, lines of JSON out. `worker.rs` says what they mean."""

import datetime
import json
import os
import sys
import time

PACKAGE = "duckdb==2.0.0"


def reset_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return True
    except OSError:
        return False


def peak_mb():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None


def open_all(request):
    try:
        import duckdb
    except ImportError:
        python = sys.executable or "python3"
        text = (
            f"`{python}` has no package `duckdb`: run `{python} -m pip install {PACKAGE}`, name another "
            "Python with --python, or leave DuckDB out with --engines cordon,datafusion"
        )
        return None, {"is": "problem", "text": text}
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET threads = {int(request['threads'])}")
    for group in sorted({table["name"].split(".")[0] for table in request["tables"]}):
        connection.execute(f'CREATE SCHEMA "{group}"')
    for table in request["tables"]:
        group, name = table["name"].split(".")
        files = ", ".join("'" + file.replace("'", "''") + "'" for file in table["files"])
        person = ", _person AS pseudo_hesid" if table["person"] else ""
        connection.execute(f'CREATE VIEW "{group}"."{name}" AS SELECT *{person} FROM read_parquet([{files}])')
    return connection, {"is": "ready", "version": f"duckdb {duckdb.__version__}"}


def numbers(rows):
    """The sum of every number in an answer."""
    total = 0.0
    for row in rows:
        for value in row:
            if value is None or isinstance(value, (str, bool, datetime.date)):
                continue
            total += float(value)
    return total


def ask(connection, sql):
    reset = reset_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    rows = connection.execute(sql).fetchall()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_mb() if reset else None
    return {
        "is": "asked",
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_rss_mb": peak,
        "groups": len(rows),
        "sum": numbers(rows),
    }


def main():
    # Whatever a library prints must not come between the lines.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    connection = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            match request["do"]:
                case "open":
                    connection, reply = open_all(request)
                case "fresh":
                    reply = {"is": "ready", "version": ""}
                case "ask":
                    reply = ask(connection, request["sql"])
                case other:
                    reply = {"is": "problem", "text": f"not understood: {other}"}
        except Exception as error:  # Whatever goes wrong is the engine's answer.
            reply = {"is": "problem", "text": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


main()
