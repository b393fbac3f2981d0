//! What becomes of each figure of a table: by exact rules, by noise and memory, or by differential privacy.

use std::collections::BTreeMap;

use super::{CellOutcome, most_charged};
use crate::groups::Group;
use crate::meter::Smallest;
use crate::privacy::PrivacyError;
use crate::sabotage::{Control, is_off};
use crate::{
    Charge, Index, Measure, NoiseRule, PrivacyRule, Profile, RawAggregates, RawMeasure, Secret,
    decide, rules,
};

/// The rows of a table: their groups, and what becomes of each figure.
pub(super) struct Rows {
    pub(super) groups: Vec<Group>,
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
    pub(super) fn figures(&self, row: usize) -> &[CellOutcome] {
        let from = row * self.measures;
        self.figures.get(from..from + self.measures).unwrap_or_default()
    }
}

/// Exact rules, cell by cell.
pub(super) fn by_rules(raw: &RawAggregates) -> Rows {
    let listed = |group: &&Group| {
        let people = group.cells.and_then(|at| raw.people.get(at));
        group.public
            || people.is_some_and(|people| people.persons >= raw.profile.threshold)
            || is_off(Control::Listing)
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
pub(super) fn by_privacy(raw: &RawAggregates, rule: &PrivacyRule) -> Result<Rows, PrivacyError> {
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
pub(super) struct ByNoise {
    pub(super) rows: Rows,
    pub(super) charge: Charge,
    /// See [`Decided::near`].
    pub(super) near: Vec<u32>,
}

/// Noise, the index and the meter. All cells take the same way, whether they are listed or not, copied or
/// drawn.
pub(super) fn by_noise(
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
                if is_off(Control::ZeroFigure) && cell.persons == 0 {
                    *figure = CellOutcome { figure: Some(0), spread: 0.0 };
                }
                // Few may make up all of a total, and nobody is told how many: charged as of T.
                if is_off(Control::ChargeOfSums) {
                    *behind = Some(cell.contributors.into());
                }
                if !matches!(measure.measure, Measure::Total { .. }) {
                    *behind = figure.figure.and(people.outcome.figure);
                    if is_off(Control::Charge) {
                        *behind = Some(cell.persons.into());
                    }
                }
            }
        }
        // Groups that are not listed are charged as if they were not there, as those that are not.
        let public = group.public && !(is_off(Control::List) && whole.is_none());
        if public || people.figure.is_some() || is_off(Control::Listing) {
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
    let anything = !raw.people.is_empty() || !is_off(Control::ChargeOfNothing);
    if rows.groups.is_empty() && anything {
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
