//! What tests of the doors share: agreements, tokens, a stand-in for the engine, a server on a free port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow_cast::display::array_value_to_string;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use cordon_agreements::{AgreementId, Agreements, Permit};
use cordon_catalogue::{Catalogue, TableName};
use cordon_disclosure::{Code, Ledger, Profile, Refusal, Timestamp};
use cordon_engine::{Failure, Note, Stop, SubmittedSql};
use cordon_state::SqliteState;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::flight::{FlightDoor, KeepNotes};
use crate::questions::{Finished, Planned, Questions};
use crate::server::serve_door;
use crate::{AgreementsInForce, FlightSettings, Identity, LocalIssuer, Serving};

const FILES: [(&str, &str); 3] = [
    ("1", include_str!("../../../deploy/agreements/DARS-NIC-000001-DEMO1.toml")),
    ("2", include_str!("../../../deploy/agreements/DARS-NIC-000002-DEMO2.toml")),
    ("3", include_str!("../../../deploy/agreements/DARS-NIC-000003-DEMO3.toml")),
];

pub(crate) const FIRST: &str = "DARS-NIC-000001-DEMO1";
pub(crate) const SECOND: &str = "DARS-NIC-000002-DEMO2";
pub(crate) const ENDED: &str = "DARS-NIC-000003-DEMO3";

/// The demo's agreements; `both` is named in the first two, `nobody` in none.
pub(crate) fn agreements() -> Agreements {
    read(|text| {
        text.replace(r#"["researcher"]"#, r#"["researcher", "both"]"#)
            .replace(r#"["commissioner"]"#, r#"["commissioner", "both"]"#)
    })
}

/// The same with nobody named in any.
pub(crate) fn agreements_without_people() -> Agreements {
    read(|text| {
        text.replace(r#"["researcher"]"#, r#"["left"]"#)
            .replace(r#"["commissioner"]"#, r#"["left"]"#)
    })
}

fn read(change: impl Fn(&str) -> String) -> Agreements {
    let files = FILES.map(|(name, text)| (name.to_owned(), change(text)));
    let catalogue = Catalogue::built_in().unwrap();
    Agreements::from_files(files, &catalogue, &|name| Profile::built_in(name)).unwrap()
}

pub(crate) fn agreement_id() -> AgreementId {
    agreements().get(FIRST).unwrap().id().clone()
}

/// Answers without data: two columns, three rows, and the values that were bound.
#[derive(Default)]
pub(crate) struct StandIn {
    pub(crate) runs: AtomicU32,
    pub(crate) cancelled: AtomicBool,
}

fn schema(status: bool, shown_types: bool) -> SchemaRef {
    let text = if shown_types {
        DataType::Utf8
    } else {
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
    };
    let mut fields =
        vec![Field::new("procode3", text, true), Field::new("patients", DataType::Int64, false)];
    if status {
        fields.push(Field::new("patients_status", DataType::Utf8, true));
    }
    Arc::new(Schema::new(fields))
}

#[tonic::async_trait]
impl Questions for StandIn {
    async fn prepare(&self, sql: SubmittedSql) -> Result<Planned, Stop> {
        if sql.text.contains("nothing") {
            return Err(Refusal::new(Code::UnknownTable, "`hes.nothing` does not exist").into());
        }
        let parameters = (0..sql.text.matches('$').count())
            .map(|at| Field::new(at.to_string(), DataType::Null, true))
            .collect::<Vec<_>>();
        Ok(Planned {
            schema: schema(sql.options.status_columns, false),
            parameters: Arc::new(Schema::new(parameters)),
        })
    }

    async fn run(&self, sql: SubmittedSql, cancel: CancellationToken) -> Result<Finished, Stop> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        if sql.text.contains("broken") {
            let error_id = "e-1".to_owned();
            return Err(Stop::Failed(Failure {
                code: Code::Internal,
                error_id,
                retry_after: None,
            }));
        }
        if sql.text.contains("slow") {
            let cancelled = cancel.clone();
            let flag = scopeguard(&self.cancelled, cancelled);
            tokio::time::sleep(Duration::from_secs(600)).await;
            drop(flag);
        }
        let bound = sql.parameters.map_or_else(String::new, |row| {
            let values =
                row.columns().iter().map(|column| array_value_to_string(column, 0).unwrap());
            values.collect::<Vec<_>>().join("+")
        });
        let codes: DictionaryArray<Int32Type> =
            ["RX1", bound.as_str(), sql.permit.agreement().as_str()].into_iter().collect();
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(codes), Arc::new(Int64Array::from(vec![25, 60, 15]))];
        if sql.options.status_columns {
            columns.push(Arc::new(StringArray::from(vec!["released"; 3])));
        }
        let beside = [("cordon.query_id".to_owned(), "q-1".to_owned())].into();
        let schema = schema(sql.options.status_columns, false).as_ref().clone();
        let schema = Arc::new(schema.with_metadata(beside));
        let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
        let notes = vec![Note { column: None, text: "rounded".to_owned() }];
        Ok(Finished { query_id: "q-1".into(), schema, batches: vec![batch], notes })
    }

    fn visible_tables(&self, permit: &Permit) -> Vec<(TableName, SchemaRef)> {
        let mut names: Vec<TableName> = permit.grants().map(|(name, _)| name.clone()).collect();
        names.extend(["ref.icd10", "my.queries"].map(|name| name.parse().unwrap()));
        names.into_iter().map(|name| (name, schema(false, true))).collect()
    }

    fn function_names(&self) -> Vec<String> {
        ["count", "upper", "date_part"].map(str::to_owned).to_vec()
    }
}

/// Notes on drop whether the work was cancelled.
fn scopeguard<'a>(flag: &'a AtomicBool, cancel: CancellationToken) -> impl Drop + 'a {
    struct OnDrop<'a>(&'a AtomicBool, CancellationToken);
    impl Drop for OnDrop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
            self.1.cancel();
        }
    }
    OnDrop(flag, cancel)
}

