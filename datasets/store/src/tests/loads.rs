use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use datafusion::prelude::SessionContext;

use super::fixtures::*;
use crate::{LoadOptions, LoadReport, Silent, Store, StoreError, is_anonymous};

const HEADER: &str = "FYEAR,EPIKEY,PSEUDO_HESID,ADMIDATE,EPISTART,EPIDUR\n";

async fn load(
    store: &Store,
    table: &str,
    file: &Path,
    options: &LoadOptions,
) -> Result<LoadReport, StoreError> {
    store.load(&name(table), &[file.to_owned()], options, &Silent).await
}

async fn load_text(root: &Path, store: &Store, text: &str) -> Result<LoadReport, StoreError> {
    let file = write(root, "in.csv", text);
    load(store, "hes.apc", &file, &LoadOptions::default()).await
}

async fn sql(store: &Store, query: &str) -> RecordBatch {
    let (pinned, context) = (latest(store).await, SessionContext::new());
    for table in pinned.tables() {
        context.register_table(table.name(), pinned.provider(table, 3).unwrap()).unwrap();
    }
    let answer = context.sql(query).await.unwrap().collect().await.unwrap();
    arrow_select::concat::concat_batches(&answer[0].schema(), &answer).unwrap()
}

#[tokio::test]
async fn values_are_parsed_and_bad_rows_are_rejected_without_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).await;
    let text = format!(
        "{HEADER}2324,12345678901234567890,SECRET1,1800-01-01,2023-05-01,5.0\n\
         2324,2,SECRET2,,2023-05-02,oops\n\
         ,3,SECRET3,,2023-05-03,1\n\
         2324,,SECRET4,notadate,2023-05-04,1\n\
         2324,5,SECRET5,1700-01-01,2023-05-05,1\n\
         2324,6\n\
         2324,7,,,,\"2\"\n"
    );
    let report = load_text(folder.path(), &store, &text).await.unwrap();
    assert_eq!((report.read, report.loaded, report.rejected), (7, 2, 5));
    assert_eq!((report.new_persons, report.anonymous, report.version), (1, 1, 1));
    let rejects = std::fs::read_to_string(report.rejects.unwrap()).unwrap();
    assert_eq!(
        rejects,
        "file,line,column,reason\n\
         in.csv,3,epidur,not a whole number\n\
         in.csv,4,fyear,a value is required\n\
         in.csv,5,epikey,a value is required\n\
         in.csv,5,admidate,not a date\n\
         in.csv,6,admidate,date before 1800 or after 2200\n\
         in.csv,7,,more or fewer fields than the header\n"
    );
    let rows =
        sql(&store, "select epikey, epidur, _quality, admidate from apc order by epikey").await;
    assert_eq!(rows.column(0).as_string::<i32>().value(0), "12345678901234567890");
    assert_eq!(rows.column(1).as_primitive::<Int32Type>().values(), &[5, 2]);
    assert_eq!(rows.column(2).as_primitive::<Int32Type>().values(), &[1, 0]);
    assert_eq!(rows.column(3).null_count(), 2);
}

#[tokio::test]
async fn no_file_of_a_table_holds_a_pseudonym() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let batch = episodes(&[(Some("NEEDLE7"), 1, Some(1))]);
    append(&store, batch).await;
    let holds =
        |path: &Path| std::fs::read(path).unwrap().windows(7).any(|window| window == b"NEEDLE7");
    let mut folders = vec![folder.path().to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => assert!(!holds(&path), "{}", path.display()),
            }
        }
    }
}

