//! The release of one table: every cell passes or is suppressed, and the ledger holds it before it is returned.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use crate::groups::Group;
use crate::index::Outcome as CellOutcome;
use crate::meter::Smallest;
use crate::privacy::PrivacyError;
use crate::sabotage::{Control, is_off};
use crate::{
    Asked, Charge, Code, Decided, Earlier, Index, Ledger, LedgerError, Measure, NoiseRule,
    PrivacyRule, Profile, Protection, Question, RawAggregates, RawMeasure, Refusal, Secret,
    Timestamp, decide, rules, stored,
};

/// A table that has passed disclosure control and been recorded. [`release`] is its only constructor; what
/// the ledger recorded earlier becomes a table again only there.
///
/// ```compile_fail,E0451
/// fn forged(batch: arrow_array::RecordBatch) -> cordon_disclosure::ReleasedTable {
///     cordon_disclosure::ReleasedTable { batch, measures: Vec::new(), notes: Vec::new(), metered: None }
/// }
/// ```
/// ```compile_fail,E0277
/// fn forged(batch: arrow_array::RecordBatch) -> cordon_disclosure::ReleasedTable {
///     batch.into()
/// }
/// ```
/// ```compile_fail,E0277
/// fn read<T: serde::de::DeserializeOwned>() {}
/// read::<cordon_disclosure::ReleasedTable>();
/// ```
/// The same line about a type that may be read compiles:
/// ```
/// fn read<T: serde::de::DeserializeOwned>() {}
/// read::<cordon_disclosure::ReleasedMeasure>();
/// ```
pub struct ReleasedTable {
    pub(crate) batch: RecordBatch,
    pub(crate) measures: Vec<ReleasedMeasure>,
    pub(crate) notes: Vec<String>,
    pub(crate) metered: Option<Metered>,
}

/// What a table cost its agreement, and where the meter stands now. Both are public to its analysts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metered {
    /// Charged for this table; nothing for one that was answered before.
    pub charge: Charge,
    /// Charged so far, this table included.
    pub meter: Charge,
    /// By how much the noise of new draws is multiplied from here on.
    pub growth: f64,
    /// The hard budget in answers, if there is one.
    pub budget: Option<f64>,
}

/// One figure column of a released table and what was done to it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReleasedMeasure {
    /// Column name.
    pub name: String,
    /// `persons`, `rows` or `total`.
    pub measure: String,
    /// What was done, in words: `rounded to 5; fewer than 10 people suppressed`.
    pub treatment: String,
}

/// The status of a cell, as `<column>_status` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellStatus {
    /// The figure is shown.
    Released,
    /// Too few people.
    Suppressed,
    /// Computed from a suppressed figure.
    Derived,
}

/// What became of a table.
#[derive(Debug)]
pub enum Outcome {
    /// It may leave.
    Released(ReleasedTable),
    /// It may not, for a reason that does not depend on data.
    Refused(Box<Refusal>),
}

/// Release was not possible: nothing leaves.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// It could not be recorded.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// No noise could be drawn: an internal error.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    /// A figure does not fit its column: an internal error.
    #[error("a released table could not be built")]
    Build(#[source] ArrowError),
    /// The ledger returned without having asked for a decision: an internal error.
    #[error("the ledger recorded nothing")]
    NothingRecorded,
}

