use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, LargeStringArray, StringViewArray};
use arrow_flight::decode::FlightRecordBatchStream;
use futures::TryStreamExt as _;

use super::*;

fn batch() -> RecordBatch {
    let dictionary: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("code", Arc::new(dictionary)),
        ("view", Arc::new(StringViewArray::from(vec!["x", "y", "z"]))),
        ("large", Arc::new(LargeStringArray::from(vec![Some("x"), None, Some("z")]))),
        ("patients", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[tokio::test]
async fn what_is_announced_is_what_is_streamed() {
    let inside = batch();
    let schema = announced(&inside.schema());
    assert!(schema.fields().iter().all(|field| field.is_nullable()));
    let outside = fitted(&inside, &schema).unwrap();

    let sent = stream(schema.clone(), vec![outside.clone(), outside.clone()]);
    let mut received =
        FlightRecordBatchStream::new_from_flight_data(sent.map_err(FlightError::from));
    let batches: Vec<RecordBatch> = received.by_ref().try_collect().await.unwrap();
    assert_eq!(received.schema(), Some(&schema));
    assert_eq!(batches, [outside.clone(), outside]);
    // Announcing twice changes nothing.
    assert_eq!(announced(&schema), schema);
    assert_eq!(schema.field(0).metadata()["ARROW:FLIGHT:SQL:TYPE_NAME"], "VARCHAR");
}

#[tokio::test]
async fn an_answer_without_rows_has_its_columns() {
    let schema = announced(&batch().schema());
    let sent = stream(schema.clone(), Vec::new());
    let mut received =
        FlightRecordBatchStream::new_from_flight_data(sent.map_err(FlightError::from));
    assert!(received.next().await.is_none());
    assert_eq!(received.schema(), Some(&schema));
}

#[test]
fn a_batch_of_another_shape_is_an_error() {
    let schema = announced(&batch().schema());
    let other = batch().project(&[0, 1]).unwrap();
    assert!(fitted(&other, &schema).is_err());
}
