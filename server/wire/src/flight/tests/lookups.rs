//! Metadata, as JDBC, ODBC, ADBC and pandas ask for it; and sessions.

use std::collections::HashMap;

use arrow_array::{Array as _, BinaryArray};
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTables, CommandGetXdbcTypeInfo, SqlInfo,
};
use arrow_flight::{Action, IpcMessage, SchemaAsIpc};
use arrow_schema::Schema;
use futures::StreamExt as _;

use super::*;
use crate::flight::sessions::{
    CloseSessionResult, CloseSessionStatus, GetSessionOptionsResult, OptionErrorValue, OptionValue,
    SessionOptionValue, SetSessionOptionsRequest, SetSessionOptionsResult,
};
use crate::testing::start;

/// Asks as a driver does: GetFlightInfo, then DoGet; both say the same columns.
async fn look_up(running: &Running, subject: &str, command: &impl ProstMessageExt) -> RecordBatch {
    let token = running.token(subject);
    let mut flight = running.flight().await;
    let info = flight.get_flight_info(call(&token, &[], asked_for(command))).await.unwrap();
    let info = info.into_inner();
    let stream = flight.do_get(call(&token, &[], ticket_of(&info))).await.unwrap().into_inner();
    let mut stream =
        FlightRecordBatchStream::new_from_flight_data(stream.map_err(FlightError::from));
    let batches: Vec<RecordBatch> = stream.by_ref().try_collect().await.unwrap();
    let announced = info.try_decode_schema().unwrap();
    let streamed = stream.schema().unwrap().clone();
    assert_eq!(streamed.as_ref(), &announced);
    let schema = flight.get_schema(call(&token, &[], asked_for(command))).await.unwrap();
    assert_eq!(Schema::try_from(IpcMessage(schema.into_inner().schema)).unwrap(), announced);
    // A list without rows comes as its columns and nothing more.
    assert!(batches.len() <= 1);
    batches.into_iter().next().unwrap_or_else(|| RecordBatch::new_empty(streamed))
}

fn column(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = batch.column_by_name(name).unwrap();
    let value = |row| arrow_cast::display::array_value_to_string(column, row).unwrap();
    (0..batch.num_rows()).map(value).collect()
}

#[tokio::test]
async fn tables_are_those_of_the_agreement() {
    let running = start().await;
    let all = look_up(&running, "researcher", &CommandGetTables::default()).await;
    assert_eq!(all.num_columns(), 4);
    assert_eq!(column(&all, "table_name"), ["ae", "apc", "op", "queries", "icd10"]);
    assert_eq!(column(&all, "table_type"), ["TABLE", "TABLE", "TABLE", "VIEW", "TABLE"]);
    assert_eq!(column(&all, "catalog_name"), ["cordon"; 5]);
    let named = |text: &str| CommandGetTables {
        table_name_filter_pattern: Some(text.to_owned()),
        ..CommandGetTables::default()
    };
    for (pattern, tables) in [
        ("apc", 1),
        ("%", 5),
        ("a__", 1),
        ("o_", 1),
        ("", 0),
        (SQL, 0),
        ("(((((((((((((((((((((((", 0),
        ("\\", 0),
    ] {
        let found = look_up(&running, "researcher", &named(pattern)).await;
        assert_eq!(found.num_rows(), tables, "{pattern}");
    }
    let long = look_up(&running, "researcher", &named(&"%a_".repeat(40_000))).await;
    assert_eq!(long.num_rows(), 0);
    let of = |catalog: Option<&str>, schema: Option<&str>, kinds: &[&str]| CommandGetTables {
        catalog: catalog.map(str::to_owned),
        db_schema_filter_pattern: schema.map(str::to_owned),
        table_types: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..CommandGetTables::default()
    };
    for (command, tables) in [
        (of(Some("cordon"), None, &[]), 5),
        (of(Some("other"), None, &[]), 0),
        (of(Some(""), None, &[]), 0),
        (of(None, Some("hes"), &[]), 3),
        (of(None, Some("%e%"), &["TABLE"]), 4),
        (of(None, None, &["VIEW"]), 1),
        (of(None, None, &["SYSTEM TABLE"]), 0),
    ] {
        assert_eq!(look_up(&running, "researcher", &command).await.num_rows(), tables);
    }
}

#[tokio::test]
async fn schemas_of_tables_come_when_they_are_wanted() {
    let running = start().await;
    let wanted = CommandGetTables { include_schema: true, ..CommandGetTables::default() };
    let all = look_up(&running, "researcher", &wanted).await;
    assert_eq!(all.num_columns(), 5);
    let schemas = all.column_by_name("table_schema").unwrap();
    let schemas = schemas.as_any().downcast_ref::<BinaryArray>().unwrap();
    let schema = Schema::try_from(IpcMessage(schemas.value(0).to_vec().into())).unwrap();
    let field = schema.field_with_name("patients").unwrap();
    assert_eq!(field.metadata()["ARROW:FLIGHT:SQL:TYPE_NAME"], "BIGINT");
    assert_eq!(field.metadata()["ARROW:FLIGHT:SQL:TABLE_NAME"], "ae");
    assert!(!field.is_nullable());
    // Written once more, the bytes are the same.
    let options = arrow_ipc::writer::IpcWriteOptions::default();
    let again: IpcMessage = SchemaAsIpc::new(&schema, &options).try_into().unwrap();
    assert!(!again.0.is_empty());
}