/// A server on a free port of this machine.
pub(crate) struct Running {
    pub(crate) serving: Serving,
    pub(crate) stand_in: Arc<StandIn>,
    pub(crate) agreements: AgreementsInForce,
    pub(crate) state: Arc<SqliteState>,
    pub(crate) issuer: LocalIssuer,
    pub(crate) shutdown: CancellationToken,
    _folder: tempfile::TempDir,
}

pub(crate) async fn start() -> Running {
    start_with(None).await
}

/// With another ledger than the state file.
pub(crate) async fn start_with(ledger: Option<Arc<dyn Ledger>>) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let issuer = LocalIssuer::open(folder.path()).unwrap();
    let state = SqliteState::open(folder.path().join("state.sqlite")).unwrap();
    let identity = Identity::new(vec![issuer.trusted().unwrap()]).unwrap();
    let stand_in = Arc::new(StandIn::default());
    let agreements = AgreementsInForce::new(agreements());
    let ledger = ledger.unwrap_or_else(|| state.clone());
    let keeper = state.clone();
    let keep_notes: Arc<KeepNotes> = Arc::new(move |query_id, user, notes: &[Note]| {
        let notes = notes.iter().map(|note| (note.column.as_deref(), note.text.as_str()));
        Ok(keeper.keep_notes(query_id, user.as_str(), Timestamp(0), notes)?)
    });
    let door = FlightDoor::new(stand_in.clone(), agreements.clone(), ledger, Some(keep_notes));
    let door = door.unwrap();
    let settings = FlightSettings { address: "127.0.0.1:0".parse().unwrap(), tls: None };
    let shutdown = CancellationToken::new();
    let serving = serve_door(door, identity, settings, shutdown.clone()).await.unwrap();
    Running { serving, stand_in, agreements, state, issuer, shutdown, _folder: folder }
}

impl Running {
    pub(crate) fn token(&self, subject: &str) -> String {
        self.issuer.issue(subject, "researcher", Duration::from_secs(60)).unwrap()
    }

    pub(crate) async fn channel(&self) -> Channel {
        let address = format!("http://{}", self.serving.address());
        Channel::from_shared(address).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn flight(&self) -> FlightServiceClient<Channel> {
        FlightServiceClient::new(self.channel().await)
    }

    pub(crate) async fn client(&self, subject: &str) -> FlightSqlServiceClient<Channel> {
        let mut client = FlightSqlServiceClient::new(self.channel().await);
        client.set_token(self.token(subject));
        client
    }
}