#[tokio::test]
async fn a_person_has_one_number_in_all_tables_and_loads() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, episodes(&[(Some("A"), 1, Some(1)), (None, 2, Some(1)), (Some("B"), 3, None)]))
        .await;
    drop(store);
    let store = open(folder.path()).await;
    let report = append(&store, episodes(&[(Some(" A "), 4, Some(0)), (None, 5, Some(1))])).await;
    assert_eq!((report.new_persons, report.anonymous), (0, 1));
    store
        .append(&name("hes.op"), std::iter::once(appointments(&["B", "C", "A"])), &Silent)
        .await
        .unwrap();
    let wanted: Vec<String> = ["A", "B", "C", "D"].map(str::to_owned).to_vec();
    let found = store.persons(&wanted).await.unwrap();
    let [Some(a), Some(b), Some(c), None] = found[..] else { panic!("{found:?}") };
    assert_eq!(HashSet::from([a, b, c]).len(), 3);
    let rows = rows(&latest(&store).await, 4).await;
    let keys = |person: i64| {
        rows.iter()
            .filter(|row| row.1 == person)
            .map(|row| row.3[18..].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(a), ["04", "01"]);
    assert_eq!(keys(b), ["03"]);
    let anonymous: HashSet<i64> =
        rows.iter().map(|row| row.1).filter(|p| is_anonymous(*p)).collect();
    assert_eq!(anonymous.len(), 2);
    let joined = sql(&store, "select count(*) from apc join op on apc._person = op._person").await;
    assert_eq!(joined.column(0).as_primitive::<Int64Type>().value(0), 3);
}

#[tokio::test]
async fn wrong_headers_name_the_columns() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).await;
    let error = load_text(
        folder.path(),
        &store,
        "fyear,EpiKey,PSEUDO_HESID,ADMIDATE,EPISTART,epistart,shoe_size\n",
    )
    .await;
    let problem = error.unwrap_err().to_string();
    assert!(problem.contains("missing epidur; unknown shoe_size; repeated epistart"), "{problem}");
    let error = load_text(folder.path(), &store, "2324,1,SECRET,2001-01-01,2001-01-01,3\n").await;
    let problem = error.unwrap_err().to_string();
    assert!(
        problem.contains("6 of 6 names are unknown") && !problem.contains("secret"),
        "{problem}"
    );
    let file = write(
        folder.path(),
        "few.csv",
        "\u{feff}fyear,epikey,pseudo_hesid,epistart\n2324,1,A,2001-01-01\n",
    );
    assert!(load(&store, "hes.apc", &file, &LoadOptions::default()).await.is_err());
    let options = LoadOptions { missing_as_null: true, ..LoadOptions::default() };
    assert_eq!(load(&store, "hes.apc", &file, &options).await.unwrap().loaded, 1);
    let file = write(folder.path(), "fewer.csv", "fyear,epikey,epistart\n2324,1,2001-01-01\n");
    let problem = load(&store, "hes.apc", &file, &options).await.unwrap_err().to_string();
    assert!(problem.contains("missing pseudo_hesid"), "{problem}");
    assert_eq!(latest(&store).await.version(&name("hes.apc")), Some(1));
}

fn gzip(text: &str) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

fn many_lines(rows: u32) -> String {
    let line = |n: u32| {
        format!(
            "2324,K{n},P{},2020-01-02,2020-01-{:02},{}\n",
            n % 97,
            n % 28 + 1,
            n.wrapping_mul(2_654_435_761) >> 20
        )
    };
    std::iter::once(HEADER.to_owned()).chain((0..rows).map(line)).collect()
}

#[tokio::test]
async fn half_a_gzip_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).await;
    let whole = gzip(&many_lines(20_000));
    let file = folder.path().join("in.csv.gz");
    for keep in [whole.len() / 2, whole.len() - 5, whole.len() - 1, 30] {
        std::fs::write(&file, &whole[..keep]).unwrap();
        let error = load(&store, "hes.apc", &file, &LoadOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Input { .. }), "{keep}: {error}");
    }
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    std::fs::write(&file, flipped).unwrap();
    assert!(load(&store, "hes.apc", &file, &LoadOptions::default()).await.is_err());
    assert_eq!(latest(&store).await.version(&name("hes.apc")), Some(0));
    std::fs::write(&file, whole).unwrap();
    let report = load(&store, "hes.apc", &file, &LoadOptions::default()).await.unwrap();
    assert_eq!((report.read, report.loaded, report.new_persons), (20_000, 20_000, 97));
}

