//! Questions about a small population, described so briefly that a failing history can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int32Array, RecordBatch, RecordBatchOptions, UInt8Array,
};
use arrow_schema::{DataType, Field, Schema};
use proptest::prelude::*;
use proptest::sample::{Index as Pick, select};

use crate::tests::{DECIMALS, MemoryLedger, evidence_under, figure, question, secret};
use crate::{
    Fingerprint, Ledger, Measure, Outcome, Profile, Protection, RawAggregates, RawCell, RawMeasure,
    ReleaseError, RowsOf, Secret, Timestamp, release,
};

/// What one person has in one group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::decide) struct Part {
    pub(super) rows: i128,
    pub(super) value: Option<i128>,
}

pub(super) type People = BTreeMap<i64, Part>;

/// Everybody has two rows and a value of 30.00.
pub(super) fn everybody(people: impl IntoIterator<Item = i64>) -> People {
    people.into_iter().map(|person| (person, Part { rows: 2, value: Some(3_000) })).collect()
}

/// Rows and values that differ from person to person: none, small, negative, large.
fn part(person: i64) -> Part {
    let value = match person % 9 {
        0 => None,
        1 => Some(0),
        2 => Some(-4_000),
        3 => Some(7 * 10_i128.pow(24) + i128::from(person)),
        4 => Some(-2_500_000_001),
        _ => Some(1_000 + 37 * i128::from(person)),
    };
    let rows = if person % 11 == 0 { 400 } else { 1 + i128::from(person % 3) };
    Part { rows, value }
}

/// A group label and the grouping set that it belongs to.
pub(super) type Key = (i32, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Persons,
    Rows,
    ValuedPersons,
    ValuedRows,
    Total,
}

impl What {
    pub(super) const ALL: [Self; 5] =
        [Self::Persons, Self::Rows, Self::ValuedPersons, Self::ValuedRows, Self::Total];

    pub(super) fn measure(self) -> Measure {
        match self {
            Self::Persons | Self::ValuedPersons => Measure::Persons,
            Self::Rows | Self::ValuedRows => Measure::Rows,
            Self::Total => Measure::Total { decimals: DECIMALS },
        }
    }

    /// The count of the people whom this measure is about.
    pub(super) fn people(self) -> Self {
        match self {
            Self::Persons | Self::Rows => Self::Persons,
            Self::ValuedPersons | Self::ValuedRows | Self::Total => Self::ValuedPersons,
        }
    }

    /// Who contributes how much.
    pub(super) fn of(self, people: &People) -> BTreeMap<i64, i128> {
        let each = |part: &Part| match self {
            Self::Persons => Some(1),
            Self::Rows => Some(part.rows),
            Self::ValuedPersons => part.value.map(|_| 1),
            Self::ValuedRows => part.value.map(|_| part.rows),
            Self::Total => part.value,
        };
        people.iter().filter_map(|(person, part)| Some((*person, each(part)?))).collect()
    }
}

/// By what a table groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Nothing,
    Label,
    Sets,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) keys: Keys,
    pub(super) groups: Vec<(Key, People)>,
    pub(super) measures: Vec<What>,
    pub(super) domain: Option<Vec<Key>>,
    /// Names, analyst and agreement are made of this.
    pub(super) wording: &'static str,
}

/// One released row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) key: Key,
    pub(super) figures: Vec<Option<i128>>,
    pub(super) spreads: Vec<Option<f64>>,
}

impl Table {
    /// One group of these people, without keys.
    pub(super) fn whole(people: People, measures: &[What]) -> Self {
        Self { keys: Keys::Nothing, ..Self::by_label(vec![((0, 0), people)], measures) }
    }

    pub(super) fn by_label(groups: Vec<(Key, People)>, measures: &[What]) -> Self {
        let measures = measures.to_vec();
        Self { keys: Keys::Label, groups, measures, domain: None, wording: "a" }
    }