/// Decides over every cell, remembers and records the outcome, and only then returns it.
///
/// # Errors
/// When the ledger cannot record, or on an internal error. Never because of what the data hold.
pub fn release(
    raw: RawAggregates,
    secret: &Secret,
    ledger: &dyn Ledger,
    now: Timestamp,
) -> Result<Outcome, ReleaseError> {
    let mut outcome = Err(ReleaseError::NothingRecorded);
    let asked = Asked { question: &raw.question, separation: raw.profile.separation() };
    let recorded = ledger.exclusive(asked, now, &mut |earlier, index| match look_up_or_decide(
        &raw, secret, earlier, index,
    ) {
        Ok(Decision::Table(table, decided)) => {
            outcome = Ok(Outcome::Released(table));
            Ok(Some(*decided))
        }
        Ok(Decision::Refused(refusal)) => {
            outcome = Ok(Outcome::Refused(refusal));
            Ok(None)
        }
        Err(error) => {
            outcome = Err(error);
            Err(LedgerError { action: "decide", source: "no decision was reached".into() })
        }
    });
    // I6: what was decided but not recorded is dropped here. A failed decision is the cause of the
    // ledger's failure, so it is the one that is told.
    match (recorded, outcome) {
        (Ok(Some(_)), outcome) | (Ok(None), outcome @ Ok(Outcome::Refused(_))) => outcome,
        (Ok(None), _) => Err(ReleaseError::NothingRecorded),
        (Err(unrecorded), Ok(_) | Err(ReleaseError::NothingRecorded)) => Err(unrecorded.into()),
        (Err(_), Err(error)) => Err(error),
    }
}

/// The columns of a table as its question names them.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The group keys.
    pub keys: Vec<Field>,
    /// The figures, and what each measures.
    pub measures: Vec<(String, Measure)>,
}

/// What was released when this very question was asked before, under the names of now, and recorded as a copy:
/// nothing is run for it. None where it was not asked.
///
/// # Errors
/// When the ledger cannot read or record, or on an internal error.
pub fn repeat(
    question: &Question,
    profile: &Profile,
    columns: &Columns,
    ledger: &dyn Ledger,
    now: Timestamp,
) -> Result<Option<ReleasedTable>, ReleaseError> {
    let mut outcome = Ok(None);
    let asked = Asked { question, separation: profile.separation() };
    let recorded = ledger.exclusive(asked, now, &mut |earlier, _| {
        let copied = || -> Result<_, ReleaseError> {
            let Some(bytes) = earlier.table(&question.fingerprint)? else { return Ok(None) };
            let table = renamed(stored::open(&bytes, &question.fingerprint)?, columns)?;
            sealed(table, question, profile, earlier, Charge::default()).map(Some)
        };
        match copied() {
            Ok(None) => Ok(None),
            Ok(Some((table, bytes))) => {
                outcome = Ok(Some(table));
                let (charge, sets, near) = (Charge::default(), Vec::new(), Vec::new());
                Ok(Some(Decided { table: bytes, copied: true, charge, sets, near }))
            }
            Err(error) => {
                outcome = Err(error);
                Err(LedgerError { action: "decide", source: "no copy could be made".into() })
            }
        }
    });
    match (recorded, outcome) {
        (_, Err(error)) => Err(error),
        (Err(unrecorded), _) => Err(unrecorded.into()),
        (Ok(Some(_)), Ok(Some(table))) => Ok(Some(table)),
        (Ok(_), Ok(_)) => Ok(None),
    }
}

enum Decision {
    Table(ReleasedTable, Box<Decided>),
    Refused(Box<Refusal>),
}

