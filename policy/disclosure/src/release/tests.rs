use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{Array, RecordBatchOptions};
use arrow_schema::{DataType, Schema};
use proptest::prelude::*;

use super::*;
use crate::tests::{
    DECIMALS, Key, MEASURES, MemoryLedger, Row, any_domain, any_profile, any_rows, key_batch,
    plain, profile, question, raw, released, shown,
};
use crate::{
    AuditEvent, Clip, Decide, Fingerprint, Question, RawCell, RawMeasure, Recorded, RowsOf,
    Standing, ZeroRule,
};

type Table = Vec<(Key, Vec<Option<i128>>)>;

fn answer(rows: &[Row], domain: Option<&[Key]>, profile: &Profile) -> Table {
    let raw = raw(rows, domain, profile, 1).unwrap();
    shown(&released(raw, &MemoryLedger::default()).unwrap())
}

/// The rules again, slowly, obviously, and with other means: the referee of [`release`].
fn model(rows: &[Row], domain: Option<&[Key]>, profile: &Profile) -> Table {
    let threshold = profile.threshold() as usize;
    let distinct = |rows: &[&Row]| {
        let mut people: Vec<u8> = rows.iter().map(|row| row.person).collect();
        people.sort_unstable();
        people.dedup();
        people
    };
    let mut keys: Vec<Key> = domain.unwrap_or(&[]).to_vec();
    for row in rows {
        let group: Vec<&Row> = rows.iter().filter(|other| other.key == row.key).collect();
        if distinct(&group).len() >= threshold && !keys.contains(&row.key) {
            keys.push(row.key.clone());
        }
    }
    let mut table: Table = keys
        .into_iter()
        .map(|key| {
            let group: Vec<&Row> = rows.iter().filter(|row| row.key == key).collect();
            let valued: Vec<&Row> =
                group.iter().copied().filter(|row| row.value.is_some()).collect();
            let guard = |rows: &[&Row], figure: f64| match distinct(rows).len() {
                0 if profile.zeros() == ZeroRule::Shown => Some(0),
                people if people < threshold || people == 0 => None,
                _ => Some(figure as i128),
            };
            let base = profile.rounding() as f64;
            let plain = |number: usize| (number as f64 / base).round() * base;
            let total = model_total(&valued, &distinct(&valued), profile);
            let figures = vec![
                guard(&group, plain(distinct(&group).len())),
                guard(&group, plain(group.len())),
                guard(&valued, plain(valued.len())),
                guard(&valued, total),
            ];
            (key, figures)
        })
        .collect();
    table.sort_by(|(a, left), (b, right)| {
        let hidden = |figures: &[Option<i128>]| figures.iter().all(Option::is_none);
        let nulls_last = |key: &Key| (key.0.is_none(), key.clone());
        hidden(left).cmp(&hidden(right)).then(nulls_last(a).cmp(&nulls_last(b)))
    });
    table
}

fn model_total(rows: &[&Row], people: &[u8], profile: &Profile) -> f64 {
    let mut totals: Vec<f64> = people
        .iter()
        .map(|person| {
            let own = rows.iter().filter(|row| row.person == *person);
            own.map(|row| row.value.unwrap_or(0) as f64).sum()
        })
        .collect();
    totals.sort_by(|a, b| b.abs().partial_cmp(&a.abs()).unwrap_or(Ordering::Equal));
    let rank = |rank: u64| totals.get(rank as usize - 1).map_or(0.0, |total| total.abs());
    let largest = match profile.clip() {
        Clip::ThresholdLargest => rank(profile.threshold()),
        Clip::None => rank(1),
    };
    let sum: f64 = totals.iter().map(|total| total.clamp(-largest, largest)).sum();
    if profile.rounding() == 1 || largest == 0.0 {
        return sum;
    }
    let unit = 10_f64.powi(i32::from(DECIMALS));
    let power = (-60..60).find(|power| 2_f64.powi(*power) * unit >= largest).unwrap();
    let step = profile.rounding() as f64 * 2_f64.powi(power) * unit;
    ((sum / step).round() * step).round()
}

