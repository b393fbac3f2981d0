//! What the tests of this crate share: a small population with obvious evidence, and a ledger in memory.
//! Durable ledgers live elsewhere; this one exists in tests only, because it would break "recorded first".

mod codes;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use arrow_array::{
    Array, ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;

use crate::{
    Asked, AuditEvent, Charge, Decide, Earlier, Fingerprint, Gathering, Index, Ledger, LedgerError,
    Measure, Outcome, Part, PeopleKey, Profile, Question, RawAggregates, RawCell, RawError,
    RawMeasure, Recorded, ReleaseError, ReleasedTable, RowsOf, Scope, Secret, Standing, Timestamp,
    release,
};

pub(crate) fn profile(threshold: u64, rounding: u64, clip: &str, zeros: &str) -> Profile {
    let text = format!(
        "name = \"test\"\nthreshold = {threshold}\nrounding = {rounding}\nclip = \"{clip}\"\n\
         zeros = \"{zeros}\"\nsymbol = \"[c]\""
    );
    Profile::from_toml("test", &text).unwrap()
}

pub(crate) fn any_profile() -> impl Strategy<Value = Profile> {
    let clip = prop_oneof![Just("threshold-largest"), Just("none")];
    let zeros = prop_oneof![Just("suppressed"), Just("shown")];
    (2_u64..6, prop_oneof![Just(1_u64), 2_u64..8], clip, zeros)
        .prop_map(|(threshold, rounding, clip, zeros)| profile(threshold, rounding, clip, zeros))
}

pub(crate) fn question(fingerprint: u8) -> Question {
    Question {
        query_id: "q".to_owned(),
        analyst: "cordon-local#anna".to_owned(),
        agreement: "DARS-NIC-12345-AAAAA".to_owned(),
        meter: "DARS-NIC-12345-AAAAA".to_owned(),
        scope: Scope("test".to_owned()),
        fingerprint: Fingerprint([fingerprint; 32]),
        tables: MEASURES.len() as u64,
    }
}

/// A group: a code that may be missing, and a band.
pub(crate) type Key = (Option<String>, i32);

/// One base row: its group, whose it is, and a value in hundredths that may be missing.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) person: u8,
    pub(crate) value: Option<i64>,
}

pub(crate) fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let code = prop_oneof![Just(None), "[ab]".prop_map(Some)];
    let value = prop_oneof![
        1 => Just(None), 2 => Just(Some(0)), 4 => (-900_i64..900).prop_map(Some),
        1 => (-9_000_000_i64..9_000_000).prop_map(Some),
    ];
    let row = (code, 0_i32..3, 0_u8..12, value).prop_map(|(code, band, person, value)| Row {
        key: (code, band),
        person,
        value,
    });
    prop::collection::vec(row, 0..70)
}

/// Some keys that the rows use, and some that they may not.
pub(crate) fn any_domain() -> impl Strategy<Value = Option<Vec<Key>>> {
    let key = (prop_oneof![Just(None), "[abc]".prop_map(Some)], 0_i32..4);
    prop::option::of(
        prop::collection::btree_set(key, 0..10).prop_map(|keys| keys.into_iter().collect()),
    )
}

/// Decimals of the total of [`raw`].
pub(crate) const DECIMALS: u8 = 2;

pub(crate) const MEASURES: [(&str, Measure); 4] = [
    ("persons", Measure::Persons),
    ("rows", Measure::Rows),
    ("valued", Measure::Rows),
    ("total", Measure::Total { decimals: DECIMALS }),
];

/// Groups in the order in which the rows bring them, with evidence counted the obvious way.
pub(crate) fn raw(
    rows: &[Row],
    domain: Option<&[Key]>,
    profile: &Profile,
    fingerprint: u8,
) -> Result<RawAggregates, RawError> {
    let mut keys: Vec<Key> = Vec::new();
    for row in rows {
        if !keys.contains(&row.key) {
            keys.push(row.key.clone());
        }
    }
    let of = |key: &Key| rows.iter().filter(|row| row.key == *key).cloned().collect::<Vec<Row>>();
    let people: Vec<_> = keys.iter().map(|key| cell(1, &of(key), profile)).collect();
    let people = (people, RowsOf::Base);
    let measures = MEASURES
        .iter()
        .enumerate()
        .map(|(at, (name, measure))| RawMeasure {
            name: (*name).to_owned(),
            measure: *measure,
            most: None,
            cells: Arc::new(keys.iter().map(|key| cell(at, &of(key), profile)).collect()),
        })
        .collect();
    let domain = domain.map(key_batch);
    RawAggregates::new(
        question(fingerprint),
        profile.clone(),
        key_batch(&keys),
        people,
        measures,
        domain,
    )
}

fn cell(measure: usize, rows: &[Row], profile: &Profile) -> RawCell {
    let mut by_person: BTreeMap<i64, i128> = BTreeMap::new();
    for row in rows.iter().filter(|row| measure < 2 || row.value.is_some()) {
        *by_person.entry(row.person.into()).or_default() += match measure {
            0 => 0,
            1 | 2 => 1,
            _ => i128::from(row.value.unwrap_or(0)),
        };
    }
    evidence_under(&by_person, MEASURES[measure].1, profile, &secret().people())
}

