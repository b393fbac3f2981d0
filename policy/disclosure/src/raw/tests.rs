use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;

use super::*;
use crate::tests::{Key, key_batch, profile, question};

fn key(code: &str) -> Key {
    (Some(code.to_owned()), 0)
}

fn count(persons: u64) -> RawCell {
    RawCell { figure: persons.into(), persons, ..RawCell::default() }
}

fn measure(measure: Measure, cells: Vec<RawCell>) -> RawMeasure {
    RawMeasure { name: "n".to_owned(), measure, most: None, cells: cells.into() }
}

fn new(
    keys: RecordBatch,
    people: Vec<u64>,
    measures: Vec<RawMeasure>,
    domain: Option<RecordBatch>,
) -> Result<RawAggregates, RawError> {
    RawAggregates::new(
        question(1),
        profile(3, 5, "none", "suppressed"),
        keys,
        (people.into_iter().map(count).collect::<Vec<_>>(), RowsOf::Base),
        measures,
        domain,
    )
}

fn one_cell(kind: Measure, cell: RawCell) -> Result<RawAggregates, RawError> {
    new(key_batch(&[key("a")]), vec![7], vec![measure(kind, vec![cell])], None)
}

#[test]
fn debug_prints_the_shape_only() {
    let cells = vec![count(7), count(8)];
    let keys = key_batch(&[key("secret"), key("b")]);
    let raw = new(keys, vec![7, 8], vec![measure(Measure::Persons, cells)], None).unwrap();
    assert_eq!(format!("{raw:?}"), "RawAggregates(2 rows x 1 columns)");
}

#[test]
fn a_key_that_stands_twice_is_an_error() {
    let twice = || key_batch(&[key("a"), key("b"), key("a")]);
    assert!(matches!(new(twice(), vec![1, 2, 3], Vec::new(), None), Err(RawError::DuplicateKey)));
    let once = || key_batch(&[key("a"), key("b")]);
    let domain = || key_batch(&[key("b"), key("c")]);
    assert!(matches!(
        new(once(), vec![1, 2], Vec::new(), Some(twice())),
        Err(RawError::DuplicateKey)
    ));
    assert!(new(once(), vec![1, 2], Vec::new(), Some(domain())).is_ok());
    let nothing = || key_batch(&[(None, 0), (None, 0)]);
    assert!(matches!(new(nothing(), vec![1, 2], Vec::new(), None), Err(RawError::DuplicateKey)));
}

#[test]
fn parts_of_different_lengths_or_types_are_an_error() {
    let keys = || key_batch(&[key("a"), key("b")]);
    let without_keys = |rows| {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Schema::empty().into(), Vec::new(), &options).unwrap()
    };
    let narrow = keys().project(&[0]).unwrap();
    let turned = keys().project(&[1, 0]).unwrap();
    let short = measure(Measure::Persons, vec![count(1)]);
    let fine = measure(Measure::Total { decimals: 38 }, vec![RawCell::default(); 2]);
    for wrong in [
        new(keys(), vec![1], Vec::new(), None),
        new(keys(), vec![1, 2], vec![short], None),
        new(keys(), vec![1, 2], vec![fine], None),
        new(keys(), vec![1, 2], Vec::new(), Some(narrow)),
        new(keys(), vec![1, 2], Vec::new(), Some(turned)),
        new(without_keys(0), Vec::new(), Vec::new(), None),
        new(without_keys(2), vec![1, 2], Vec::new(), None),
        new(without_keys(1), vec![1], Vec::new(), Some(without_keys(1))),
    ] {
        assert!(matches!(wrong, Err(RawError::Shape(_))), "{wrong:?}");
    }
    assert!(new(without_keys(1), vec![1], Vec::new(), None).is_ok());
}

#[test]
fn evidence_that_cannot_be_true_is_an_error() {
    let total = Measure::Total { decimals: 0 };
    let fair = RawCell {
        figure: 60,
        persons: 4,
        largest: 30,
        second: 20,
        clip: 5,
        clipped: 20,
        ..RawCell::default()
    };
    assert!(one_cell(total, fair.clone()).is_ok());
    assert!(one_cell(Measure::Rows, RawCell { figure: 9, ..count(7) }).is_ok());
    let huge = RawCell { figure: i128::MIN, persons: 7, largest: u128::MAX, ..RawCell::default() };
    assert!(one_cell(total, huge).is_ok());
    for (measure, cell) in [
        (Measure::Persons, count(8)),
        (Measure::Persons, RawCell { figure: 6, ..count(7) }),
        (Measure::Rows, RawCell { figure: 6, ..count(7) }),
        (Measure::Rows, RawCell { figure: 3, ..RawCell::default() }),
        (Measure::Rows, RawCell { figure: -1, ..RawCell::default() }),
        (total, RawCell { persons: 8, ..fair.clone() }),
        (total, RawCell { second: 31, ..fair.clone() }),
        (total, RawCell { clip: 21, ..fair.clone() }),
        (total, RawCell { figure: 121, ..fair.clone() }),
        (total, RawCell { figure: -121, ..fair.clone() }),
        (total, RawCell { clipped: 21, ..fair.clone() }),
        (total, RawCell { figure: 1, ..RawCell::default() }),
    ] {
        let result = one_cell(measure, cell.clone());
        assert!(matches!(result, Err(RawError::Evidence(_))), "{measure:?} {cell:?}");
    }
}

#[test]
fn errors_hold_no_data() {
    let secret = key_batch(&[key("secret"), key("secret")]);
    let error = new(secret, vec![1, 2], Vec::new(), None).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}
