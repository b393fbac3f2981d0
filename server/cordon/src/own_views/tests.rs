use arrow_array::cast::AsArray as _;
use arrow_schema::{DataType, TimeUnit};
use cordon_agreements::permit;
use cordon_catalogue::Catalogue;
use cordon_disclosure::{AuditEvent, Fingerprint, Ledger as _, Profile, Timestamp};

use super::*;

const DEMO1: &str = include_str!("../../../../deploy/agreements/DARS-NIC-000001-DEMO1.toml");
const DEMO3: &str = include_str!("../../../../deploy/agreements/DARS-NIC-000003-DEMO3.toml");

fn event(query_id: &str, analyst: &str, agreement: &str, outcome: AuditOutcome) -> AuditEvent {
    AuditEvent {
        query_id: query_id.to_owned(),
        analyst: analyst.to_owned(),
        agreement: agreement.to_owned(),
        door: "flight".to_owned(),
        sql: format!("SELECT '{query_id}'"),
        fingerprint: Fingerprint([0; 32]),
        versions: String::new(),
        outcome,
    }
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = batch.column_by_name(column).unwrap().as_string::<i32>();
    column.iter().map(|text| text.unwrap_or("null").to_owned()).collect()
}

#[test]
fn only_own_work_under_the_agreement_of_the_question_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let state = SqliteState::open(folder.path().join("state.sqlite")).unwrap();
    let catalogue = Catalogue::built_in().unwrap();
    let files = [("1".to_owned(), DEMO1.to_owned()), ("3".to_owned(), DEMO3.to_owned())];
    let agreements = Agreements::from_files(files, &catalogue, &Profile::built_in).unwrap();
    let who = UserId::new("cordon-local", "researcher");
    let today = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap();
    let permit = permit(&agreements, &who, None, today).unwrap();

    let released = AuditOutcome::Released { rows: 3, columns: 2 };
    let (own, other) = ("cordon-local#researcher", "cordon-local#commissioner");
    for event in [
        event("q1", own, "DARS-NIC-000001-DEMO1", released.clone()),
        event("q2", own, "DARS-NIC-000003-DEMO3", AuditOutcome::Refused("CORDON-A103".to_owned())),
        event("q3", other, "DARS-NIC-000001-DEMO1", released.clone()),
        event("q4", own, "DARS-NIC-000001-DEMO1", AuditOutcome::Refused("CORDON-D101".to_owned())),
    ] {
        state.record(&event, Timestamp(1_000)).unwrap();
    }
    for (query, analyst) in [("q1", own), ("q2", own), ("q3", other)] {
        state.keep_notes(query, analyst, Timestamp(1_000), [(None, "rounded")]).unwrap();
    }

    let work = OwnWork { state, agreements: AgreementsInForce::new(agreements) };
    let views = work.views(&permit);
    let view = |name: &str| &views[&name.parse::<TableName>().unwrap()];
    assert_eq!(texts(view("my.queries"), "query_id"), ["q4", "q1"]);
    assert_eq!(texts(view("my.queries"), "outcome"), ["CORDON-D101", "released"]);
    let moment = DataType::Timestamp(TimeUnit::Millisecond, Some("+00:00".into()));
    assert_eq!(view("my.queries").schema().field(1).data_type(), &moment);
    assert_eq!(texts(view("my.notes"), "query_id"), ["q1"]);
    let references = texts(view("my.agreements"), "reference");
    assert_eq!(references, ["DARS-NIC-000001-DEMO1", "DARS-NIC-000003-DEMO3"]);
    assert_eq!(texts(view("my.agreements"), "status")[1], "ended");
    assert_eq!(texts(view("my.agreements"), "tables")[0], "hes.ae, hes.apc, hes.op");
}
