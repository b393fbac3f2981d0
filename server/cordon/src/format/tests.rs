use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::Schema;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

fn figure(name: &str, kind: DataType) -> Field {
    Field::new(name, kind, true)
        .with_metadata(HashMap::from([(TREATMENT.to_owned(), "released".to_owned())]))
}

/// A group that nobody named, and a figure that was suppressed.
fn table() -> Table {
    let schema = Arc::new(Schema::new(vec![
        Field::new("name", DataType::Utf8, true),
        Field::new("day", DataType::Date32, true),
        figure("patients", DataType::Int64),
        figure("mean", DataType::Float64),
    ]));
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(StringArray::from(vec![Some("a, \"b\""), None, Some("=1+1")])),
            Arc::new(Date32Array::from(vec![Some(0), None, Some(-1)])),
            Arc::new(Int64Array::from(vec![Some(25), None, Some(-5)])),
            Arc::new(Float64Array::from(vec![Some(2.5), None, Some(-0.25)])),
        ],
    );
    Table { schema, batches: vec![batch.unwrap()] }
}

fn written(format: Format, table: &Table) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, format, table, Width::Free).unwrap();
    out
}

fn text(format: Format) -> String {
    String::from_utf8(written(format, &table())).unwrap()
}

#[test]
fn csv_marks_suppressed_figures_and_defuses_formulas() {
    assert_eq!(
        text(Format::Csv),
        "name,day,patients,mean\n\"a, \"\"b\"\"\",1970-01-01,25,2.5\n,,[c],[c]\n'=1+1,1969-12-31,-5,-0.25\n"
    );
}

#[test]
fn names_of_columns_are_defused_too() {
    let schema = Arc::new(Schema::new(vec![Field::new("@sum", DataType::Utf8, true)]));
    let rows = ["+x", "-y", "@z", "\tt", "plain", ""];
    let batch =
        RecordBatch::try_new(schema.clone(), vec![Arc::new(StringArray::from(rows.to_vec()))]);
    let table = Table { schema, batches: vec![batch.unwrap()] };
    let csv = String::from_utf8(written(Format::Csv, &table)).unwrap();
    assert_eq!(csv, "'@sum\n'+x\n'-y\n'@z\n'\tt\nplain\n\"\"\n");
}

#[test]
fn tables_mark_suppressed_figures_and_align_numbers() {
    let text = text(Format::Table);
    let row = text.lines().find(|line| line.contains("[c]")).unwrap();
    assert_eq!(row.matches("[c]").count(), 2);
    assert!(text.contains("       25 ┆"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn nothing_in_a_cell_steers_the_terminal() {
    let schema = Arc::new(Schema::new(vec![Field::new("a\u{1b}[2J", DataType::Utf8, true)]));
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![Arc::new(StringArray::from(vec!["\u{1b}]0;x\u{7}"]))],
    );
    let table = Table { schema, batches: vec![batch.unwrap()] };
    let text = String::from_utf8(written(Format::Table, &table)).unwrap();
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
}

#[test]
fn json_keeps_null() {
    let rows: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
    assert_eq!(
        rows[1],
        serde_json::json!({"name": null, "day": null, "patients": null, "mean": null})
    );
    assert_eq!(rows[0]["patients"], 25);
}

#[test]
fn an_answer_without_rows_is_still_a_table() {
    let empty = Table { batches: Vec::new(), ..table() };
    assert_eq!(written(Format::Csv, &empty), b"name,day,patients,mean\n");
    assert_eq!(written(Format::Json, &empty), b"[]\n");
    for format in [Format::Table, Format::Arrow, Format::Parquet] {
        assert!(!written(format, &empty).is_empty());
    }
}

#[test]
fn arrow_and_parquet_bring_everything_back() {
    let arrow = std::io::Cursor::new(written(Format::Arrow, &table()));
    let arrow = arrow_ipc::reader::FileReader::try_new(arrow, None).unwrap();
    assert_eq!(arrow.schema(), table().schema);
    assert_eq!(arrow.map(Result::unwrap).collect::<Vec<_>>(), table().batches);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answer.parquet");
    write_file(&path, Format::Parquet, &table()).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let parquet = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    assert_eq!(parquet.map(Result::unwrap).collect::<Vec<_>>(), table().batches);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn names_of_files_promise_formats() {
    assert_eq!(Format::of_file(Path::new("a.b.CSV")), Some(Format::Csv));
    assert_eq!(Format::of_file(Path::new("a.feather")), Some(Format::Arrow));
    assert_eq!(Format::of_file(Path::new("a")), None);
}
