use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::disk::SyncedStore;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("_person", DataType::Int64, false),
        Field::new("_weight", DataType::Int16, false),
        Field::new("code", DataType::Utf8, true),
        Field::new("part", DataType::Decimal128(16, 15), true),
        Field::new("day", DataType::Date32, true),
    ]))
}

fn file(path: &str, bucket: u32) -> DataFile {
    DataFile {
        path: path.to_owned(),
        bytes: 10,
        rows: 3,
        bucket,
        sha256: "ab".to_owned(),
        statistics: r#"{"numRecords":3,"minValues":{"_person":1},"maxValues":{"_person":4},"nullCount":{"_person":0}}"#.to_owned(),
    }
}

fn change(adds: Vec<DataFile>, removes: Vec<DataFile>, rows_change: bool) -> Change {
    Change {
        adds,
        removes,
        rows_change,
        columns: None,
        marks: vec![("file:1".to_owned(), 7)],
        notes: vec![("rows".to_owned(), 3.into())],
    }
}

async fn open(folder: &Path) -> Result<TableLog, StoreError> {
    TableLog::open("hes.apc", folder, Arc::new(SyncedStore::new()), &schema()).await
}

#[tokio::test]
async fn versions_keep_their_files_tags_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await.unwrap();
    let empty = log.latest().await.unwrap();
    assert_eq!((empty.number, empty.rows()), (0, 0));
    let one = log
        .commit(&empty, change(vec![file("b0.parquet", 0), file("b1.parquet", 1)], vec![], true))
        .await
        .unwrap();
    assert_eq!((one.number, one.rows()), (1, 6));
    let two = log
        .commit(&one, change(vec![file("c0.parquet", 0)], vec![file("b0.parquet", 0)], false))
        .await
        .unwrap();
    assert_eq!(two.number, 2);

    let again = open(folder.path()).await.unwrap();
    let mut files = again.latest().await.unwrap().files.clone();
    files.sort_by_key(|f| f.bucket);
    assert_eq!(files, [file("c0.parquet", 0), file("b1.parquet", 1)]);
    let old = again.at(1).await.unwrap().unwrap();
    assert_eq!((old.files.len(), old.committed_at), (2, one.committed_at));
    assert!(again.at(3).await.unwrap().is_none());
    assert_eq!(again.mark(&two, "file:1").await.unwrap(), Some(7));
    assert_eq!(again.mark(&two, "file:2").await.unwrap(), None);
}

#[tokio::test]
async fn a_change_from_an_old_version_is_not_committed() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await.unwrap();
    let base = log.latest().await.unwrap();
    log.commit(&base, change(vec![file("a.parquet", 0)], vec![], true)).await.unwrap();
    let late = log.commit(&base, change(vec![file("b.parquet", 0)], vec![], true)).await;
    assert!(matches!(late, Err(StoreError::Log { action: "written", .. })));
    assert_eq!(log.latest().await.unwrap().number, 1);
}

#[tokio::test]
async fn foreign_features_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.unwrap();
    let first = folder.path().join("_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&first).unwrap();
    let mapped = text.replace(r#""minReaderVersion":1,"minWriterVersion":2"#, r#""minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]"#);
    assert_ne!(text, mapped);
    std::fs::write(&first, mapped).unwrap();
    let log = open(folder.path()).await.unwrap();
    let refused = log.latest().await.map(|_| ()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Foreign { feature, .. } if feature == "deletionVectors"),
        "{refused}"
    );
}

#[tokio::test]
async fn half_a_commit_is_an_error_not_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).await.unwrap();
    let base = log.latest().await.unwrap();
    log.commit(&base, change(vec![file("a.parquet", 0)], vec![], true)).await.unwrap();
    let commit = folder.path().join("_delta_log/00000000000000000001.json");
    let text = std::fs::read(&commit).unwrap();
    for keep in [0, 10, text.len() / 2] {
        std::fs::write(&commit, &text[..keep]).unwrap();
        assert!(open(folder.path()).await.unwrap().latest().await.is_err(), "{keep}");
    }
}
