"""SQLAlchemy and notebooks with the %sql magic."""

from urllib.parse import quote

import pytest
import sqlalchemy
from conftest import AGREEMENT
from IPython.core.interactiveshell import InteractiveShell
from sql.connection import ConnectionManager

from questions import BY_YEAR, RECORDS, YEARS


def url(house, role="researcher", **more):
    token = quote(house.tokens[role], safe="")
    rest = "".join(f"&{name}={value}" for name, value in more.items())
    return f"adbc+flightsql://any:{token}@{house.address}/?tls=false{rest}"


def test_an_engine_is_asked(house):
    engine = sqlalchemy.create_engine(url(house))
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text(BY_YEAR)).all()
    assert [row.fyear for row in rows] == YEARS
    engine.dispose()


def test_an_agreement_is_chosen_in_the_address(house):
    good = sqlalchemy.create_engine(url(house, **{"header.x-cordon-agreement": AGREEMENT}))
    with good.connect() as connection:
        assert connection.execute(sqlalchemy.text(BY_YEAR)).all()
    other = sqlalchemy.create_engine(url(house, **{"header.x-cordon-agreement": "DARS-NIC-9"}))
    with other.connect() as connection, pytest.raises(Exception, match="CORDON-A101"):
        connection.execute(sqlalchemy.text(BY_YEAR))
    good.dispose()
    other.dispose()


def test_a_refusal_is_passed_on(house):
    engine = sqlalchemy.create_engine(url(house))
    with engine.connect() as connection, pytest.raises(Exception, match="CORDON-D101"):
        connection.execute(sqlalchemy.text(RECORDS))
    engine.dispose()


def test_tables_are_inspected(house):
    engine = sqlalchemy.create_engine(url(house))
    assert {"hes", "ref"} <= set(sqlalchemy.inspect(engine).get_schema_names())
    engine.dispose()


@pytest.fixture
def notebook():
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "sql")
    yield shell
    ConnectionManager.close_all()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("by_address", [True, False])
def test_a_notebook_asks(house, notebook, by_address, capsys):
    with house.connect() as connection:
        notebook.push({"connection": connection})
        notebook.run_line_magic("sql", url(house) if by_address else "connection")
        notebook.run_line_magic("config", "SqlMagic.autopandas = True")
        result = notebook.run_cell_magic("sql", "", BY_YEAR.strip())
        assert result["fyear"].tolist() == YEARS

        notebook.run_cell(f"%sql {RECORDS}")
        told = capsys.readouterr()
        assert "CORDON-D101" in told.out + told.err