fn people(key: &Key, from: u8, number: u8) -> Vec<Row> {
    (from..from + number).map(|person| Row { key: key.clone(), person, value: Some(100) }).collect()
}

fn key(code: &str, band: i32) -> Key {
    (Some(code.to_owned()), band)
}

proptest! {
    #[test]
    fn the_slow_model_agrees(rows in any_rows(), domain in any_domain(), profile in any_profile()) {
        prop_assert_eq!(answer(&rows, domain.as_deref(), &profile), model(&rows, domain.as_deref(), &profile));
    }

    #[test]
    fn i2_no_shown_cell_rests_on_too_few_people(
        rows in any_rows(), domain in any_domain(), profile in any_profile(),
    ) {
        let enough = |key: &Key, valued: bool| {
            let mut people: Vec<u8> = rows
                .iter()
                .filter(|row| row.key == *key && (row.value.is_some() || !valued))
                .map(|row| row.person)
                .collect();
            people.sort_unstable();
            people.dedup();
            people.len() as u64 >= profile.threshold()
                || (people.is_empty() && profile.zeros() == ZeroRule::Shown)
        };
        for (key, figures) in answer(&rows, domain.as_deref(), &profile) {
            for (at, figure) in figures.iter().enumerate() {
                prop_assert!(figure.is_none() || enough(&key, at >= 2));
            }
            // That a group is listed tells nothing about one or two people.
            let public = domain.as_ref().is_some_and(|domain| domain.contains(&key));
            prop_assert!(public || enough(&key, false));
        }
    }

    #[test]
    fn i3_row_order_changes_nothing(
        (rows, shuffled) in any_rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        domain in any_domain(), profile in any_profile(),
    ) {
        prop_assert_eq!(
            answer(&rows, domain.as_deref(), &profile),
            answer(&shuffled, domain.as_deref(), &profile)
        );
    }

    #[test]
    fn a_small_group_of_the_domain_looks_like_an_absent_one(
        mut rows in any_rows(), few in 1_u8..10, values in prop::collection::vec(prop::option::of(-900_i64..900), 10),
    ) {
        let sde = plain();
        let small = key("z", 0);
        let domain = [key("a", 0), small.clone(), key("b", 1)];
        let without = answer(&rows, Some(&domain), &sde);
        rows.extend((0..few).zip(values).map(|(person, value)| Row { key: small.clone(), person, value }));
        prop_assert_eq!(answer(&rows, Some(&domain), &sde), without);
    }

    #[test]
    fn a_small_group_outside_a_domain_changes_nothing(mut rows in any_rows(), few in 1_u8..10) {
        let sde = plain();
        let without = answer(&rows, None, &sde);
        rows.extend(people(&key("z", 0), 0, few));
        prop_assert_eq!(answer(&rows, None, &sde), without);
    }

    #[test]
    fn what_is_stored_comes_back(rows in any_rows(), domain in any_domain(), profile in any_profile()) {
        let ledger = MemoryLedger::default();
        let ask = || raw(&rows, domain.as_deref(), &profile, 1).unwrap();
        let (first, again) = (released(ask(), &ledger).unwrap(), released(ask(), &ledger).unwrap());
        prop_assert_eq!(first.batch(), again.batch());
        prop_assert_eq!(first.measures(), again.measures());
        prop_assert_eq!(first.notes(), again.notes());
        prop_assert_eq!(&*ledger.copied.lock().unwrap(), &[false, true]);
    }
}

