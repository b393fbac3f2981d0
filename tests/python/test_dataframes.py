"""pandas and polars over an ADBC connection."""

import pandas
import polars
import pytest

from questions import BY_YEAR, BY_YEAR_AND_SEX, RECORDS, YEARS, is_safe


def test_pandas_reads_a_query(connection):
    # It first asks for a table named like the whole statement.
    frame = pandas.read_sql(BY_YEAR, connection)
    assert frame["fyear"].tolist() == YEARS
    assert all(is_safe(figure) for figure in frame["patients"])


def test_pandas_shows_a_hidden_figure_as_missing(connection):
    frame = pandas.read_sql(BY_YEAR_AND_SEX, connection)
    assert frame["patients"].isna().any()
    assert frame["patients"].notna().any()


def test_pandas_keeps_whole_numbers_when_asked_to(connection):
    frame = pandas.read_sql(BY_YEAR_AND_SEX, connection, dtype_backend="pyarrow")
    assert str(frame["patients"].dtype) == "int64[pyarrow]"


def test_pandas_passes_a_refusal_on(connection):
    with pytest.raises(Exception, match="CORDON-D101"):
        pandas.read_sql(RECORDS, connection)


def test_polars_reads_a_query(connection):
    frame = polars.read_database(BY_YEAR, connection)
    assert frame["fyear"].to_list() == YEARS
    assert frame.schema["patients"] == polars.Int64
    assert polars.read_database(BY_YEAR_AND_SEX, connection)["patients"].null_count() > 0


def test_polars_binds_values(connection):
    sql = "SELECT count(*) AS n FROM hes.apc WHERE sex = $1"
    frame = polars.read_database(sql, connection, execute_options={"parameters": ["1"]})
    literal = polars.read_database(sql.replace("$1", "'1'"), connection)
    assert frame.equals(literal)


def test_polars_by_address_reaches_the_server_without_a_token(house):
    """Its addresses have no place for one: the way is a connection, and the refusal says so."""
    uri = f"flightsql://{house.address}?transport=tcp"
    with pytest.raises(Exception, match="CORDON-A201"):
        polars.read_database_uri(BY_YEAR, uri, engine="adbc")
