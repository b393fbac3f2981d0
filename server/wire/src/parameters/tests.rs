use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, ListArray, StringArray, types::Int32Type};
use arrow_flight::utils::batches_to_flight_data;

use super::*;

fn messages(columns: Vec<(&str, ArrayRef)>) -> Vec<FlightData> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    batches_to_flight_data(&batch.schema(), vec![batch]).unwrap()
}

fn bound(messages: Vec<FlightData>, parameters: usize) -> Result<RecordBatch, Refusal> {
    let mut binding = Binding::default();
    for message in messages {
        binding.push(message)?;
    }
    binding.row(parameters)
}

fn one_row() -> Vec<FlightData> {
    messages(vec![
        ("0", Arc::new(Int64Array::from(vec![7]))),
        ("1", Arc::new(StringArray::from(vec!["RX1"]))),
    ])
}

#[test]
fn one_row_of_plain_values_is_read() {
    let row = bound(one_row(), 2).unwrap();
    assert_eq!((row.num_rows(), row.num_columns()), (1, 2));
    let mut with_empty = one_row();
    with_empty.push(FlightData::new());
    assert!(bound(with_empty, 2).is_ok());
}

#[test]
fn several_rows_or_none_are_refused() {
    let rows = |values: Vec<i64>| messages(vec![("0", Arc::new(Int64Array::from(values)))]);
    let mut two_batches = rows(vec![1]);
    two_batches.extend(rows(vec![2]).into_iter().skip(1));
    for messages in [rows(vec![]), rows(vec![1, 2]), two_batches] {
        let refusal = bound(messages, 1).unwrap_err();
        assert_eq!(refusal.code, Code::BadParameters);
        assert!(refusal.what.contains("one row"), "{}", refusal.what);
    }
}

#[test]
fn another_number_of_values_is_refused() {
    assert!(bound(one_row(), 1).unwrap_err().what.contains("statement: 1, values bound: 2"));
    assert!(bound(one_row(), 3).is_err());
}

#[test]
fn large_nested_and_encoded_values_are_refused() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(LONGEST)]));
    assert_eq!(bound(messages(vec![("0", text)]), 1).unwrap_err(), too_large());
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    assert_eq!(bound(messages(vec![("0", Arc::new(list))]), 1).unwrap_err(), malformed());
    let encoded = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let schema = Schema::new(vec![arrow_schema::Field::new("0", encoded, true)]);
    let announced = batches_to_flight_data(&schema, Vec::new()).unwrap();
    assert_eq!(bound(announced, 1).unwrap_err(), malformed());
    let many = std::iter::repeat_n(FlightData::new(), MESSAGES + 1).collect();
    assert_eq!(bound(many, 0).unwrap_err(), too_large());
}

/// Every byte of a good binding changed to a few others, and every way to cut it short: refused or read,
/// never a panic that gets out, never more memory than was sent.
#[test]
fn damaged_bytes_are_refused_or_read() {
    std::panic::set_hook(Box::new(|_| {}));
    let good = one_row();
    for at_message in 0..good.len() {
        let header = good[at_message].data_header.to_vec();
        for at in 0..header.len() {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut damaged = good.clone();
                let mut bytes = header.clone();
                bytes[at] = value;
                damaged[at_message].data_header = bytes.into();
                let _ = bound(damaged, 2);
            }
            let mut cut = good.clone();
            cut[at_message].data_header = header[..at].to_vec().into();
            let _ = bound(cut, 2);
        }
        let body = good[at_message].data_body.to_vec();
        for at in 0..body.len() {
            let mut cut = good.clone();
            cut[at_message].data_body = body[..at].to_vec().into();
            let _ = bound(cut, 2);
            let mut damaged = good.clone();
            let mut bytes = body.clone();
            bytes[at] = 0xff;
            damaged[at_message].data_body = bytes.into();
            let _ = bound(damaged, 2);
        }
    }
    let _ = std::panic::take_hook();
    assert_eq!(bound(Vec::new(), 0).unwrap_err(), malformed());
    assert_eq!(bound(vec![FlightData::new()], 0).unwrap_err(), malformed());
}