#[test]
fn i3_the_same_question_is_copied_whole_even_when_the_data_changed() {
    let sde = plain();
    let ledger = MemoryLedger::default();
    let ask = |number, fingerprint| {
        shown(
            &released(
                raw(&people(&key("a", 0), 0, number), None, &sde, fingerprint).unwrap(),
                &ledger,
            )
            .unwrap(),
        )
    };
    let first = ask(30, 1);
    assert_eq!(first[0].1[0], Some(30));
    assert_eq!(ask(90, 1), first);
    assert_eq!(ask(90, 2)[0].1[0], Some(90));
    assert_eq!(*ledger.copied.lock().unwrap(), [false, true, false]);
}

#[test]
fn i3_a_copy_takes_the_column_names_of_its_question() {
    let sde = plain();
    let ledger = MemoryLedger::default();
    let rows = people(&key("a", 0), 0, 30);
    let ask = |name: &str| {
        let mut raw = raw(&rows, None, &sde, 1).unwrap();
        raw.measures[0].name = name.to_owned();
        released(raw, &ledger).unwrap()
    };
    let (first, again) = (ask("patients"), ask("n"));
    assert_eq!(first.batch().schema().field(2).name(), "patients");
    assert_eq!(again.batch().schema().field(2).name(), "n");
    assert_eq!(again.measures()[0].name, "n");
    assert_eq!(first.batch().columns(), again.batch().columns());
}

#[test]
fn i6_what_cannot_be_recorded_does_not_leave() {
    let sde = plain();
    let ledger = MemoryLedger { cannot_write: true, ..MemoryLedger::default() };
    let raw = raw(&people(&key("a", 0), 0, 30), None, &sde, 1).unwrap();
    let error = released(raw, &ledger).unwrap_err();
    assert_eq!(error.to_string(), "the ledger cannot write");
    assert!(ledger.tables.lock().unwrap().is_empty());
}

struct Idle;

impl Ledger for Idle {
    fn exclusive(
        &self,
        _asked: Asked<'_>,
        _now: Timestamp,
        _decide: &mut Decide<'_>,
    ) -> Result<Option<Recorded>, LedgerError> {
        Ok(Some(Recorded(1)))
    }

    fn charge(&self, _question: &Question, _charge: Charge) -> Result<(), LedgerError> {
        Ok(())
    }

    fn standing(&self, _question: &Question) -> Result<Standing, LedgerError> {
        Ok(Standing { known: false, meter: Charge::default() })
    }

    fn record(&self, _event: &AuditEvent, _now: Timestamp) -> Result<Recorded, LedgerError> {
        Ok(Recorded(1))
    }
}

#[test]
fn i6_a_ledger_that_never_asked_releases_nothing() {
    let sde = plain();
    let raw = raw(&people(&key("a", 0), 0, 30), None, &sde, 1).unwrap();
    assert!(matches!(released(raw, &Idle), Err(ReleaseError::NothingRecorded)));
}

#[test]
fn a_stored_table_that_was_damaged_or_exchanged_is_noticed() {
    let sde = plain();
    let ask = |fingerprint| raw(&people(&key("a", 0), 0, 30), None, &sde, fingerprint).unwrap();
    let ledger = MemoryLedger::default();
    released(ask(1), &ledger).unwrap();
    let place = |fingerprint| (question(1).scope, Fingerprint([fingerprint; 32]));
    let good = ledger.tables.lock().unwrap()[&place(1)].clone();

    // Of another question.
    ledger.tables.lock().unwrap().insert(place(2), good.clone());
    assert_eq!(released(ask(2), &ledger).unwrap_err().to_string(), "the ledger cannot read");
    // Any byte changed, or cut off.
    for at in (0..good.len()).step_by(7) {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        for bytes in [damaged, good[..at].to_vec()] {
            ledger.tables.lock().unwrap().insert(place(1), bytes);
            assert!(matches!(released(ask(1), &ledger), Err(ReleaseError::Ledger(_))), "byte {at}");
        }
    }
}