    pub(super) fn raw(&self, number: u32, profile: &Profile, secret: &Secret) -> RawAggregates {
        let hashing = secret.people();
        let cells = |what: What| -> Vec<RawCell> {
            let cell = |(_, people): &(Key, People)| {
                evidence_under(&what.of(people), what.measure(), profile, &hashing)
            };
            self.groups.iter().map(cell).collect()
        };
        let named = |(at, what): (usize, &What)| RawMeasure {
            name: format!("{}{at}", self.wording),
            measure: what.measure(),
            most: None,
            cells: cells(*what).into(),
        };
        let mut question = question(0);
        let mut fingerprint = [0; 32];
        fingerprint[..4].copy_from_slice(&number.to_le_bytes());
        question.fingerprint = Fingerprint(fingerprint);
        question.analyst = format!("analyst {}", self.wording);
        question.agreement = format!("agreement {}", self.wording);
        question.query_id = format!("{number}");
        question.tables = self.tables();
        let keys: Vec<Key> = self.groups.iter().map(|(key, _)| *key).collect();
        let measures = self.measures.iter().enumerate().map(named).collect();
        let domain = self.domain.as_ref().map(|domain| self.batch(domain));
        let keys = self.batch(&keys);
        let people = (cells(What::Rows), RowsOf::Base);
        RawAggregates::new(question, profile.clone(), keys, people, measures, domain).unwrap()
    }

    /// Figure columns times grouping sets.
    pub(super) fn tables(&self) -> u64 {
        let sets = if self.keys == Keys::Sets { 2 } else { 1 };
        sets * self.measures.len().max(1) as u64
    }

    fn batch(&self, keys: &[Key]) -> RecordBatch {
        let labels: ArrayRef = Arc::new(keys.iter().map(|key| key.0).collect::<Int32Array>());
        let sets: ArrayRef = Arc::new(keys.iter().map(|key| key.1).collect::<UInt8Array>());
        let label = Field::new(format!("label{}", self.wording), DataType::Int32, false);
        let set = Field::new("__grouping_id", DataType::UInt8, false);
        let (fields, columns) = match self.keys {
            Keys::Nothing => (Vec::new(), Vec::new()),
            Keys::Label => (vec![label], vec![labels]),
            Keys::Sets => (vec![label, set], vec![labels, sets]),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(keys.len()));
        RecordBatch::try_new_with_options(Schema::new(fields).into(), columns, &options).unwrap()
    }

    /// The released table; none when it was refused.
    pub(super) fn try_ask(
        &self,
        number: u32,
        profile: &Profile,
        secret: &Secret,
        ledger: &dyn Ledger,
    ) -> Result<Option<Vec<Line>>, ReleaseError> {
        let raw = self.raw(number, profile, secret);
        let Outcome::Released(table) = release(raw, secret, ledger, Timestamp(0))? else {
            return Ok(None);
        };
        let batch = table.batch();
        let keys = match self.keys {
            Keys::Nothing => 0,
            Keys::Label => 1,
            Keys::Sets => 2,
        };
        let key = |row: usize| {
            let label = |column: &ArrayRef| {
                column.as_any().downcast_ref::<Int32Array>().unwrap().value(row)
            };
            let set = |column: &ArrayRef| {
                column.as_any().downcast_ref::<UInt8Array>().unwrap().value(row)
            };
            let columns = &batch.columns()[..keys];
            (columns.first().map_or(0, label), columns.get(1).map_or(0, set))
        };
        let spread = |column: &ArrayRef, row: usize| {
            let column = column.as_any().downcast_ref::<Float64Array>().unwrap();
            column.is_valid(row).then(|| column.value(row))
        };
        let (from, to) = (keys + self.measures.len(), keys + 2 * self.measures.len());
        assert_eq!(batch.num_columns(), to);
        let line = |row| Line {
            key: key(row),
            figures: batch.columns()[keys..from].iter().map(|c| figure(c, row)).collect(),
            spreads: batch.columns()[from..to].iter().map(|c| spread(c, row)).collect(),
        };
        Ok(Some((0..batch.num_rows()).map(line).collect()))
    }
}

