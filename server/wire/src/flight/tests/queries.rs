//! Statements: run, prepared, bound, fetched, given up.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow_array::{Int64Array, StringArray};
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, Any, CommandPreparedStatementQuery,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightData, IpcMessage,
    SchemaResult,
};
use arrow_schema::Schema;

use super::*;
use crate::testing::{FIRST, SECOND, start};

fn values(rows: usize) -> RecordBatch {
    let numbers = Arc::new(Int64Array::from_iter_values(0..i64::try_from(rows).unwrap()));
    let texts = Arc::new(StringArray::from(vec!["x"; rows]));
    RecordBatch::try_from_iter([("0", numbers as _), ("1", texts as _)]).unwrap()
}

#[tokio::test]
async fn a_statement_runs_once_and_streams_what_was_announced() {
    let running = start().await;
    let token = running.token("researcher");
    let mut flight = running.flight().await;
    let info = flight.get_flight_info(call(&token, &[], statement(SQL))).await.unwrap();
    assert_eq!(info.metadata().get("cordon-query-id").unwrap(), "q-1");
    let info = info.into_inner();
    assert_eq!(running.stand_in.runs.load(Ordering::SeqCst), 1);
    assert_eq!((info.total_records, info.endpoint.len()), (3, 1));
    assert!(info.endpoint[0].location.is_empty());
    assert!(info.endpoint[0].expiration_time.is_some());
    assert_eq!(&info.app_metadata[..], br#"[{"column":null,"text":"rounded"}]"#);
    assert_eq!(info.flight_descriptor, Some(statement(SQL)));
    let kept = running.state.notes_of("cordon-local#researcher", 10).unwrap();
    assert_eq!((kept[0].query_id.as_str(), kept[0].text.as_str()), ("q-1", "rounded"));

    let announced = info.clone().try_decode_schema().unwrap();
    assert_eq!(announced.metadata()["cordon.query_id"], "q-1");
    assert!(announced.fields().iter().all(|field| field.is_nullable()));
    for _ in 0..2 {
        let batches = fetch(&running, &token, ticket_of(&info)).await.unwrap();
        assert_eq!(batches[0].schema().as_ref(), &announced);
        assert_eq!(first_column(&batches), ["RX1", "", FIRST]);
    }
    assert_eq!(running.stand_in.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn preparing_and_asking_for_a_schema_run_nothing() {
    let running = start().await;
    let mut client = running.client("researcher").await;
    let prepared = client.prepare(format!("{SQL} -- $1 $2"), None).await.unwrap();
    assert_eq!(prepared.dataset_schema().unwrap().fields().len(), 2);
    assert_eq!(prepared.parameter_schema().unwrap().fields().len(), 2);

    let token = running.token("researcher");
    let mut flight = running.flight().await;
    let schema = flight.get_schema(call(&token, &[], statement(SQL))).await.unwrap().into_inner();
    let SchemaResult { schema } = schema;
    let schema = Schema::try_from(IpcMessage(schema)).unwrap();
    assert_eq!(&schema, prepared.dataset_schema().unwrap());
    assert_eq!(running.stand_in.runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn values_are_bound_to_a_new_handle() {
    let running = start().await;
    let mut client = running.client("researcher").await;
    let mut prepared = client.prepare(format!("{SQL} -- $1 $2"), None).await.unwrap();
    prepared.set_parameters(values(1)).unwrap();
    let info = prepared.execute().await.unwrap();
    let token = running.token("researcher");
    let batches = fetch(&running, &token, ticket_of(&info)).await.unwrap();
    assert_eq!(first_column(&batches)[1], "0+x");
    prepared.close().await.unwrap();

    let mut prepared = client.prepare(format!("{SQL} -- $1 $2"), None).await.unwrap();
    for rows in [0, 2, 50] {
        prepared.set_parameters(values(rows)).unwrap();
        let told = status_of(prepared.execute().await.unwrap_err());
        assert!(told.contains("CORDON-S204") && told.contains("one row"), "{rows}: {told}");
    }
    let mut prepared = client.prepare(format!("{SQL} -- $1"), None).await.unwrap();
    prepared.set_parameters(values(1)).unwrap();
    let told = status_of(prepared.execute().await.unwrap_err());
    assert!(told.contains("CORDON-S204"), "{told}");
}

/// A prepared statement by hand: its handle.
async fn prepared(running: &Running, token: &str, headers: &[Header<'_>]) -> Vec<u8> {
    let request = arrow_flight::sql::ActionCreatePreparedStatementRequest {
        query: format!("{SQL} -- $1 $2"),
        transaction_id: None,
    };
    let action = Action::new("CreatePreparedStatement", request.as_any().encode_to_vec());
    let answer = running.flight().await.do_action(call(token, headers, action)).await.unwrap();
    let body = answer.into_inner().message().await.unwrap().unwrap().body;
    let any = Any::decode(body).unwrap();
    let result: arrow_flight::sql::ActionCreatePreparedStatementResult =
        any.unpack().unwrap().unwrap();
    result.prepared_statement_handle.to_vec()
}

fn by_handle(handle: &[u8]) -> FlightDescriptor {
    asked_for(&CommandPreparedStatementQuery { prepared_statement_handle: handle.to_vec().into() })
}

#[tokio::test]
async fn handles_and_tickets_are_their_owners_alone() {
    let running = start().await;
    let (own, other) = (running.token("researcher"), running.token("both"));
    let named = [("x-cordon-agreement", FIRST)];
    let handle = prepared(&running, &own, &[]).await;
    let mut flight = running.flight().await;
    let mine = flight.get_flight_info(call(&own, &[], by_handle(&handle))).await.unwrap();
    let ticket = ticket_of(mine.get_ref());

    // Under the same agreement, and under none: as if it did not exist.
    let mut tellings = Vec::new();
    for headers in [&named[..], &[]] {
        for handle in [handle.clone(), vec![7; 32], vec![], vec![0; 4000]] {
            let told = flight.get_flight_info(call(&other, headers, by_handle(&handle))).await;
            tellings.push(told.unwrap_err());
            let told = flight.get_schema(call(&other, headers, by_handle(&handle))).await;
            tellings.push(told.unwrap_err());
        }
    }
    for told in &tellings {
        assert_eq!((told.code(), code_of(told)), (tonic::Code::NotFound, "CORDON-X107"));
        assert_eq!(told.message(), tellings[0].message());
    }
    let unknown = TicketStatementQuery { statement_handle: vec![7; 32].into() };
    let unknown = Ticket::new(unknown.as_any().encode_to_vec());
    let told = fetch(&running, &other, ticket.clone()).await.unwrap_err();
    let told_unknown = fetch(&running, &other, unknown).await.unwrap_err();
    assert_eq!((told.code(), code_of(&told)), (tonic::Code::NotFound, "CORDON-X107"));
    assert_eq!(told.message(), told_unknown.message());

    // Closing somebody else's does nothing, and does not tell.
    let close = arrow_flight::sql::ActionClosePreparedStatementRequest {
        prepared_statement_handle: handle.clone().into(),
    };
    let close = Action::new("ClosePreparedStatement", close.as_any().encode_to_vec());
    flight.do_action(call(&other, &[], close.clone())).await.unwrap();
    assert!(flight.get_flight_info(call(&own, &[], by_handle(&handle))).await.is_ok());
    flight.do_action(call(&own, &[], close)).await.unwrap();
    assert!(flight.get_flight_info(call(&own, &[], by_handle(&handle))).await.is_err());
    assert!(fetch(&running, &own, ticket).await.is_ok());
}

#[tokio::test]
async fn handles_and_tickets_are_bound_to_their_agreement() {
    let running = start().await;
    let both = running.token("both");
    let (first, second) = ([("x-cordon-agreement", FIRST)], [("x-cordon-agreement", SECOND)]);
    let handle = prepared(&running, &both, &second).await;
    let mut flight = running.flight().await;
    let told = flight.get_flight_info(call(&both, &first, by_handle(&handle))).await.unwrap_err();
    assert_eq!(code_of(&told), "CORDON-X107");
    // Without the header the statement's own agreement holds.
    let info = flight.get_flight_info(call(&both, &[], by_handle(&handle))).await.unwrap();
    let ticket = ticket_of(info.get_ref());
    let batches = fetch(&running, &both, ticket.clone()).await.unwrap();
    assert_eq!(first_column(&batches)[2], SECOND);
    let told = flight.do_get(call(&both, &first, ticket)).await.unwrap_err();
    assert_eq!(code_of(&told), "CORDON-X107");
}

#[tokio::test]
async fn an_agreement_that_ends_stops_the_next_call() {
    let running = start().await;
    let token = running.token("researcher");
    let handle = prepared(&running, &token, &[]).await;
    let mut flight = running.flight().await;
    let info = flight.get_flight_info(call(&token, &[], by_handle(&handle))).await.unwrap();
    let ticket = ticket_of(info.get_ref());

    running.agreements.replace(crate::testing::agreements_without_people());
    let tellings = [
        flight.get_flight_info(call(&token, &[], by_handle(&handle))).await.unwrap_err(),
        flight.get_schema(call(&token, &[], by_handle(&handle))).await.unwrap_err(),
        flight.get_flight_info(call(&token, &[], statement(SQL))).await.unwrap_err(),
        flight.do_get(call(&token, &[], ticket)).await.unwrap_err(),
    ];
    for told in tellings {
        assert_eq!((told.code(), code_of(&told)), (tonic::Code::PermissionDenied, "CORDON-A101"));
    }
    assert_eq!(running.stand_in.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn status_columns_are_decided_when_the_statement_is_prepared() {
    let running = start().await;
    let token = running.token("researcher");
    let wanted = [("x-cordon-status-columns", "true")];
    let mut flight = running.flight().await;
    for (headers, columns) in [(&wanted[..], 3), (&[], 2)] {
        let handle = prepared(&running, &token, headers).await;
        for later in [&wanted[..], &[]] {
            let call = call(&token, later, by_handle(&handle));
            let info = flight.get_flight_info(call).await.unwrap().into_inner();
            assert_eq!(info.try_decode_schema().unwrap().fields().len(), columns);
        }
    }
}

#[tokio::test]
async fn damaged_bindings_are_refused() {
    let running = start().await;
    let token = running.token("researcher");
    let handle = prepared(&running, &token, &[]).await;
    let first = |header: &[u8]| {
        FlightData::new().with_descriptor(by_handle(&handle)).with_data_header(header.to_vec())
    };
    let large = FlightData::new().with_data_body(vec![0; 1 << 20]);
    let huge = FlightData::new().with_data_body(vec![0; 5 << 20]);
    let none = FlightData::new();
    for (messages, code) in [
        (vec![first(b"")], "CORDON-S204"),
        (vec![first(b"not arrow")], "CORDON-S204"),
        (vec![first(&[0xff; 64]), none.clone()], "CORDON-S204"),
        (vec![first(b""), large], "CORDON-S204"),
        (vec![first(b""), huge], "CORDON-S204"),
        (vec![first(b""); 40], "CORDON-S204"),
        (vec![none], "CORDON-X109"),
        (vec![], "CORDON-X109"),
    ] {
        let call = call(&token, &[], futures::stream::iter(messages));
        let told = running.flight().await.do_put(call).await.unwrap_err();
        assert_eq!(code_of(&told), code, "{told:?}");
    }
}

#[tokio::test]
async fn a_poll_is_complete_at_once() {
    let running = start().await;
    let token = running.token("researcher");
    let mut flight = running.flight().await;
    let poll = flight.poll_flight_info(call(&token, &[], statement(SQL))).await.unwrap();
    assert_eq!(poll.metadata().get("cordon-query-id").unwrap(), "q-1");
    let poll = poll.into_inner();
    assert_eq!((poll.progress, poll.flight_descriptor), (Some(1.0), None));
    let batches = fetch(&running, &token, ticket_of(&poll.info.unwrap())).await.unwrap();
    assert_eq!(batches[0].num_rows(), 3);
}

#[tokio::test]
async fn a_result_can_be_given_up_by_its_owner() {
    let running = start().await;
    let (own, other) = (running.token("researcher"), running.token("both"));
    let mut flight = running.flight().await;
    for old_name in [false, true] {
        let info = flight.get_flight_info(call(&own, &[], statement(SQL))).await.unwrap();
        let info = info.into_inner();
        let action = if old_name {
            let cancel = ActionCancelQueryRequest { info: info.encode_to_vec().into() };
            Action::new("CancelQuery", cancel.as_any().encode_to_vec())
        } else {
            let cancel = CancelFlightInfoRequest { info: Some(info.clone()) };
            Action::new("CancelFlightInfo", cancel.encode_to_vec())
        };
        let told = flight.do_action(call(&other, &[], action.clone())).await.unwrap_err();
        assert_eq!(code_of(&told), "CORDON-X107");
        assert!(fetch(&running, &own, ticket_of(&info)).await.is_ok());

        let done = flight.do_action(call(&own, &[], action.clone())).await.unwrap();
        let body = done.into_inner().message().await.unwrap().unwrap().body;
        if old_name {
            let any = Any::decode(body).unwrap();
            let result: ActionCancelQueryResult = any.unpack().unwrap().unwrap();
            assert_eq!(result.result, 1);
        } else {
            let result = CancelFlightInfoResult::decode(body).unwrap();
            assert_eq!(result.status, CancelStatus::Cancelled as i32);
        }
        assert!(fetch(&running, &own, ticket_of(&info)).await.is_err());
        assert!(flight.do_action(call(&own, &[], action)).await.is_err());
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_stops_the_work() {
    let running = start().await;
    let token = running.token("researcher");
    let mut flight = running.flight().await;
    let slow = flight.get_flight_info(call(&token, &[], statement("slow")));
    assert!(tokio::time::timeout(Duration::from_millis(300), slow).await.is_err());
    for _ in 0..100 {
        if running.stand_in.cancelled.load(Ordering::SeqCst) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the work goes on");
}