#[test]
fn a_stored_table_of_other_columns_is_an_error_and_not_an_answer() {
    let sde = plain();
    let ledger = MemoryLedger::default();
    let rows = people(&key("a", 0), 0, 30);
    released(raw(&rows, None, &sde, 1).unwrap(), &ledger).unwrap();
    let mut fewer = raw(&rows, None, &sde, 1).unwrap();
    fewer.measures.pop();
    assert!(matches!(released(fewer, &ledger), Err(ReleaseError::Build(_))));
}

#[test]
fn rows_are_sorted_by_keys_with_nulls_last_and_wholly_suppressed_ones_behind() {
    let sde = plain();
    let domain =
        [(None, 1), key("b", 2), key("c", 1), key("a", 9), key("b", 1), key("a", 1), (None, 0)];
    let mut rows = people(&(None, 1), 0, 20);
    rows.extend(people(&key("b", 2), 0, 12));
    rows.extend(people(&key("b", 1), 0, 11));
    rows.extend(people(&key("a", 9), 0, 3));
    rows.extend(people(&key("d", 0), 0, 10));
    rows.extend(people(&key("e", 0), 0, 9));
    let table = answer(&rows, Some(&domain), &sde);
    let keys: Vec<Key> = table.iter().map(|(key, _)| key.clone()).collect();
    let listed = [key("b", 1), key("b", 2), key("d", 0), (None, 1)];
    let hidden = [key("a", 1), key("a", 9), key("c", 1), (None, 0)];
    assert_eq!(keys, [listed.as_slice(), hidden.as_slice()].concat());
    assert!(table[4..].iter().all(|(_, figures)| figures.iter().all(Option::is_none)));
}

#[test]
fn an_aggregate_without_groups_always_has_its_row() {
    let sde = plain();
    let none = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        Vec::new(),
        &RecordBatchOptions::new().with_row_count(Some(1)),
    )
    .unwrap();
    for (persons, expected) in [(0, None), (9, None), (10, Some(10)), (1_234, Some(1_235))] {
        let cells = vec![RawCell { figure: persons.into(), persons, ..RawCell::default() }];
        let measure = RawMeasure {
            name: "n".to_owned(),
            measure: Measure::Persons,
            most: None,
            cells: cells.into(),
        };
        let raw = RawAggregates::new(
            question(1),
            sde.clone(),
            none.clone(),
            (vec![RawCell { persons, ..RawCell::default() }], RowsOf::Base),
            vec![measure],
            None,
        );
        let ledger = MemoryLedger::default();
        let table = released(raw.unwrap(), &ledger).unwrap();
        assert_eq!(table.batch().num_rows(), 1);
        assert_eq!(crate::tests::figure(table.batch().column(0), 0), expected);
        assert!(table.notes().is_empty());
    }
}

#[test]
fn a_table_of_keys_alone_lists_only_what_may_be_listed() {
    let sde = plain();
    let keys = key_batch(&[key("b", 0), key("a", 0), key("c", 0)]);
    for (domain, listed) in [(None, 2), (Some(key_batch(&[key("c", 0), key("x", 0)])), 4)] {
        let raw = RawAggregates::new(
            question(1),
            sde.clone(),
            keys.clone(),
            (
                [10, 11, 9].map(|persons| RawCell { persons, ..RawCell::default() }).to_vec(),
                RowsOf::Base,
            ),
            Vec::new(),
            domain,
        );
        let ledger = MemoryLedger::default();
        let table = released(raw.unwrap(), &ledger).unwrap();
        assert_eq!((table.batch().num_rows(), table.batch().num_columns()), (listed, 2));
    }
}

