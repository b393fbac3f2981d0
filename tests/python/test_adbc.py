"""The ADBC driver, as Python programs use it."""

import json

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pyarrow
import pytest
from conftest import AGREEMENT

from questions import BY_YEAR, BY_YEAR_AND_SEX, OF_ONE_SEX, YEARS, is_safe


def first_figure(connection):
    with connection.cursor() as cursor:
        cursor.execute(OF_ONE_SEX, ["1"])
        return cursor.fetchone()[0]


def test_a_bearer_token_signs_in(house):
    with house.connect() as connection:
        assert first_figure(connection) > 0


@pytest.mark.parametrize("user", ["researcher", "u", "us", "anybody@nhs.net", "token"])
def test_a_user_name_and_the_token_as_password_sign_in(house, user):
    login = {"username": user, "password": house.tokens["researcher"]}
    with flightsql.connect(house.uri, db_kwargs=login, autocommit=True) as connection:
        assert first_figure(connection) > 0


def test_a_wrong_password_is_told_with_a_way_forward(house):
    login = {"username": "researcher", "password": "guess"}
    with pytest.raises(flightsql.Error, match="send a token.*CORDON-A201"):
        with flightsql.connect(house.uri, db_kwargs=login, autocommit=True) as connection:
            first_figure(connection)


def test_a_statement_is_answered_with_an_arrow_table(ask):
    table = ask(BY_YEAR)
    assert table.schema.names == ["fyear", "episodes", "patients"]
    assert table.schema.types == [pyarrow.string(), pyarrow.int64(), pyarrow.int64()]
    assert table["fyear"].to_pylist() == YEARS
    assert all(is_safe(figure) for figure in table["patients"].to_pylist())
    assert all(figure > 0 for figure in table["patients"].to_pylist())


def test_the_same_question_has_the_same_answer(ask, house):
    first = ask(BY_YEAR_AND_SEX)
    assert ask(BY_YEAR_AND_SEX) == first
    with house.connect() as other, other.cursor() as cursor:
        cursor.execute(BY_YEAR_AND_SEX.replace("patients", "people"))
        assert cursor.fetch_arrow_table().columns == first.columns


def test_small_figures_are_null(ask):
    figures = ask(BY_YEAR_AND_SEX)["patients"].to_pylist()
    assert None in figures
    assert all(is_safe(figure) for figure in figures)


def test_every_column_may_be_null(ask):
    assert all(field.nullable for field in ask(BY_YEAR).schema)


@pytest.mark.parametrize(
    "sql, values",
    [
        ("SELECT count(*) AS n FROM hes.apc WHERE sex = $1 AND startage > $2", ["1", 30]),
        ("SELECT count(*) AS n FROM hes.apc WHERE sex = ? AND startage > ?", ["1", 30]),
        ("SELECT count(*) AS n FROM hes.apc WHERE startage > $2 AND sex = $1", ["1", 30]),
    ],
)
def test_values_are_bound(ask, sql, values):
    literal = ask("SELECT count(*) AS n FROM hes.apc WHERE sex = '1' AND startage > 30")
    assert ask(sql, values).columns == literal.columns


def test_a_statement_is_bound_again_and_again(connection, ask):
    literal = [ask(OF_ONE_SEX.replace("$1", f"'{sex}'"))[0][0] for sex in "12"]
    with connection.cursor() as cursor:
        for expected in literal * 3:
            sex = "1" if expected == literal[0] else "2"
            cursor.execute(OF_ONE_SEX, [sex])
            assert cursor.fetchone()[0] == expected.as_py()


def test_another_number_of_values_is_refused(connection):
    for values in [None, ["1", "2"]]:
        with connection.cursor() as cursor:
            with pytest.raises(flightsql.ProgrammingError, match="CORDON-S204"):
                cursor.execute(OF_ONE_SEX, values)


def test_several_rows_are_refused(connection):
    rows = pyarrow.table({"0": ["1", "2"]})
    with connection.cursor() as cursor:
        with pytest.raises(flightsql.ProgrammingError, match="one row.*CORDON-S204"):
            cursor.execute(OF_ONE_SEX, rows)


def test_a_prepared_statement_tells_its_parameters(connection):
    with connection.cursor() as cursor:
        parameters = cursor.adbc_prepare(OF_ONE_SEX)
        assert parameters.names == ["0"]


