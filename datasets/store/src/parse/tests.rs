use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Int32Type};

use arrow_array::Array as _;

use super::*;

fn parse(
    data_type: &DataType,
    cells: &[&str],
    required: bool,
) -> (ArrayRef, Vec<i32>, Vec<Reason>) {
    let rule = Rule { column: 3, data_type, required, bit: Some(2) };
    let (mut quality, mut faults) = (vec![0; cells.len()], Vec::new());
    let array =
        column(&rule, cells.len(), |row| Some(cells[row].as_bytes()), &mut quality, &mut faults)
            .unwrap();
    assert_eq!(array.len(), cells.len());
    (array, quality, faults.into_iter().map(|(_, _, reason)| reason).collect())
}

#[test]
fn whole_numbers_may_end_in_point_nought_only() {
    let (array, _, faults) = parse(
        &DataType::Int32,
        &["5.0", " -07 ", "", "+3", "5.5", "1e3", "x", "99999999999", "2147483648", "."],
        false,
    );
    let values: Vec<_> = array.as_primitive::<Int32Type>().iter().collect();
    assert_eq!(values[..4], [Some(5), Some(-7), None, Some(3)]);
    use Reason::*;
    assert_eq!(faults, [NotInteger, NotInteger, NotInteger, TooLarge, TooLarge, NotInteger]);
    let (array, ..) =
        parse(&DataType::Int64, &["-9223372036854775808", "9223372036854775807"], false);
    assert_eq!(array.null_count(), 0);
}

#[test]
fn placeholder_dates_are_null_with_a_flag() {
    let (array, quality, faults) = parse(
        &DataType::Date32,
        &["1800-01-01", "1801-01-01 00:00:00", "16000101", "15/10/1582", "1970-01-02", ""],
        false,
    );
    assert_eq!(quality, [4, 4, 4, 4, 0, 0]);
    assert!(faults.is_empty());
    let days: Vec<_> = array.as_primitive::<Date32Type>().iter().collect();
    assert_eq!(days, [None, None, None, None, Some(1), None]);
}

#[test]
fn impossible_dates_are_rejected() {
    let (_, quality, faults) = parse(
        &DataType::Date32,
        &[
            "1799-12-31",
            "2201-01-01",
            "2001-02-30",
            "2001-9-1",
            "yesterday",
            "2001-01-01x",
            "1800-01-02",
            "2200-12-31",
        ],
        false,
    );
    use Reason::*;
    assert_eq!(faults, [DateOutOfRange, DateOutOfRange, NotDate, NotDate, NotDate, NotDate]);
    assert_eq!(quality, [0; 8]);
}

#[test]
fn text_is_trimmed_and_long_keys_stay_text() {
    let (array, _, faults) =
        parse(&DataType::Utf8, &["-   ", "&\t ", "12345678901234567890", "   "], false);
    let text: Vec<_> = array.as_string::<i32>().iter().collect();
    assert_eq!(text, [Some("-"), Some("&"), Some("12345678901234567890"), None]);
    assert!(faults.is_empty());
    let (.., faults) = parse(&DataType::Utf8, &["", "a"], true);
    assert_eq!(faults, [Reason::Missing]);
}

#[test]
fn numbers_are_finite_and_decimals_fit() {
    let (_, _, faults) = parse(
        &DataType::Float64,
        &[".26", "33.512328767123286", "1e-3", "NaN", "inf", "1,5"],
        false,
    );
    assert_eq!(faults, [Reason::NotNumber; 3]);
    let (array, _, faults) =
        parse(&DataType::Decimal128(16, 15), &["0.123456789012345", "1", "10", "1e2", "-"], false);
    assert_eq!(faults, [Reason::TooLarge, Reason::NotNumber, Reason::NotNumber]);
    assert_eq!(array.data_type(), &DataType::Decimal128(16, 15));
}

#[test]
fn bytes_that_are_not_text_are_rejected() {
    let rule = Rule { column: 0, data_type: &DataType::Utf8, required: false, bit: None };
    let mut faults = Vec::new();
    column(&rule, 1, |_| Some(&[0xff, 0xfe][..]), &mut [0], &mut faults).unwrap();
    assert_eq!(faults, [(0, 0, Reason::NotText)]);
}
