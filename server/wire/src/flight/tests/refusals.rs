//! What is told, and recorded, when the answer is no.

use std::sync::Arc;

use arrow_flight::Action;
use arrow_flight::sql::{
    ActionBeginTransactionRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedSubstraitPlanRequest, CommandPreparedStatementUpdate,
    CommandStatementIngest, CommandStatementSubstraitPlan, CommandStatementUpdate,
};
use cordon_disclosure::{
    Asked, AuditEvent, AuditOutcome, Charge, Decide, Ledger, LedgerError, Question, Recorded,
    Standing, Timestamp,
};

use super::*;
use crate::testing::{ENDED, FIRST, start, start_with};

#[tokio::test]
async fn agreements_decide_and_what_they_refuse_is_recorded() {
    let running = start().await;
    let mut flight = running.flight().await;
    let cases: [(&str, &[Header<'_>], &str); 7] = [
        ("nobody", &[], "CORDON-A101"),
        ("both", &[], "CORDON-A102"),
        ("both", &[("x-cordon-agreement", "DARS-NIC-999999-XXXXX")], "CORDON-A101"),
        ("commissioner", &[("x-cordon-agreement", FIRST)], "CORDON-A101"),
        ("researcher", &[("x-cordon-agreement", ENDED)], "CORDON-A103"),
        ("researcher", &[("x-cordon-agreement", "' OR 1=1 --")], "CORDON-A101"),
        ("researcher", &[("x-cordon-agreement", "\t\u{a3}")], "CORDON-A101"),
    ];
    for (subject, headers, code) in cases {
        let token = running.token(subject);
        let told = flight.get_flight_info(call(&token, headers, statement(SQL))).await.unwrap_err();
        assert_eq!((told.code(), code_of(&told)), (tonic::Code::PermissionDenied, code));

        let row = running.state.audit_tail(1).unwrap().remove(0);
        let query_id = told.metadata().get("cordon-query-id").unwrap().to_str().unwrap();
        assert_eq!(row.event.query_id, query_id);
        assert_eq!(row.event.analyst, format!("cordon-local#{subject}"));
        assert_eq!(row.event.sql, SQL);
        assert_eq!(row.event.outcome, AuditOutcome::Refused(code.to_owned()));
        assert!(!format!("{row:?}").contains(&token));
    }
    for (subject, headers) in [
        ("researcher", &[][..]),
        ("researcher", &[("x-cordon-agreement", "")]),
        ("both", &[("x-cordon-agreement", FIRST)]),
    ] {
        let token = running.token(subject);
        assert!(flight.get_flight_info(call(&token, headers, statement(SQL))).await.is_ok());
    }
}

#[tokio::test]
async fn the_engines_words_reach_the_caller_at_prepare() {
    let running = start().await;
    let token = running.token("researcher");
    let prepare = ActionCreatePreparedStatementRequest {
        query: "SELECT count(*) FROM hes.nothing".into(),
        transaction_id: None,
    };
    let action = Action::new("CreatePreparedStatement", prepare.as_any().encode_to_vec());
    let told = running.flight().await.do_action(call(&token, &[], action)).await.unwrap_err();
    assert_eq!((told.code(), code_of(&told)), (tonic::Code::InvalidArgument, "CORDON-S201"));
    assert!(told.message().starts_with("`hes.nothing` does not exist; try: "));
    assert!(told.metadata().contains_key("cordon-query-id"));

    let mut flight = running.flight().await;
    let told = flight.get_flight_info(call(&token, &[], statement("broken"))).await.unwrap_err();
    assert_eq!((told.code(), code_of(&told)), (tonic::Code::Internal, "CORDON-X103"));
    assert!(told.message().contains("error id e-1"), "{}", told.message());
}

#[tokio::test]
async fn what_is_not_offered_is_said_in_one_sentence() {
    let running = start().await;
    let token = running.token("researcher");
    let mut flight = running.flight().await;
    let commands = [
        CommandStatementUpdate::default().as_any(),
        CommandPreparedStatementUpdate::default().as_any(),
        CommandStatementIngest::default().as_any(),
        CommandStatementSubstraitPlan::default().as_any(),
    ];
    for any in commands {
        let descriptor = FlightDescriptor::new_cmd(any.encode_to_vec());
        let message = arrow_flight::FlightData::new().with_descriptor(descriptor.clone());
        let put = call(&token, &[], futures::stream::iter([message]));
        let told = flight.do_put(put).await.unwrap_err();
        assert_eq!((told.code(), code_of(&told)), (tonic::Code::Unimplemented, "CORDON-X109"));
        let told = flight.get_flight_info(call(&token, &[], descriptor)).await.unwrap_err();
        assert_eq!(told.code(), tonic::Code::Unimplemented, "{told:?}");
    }
    let actions = [
        Action::new("BeginTransaction", ActionBeginTransactionRequest {}.as_any().encode_to_vec()),
        Action::new(
            "CreatePreparedSubstraitPlan",
            ActionCreatePreparedSubstraitPlanRequest::default().as_any().encode_to_vec(),
        ),
        Action::new("RenewFlightEndpoint", Vec::new()),
        Action::new("", Vec::new()),
        Action::new("Nonsense", vec![0xff; 100]),
    ];
    for action in actions {
        let told = flight.do_action(call(&token, &[], action)).await.unwrap_err();
        assert_eq!((told.code(), code_of(&told)), (tonic::Code::Unimplemented, "CORDON-X109"));
    }
    let in_transaction = arrow_flight::sql::CommandStatementQuery {
        query: SQL.into(),
        transaction_id: Some(vec![1].into()),
    };
    let told = flight.get_flight_info(call(&token, &[], asked_for(&in_transaction))).await;
    assert_eq!(code_of(&told.unwrap_err()), "CORDON-X109");
    let empty = futures::stream::iter(Vec::<arrow_flight::FlightData>::new());
    let told = flight.do_exchange(call(&token, &[], empty)).await.unwrap_err();
    assert_eq!(code_of(&told), "CORDON-X109");
}

#[tokio::test]
async fn nonsense_is_no_command() {
    let running = start().await;
    let token = running.token("researcher");
    let mut flight = running.flight().await;
    let mut good = statement(SQL).cmd.to_vec();
    good.truncate(good.len() / 2);
    for bytes in
        [vec![], vec![0xff; 10], b"SELECT 1".to_vec(), good, vec![0x0a, 0xff, 0xff, 0xff, 0x7f]]
    {
        let descriptor = FlightDescriptor::new_cmd(bytes.clone());
        let tellings = [
            flight.get_flight_info(call(&token, &[], descriptor.clone())).await.unwrap_err(),
            flight.poll_flight_info(call(&token, &[], descriptor.clone())).await.unwrap_err(),
            flight.get_schema(call(&token, &[], descriptor)).await.unwrap_err(),
            flight.do_get(call(&token, &[], Ticket::new(bytes))).await.unwrap_err(),
        ];
        for told in tellings {
            assert_eq!(code_of(&told), "CORDON-X109", "{told:?}");
        }
    }
}

/// A ledger that cannot write.
struct Full;

impl Ledger for Full {
    fn exclusive(
        &self,
        _asked: Asked<'_>,
        _now: Timestamp,
        _decide: &mut Decide<'_>,
    ) -> Result<Option<Recorded>, LedgerError> {
        Err(LedgerError { action: "write", source: "disk full".into() })
    }

    fn charge(&self, _question: &Question, _charge: Charge) -> Result<(), LedgerError> {
        Err(LedgerError { action: "write", source: "disk full".into() })
    }

    fn standing(&self, _question: &Question) -> Result<Standing, LedgerError> {
        Err(LedgerError { action: "read", source: "disk full".into() })
    }

    fn record(&self, _event: &AuditEvent, _now: Timestamp) -> Result<Recorded, LedgerError> {
        Err(LedgerError { action: "write", source: "disk full".into() })
    }
}

#[tokio::test]
async fn a_refusal_that_cannot_be_recorded_is_not_told() {
    let running = start_with(Some(Arc::new(Full))).await;
    let token = running.token("both");
    let mut flight = running.flight().await;
    let told = flight.get_flight_info(call(&token, &[], statement(SQL))).await.unwrap_err();
    assert_eq!((told.code(), code_of(&told)), (tonic::Code::Unavailable, "CORDON-X104"));
    assert!(!told.message().contains("disk full") && !told.message().contains(FIRST));
}