/// What the engine gathers about a set of people and what each contributes.
pub(crate) fn evidence_under(
    by_person: &BTreeMap<i64, i128>,
    measure: Measure,
    profile: &Profile,
    key: &PeopleKey,
) -> RawCell {
    let part = |(person, contribution): (&i64, &i128)| Part {
        person: *person,
        contribution: *contribution,
    };
    let parts: Vec<Part> = by_person.iter().map(part).collect();
    let decimals = match measure {
        Measure::Total { decimals } => Some(decimals),
        Measure::Persons | Measure::Rows => None,
    };
    let cell = RawCell::of_parts(
        &parts,
        &Gathering { threshold: profile.threshold(), decimals, key: *key },
    );
    if measure == Measure::Persons { cell.of_people() } else { cell }
}

pub(crate) fn secret() -> Secret {
    Secret::new(&[7; 32]).unwrap()
}

/// The numbers of the default profile, without its noise.
pub(crate) fn plain() -> Profile {
    profile(10, 5, "threshold-largest", "suppressed")
}

pub(crate) fn key_batch(keys: &[Key]) -> RecordBatch {
    let codes: ArrayRef =
        Arc::new(keys.iter().map(|(code, _)| code.clone()).collect::<StringArray>());
    let bands: ArrayRef = Arc::new(keys.iter().map(|(_, band)| *band).collect::<Int32Array>());
    let schema = Schema::new(vec![
        Field::new("code", DataType::Utf8, true),
        Field::new("band", DataType::Int32, false),
    ]);
    RecordBatch::try_new(schema.into(), vec![codes, bands]).unwrap()
}

pub(crate) fn released(
    raw: RawAggregates,
    ledger: &dyn Ledger,
) -> Result<ReleasedTable, ReleaseError> {
    match release(raw, &secret(), ledger, Timestamp(0))? {
        Outcome::Released(table) => Ok(table),
        Outcome::Refused(refusal) => panic!("release refused: {refusal}"),
    }
}

/// A table as (key, figures) per row, none where suppressed. For tables with the keys of [`Key`].
pub(crate) fn shown(table: &ReleasedTable) -> Vec<(Key, Vec<Option<i128>>)> {
    let batch = table.batch();
    let codes = batch.column(0).as_any().downcast_ref::<StringArray>().unwrap();
    let bands = batch.column(1).as_any().downcast_ref::<Int32Array>().unwrap();
    (0..batch.num_rows())
        .map(|row| {
            let code = codes.is_valid(row).then(|| codes.value(row).to_owned());
            let figures =
                batch.columns()[2..2 + MEASURES.len()].iter().map(|c| figure(c, row)).collect();
            ((code, bands.value(row)), figures)
        })
        .collect()
}

pub(crate) fn figure(column: &ArrayRef, row: usize) -> Option<i128> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.as_any().downcast_ref::<Int64Array>() {
        Some(counts) => i128::from(counts.value(row)),
        None => column.as_any().downcast_ref::<Decimal128Array>().unwrap().value(row),
    })
}

/// A ledger that remembers until it is dropped, and fails on demand.
#[derive(Default)]
pub(crate) struct MemoryLedger {
    pub(crate) tables: Mutex<HashMap<(Scope, Fingerprint), Vec<u8>>>,
    pub(crate) indexes: Mutex<HashMap<Scope, Index>>,
    pub(crate) charged: Mutex<Charge>,
    pub(crate) copied: Mutex<Vec<bool>>,
    pub(crate) cannot_write: bool,
}

struct View<'a>(&'a HashMap<(Scope, Fingerprint), Vec<u8>>, &'a Scope, Charge);

impl Earlier for View<'_> {
    fn table(&self, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.0.get(&(self.1.clone(), *fingerprint)).cloned())
    }

    fn meter(&self) -> Result<Charge, LedgerError> {
        Ok(self.2)
    }
}

impl Ledger for MemoryLedger {
    fn exclusive(
        &self,
        asked: Asked<'_>,
        _now: Timestamp,
        decide: &mut Decide<'_>,
    ) -> Result<Option<Recorded>, LedgerError> {
        let scope = &asked.question.scope;
        let mut tables = self.tables.lock().unwrap();
        let mut indexes = self.indexes.lock().unwrap();
        let k = asked.separation.unwrap_or(2);
        let index = indexes.entry(scope.clone()).or_insert_with(|| Index::new(k));
        let mark = index.mark();
        let mut charged = self.charged.lock().unwrap();
        let decided = match decide(&View(&tables, scope, *charged), index) {
            Ok(Some(decided)) => decided,
            other => {
                index.forget_since(mark);
                return other.map(|_| None);
            }
        };
        if self.cannot_write {
            index.forget_since(mark);
            return Err(LedgerError { action: "write", source: "disk full".into() });
        }
        self.copied.lock().unwrap().push(decided.copied);
        *charged = charged.and(decided.charge);
        tables.insert((scope.clone(), asked.question.fingerprint), decided.table);
        Ok(Some(Recorded(tables.len() as u64)))
    }

    fn charge(&self, _question: &Question, charge: Charge) -> Result<(), LedgerError> {
        let mut charged = self.charged.lock().unwrap();
        *charged = charged.and(charge);
        Ok(())
    }

    fn standing(&self, question: &Question) -> Result<Standing, LedgerError> {
        let known = (question.scope.clone(), question.fingerprint);
        let known = self.tables.lock().unwrap().contains_key(&known);
        Ok(Standing { known, meter: *self.charged.lock().unwrap() })
    }

    fn record(&self, _event: &AuditEvent, _now: Timestamp) -> Result<Recorded, LedgerError> {
        Ok(Recorded(0))
    }
}