#[tokio::test]
async fn rows_that_do_not_fit_into_memory_are_spilt_and_merged() {
    let folder = tempfile::tempdir().unwrap();
    let (roomy, tight) =
        (open(&folder.path().join("a")).await, open(&folder.path().join("b")).await);
    let file = write(folder.path(), "in.csv", &many_lines(60_000));
    load(&roomy, "hes.apc", &file, &LoadOptions::default()).await.unwrap();
    let options = LoadOptions { memory: 400_000, ..LoadOptions::default() };
    let report = load(&tight, "hes.apc", &file, &options).await.unwrap();
    assert_eq!((report.loaded, report.new_persons), (60_000, 97));
    let keys = |rows: Vec<Row>| rows.into_iter().map(|row| row.3).collect::<HashSet<_>>();
    let (a, b) = (rows(&latest(&roomy).await, 3).await, rows(&latest(&tight).await, 3).await);
    let mut order: Vec<_> = b.iter().map(|row| (row.1, row.2)).collect();
    assert!(order.is_sorted() && b.len() == 60_000);
    order.dedup_by_key(|row| row.0);
    assert_eq!(order.len(), 97);
    assert_eq!(keys(a), keys(b));
    assert!(files(&folder.path().join("b"), "hes.apc").len() <= 16, "one run per bucket");
    assert!(!folder.path().join("b/scratch").exists());
}

#[tokio::test]
async fn the_same_content_is_refused_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).await;
    let text = many_lines(10);
    let plain = write(folder.path(), "in.csv", &text);
    let zipped = folder.path().join("other.csv.gz");
    std::fs::write(&zipped, gzip(&text)).unwrap();
    let twice = store
        .load(&name("hes.apc"), &[plain.clone(), zipped.clone()], &LoadOptions::default(), &Silent)
        .await;
    assert!(matches!(twice, Err(StoreError::Input { .. })));
    load(&store, "hes.apc", &plain, &LoadOptions::default()).await.unwrap();
    let error = load(&store, "hes.apc", &zipped, &LoadOptions::default()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("was loaded into `hes.apc` before; nothing was loaded"),
        "{error}"
    );
    let again = LoadOptions { again: true, ..LoadOptions::default() };
    assert_eq!(load(&store, "hes.apc", &zipped, &again).await.unwrap().version, 2);
    // Still refused after a compaction has rewritten the files.
    store.compact(&name("hes.apc"), &Silent).await.unwrap();
    assert!(load(&store, "hes.apc", &plain, &LoadOptions::default()).await.is_err());
}

#[tokio::test]
async fn parquet_is_cast_to_the_described_types() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).await;
    let schema = Arc::new(Schema::new(vec![
        Field::new("EPIKEY", DataType::Int32, false),
        Field::new("fyear", DataType::Utf8, true),
        Field::new("pseudo_hesid", DataType::Utf8, true),
        Field::new("admidate", DataType::Utf8, true),
        Field::new("epistart", DataType::Date32, true),
        Field::new("epidur", DataType::Float64, true),
    ]));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Int32Array::from(vec![1, 2, 3])),
            Arc::new(StringArray::from(vec![Some("2324"), Some("2324"), None])),
            Arc::new(StringArray::from(vec!["A", "B", "C"])),
            Arc::new(StringArray::from(vec!["1801-01-01", "2001-02-03", ""])),
            Arc::new(arrow_array::Date32Array::from(vec![Some(-62091), Some(10), Some(11)])),
            Arc::new(arrow_array::Float64Array::from(vec![Some(5.0), Some(5.5), None])),
        ],
    )
    .unwrap();
    let file = folder.path().join("in.parquet");
    #[expect(clippy::disallowed_methods, reason = "a file to be loaded")]
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(std::fs::File::create(&file).unwrap(), schema, None)
            .unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let report = load(&store, "hes.apc", &file, &LoadOptions::default()).await.unwrap();
    assert_eq!((report.read, report.loaded, report.rejected), (3, 1, 2));
    let rows = sql(&store, "select epikey, epidur, _quality, epistart from apc").await;
    assert_eq!(rows.column(0).as_string::<i32>().value(0), "1");
    assert_eq!(rows.column(2).as_primitive::<Int32Type>().value(0), 3);
    assert_eq!(rows.column(3).null_count(), 1);

    let whole = std::fs::read(&file).unwrap();
    for keep in [whole.len() / 2, whole.len() - 1, 8, 4] {
        std::fs::write(&file, &whole[..keep]).unwrap();
        let error = load(&store, "hes.apc", &file, &LoadOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Input { .. }), "{keep}: {error}");
    }
}

