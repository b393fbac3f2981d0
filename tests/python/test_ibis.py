"""Ibis writes SQL; it has no Flight SQL backend, so that the SQL is sent over ADBC."""

import ibis

from questions import YEARS


def test_sql_that_ibis_writes_is_answered(ask):
    columns = {"fyear": "string", "sex": "string", "pseudo_hesid": "string", "startage": "int32"}
    apc = ibis.table(columns, name="apc", database="hes")
    grown = apc.filter(apc.startage >= 18)
    by_year = grown.group_by("fyear").agg(
        episodes=grown.count(), patients=grown.pseudo_hesid.nunique()
    )
    sql = ibis.to_sql(by_year.order_by("fyear"), dialect="datafusion")
    table = ask(str(sql))
    assert table["fyear"].to_pylist() == YEARS
    assert all(figure > 0 for figure in table["patients"].to_pylist())