/// One analyst after another, over one ledger.
pub(super) struct House {
    pub(super) profile: Profile,
    pub(super) secret: Secret,
    pub(super) ledger: MemoryLedger,
    questions: u32,
}

impl House {
    pub(super) fn new(profile: &Profile) -> Self {
        Self::under(profile, secret())
    }

    pub(super) fn under(profile: &Profile, secret: Secret) -> Self {
        let ledger = MemoryLedger::default();
        Self { profile: profile.clone(), secret, ledger, questions: 0 }
    }

    /// A question that was never asked in this form.
    pub(super) fn ask(&mut self, table: &Table) -> Vec<Line> {
        self.questions += 1;
        self.again(table, self.questions - 1).unwrap()
    }

    /// How many questions were asked.
    pub(super) fn questions(&self) -> u32 {
        self.questions
    }

    pub(super) fn next(&mut self) {
        self.questions += 1;
    }

    /// The question of this number; none when it is refused.
    pub(super) fn again(&self, table: &Table, number: u32) -> Option<Vec<Line>> {
        table.try_ask(number, &self.profile, &self.secret, &self.ledger).unwrap()
    }

    /// The figures of one group without keys, each with its standard error.
    pub(super) fn whole(&mut self, people: &People, measures: &[What]) -> Vec<Told> {
        let lines = self.ask(&Table::whole(people.clone(), measures));
        let [line] = lines.as_slice() else { panic!("one row") };
        line.figures.iter().copied().zip(line.spreads.iter().copied()).collect()
    }

    pub(super) fn one(&mut self, people: &People, measure: What) -> Told {
        self.whole(people, &[measure])[0]
    }

    pub(super) fn charged(&self) -> u64 {
        self.ledger.charged.lock().unwrap().0
    }

    /// How many sets are remembered.
    pub(super) fn sets(&self) -> usize {
        self.ledger.indexes.lock().unwrap().values().map(crate::Index::len).sum()
    }
}

/// A figure with its standard error.
pub(super) type Told = (Option<i128>, Option<f64>);

pub(super) fn built_in(name: &str) -> Profile {
    Profile::built_in(name).unwrap()
}

/// The two profiles with noise that ship with Cordon.
pub(super) fn both() -> [Profile; 2] {
    ["nhs-sde", "guarded"].map(built_in)
}

/// The same rules without a meter: noise does not grow, however much is asked.
pub(super) fn steady(profile: &Profile) -> Profile {
    let mut steady = profile.clone();
    if let Protection::Noise(rule) = &mut steady.protection {
        (rule.growth_from, rule.growth_most) = (None, None);
    }
    steady
}

/// A profile by its numbers: the lines of `[noise]` beside jitter and separation, and those of `[meter]`.
pub(super) fn variant(heads: [u64; 5], noise: &str, meter: &str) -> Profile {
    let [threshold, rounding, jitter, separation, beyond] = heads;
    let text = format!(
        "name = \"test\"\nthreshold = {threshold}\nrounding = {rounding}\nclip = \"threshold-largest\"\n\
         zeros = \"suppressed\"\nsymbol = \"[c]\"\n[noise]\nthreshold_jitter = {jitter}\n\
         separation = {separation}\nseparation_jitter = {beyond}\n{noise}\n[meter]\n{meter}"
    );
    Profile::from_toml("test", &text).unwrap()
}