/// The look-up comes first: the same question receives the same answer, copied whole and free (I3).
fn look_up_or_decide(
    raw: &RawAggregates,
    secret: &Secret,
    earlier: &dyn Earlier,
    index: &mut Index,
) -> Result<Decision, ReleaseError> {
    let fingerprint = &raw.question.fingerprint;
    let before = index.mark();
    let mut near = Vec::new();
    let (table, copied, charge) = match earlier.table(fingerprint)? {
        Some(bytes) => {
            let table = renamed(stored::open(&bytes, fingerprint)?, &raw.columns())?;
            (table, true, Charge::default())
        }
        None => match &raw.profile.protection {
            Protection::Rules | Protection::CellKey => {
                (table(raw, &by_rules(raw))?, false, Charge::default())
            }
            Protection::Privacy(rule) => {
                if let Some(refusal) = spent(&raw.profile, earlier.meter()?, raw.question.tables) {
                    return Ok(Decision::Refused(Box::new(refusal)));
                }
                let charge = most_charged(&raw.profile, raw.question.tables);
                (table(raw, &by_privacy(raw, rule)?)?, false, charge)
            }
            Protection::Noise(rule) => {
                let meter = earlier.meter()?;
                if let Some(refusal) = spent(&raw.profile, meter, raw.question.tables) {
                    return Ok(Decision::Refused(Box::new(refusal)));
                }
                let decided = by_noise(raw, rule, secret, index, meter);
                near = decided.near;
                (table(raw, &decided.rows)?, false, decided.charge)
            }
        },
    };
    let (table, sealed) = sealed(table, &raw.question, &raw.profile, earlier, charge)?;
    // A repeat, and a profile without memory, have nothing to keep.
    let unchanged = index.mark() == before;
    let sets = if unchanged { Vec::new() } else { index.bytes_since(before) };
    let decided = Decided { table: sealed, copied, charge, sets, near };
    Ok(Decision::Table(table, Box::new(decided)))
}

/// A table with what it cost, and as the ledger keeps it.
fn sealed(
    mut table: ReleasedTable,
    question: &Question,
    profile: &Profile,
    earlier: &dyn Earlier,
    charge: Charge,
) -> Result<(ReleasedTable, Vec<u8>), ReleaseError> {
    if profile.has_meter() {
        let meter = earlier.meter()?.and(charge);
        let (growth, budget) = (profile.growth(meter.answers()), profile.budget());
        table.metered = Some(Metered { charge, meter, growth, budget });
    }
    let sealed = stored::seal(&table, &question.fingerprint).map_err(ReleaseError::Build)?;
    Ok((table, sealed))
}

/// The refusal of a question that an agreement's budget may not reach: so many figure columns times grouping
/// sets. It speaks of the meter and the text only, which are public.
pub fn spent(profile: &Profile, meter: Charge, tables: u64) -> Option<Refusal> {
    let budget = profile.budget()?;
    let most = most_charged(profile, tables);
    (meter.and(most).answers() > budget).then(|| {
        let left = (budget - meter.answers()).max(0.0);
        Refusal::new(
            Code::BudgetSpent,
            format!(
                "of the agreement's budget of {budget} charged answers {left:.2} are left, and this can be charged {:.2}",
                most.answers()
            ),
        )
    })
}

/// What so many figure columns times grouping sets can be charged at most; nothing under profiles without a
/// meter.
#[expect(clippy::cast_precision_loss, reason = "numbers of columns are far below 2^52")]
pub fn most_charged(profile: &Profile, tables: u64) -> Charge {
    match &profile.protection {
        Protection::Noise(rule) => Charge::of(tables as f64 * rule.largest_charge(profile)),
        Protection::Privacy(_) => Charge::of(tables as f64),
        Protection::Rules | Protection::CellKey => Charge::default(),
    }
}

/// The rows of a table: their groups, and what becomes of each figure.
struct Rows {
    groups: Vec<Group>,
    /// Of each group as many as there are measures.
    figures: Vec<CellOutcome>,
    measures: usize,
}

impl Rows {
    fn new(raw: &RawAggregates) -> Self {
        let (groups, measures) = (raw.groups.ordered().len(), raw.measures.len());
        let figures = Vec::with_capacity(groups * measures);
        Self { groups: Vec::with_capacity(groups), figures, measures }
    }

    fn push(&mut self, group: Group, figures: impl IntoIterator<Item = CellOutcome>) {
        self.groups.push(group);
        self.figures.extend(figures);
    }

    /// The figures of a row.
    fn figures(&self, row: usize) -> &[CellOutcome] {
        let from = row * self.measures;
        self.figures.get(from..from + self.measures).unwrap_or_default()
    }
}

