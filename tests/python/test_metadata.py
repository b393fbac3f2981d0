"""What tools ask before they ask for data."""

import pytest

from questions import BY_YEAR


def tables_of(objects):
    catalogues = objects.read_all().to_pylist()
    assert [catalogue["catalog_name"] for catalogue in catalogues] == ["cordon"]
    return {
        schema["db_schema_name"]: {table["table_name"]: table for table in schema["db_schema_tables"]}
        for schema in catalogues[0]["catalog_db_schemas"]
    }


def test_objects_are_those_of_the_agreement(connection):
    tables = tables_of(connection.adbc_get_objects(depth="all"))
    assert set(tables) == {"hes", "my", "ref"}
    assert set(tables["hes"]) == {"ae", "apc", "op"}
    assert set(tables["my"]) == {"agreements", "notes", "queries"}
    assert {"icd10", "sex", "organisation"} <= set(tables["ref"])
    columns = [column["column_name"] for column in tables["hes"]["apc"]["table_columns"]]
    assert "fyear" in columns and "pseudo_hesid" in columns
    # Hidden columns and those of the data that were not granted do not exist.
    assert not [column for column in columns if column.startswith("_")]
    assert tables["hes"]["apc"]["table_type"] == "TABLE"
    assert tables["my"]["queries"]["table_type"] == "VIEW"


def test_another_agreement_shows_other_columns(house):
    def columns(role):
        with house.connect(role) as connection:
            return set(connection.adbc_get_table_schema("apc", db_schema_filter="hes").names)

    assert columns("researcher") != columns("commissioner")


@pytest.mark.parametrize("depth", ["catalogs", "db_schemas", "tables"])
def test_objects_are_listed_at_every_depth(connection, depth):
    assert connection.adbc_get_objects(depth=depth).read_all().num_rows == 1


@pytest.mark.parametrize(
    "wanted, found",
    [("apc", {"apc"}), ("a%", {"ae", "apc"}), ("_p", {"op"}), (BY_YEAR, set()), ("(((%", set())],
)
def test_filters_take_any_text(connection, wanted, found):
    objects = connection.adbc_get_objects(
        depth="tables", table_name_filter=wanted, db_schema_filter="hes"
    )
    assert set(tables_of(objects).get("hes", {})) == found


def test_a_table_has_the_columns_that_a_statement_finds(connection, ask):
    schema = connection.adbc_get_table_schema("sex", db_schema_filter="ref")
    table = ask("SELECT * FROM ref.sex")
    assert schema.names == table.schema.names
    assert schema.types == table.schema.types


def test_the_server_says_what_it_is(connection):
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "Cordon"
    assert info["vendor_version"]
    assert info["vendor_arrow_version"]


def test_there_are_tables_and_views(connection):
    assert connection.adbc_get_table_types() == ["TABLE", "VIEW"]


def test_statements_list_and_describe_too(ask):
    listed = ask("SHOW TABLES")
    names = zip(listed["table_schema"].to_pylist(), listed["table_name"].to_pylist(), strict=True)
    assert ("hes", "apc") in set(names)
    assert "pseudo_hesid" in ask("DESCRIBE hes.apc")["column_name"].to_pylist()
    by_sql = ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'hes'")
    assert set(by_sql["table_name"].to_pylist()) == {"ae", "apc", "op"}