/// Other numbers than those of the built-in profiles.
pub(super) fn any_variant() -> impl Strategy<Value = Profile> {
    let noise = select(vec![
        "weights = 0.05\nvariance = 3\nper_person = 0.02\nbound = 5",
        "weights = 0\nvariance = 0.5\nper_person = 0\nbound = 3",
        "weights = 1\nvariance = 12\nper_person = 0.1\nbound = 10",
        // Drawn on a coarser grid.
        "weights = 0.1\nvariance = 90\nper_person = 0\nbound = 600",
    ]);
    let meter = select(vec![
        "",
        "growth_from = 1\nbudget = 14",
        "growth_from = 4\nleast_charge = 0.5",
        "growth_from = 2\ngrowth_most = 3",
    ]);
    let heads = (2_u64..11, select(vec![1_u64, 5, 7]), 0_u64..9, 0_u64..3, 0_u64..21);
    (heads, noise, meter).prop_map(|((least, base, jitter, apart, more), noise, meter)| {
        variant([least, base, jitter, least + apart, more], noise, meter)
    })
}

/// One step of a history.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Ask(Table),
    /// The very question of an earlier step.
    Repeat(Pick),
    /// An earlier question in other words.
    Reword(Pick),
}

/// Groups that are each a few persons away from one of three sets, so that near ones abound.
pub(super) fn any_history(tables: usize) -> impl Strategy<Value = Vec<Step>> {
    let size = prop_oneof![
        14 => 1_i64..22, 3 => 20_i64..34, 1 => 95_i64..120
    ];
    let core = (select(vec![0_i64, 5, 60]), size);
    let cores = prop::collection::vec(core, 3);
    let few = || prop_oneof![7 => 0_usize..4, 1 => 0_usize..14];
    let group = (0_i32..8, 0_u8..2, 0_usize..3, few(), few(), few(), 0_i64..40);
    let keys = select(vec![Keys::Nothing, Keys::Label, Keys::Label, Keys::Sets]);
    let domain = prop::option::of(prop::collection::btree_set((0_i32..9, 0_u8..2), 0..9));
    let some = |number| prop::sample::subsequence(What::ALL.to_vec(), number).prop_shuffle();
    let measures = prop_oneof![1 => some(0..=2), 3 => some(3..=5)];
    let table = (prop::collection::vec(group, 0..11), keys, domain, measures);
    let step = prop_oneof![
        6 => table.prop_map(Ok), 1 => any::<Pick>().prop_map(|pick| Err((pick, true))),
        1 => any::<Pick>().prop_map(|pick| Err((pick, false))),
    ];
    (cores, prop::collection::vec(step, 1..=tables)).prop_map(|(cores, steps)| {
        let made = steps.into_iter().map(|step| match step {
            Err((pick, true)) => Step::Repeat(pick),
            Err((pick, false)) => Step::Reword(pick),
            Ok((groups, keys, domain, measures)) => {
                let set = |set: u8| if keys == Keys::Sets { set } else { 0 };
                let mut made: BTreeMap<Key, People> = BTreeMap::new();
                for (label, id, core, out, into, changed, at) in groups {
                    let (from, size) = cores[core];
                    made.insert((label, set(id)), edited(from, size, [out, into, changed], at));
                }
                if keys == Keys::Nothing {
                    let everybody = made.into_values().next().unwrap_or_default();
                    return Step::Ask(Table::whole(everybody, &measures));
                }
                let domain: Option<BTreeSet<Key>> = domain
                    .map(|domain| domain.into_iter().map(|(label, id)| (label, set(id))).collect());
                // The engine brings groups in any order.
                let groups = made.into_iter().rev().collect();
                let domain = domain.map(|domain| domain.into_iter().collect());
                Step::Ask(Table { keys, domain, ..Table::by_label(groups, &measures) })
            }
        });
        made.collect()
    })
}

/// So many persons of a range less, so many others more, so many with other contributions.
fn edited(from: i64, size: i64, [out, into, changed]: [usize; 3], at: i64) -> People {
    let mut people: People = (from..from + size).map(|person| (person, part(person))).collect();
    for n in 0..out as i64 {
        people.remove(&(from + (at + 3 * n) % size));
    }
    people
        .extend((0..into as i64).map(|n| 200 + (at + n) % 40).map(|person| (person, part(person))));
    for (_, part) in people.iter_mut().skip(at as usize % 4).take(changed) {
        part.rows += 1;
        part.value = part.value.map(|value| value + 700);
    }
    people
}
