"""What reaches the user when the answer is no."""

import json
import re

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow
import pytest
from adbc_driver_manager import AdbcStatusCode
from conftest import ENDED_AGREEMENT

from questions import BY_YEAR, RECORDS


def refused(house, sql, role="researcher", headers=None):
    with house.connect(role, headers) as connection, connection.cursor() as cursor:
        with pytest.raises(flightsql.Error) as error:
            cursor.execute(sql)
        return error.value


def beside(error):
    """Trailers and headers of a refusal."""
    return {key.decode(): value for key, value in error.details}


def details(error):
    """The machine part of a refusal."""
    told = beside(error)
    problem = json.loads(told["cordon-problem-bin"])
    assert told["cordon-code"].decode() == problem["code"]
    assert told["cordon-help"].decode() == problem["type"]
    return problem


@pytest.mark.parametrize(
    "sql, code",
    [
        (RECORDS, "CORDON-D101"),
        ("SELECT pseudo_hesid, count(*) FROM hes.apc GROUP BY 1", None),
        ("SELECT count(*) FROM hes.apc CROSS JOIN hes.op", "CORDON-D105"),
        ("SELECT random(), count(*) FROM hes.apc GROUP BY 1", None),
        ("SELEC count(*) FROM hes.apc", "CORDON-S105"),
        ("SELECT 1; SELECT 2", "CORDON-S106"),
        ("INSERT INTO hes.apc VALUES (1)", "CORDON-S107"),
        ("DROP TABLE hes.apc", "CORDON-S107"),
        ("SELECT count(*) FROM hes.nothing", "CORDON-S201"),
        ("SELECT count(*) FROM hes.cc", "CORDON-S201"),
        ("SELECT nothing, count(*) FROM hes.apc GROUP BY 1", "CORDON-S202"),
        ("SELECT " + "+".join(["1"] * 2000), "CORDON-S103"),
        ("SELECT '" + "x" * 70_000 + "'", "CORDON-S102"),
    ],
)
def test_statements_are_refused_in_one_line_with_a_code(house, sql, code):
    error = refused(house, sql)
    assert isinstance(error, flightsql.ProgrammingError)
    assert error.status_code == AdbcStatusCode.INVALID_ARGUMENT
    told = str(error)
    assert "\n" not in told and "; try: " in told
    assert re.search(r"\(CORDON-[DS]\d{3}\)", told)
    if code:
        assert f"({code})" in told
    problem = details(error)
    assert problem["status"] == 400 and problem["title"] and problem["try"] and problem["rule"]
    assert problem["query_id"] == beside(error)["cordon-query-id"].decode()


def test_the_place_of_a_mistake_is_told(house):
    problem = details(refused(house, "SELECT fyear,\n       nothing, count(*) FROM hes.apc GROUP BY 1, 2"))
    assert (problem["line"], problem["column"]) == (2, 8)


def test_hidden_and_missing_tables_are_told_alike(house):
    def told(table):
        return str(refused(house, f"SELECT count(*) FROM hes.{table}")).replace(table, "x")

    # The researcher's agreement has no critical care; nobody has `zz`.
    assert told("cc") == told("zz")


def test_agreements_refuse_with_permission_denied(house):
    for role, headers, code in [
        ("governance", None, "CORDON-A101"),
        ("researcher", {"x-cordon-agreement": "DARS-NIC-000002-DEMO2"}, "CORDON-A101"),
        ("researcher", {"x-cordon-agreement": "DARS-NIC-999999-XXXXX"}, "CORDON-A101"),
        ("researcher", {"x-cordon-agreement": ENDED_AGREEMENT}, "CORDON-A103"),
    ]:
        error = refused(house, BY_YEAR, role, headers)
        assert isinstance(error, flightsql.ProgrammingError)
        assert error.status_code == AdbcStatusCode.UNAUTHORIZED
        assert f"({code})" in str(error)
        assert beside(error)["cordon-query-id"]
        assert details(error)["status"] == 403


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_a_call_without_a_good_token_is_unauthenticated(house, token):
    header = {"adbc.flight.sql.authorization_header": f"Bearer {token}"}
    with flightsql.connect(house.uri, db_kwargs=header, autocommit=True) as connection:
        with connection.cursor() as cursor, pytest.raises(flightsql.ProgrammingError) as error:
            cursor.execute(BY_YEAR)
    assert error.value.status_code == AdbcStatusCode.UNAUTHENTICATED
    assert "CORDON-A201" in str(error.value) and "send a token" in str(error.value)


def test_metadata_needs_a_token_too(house):
    header = {"adbc.flight.sql.authorization_header": "Bearer nonsense"}
    with flightsql.connect(house.uri, db_kwargs=header, autocommit=True) as connection:
        for ask in [
            lambda: connection.adbc_get_objects().read_all(),
            lambda: connection.adbc_get_table_types(),
            lambda: connection.adbc_get_table_schema("apc", db_schema_filter="hes"),
        ]:
            with pytest.raises(flightsql.Error, match="CORDON-A201"):
                ask()


def test_updates_and_loading_are_not_offered(connection):
    with connection.cursor() as cursor:
        with pytest.raises(flightsql.Error, match="CORDON-X109"):
            cursor.adbc_ingest("mine", pyarrow.table({"a": [1]}))


def test_a_refusal_never_holds_a_figure(house):
    """Whatever the data hold, the words are the same."""
    first = refused(house, "SELECT sex FROM hes.apc WHERE startage = 30")
    second = refused(house, "SELECT sex FROM hes.apc WHERE startage = 119")
    assert str(first) == str(second)
    values = [
        "SELECT count(*) FROM hes.apc WHERE CAST(diag_4_01 AS INT) = 1",
        "SELECT count(*) FROM hes.apc WHERE 1 / (startage - startage) = 1",
    ]
    for sql in values:
        with house.connect() as connection, connection.cursor() as cursor:
            try:
                cursor.execute(sql)
            except flightsql.Error as error:
                assert re.search(r"\(CORDON-[DS]\d{3}\)", str(error)), error
