//! What deciding a table of many small cells costs: `cargo bench -p cordon-disclosure`.
//!
//! Provider by month gives about 10,000 cells, small areas of England 33,000. Times are for a whole table; divided
//! by its cells they are what one more cell costs. Nobody in here is real.
#![expect(missing_docs, reason = "what criterion's macros make")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop anywhere")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::{Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use cordon_disclosure::{
    Asked, AuditEvent, Charge, Decide, Earlier, Fingerprint, Gathered, Gathering, Index, Ledger,
    LedgerError, Measure, Part, Profile, Question, RawAggregates, RawCell, RawMeasure, Recorded,
    RowsOf, Scope, Secret, Standing, Timestamp, release,
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const TABLES: [usize; 2] = [10_000, 33_000];

criterion_group!(benches, tables, gathering);
criterion_main!(benches);

/// Tables of counts, and of counts and sums: nothing answered before, and everything.
fn tables(c: &mut Criterion) {
    let profile = Profile::built_in("nhs-sde").unwrap();
    let secret = Secret::new(&[7; 32]).unwrap();
    let mut group = c.benchmark_group("release");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    for cells in TABLES {
        let world = World::new(cells, &profile, &secret);
        group.throughput(Throughput::Elements(cells as u64));
        for (name, sums) in [("count", false), ("count and sum", true)] {
            group.bench_function(BenchmarkId::new(name, cells), |b| {
                b.iter_batched(
                    || (world.raw(&profile, sums, 1), MemoryLedger::default()),
                    |(raw, ledger)| (release(raw, &secret, &ledger, Timestamp(0)).unwrap(), ledger),
                    BatchSize::PerIteration,
                );
            });
        }
        let known = MemoryLedger::default();
        release(world.raw(&profile, true, 1), &secret, &known, Timestamp(0)).unwrap();
        let mut asked = 1;
        group.bench_function(BenchmarkId::new("known sets", cells), |b| {
            b.iter_batched(
                || {
                    asked += 1;
                    world.raw(&profile, true, asked)
                },
                |raw| release(raw, &secret, &known, Timestamp(0)).unwrap(),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("put together", cells), |b| {
            b.iter_batched(
                || world.parts(&profile, true, 1),
                Parts::together,
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Evidence of cells: of a few people at once, and of many from two parts.
fn gathering(c: &mut Criterion) {
    let secret = Secret::new(&[7; 32]).unwrap();
    let mut group = c.benchmark_group("gather");
    group.sample_size(10).warm_up_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(TABLES[0] as u64));
    for (name, decimals) in [("count", None), ("sum", Some(0))] {
        let by = Gathering { threshold: 10, decimals, key: secret.people() };
        let mut draws = Draws(1);
        let few: Vec<Vec<Part>> =
            (0..TABLES[0]).map(|_| people(&mut draws, 16, decimals)).collect();
        group.bench_function(BenchmarkId::new("of 16 people", name), |b| {
            b.iter(|| few.iter().map(|parts| RawCell::of_parts(parts, &by)).collect::<Vec<_>>());
        });
        let mut half = |_| {
            let mut gathered = Gathered::default();
            for part in people(&mut draws, 200, decimals) {
                gathered.add(&by, &by.key.person(part.person), part.contribution);
            }
            gathered
        };
        let one: Vec<Gathered> = (0..TABLES[0]).map(&mut half).collect();
        let other: Vec<Gathered> = (0..TABLES[0]).map(&mut half).collect();
        group.bench_function(BenchmarkId::new("merge", name), |b| {
            b.iter_batched(
                || one.clone(),
                |mut whole| {
                    for (ours, theirs) in whole.iter_mut().zip(&other) {
                        ours.merge(&by, theirs);
                    }
                    whole
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("evidence", name), |b| {
            b.iter(|| {
                for gathered in &one {
                    black_box(gathered.evidence(&by));
                }
            });
        });
    }
    group.finish();
}

/// Numbers that are the same every time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % most
    }
}

/// So many new people: one row or two each, or days that are mostly few.
fn people(draws: &mut Draws, number: u64, decimals: Option<u8>) -> Vec<Part> {
    let one = |_| {
        let person = draws.below(1 << 40).cast_signed();
        Part { person, contribution: contribution(person, decimals) }
    };
    (0..number).map(one).collect()
}

fn contribution(person: i64, decimals: Option<u8>) -> i128 {
    let own = person.cast_unsigned();
    let (rows, days) = (1 + own % 8 / 7, (own >> 8) % (1 << (own % 8)));
    i128::from(if decimals.is_some() { days } else { rows })
}

/// The evidence of one table.
struct World {
    counts: Vec<RawCell>,
    sums: Vec<RawCell>,
}

impl World {
    /// Cells of 50 to 2,000 people, most of them small.
    fn new(cells: usize, profile: &Profile, secret: &Secret) -> Self {
        let by =
            |decimals| Gathering { threshold: profile.threshold(), decimals, key: secret.people() };
        let mut draws = Draws(0);
        let both = (0..cells).map(|_| {
            let number = (50 << draws.below(6)) + draws.below(50);
            let counted = people(&mut draws, number, None);
            let day =
                |part: &Part| Part { contribution: contribution(part.person, Some(0)), ..*part };
            let summed: Vec<Part> = counted.iter().map(day).collect();
            (RawCell::of_parts(&counted, &by(None)), RawCell::of_parts(&summed, &by(Some(0))))
        });
        let (counts, sums) = both.unzip();
        Self { counts, sums }
    }

    fn parts(&self, profile: &Profile, sums: bool, fingerprint: u64) -> Parts {
        let groups = self.counts.len();
        let counted = |name: &str, measure, cells: &[RawCell]| RawMeasure {
            name: name.to_owned(),
            measure,
            most: None,
            cells: cells.to_vec().into(),
        };
        let mut measures = vec![counted("episodes", Measure::Rows, &self.counts)];
        if sums {
            measures.push(counted("days", Measure::Total { decimals: 0 }, &self.sums));
        }
        let mut print = [0; 32];
        print[..8].copy_from_slice(&fingerprint.to_le_bytes());
        let question = Question {
            query_id: "q".to_owned(),
            analyst: "anna".to_owned(),
            agreement: "DARS-NIC-12345-AAAAA".to_owned(),
            meter: "DARS-NIC-12345-AAAAA".to_owned(),
            scope: Scope("bench".to_owned()),
            fingerprint: Fingerprint(print),
            tables: measures.len() as u64,
        };
        let codes: StringArray = (0..groups).map(|n| Some(format!("RX{}", n * 31 % 211))).collect();
        let months: Int32Array = (0..groups).map(|n| i32::try_from(n).ok()).collect();
        let schema = Schema::new(vec![
            Field::new("procode3", DataType::Utf8, true),
            Field::new("month", DataType::Int32, true),
        ]);
        let keys =
            RecordBatch::try_new(schema.into(), vec![Arc::new(codes), Arc::new(months)]).unwrap();
        Parts { question, profile: profile.clone(), keys, people: self.counts.clone(), measures }
    }

    fn raw(&self, profile: &Profile, sums: bool, fingerprint: u64) -> RawAggregates {
        self.parts(profile, sums, fingerprint).together()
    }
}

struct Parts {
    question: Question,
    profile: Profile,
    keys: RecordBatch,
    people: Vec<RawCell>,
    measures: Vec<RawMeasure>,
}

impl Parts {
    fn together(self) -> RawAggregates {
        let Self { question, profile, keys, people, measures } = self;
        #[expect(clippy::disallowed_methods, reason = "figures that nobody ever sees")]
        let raw =
            RawAggregates::new(question, profile, keys, (people, RowsOf::Base), measures, None);
        raw.unwrap()
    }
}

/// Remembers until it is dropped.
#[derive(Default)]
struct MemoryLedger(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    tables: HashMap<Fingerprint, Vec<u8>>,
    index: Option<Index>,
    charged: Charge,
}

struct View<'a>(&'a HashMap<Fingerprint, Vec<u8>>, Charge);

impl Earlier for View<'_> {
    fn table(&self, fingerprint: &Fingerprint) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.0.get(fingerprint).cloned())
    }

    fn meter(&self) -> Result<Charge, LedgerError> {
        Ok(self.1)
    }
}

impl Ledger for MemoryLedger {
    fn exclusive(
        &self,
        asked: Asked<'_>,
        _now: Timestamp,
        decide: &mut Decide<'_>,
    ) -> Result<Option<Recorded>, LedgerError> {
        let mut memory = self.0.lock().unwrap();
        let Memory { tables, index, charged } = &mut *memory;
        let index = index.get_or_insert_with(|| Index::new(asked.separation.unwrap_or(2)));
        let Some(decided) = decide(&View(tables, *charged), index)? else { return Ok(None) };
        tables.insert(asked.question.fingerprint, decided.table);
        Ok(Some(Recorded(tables.len() as u64)))
    }

    fn charge(&self, _question: &Question, _charge: Charge) -> Result<(), LedgerError> {
        Ok(())
    }

    fn standing(&self, _question: &Question) -> Result<Standing, LedgerError> {
        Ok(Standing { known: false, meter: Charge::default() })
    }

    fn record(&self, _event: &AuditEvent, _now: Timestamp) -> Result<Recorded, LedgerError> {
        Ok(Recorded(0))
    }
}