/// Exact rules, cell by cell.
fn by_rules(raw: &RawAggregates) -> Rows {
    let listed = |group: &&Group| {
        let people = group.cells.and_then(|at| raw.people.get(at));
        group.public || people.is_some_and(|people| people.persons >= raw.profile.threshold)
    };
    let mut rows = Rows::new(raw);
    for group in raw.groups.ordered().iter().filter(listed) {
        let figures = raw.measures.iter().map(|measure| figure(&raw.profile, measure, group));
        rows.push(*group, figures);
    }
    rows
}

fn figure(profile: &Profile, measure: &RawMeasure, group: &Group) -> CellOutcome {
    let figure = match group.cells.map(|at| measure.cells.get(at)) {
        Some(Some(cell)) => rules::shown(profile, measure.measure, cell),
        Some(None) => None,
        None => rules::nobody(profile),
    };
    CellOutcome { figure, spread: rules::spread(profile) }
}

/// Noise that hides a whole person, on every group of a public list, or on those that are found large enough by noise
/// as well. Groups that a public list lacks, such as what is unknown, are left out.
fn by_privacy(raw: &RawAggregates, rule: &PrivacyRule) -> Result<Rows, PrivacyError> {
    let mut sets: BTreeMap<i128, Vec<Group>> = BTreeMap::new();
    for group in raw.groups.ordered() {
        sets.entry(raw.groups.set_of(group)).or_default().push(*group);
    }
    let mut rows = Rows::new(raw);
    for mut groups in sets.into_values() {
        if raw.groups.public_list() {
            groups.retain(|group| group.public);
        } else {
            let people = groups.iter().filter_map(|group| {
                let people = raw.people.get(group.cells?)?;
                Some((group.cells? as u64, people.persons))
            });
            let listed = rule.listed(people)?;
            groups.retain(|group| group.cells.is_some_and(|at| listed.contains(&(at as u64))));
        }
        let mut columns = Vec::with_capacity(raw.measures.len());
        for measure in &raw.measures {
            let most = rule.most(measure.measure, measure.most)?;
            let figure = |group: &Group| {
                group.cells.and_then(|at| measure.cells.get(at)).map_or(0, |cell| cell.figure)
            };
            let exact: Vec<i128> = groups.iter().map(figure).collect();
            columns.push((rule.noisy(&exact, most)?, rule.error(most)));
        }
        for (at, group) in groups.iter().enumerate() {
            let figures = columns.iter().map(|(noisy, error)| CellOutcome {
                figure: noisy.get(at).map(|figure| i128::from(*figure)),
                #[expect(clippy::cast_possible_truncation, reason = "a spread needs few digits")]
                spread: *error as f32,
            });
            rows.push(*group, figures);
        }
    }
    Ok(rows)
}

/// What noise, index and meter made of a table.
struct ByNoise {
    rows: Rows,
    charge: Charge,
    /// See [`Decided::near`].
    near: Vec<u32>,
}