#[tokio::test]
async fn groups_of_tables_are_schemas() {
    let running = start().await;
    let of = |catalog: Option<&str>, pattern: Option<&str>| CommandGetDbSchemas {
        catalog: catalog.map(str::to_owned),
        db_schema_filter_pattern: pattern.map(str::to_owned),
    };
    for (command, expected) in [
        (of(None, None), &["hes", "my", "ref"][..]),
        (of(Some("cordon"), Some("%e%")), &["hes", "ref"]),
        (of(Some("other"), None), &[]),
        (of(None, Some(SQL)), &[]),
    ] {
        let found = look_up(&running, "researcher", &command).await;
        assert_eq!(column(&found, "db_schema_name"), expected);
    }
    let told = running.client("nobody").await.get_db_schemas(of(None, None)).await.unwrap_err();
    assert!(status_of(told).contains("CORDON-A101"));
}

#[tokio::test]
async fn what_is_the_same_for_everybody_needs_no_agreement() {
    let running = start().await;
    for subject in ["researcher", "both", "nobody"] {
        let mut client = running.client(subject).await;
        let info = client.get_catalogs().await.unwrap();
        let token = running.token(subject);
        let catalogues = fetch(&running, &token, ticket_of(&info)).await.unwrap();
        assert_eq!(first_column(&catalogues), ["cordon"]);
        let info = client.get_table_types().await.unwrap();
        let types = fetch(&running, &token, ticket_of(&info)).await.unwrap();
        assert_eq!(first_column(&types), ["TABLE", "VIEW"]);

        let all = look_up(&running, subject, &CommandGetSqlInfo { info: vec![] }).await;
        assert_eq!(all.num_rows(), 91);
        let some = CommandGetSqlInfo { info: vec![SqlInfo::SqlSupportsConvert as u32, 8, 9999] };
        assert_eq!(look_up(&running, subject, &some).await.num_rows(), 2);
        let types = look_up(&running, subject, &CommandGetXdbcTypeInfo { data_type: None }).await;
        assert_eq!(types.num_rows(), 13);
        let varchar = look_up(&running, subject, &CommandGetXdbcTypeInfo { data_type: Some(12) });
        assert_eq!(column(&varchar.await, "type_name"), ["VARCHAR"]);
    }
}

#[tokio::test]
async fn there_are_no_keys_and_asking_is_no_error() {
    let running = start().await;
    let primary = CommandGetPrimaryKeys { table: "apc".into(), ..Default::default() };
    let keys = look_up(&running, "researcher", &primary).await;
    assert_eq!((keys.num_rows(), keys.num_columns()), (0, 6));
    let exported = CommandGetExportedKeys { table: "apc".into(), ..Default::default() };
    let imported = CommandGetImportedKeys { table: "apc".into(), ..Default::default() };
    let crossed = CommandGetCrossReference { pk_table: "apc".into(), ..Default::default() };
    for keys in [
        look_up(&running, "researcher", &exported).await,
        look_up(&running, "researcher", &imported).await,
        look_up(&running, "researcher", &crossed).await,
    ] {
        assert_eq!((keys.num_rows(), keys.num_columns()), (0, 13));
    }
}

#[tokio::test]
async fn filters_are_not_recorded() {
    let running = start().await;
    let token = running.token("nobody");
    let secret = CommandGetTables {
        table_name_filter_pattern: Some("SELECT 'secret'".into()),
        ..CommandGetTables::default()
    };
    let call = call(&token, &[], asked_for(&secret));
    assert!(running.flight().await.get_flight_info(call).await.is_err());
    let row = running.state.audit_tail(1).unwrap().remove(0);
    assert_eq!(row.event.sql, "CommandGetTables");
}

async fn act<M: prost::Message + Default>(running: &Running, name: &str, body: Vec<u8>) -> M {
    let token = running.token("researcher");
    let action = Action::new(name, body);
    let answer = running.flight().await.do_action(call(&token, &[], action)).await.unwrap();
    M::decode(answer.into_inner().message().await.unwrap().unwrap().body).unwrap()
}

