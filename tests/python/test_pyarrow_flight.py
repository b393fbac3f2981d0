"""pyarrow.flight, which knows Flight and not Flight SQL: commands are made by hand."""

import json

import pyarrow
import pyarrow.flight as flight
import pytest

from questions import BY_YEAR, RECORDS, YEARS


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def command(name: str, *fields: bytes) -> bytes:
    kind = f"type.googleapis.com/arrow.flight.protocol.sql.{name}".encode()
    return field(1, kind) + field(2, b"".join(fields))


def statement(sql: str) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(
        command("CommandStatementQuery", field(1, sql.encode()))
    )


@pytest.fixture
def client(house):
    with flight.FlightClient(house.uri) as client:
        yield client


@pytest.fixture
def bearer(house):
    header = (b"authorization", f"Bearer {house.tokens['researcher']}".encode())
    return flight.FlightCallOptions(headers=[header])


def test_a_basic_handshake_gives_a_bearer(house, client):
    header = client.authenticate_basic_token("anybody", house.tokens["researcher"])
    assert header[0] == b"authorization" and header[1].startswith(b"Bearer ")
    options = flight.FlightCallOptions(headers=[header])
    assert client.get_flight_info(statement(BY_YEAR), options).total_records == len(YEARS)


def test_what_is_announced_is_what_is_streamed(client, bearer):
    info = client.get_flight_info(statement(BY_YEAR), bearer)
    reader = client.do_get(info.endpoints[0].ticket, bearer)
    assert reader.schema.equals(info.schema, check_metadata=True)
    table = reader.read_all()
    assert table["fyear"].to_pylist() == YEARS
    assert info.total_records == table.num_rows
    assert info.endpoints[0].locations == []
    assert info.endpoints[0].expiration_time is not None


def test_notes_come_with_the_info(client, bearer):
    info = client.get_flight_info(statement(BY_YEAR), bearer)
    notes = json.loads(info.app_metadata)
    assert notes == json.loads(info.schema.metadata[b"cordon.notes"])


def test_a_schema_comes_without_running(client, bearer):
    assert client.get_schema(statement(BY_YEAR), bearer).schema.names == [
        "fyear",
        "episodes",
        "patients",
    ]


def test_refusals_have_a_class_and_a_code(house, client, bearer):
    with pytest.raises(pyarrow.ArrowInvalid, match="CORDON-D101"):
        client.get_flight_info(statement(RECORDS), bearer)
    with pytest.raises(flight.FlightUnauthenticatedError, match="CORDON-A201"):
        client.get_flight_info(statement(BY_YEAR))
    outsider = (b"authorization", f"Bearer {house.tokens['governance']}".encode())
    with pytest.raises(flight.FlightUnauthorizedError, match="CORDON-A101"):
        client.get_flight_info(statement(BY_YEAR), flight.FlightCallOptions(headers=[outsider]))


def test_another_persons_ticket_is_an_unknown_one(house, client, bearer):
    info = client.get_flight_info(statement(BY_YEAR), bearer)
    other = (b"authorization", f"Bearer {house.tokens['commissioner']}".encode())
    other = flight.FlightCallOptions(headers=[other])
    made_up = flight.Ticket(command("TicketStatementQuery", field(1, b"\x07" * 32)))
    tellings = []
    for ticket in [info.endpoints[0].ticket, made_up]:
        with pytest.raises(KeyError) as error:
            client.do_get(ticket, other).read_all()
        tellings.append(str(error.value))
    assert "CORDON-X107" in tellings[0]
    assert tellings[0].split("(CORDON-X107)")[0] == tellings[1].split("(CORDON-X107)")[0]


def test_every_piece_of_information_is_there(client, bearer):
    def rows(name):
        descriptor = flight.FlightDescriptor.for_command(command(name))
        info = client.get_flight_info(descriptor, bearer)
        return client.do_get(info.endpoints[0].ticket, bearer).read_all()

    info = rows("CommandGetSqlInfo")
    values = dict(zip(info["info_name"].to_pylist(), info["value"].to_pylist(), strict=True))
    wanted = [*range(12), 100, 101, *range(500, 577)]
    assert sorted(values) == wanted
    assert (values[3], values[4], values[5], values[8], values[9]) == (True, True, False, 0, True)
    assert (values[10], values[504], values[517]) == (False, '"', [])
    assert "count" in values[509]

    assert "VARCHAR" in rows("CommandGetXdbcTypeInfo")["type_name"].to_pylist()
    assert rows("CommandGetCatalogs")["catalog_name"].to_pylist() == ["cordon"]
    for keys in ["CommandGetPrimaryKeys", "CommandGetExportedKeys", "CommandGetImportedKeys"]:
        assert rows(keys).num_rows == 0
    assert rows("CommandGetCrossReference").num_rows == 0
    assert rows("CommandGetTables").num_columns == 4


def test_actions_are_listed(client, bearer):
    actions = {action.type for action in client.list_actions(bearer)}
    assert {"CreatePreparedStatement", "ClosePreparedStatement", "CancelFlightInfo"} <= actions
    with pytest.raises(NotImplementedError, match="CORDON-X109"):
        list(client.do_action(flight.Action("Nonsense", b""), bearer))


def test_a_result_is_given_up(client, bearer):
    info = client.get_flight_info(statement(BY_YEAR), bearer)
    cancel = flight.Action("CancelFlightInfo", field(1, info.serialize()))
    list(client.do_action(cancel, bearer))
    with pytest.raises(KeyError, match="CORDON-X107"):
        client.do_get(info.endpoints[0].ticket, bearer).read_all()