#[test]
fn types_are_fixed_and_every_figure_may_be_null() {
    let sde = plain();
    let raw = raw(&people(&key("a", 0), 0, 30), None, &sde, 1).unwrap();
    let table = released(raw, &MemoryLedger::default()).unwrap();
    let schema = table.batch().schema();
    let types: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
    let (count, total) = (&DataType::Int64, &DataType::Decimal128(38, 2));
    let error = &DataType::Float64;
    let keys = [&DataType::Utf8, &DataType::Int32];
    assert_eq!(types, [&keys[..], &[count, count, count, total], &[error; 4]].concat());
    assert!(schema.fields().iter().all(|field| field.is_nullable()));
    assert!(schema.metadata().is_empty());
    let said: Vec<(&str, &str)> =
        table.measures().iter().map(|m| (m.name.as_str(), m.measure.as_str())).collect();
    let expected: Vec<(&str, &str)> = MEASURES.iter().map(|(name, m)| (*name, m.word())).collect();
    assert_eq!(said, expected);
    assert_eq!(table.batch().column(5).null_count(), 0);
    assert_eq!(format!("{table:?}"), "ReleasedTable(1 rows x 10 columns)");
}

#[test]
fn notes_and_treatments_do_not_depend_on_the_data() {
    let sde = plain();
    let domain = [key("a", 0)];
    let mut outside = people(&key("a", 0), 0, 30);
    outside.extend(people(&key("b", 0), 0, 30));
    for domain in [None, Some(domain.as_slice())] {
        let of = |rows: &[Row]| {
            let raw = raw(rows, domain, &sde, 1).unwrap();
            released(raw, &MemoryLedger::default()).unwrap()
        };
        let (none, some) = (of(&[]), of(&outside));
        assert_eq!(none.notes(), some.notes());
        assert_eq!(none.measures(), some.measures());
        assert_eq!(none.notes().len(), 1);
    }
}

#[test]
fn a_lenient_profile_shows_exact_figures() {
    let exact = profile(2, 1, "none", "shown");
    let mut rows = people(&key("a", 0), 0, 3);
    rows.push(Row { key: key("a", 0), person: 2, value: Some(-12_345) });
    let table = answer(&rows, Some(&[key("a", 0), key("b", 0)]), &exact);
    assert_eq!(table[0].1, [Some(3), Some(4), Some(4), Some(-12_045)]);
    assert_eq!(table[1].1, [Some(0); 4]);
}

#[test]
fn i3_a_repeat_is_the_earlier_table_under_the_names_of_now_and_needs_no_figures() {
    for profile in [plain(), Profile::built_in("nhs-sde").unwrap()] {
        let ledger = MemoryLedger::default();
        let asked =
            |fingerprint| raw(&people(&key("a", 0), 0, 60), None, &profile, fingerprint).unwrap();
        let columns = asked(1).columns();
        let again = |fingerprint, columns: &Columns| {
            repeat(&question(fingerprint), &profile, columns, &ledger, Timestamp(0)).unwrap()
        };
        assert!(again(1, &columns).is_none());
        assert!(ledger.copied.lock().unwrap().is_empty());
        let first = released(asked(1), &ledger).unwrap();
        let mut renamed = columns.clone();
        renamed.measures[0].0 = "another".to_owned();
        let copy = again(1, &renamed).unwrap();
        assert_eq!(copy.batch().columns(), first.batch().columns());
        assert_eq!(copy.batch().schema().field(2).name(), "another");
        assert_eq!(*ledger.copied.lock().unwrap(), [false, true]);
        let charges = [&first, &copy].map(|table| table.metered().map(|m| m.charge));
        assert!(charges[0].is_none() || charges[0] > charges[1]);
        assert!(again(2, &columns).is_none());
    }
}

#[test]
fn i6_a_repeat_that_cannot_be_recorded_does_not_leave() {
    let profile = plain();
    let mut ledger = MemoryLedger::default();
    let asked = raw(&people(&key("a", 0), 0, 60), None, &profile, 1).unwrap();
    let columns = asked.columns();
    released(asked, &ledger).unwrap();
    ledger.cannot_write = true;
    let told = repeat(&question(1), &profile, &columns, &ledger, Timestamp(0));
    assert!(matches!(told, Err(ReleaseError::Ledger(_))));
}