#[tokio::test]
async fn sessions_are_answered_and_hold_nothing() {
    let running = start().await;
    let closed: CloseSessionResult = act(&running, "CloseSession", Vec::new()).await;
    assert_eq!(closed.status, CloseSessionStatus::Closed as i32);
    let options: GetSessionOptionsResult = act(&running, "GetSessionOptions", Vec::new()).await;
    let catalogue = Some(OptionValue::Text("cordon".into()));
    assert_eq!(options.session_options["catalog"].option_value, catalogue);

    let set = |name: &str, value| {
        let value = SessionOptionValue { option_value: value };
        let session_options = HashMap::from([(name.to_owned(), value)]);
        SetSessionOptionsRequest { session_options }.encode_to_vec()
    };
    for (name, value, error) in [
        ("catalog", catalogue.clone(), None),
        ("catalog", None, None),
        ("catalog", Some(OptionValue::Text("other".into())), Some(OptionErrorValue::InvalidValue)),
        ("catalog", Some(OptionValue::Whole(1)), Some(OptionErrorValue::InvalidValue)),
        ("schema", catalogue, Some(OptionErrorValue::InvalidName)),
    ] {
        let result: SetSessionOptionsResult =
            act(&running, "SetSessionOptions", set(name, value)).await;
        assert_eq!(result.errors.get(name).map(|e| e.value), error.map(|e| e as i32), "{name}");
    }
}

#[tokio::test]
async fn listings_are_short_and_true() {
    let running = start().await;
    let token = running.token("researcher");
    let mut flight = running.flight().await;
    let actions = flight.list_actions(call(&token, &[], arrow_flight::Empty {})).await.unwrap();
    let actions: Vec<arrow_flight::ActionType> = actions.into_inner().try_collect().await.unwrap();
    assert_eq!(actions.len(), 7);
    for action in actions {
        let tried =
            flight.do_action(call(&token, &[], Action::new(action.r#type, Vec::new()))).await;
        let message = tried.err().map(|told| told.message().to_owned()).unwrap_or_default();
        assert!(!message.contains("action is not offered"), "{message}");
    }
    let flights = flight.list_flights(call(&token, &[], arrow_flight::Criteria::default())).await;
    let flights: Vec<FlightInfo> = flights.unwrap().into_inner().try_collect().await.unwrap();
    assert!(flights.is_empty());
}

/// What the JDBC driver of Arrow (DBeaver, Tableau) and the ODBC driver of Dremio (Power BI, Excel) send,
/// in their order, as read in their sources: neither can be had as a package.
#[tokio::test]
async fn the_calls_of_jdbc_and_odbc_are_answered() {
    let running = start().await;
    let token = running.token("researcher");
    let mut client = FlightSqlServiceClient::new(running.channel().await);
    client.handshake("researcher", &token).await.unwrap();
    // Parameters of the address that the driver does not know become headers of every call.
    client.set_header("x-cordon-agreement", crate::testing::FIRST);
    client.set_header("user_agent_of_tool", "DBeaver 26");
    let catalog = OptionValue::Text("cordon".into());
    let catalog = SessionOptionValue { option_value: Some(catalog) };
    let options = HashMap::from([("catalog".to_owned(), catalog)]);
    let set = SetSessionOptionsRequest { session_options: options }.encode_to_vec();
    let result: SetSessionOptionsResult = act(&running, "SetSessionOptions", set).await;
    assert!(result.errors.is_empty());

    // The first question about the server has an empty list, which stands for all; types are ODBC's.
    assert!(look_up(&running, "researcher", &CommandGetSqlInfo::default()).await.num_rows() > 80);
    assert!(
        look_up(&running, "researcher", &CommandGetXdbcTypeInfo::default()).await.num_rows() > 10
    );
    let tables = CommandGetTables {
        catalog: Some("cordon".into()),
        db_schema_filter_pattern: Some("hes".into()),
        table_name_filter_pattern: Some("%".into()),
        table_types: vec!["TABLE".into(), "VIEW".into()],
        include_schema: true,
    };
    assert_eq!(look_up(&running, "researcher", &tables).await.num_rows(), 3);
    let keys = CommandGetImportedKeys {
        catalog: Some("cordon".into()),
        db_schema: Some("hes".into()),
        table: "apc".into(),
    };
    assert_eq!(look_up(&running, "researcher", &keys).await.num_rows(), 0);

    let mut statement = client.prepare(SQL.to_owned(), None).await.unwrap();
    // An empty list of columns would make the driver take it for an update.
    let announced = statement.dataset_schema().unwrap().clone();
    assert_eq!(announced.fields().len(), 2);
    let info = statement.execute().await.unwrap();
    let endpoint = info.endpoint[0].clone();
    // The driver opens another connection when an endpoint names a place; ours names none.
    assert!(endpoint.location.is_empty());
    let stream = client.do_get(endpoint.ticket.unwrap()).await.unwrap();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    assert_eq!(batches[0].schema().fields(), announced.fields());
    statement.close().await.unwrap();
    let closed: CloseSessionResult = act(&running, "CloseSession", Vec::new()).await;
    assert_eq!(closed.status, CloseSessionStatus::Closed as i32);
}