#[tokio::test]
async fn a_quote_that_is_never_closed_does_not_swallow_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).await;
    let text = format!(
        "{HEADER}2324,1,\"A,2001-01-01,2001-01-01,1\n{}",
        "2324,1,A,2001-01-01,2001-01-01,1\n".repeat(700_000)
    );
    let error = load_text(folder.path(), &store, &text).await.unwrap_err();
    assert!(error.to_string().contains("longer than 16 MiB"), "{error}");
}

#[tokio::test]
async fn reference_tables_are_replaced_and_their_keys_are_unique() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).await;
    let file = write(folder.path(), "sites.csv", "code,beds\nA,10\nB,\n");
    assert_eq!(load(&store, "ref.sites", &file, &LoadOptions::default()).await.unwrap().loaded, 2);
    let file = write(folder.path(), "more.csv", "code,beds\nC,1\nA,2\nC,3\n");
    let error = load(&store, "ref.sites", &file, &LoadOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "row 3 for `ref.sites` repeats a key (code); nothing was loaded");
    let rows = sql(&store, "select code from sites order by 1").await;
    assert_eq!(rows.num_rows(), 2);
    let file = write(folder.path(), "other.csv", "code,beds\nC,1\n,4\n");
    let report = load(&store, "ref.sites", &file, &LoadOptions::default()).await.unwrap();
    assert_eq!((report.loaded, report.rejected, report.version), (1, 1, 2));
    let rows = sql(&store, "select code, beds from sites").await;
    assert_eq!(rows.column(0).as_string::<i32>().value(0), "C");
    let file = write(folder.path(), "none.csv", "code,beds\nX,many\n");
    let error = load(&store, "ref.sites", &file, &LoadOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("would be left empty"), "{error}");
    let appended = store.append(&name("ref.sites"), std::iter::empty(), &Silent).await;
    assert!(matches!(appended, Err(StoreError::Kind { .. })));
}

#[tokio::test]
async fn a_table_with_one_row_per_person_keeps_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store")).await;
    let file = write(
        folder.path(),
        "d.csv",
        "fyear,pseudo_hesid,deathkey,dod\n2324,A,1,2024-02-02\n2324,A,2,2024-01-01\n2324,,3,2024-01-01\n2324,,4,2024-01-01\n",
    );
    let report = load(&store, "hes.mortality", &file, &LoadOptions::default()).await.unwrap();
    assert_eq!((report.read, report.loaded, report.rejected), (4, 3, 1));
    let file = write(
        folder.path(),
        "e.csv",
        "fyear,pseudo_hesid,deathkey,dod\n2324,A,5,2024-02-03\n2324,B,6,2024-01-01\n",
    );
    let report = load(&store, "hes.mortality", &file, &LoadOptions::default()).await.unwrap();
    assert_eq!((report.loaded, report.rejected), (1, 1));
    let rows = sql(&store, "select count(*), count(distinct _person) from mortality").await;
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), 4);
    assert_eq!(rows.column(1).as_primitive::<Int64Type>().value(0), 4);
    let options = LoadOptions { replace: true, ..LoadOptions::default() };
    let report = load(
        &store,
        "hes.mortality",
        &write(folder.path(), "f.csv", "fyear,pseudo_hesid,deathkey,dod\n2324,A,7,2024-02-03\n"),
        &options,
    )
    .await
    .unwrap();
    assert_eq!((report.loaded, report.new_persons), (1, 0));
    assert_eq!(sql(&store, "select * from mortality").await.num_rows(), 1);
}

#[tokio::test]
async fn batches_with_other_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let batch = appointments(&["A"]);
    let error = store.append(&name("hes.apc"), std::iter::once(batch), &Silent).await.unwrap_err();
    assert!(matches!(error, StoreError::Rows { .. }), "{error}");
    assert_eq!(latest(&store).await.version(&name("hes.apc")), Some(0));
}

#[tokio::test]
async fn stores_and_pins_go_between_threads() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let folder = tempfile::tempdir().unwrap();
    let store = shared(open(folder.path()).await);
    let table = name("hes.apc");
    sent(store.append(&table, std::iter::once(made_up(3, 0)), &Silent)).await.unwrap();
    let file = [write(folder.path(), "in.csv", &many_lines(3))];
    sent(store.load(&table, &file, &LoadOptions::default(), &Silent)).await.unwrap();
    sent(store.compact(&table, &Silent)).await.unwrap();
    shared(sent(store.pin(&Default::default())).await.unwrap());
}