def test_the_columns_are_known_before_anything_runs(connection, ask):
    sql = "SELECT count(*) AS not_run FROM hes.apc"
    with connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema(sql)
    assert schema.names == ["not_run"]
    assert sql not in ask("SELECT sql FROM my.queries WHERE outcome = 'released'")["sql"].to_pylist()
    assert ask(sql).schema.names == ["not_run"]
    assert sql in ask("SELECT sql FROM my.queries WHERE outcome = 'released'")["sql"].to_pylist()


def test_a_statement_runs_without_being_prepared(house):
    """As R, Go and C programs do."""
    header = adbc_driver_flightsql.DatabaseOptions.AUTHORIZATION_HEADER.value
    options = {header: f"Bearer {house.tokens['researcher']}"}
    with (
        adbc_driver_flightsql.connect(house.uri, db_kwargs=options) as database,
        adbc_driver_manager.AdbcConnection(database) as connection,
        adbc_driver_manager.AdbcStatement(connection) as statement,
    ):
        statement.set_sql_query(BY_YEAR)
        stream, rows = statement.execute_query()
        table = pyarrow.RecordBatchReader._import_from_c(stream.address).read_all()
        assert rows == table.num_rows == len(YEARS)


def test_an_answer_is_polled_for(house):
    with house.connect() as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
        partitions, schema = cursor.adbc_execute_partitions(BY_YEAR)
        assert len(partitions) == 1
        assert schema.names == ["fyear", "episodes", "patients"]
        cursor.adbc_read_partition(partitions[0])
        assert cursor.fetch_arrow_table().num_rows == len(YEARS)


def test_an_agreement_is_chosen_by_a_header(house):
    with house.connect(headers={"x-cordon-agreement": AGREEMENT}) as connection:
        assert first_figure(connection) > 0
    with house.connect(headers={"x-cordon-agreement": "DARS-NIC-999999-XXXXX"}) as connection:
        with pytest.raises(flightsql.ProgrammingError, match="CORDON-A101"):
            first_figure(connection)


def test_status_columns_come_on_request(house):
    with house.connect(headers={"x-cordon-status-columns": "true"}) as connection:
        with connection.cursor() as cursor:
            cursor.execute(BY_YEAR_AND_SEX)
            table = cursor.fetch_arrow_table()
    assert "patients_status" in table.schema.names
    for patients, status in zip(table["patients"], table["patients_status"], strict=True):
        assert status.as_py() == ("suppressed" if patients.as_py() is None else "released")


def test_standard_errors_come_on_request(house):
    """Also of what is computed from figures, and with the types that were advertised."""
    sql = """SELECT fyear, count(*) AS episodes, avg(epidur) AS days, median(epidur) AS middle,
                    count(DISTINCT diag_3_01) AS codes
             FROM hes.apc GROUP BY fyear ORDER BY fyear"""
    with house.connect(headers={"x-cordon-error-columns": "true"}) as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            table = cursor.fetch_arrow_table()
    assert table.schema.names == [
        "fyear",
        *(name + more for name in ("episodes", "days", "middle", "codes") for more in ("", "_se")),
    ]
    for row in table.to_pylist():
        assert (row["episodes"] is None) == (row["episodes_se"] is None)
        if row["episodes"]:
            # Variance 0.07 a person, 3 + 25/12 a figure, at least.
            assert 2 < row["episodes_se"] < row["episodes"]
        if row["days"]:
            assert 0 < row["days_se"] < row["days"]
        assert row["codes_se"] is None


def test_notes_stand_in_the_schema_and_in_a_table(ask):
    schema = ask(BY_YEAR).schema
    notes = json.loads(schema.metadata[b"cordon.notes"])
    assert notes and all(note["text"] for note in notes)
    query_id = schema.metadata[b"cordon.query_id"].decode()
    assert schema.metadata[b"cordon.policy_version"]
    assert schema.field("patients").metadata[b"cordon.treatment"]
    assert schema.field("patients").metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"BIGINT"

    kept = ask(f"SELECT note FROM my.notes WHERE query_id = '{query_id}'")["note"].to_pylist()
    assert sorted(kept) == sorted(note["text"] for note in notes)


def test_manual_commits_are_not_offered_and_do_no_harm(house):
    header = {"adbc.flight.sql.authorization_header": f"Bearer {house.tokens['researcher']}"}
    with pytest.warns(Warning, match="autocommit"):
        connection = flightsql.connect(house.uri, db_kwargs=header)
    with connection:
        assert first_figure(connection) > 0


def test_many_statements_do_not_run_out(connection):
    with connection.cursor() as cursor:
        for _ in range(120):
            cursor.execute("SELECT 1 AS one")
            assert cursor.fetchone() == (1,)
