"""Asks DuckDB for the logic oracle: lines of JSON in, lines of JSON out.

First line: the tables, as a map from name to Parquet file. Each further line: a statement. Each answer: its rows, or why
there are none.
"""

import datetime
import decimal
import json
import sys

import duckdb


def cell(value):
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and value != value:
        return None
    return value


def main():
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET default_null_order = 'nulls_last_on_asc_first_on_desc'")
    tables = json.loads(sys.stdin.readline())
    for group in sorted({name.split(".")[0] for name in tables}):
        connection.execute(f'CREATE SCHEMA "{group}"')
    for name, file in tables.items():
        group, table = name.split(".")
        connection.execute(f'CREATE TABLE "{group}"."{table}" AS SELECT * FROM read_parquet(?)', [file])
    for line in sys.stdin:
        try:
            rows = connection.execute(json.loads(line)).fetchall()
            answer = {"rows": [[cell(value) for value in row] for row in rows]}
        except duckdb.Error as error:
            answer = {"problem": str(error)}
        print(json.dumps(answer), flush=True)


main()