/// Noise, the index and the meter. All cells take the same way, whether they are listed or not, copied or
/// drawn.
fn by_noise(
    raw: &RawAggregates,
    rule: &NoiseRule,
    secret: &Secret,
    index: &mut Index,
    meter: Charge,
) -> ByNoise {
    // As if all of it were charged already: one large table has no more than many small ones.
    let most = most_charged(&raw.profile, raw.question.tables);
    let growth = rule.growth(meter.and(most).answers());
    // Each group, and each measure of it. Sums ask about more; how many, their data say.
    index.expect(raw.people.len().saturating_mul(raw.measures.len() + 1));
    let mut decision = decide::Decision::new(&raw.profile, rule, secret, index, growth);
    let mut smallest = Smallest::default();
    let mut rows = Rows::new(raw);
    // Filled anew for each group.
    let mut order = Vec::new();
    let mut figures = Vec::new();
    let mut groups = raw.groups.ordered().to_vec();
    if is_off(Control::Order) {
        groups.sort_by_key(|group| group.cells);
    }
    for group in &groups {
        let whole = group.cells.and_then(|at| raw.people.get(at));
        let people =
            whole.map_or(CellOutcome::SUPPRESSED, |cell| decision.group(cell, raw.rows_of));
        in_order(raw, group, &mut order);
        figures.clear();
        figures.resize(raw.measures.len(), (CellOutcome::SUPPRESSED, None));
        for number in &order {
            let measure = raw.measures.get(*number);
            let cell = measure.zip(group.cells).and_then(|(m, at)| m.cells.get(at));
            let place = figures.get_mut(*number);
            if let (Some(measure), Some(cell), Some((figure, behind))) = (measure, cell, place) {
                let people = decision.people(cell);
                *figure = decision.figure(measure.measure, cell, people);
                if is_off(Control::Error) {
                    figure.spread = cell.persons as f32;
                }
                // Few may make up all of a total, and nobody is told how many: charged as of T.
                if !matches!(measure.measure, Measure::Total { .. }) {
                    *behind = figure.figure.and(people.outcome.figure);
                    if is_off(Control::Charge) {
                        *behind = Some(cell.persons.into());
                    }
                }
            }
        }
        // Groups that are not listed are charged as if they were not there, as those that are not.
        if group.public || people.figure.is_some() || is_off(Control::Listing) {
            let set = raw.groups.set_of(group);
            if raw.measures.is_empty() {
                smallest.cell(set, 0, people.figure);
            }
            for (number, (_, behind)) in figures.iter().enumerate() {
                smallest.cell(set, number, *behind);
            }
            let nobody = whole.is_none_or(|cell| cell.persons == 0) && is_off(Control::Zero);
            let zero = CellOutcome { figure: Some(0), spread: 0.0 };
            rows.push(*group, figures.iter().map(|(f, _)| if nobody { zero } else { *f }));
        }
    }
    if rows.groups.is_empty() {
        (0..raw.measures.len().max(1)).for_each(|number| smallest.cell(0, number, None));
    }
    #[expect(clippy::cast_precision_loss, reason = "numbers of persons are far below 2^52")]
    let charges = smallest.each().map(|persons| {
        let least = raw.profile.threshold as f64;
        rule.charge(persons.map_or(least, |persons| least.max(persons as f64)))
    });
    let near = decision.neighbours().into_iter().collect();
    ByNoise { rows, charge: Charge::of(charges.sum()), near }
}

/// The measures of a group in an order that the text does not decide: of two near sets in one table the first
/// one decides for both.
fn in_order(raw: &RawAggregates, group: &Group, order: &mut Vec<usize>) {
    order.clear();
    order.extend(0..raw.measures.len());
    if order.len() < 2 {
        return;
    }
    let kind = |number: usize| {
        raw.measures.get(number).map(|measure| crate::index::Kind::of(measure.measure).0)
    };
    let cell = |number: usize| {
        raw.measures.get(number).zip(group.cells).and_then(|(m, at)| m.cells.get(at))
    };
    order.sort_by(|one, other| {
        let people = match (cell(*one), cell(*other)) {
            (Some(one), Some(other)) => (other.persons.cmp(&one.persons))
                .then_with(|| one.people.cmp_key(&other.people))
                .then_with(|| one.sketch.cmp_key(&other.sketch)),
            (one, other) => one.is_some().cmp(&other.is_some()),
        };
        people.then_with(|| kind(*one).cmp(&kind(*other)))
    });
}

/// Wholly suppressed rows go last: then neither ORDER BY ties nor LIMIT of what is computed from this table
/// can tell absent from small.
fn table(raw: &RawAggregates, rows: &Rows) -> Result<ReleasedTable, ReleaseError> {
    let (mut order, hidden): (Vec<usize>, Vec<usize>) = (0..rows.groups.len()).partition(|row| {
        let figures = rows.figures(*row);
        figures.is_empty() || figures.iter().any(|cell| cell.figure.is_some())
    });
    order.extend(hidden);
    if is_off(Control::Rank) {
        let people = |row: &usize| {
            let group = rows.groups.get(*row)?;
            group.cells.and_then(|at| raw.people.get(at)).map(|cell| cell.persons)
        };
        order.sort_by_key(|row| std::cmp::Reverse(people(row)));
    }
    let listed: Vec<Group> =
        order.iter().filter_map(|row| rows.groups.get(*row).copied()).collect();
    let mut columns = raw.groups.keys_of(&listed).map_err(ReleaseError::Build)?;
    let cells = |at: usize| order.iter().map(move |row| rows.figures(*row).get(at));
    for (at, measure) in raw.measures.iter().enumerate() {
        let figures = cells(at).map(|cell| cell.and_then(|cell| cell.figure));
        columns.push(column(measure.measure, figures).map_err(ReleaseError::Build)?);
    }
    for at in 0..raw.measures.len() {
        let spreads = cells(at).map(|cell| {
            let cell = cell.filter(|cell| cell.figure.is_some())?;
            Some(f64::from(cell.spread))
        });
        columns.push(Arc::new(Float64Array::from_iter(spreads)));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(order.len()));
    let batch = RecordBatch::try_new_with_options(raw.columns().schema(), columns, &options)
        .map_err(ReleaseError::Build)?;
    Ok(ReleasedTable { batch, measures: measures(raw), notes: notes(raw), metered: None })
}

fn column(
    measure: Measure,
    figures: impl Iterator<Item = Option<i128>>,
) -> Result<ArrayRef, ArrowError> {
    Ok(match measure {
        Measure::Persons | Measure::Rows => {
            let counts = figures.map(|figure| figure.and_then(|figure| i64::try_from(figure).ok()));
            Arc::new(Int64Array::from_iter(counts))
        }
        Measure::Total { .. } => {
            Arc::new(Decimal128Array::from_iter(figures).with_data_type(data_type(measure)))
        }
    })
}

fn data_type(measure: Measure) -> DataType {
    match measure {
        Measure::Persons | Measure::Rows => DataType::Int64,
        // Decimals were checked to be below 38 when the figures came in.
        Measure::Total { decimals } => {
            DataType::Decimal128(38, i8::try_from(decimals).unwrap_or(i8::MAX))
        }
    }
}

impl RawAggregates {
    fn columns(&self) -> Columns {
        let keys = self.groups.fields().iter().map(|field| field.as_ref().clone()).collect();
        let measures = self.measures.iter().map(|m| (m.name.clone(), m.measure)).collect();
        Columns { keys, measures }
    }
}

impl Columns {
    /// Key columns as they came, then the figures, every one of which may be null. No metadata: what leaves is
    /// what stands here.
    fn schema(&self) -> SchemaRef {
        let keys =
            self.keys.iter().map(|key| Field::new(key.name(), key.data_type().clone(), true));
        let figures =
            self.measures.iter().map(|(name, measure)| Field::new(name, data_type(*measure), true));
        let spreads = self
            .measures
            .iter()
            .map(|(name, _)| Field::new(error_column(name), DataType::Float64, true));
        Arc::new(Schema::new(keys.chain(figures).chain(spreads).collect::<Vec<_>>()))
    }
}

/// The column with the standard error of a figure, in the unit of the figure's own digits.
pub fn error_column(figure: &str) -> String {
    format!("{figure}_se")
}

fn measures(raw: &RawAggregates) -> Vec<ReleasedMeasure> {
    raw.measures
        .iter()
        .map(|measure| ReleasedMeasure {
            name: measure.name.clone(),
            measure: measure.measure.word().to_owned(),
            treatment: rules::treatment(&raw.profile, measure.measure),
        })
        .collect()
}

/// Said of every table of this kind alike, whether or not anything was left out of this one.
fn notes(raw: &RawAggregates) -> Vec<String> {
    let mut notes = Vec::new();
    if is_off(Control::Notes) {
        notes.push(format!("{} people", raw.people.iter().map(|cell| cell.persons).sum::<u64>()));
    }
    let threshold = raw.profile.threshold;
    let people = match &raw.profile.protection {
        Protection::Noise(rule) => format!("{} people", rules::people(&raw.profile, rule)),
        Protection::Privacy(rule) => format!("{} people, by a noisy count,", rule.least_people()),
        _ => format!("{threshold} people"),
    };
    if !raw.groups.fields().is_empty() {
        notes.push(if raw.groups.public_list() {
            match &raw.profile.protection {
                Protection::Privacy(_) => {
                    "every group of the public list stands in the table, and no other".to_owned()
                }
                _ => format!(
                    "every group of the public list stands in the table; others only with {people} or more"
                ),
            }
        } else {
            format!("only groups of {people} or more stand in the table")
        });
    }
    if let Protection::Privacy(rule) = &raw.profile.protection {
        let (epsilon, delta) = rule.whole();
        notes.push(format!(
            "differential privacy for whole persons: all that this agreement may ever ask tells of one person at most epsilon {epsilon:.1} (delta {delta})"
        ));
        return notes;
    }
    if let Protection::Noise(rule) = &raw.profile.protection {
        notes.push(format!(
            "a figure may describe a set of people that differs from the one asked for by about {} people at most, the answer to an earlier question",
            rule.separation + rule.separation_jitter
        ));
        if raw.measures.iter().any(|m| matches!(m.measure, Measure::Total { .. })) {
            notes.push(format!(
                "a sum is shown only where the told number of its people, less two standard errors, is {} or more",
                threshold + rule.separation as u64
            ));
        }
    }
    notes
}

/// An earlier answer under the column names of this question: names come from the text, and the text
/// changes nothing (I3).
fn renamed(table: ReleasedTable, columns: &Columns) -> Result<ReleasedTable, ReleaseError> {
    let options = RecordBatchOptions::new().with_row_count(Some(table.batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(
        columns.schema(),
        table.batch.columns().to_vec(),
        &options,
    )
    .map_err(ReleaseError::Build)?;
    let mut measures = table.measures;
    for (released, (asked, _)) in measures.iter_mut().zip(&columns.measures) {
        released.name.clone_from(asked);
    }
    Ok(ReleasedTable { batch, measures, notes: table.notes, metered: None })
}

impl Measure {
    /// `persons`, `rows` or `total`.
    pub fn word(self) -> &'static str {
        match self {
            Measure::Persons => "persons",
            Measure::Rows => "rows",
            Measure::Total { .. } => "total",
        }
    }
}

impl CellStatus {
    /// As the status column says it.
    pub fn word(self) -> &'static str {
        match self {
            CellStatus::Released => "released",
            CellStatus::Suppressed => "suppressed",
            CellStatus::Derived => "derived",
        }
    }
}

impl ReleasedTable {
    /// Key columns, then for each measure its figure (Int64 for persons and rows, Decimal128(38, d) for
    /// totals; null where suppressed), then for each measure the standard error of its figures
    /// ([`error_column`]; Float64, in units of the figure's last digit; null where suppressed). Sorted by
    /// keys, wholly suppressed rows last.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The figure columns, in order.
    pub fn measures(&self) -> &[ReleasedMeasure] {
        &self.measures
    }

    /// What it cost and where the meter stands; none under profiles without a meter.
    pub fn metered(&self) -> Option<Metered> {
        self.metered
    }

    /// What holds for the whole table, from the question and the profile only: which groups stand in it.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl fmt::Debug for ReleasedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ReleasedTable({} rows x {} columns)",
            self.batch.num_rows(),
            self.batch.num_columns()
        )
    }
}
