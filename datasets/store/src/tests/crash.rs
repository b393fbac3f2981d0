use std::fs;
use std::path::Path;

use arrow_array::Array as _;

use super::fixtures::*;
use crate::settings::WriterLock;
use crate::{AsOf, Silent, Store, StoreError};

/// Takes back the newest commit of a Delta table: the state of a process that was killed before it.
fn undo_commit(folder: &Path) {
    let mut commits: Vec<_> = fs::read_dir(folder.join("_delta_log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    commits.sort();
    fs::remove_file(commits.pop().unwrap()).unwrap();
}

#[tokio::test]
async fn killed_before_the_table_commit_nothing_is_seen_and_numbers_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, episodes(&[(Some("A"), 1, Some(1))])).await;
    append(&store, episodes(&[(Some("B"), 2, Some(1)), (Some("A"), 3, Some(2)), (None, 4, None)]))
        .await;
    let given = store.persons(&["A".to_owned(), "B".to_owned()]).await.unwrap();
    let before: Vec<_> = rows(&latest(&store).await, 1).await;
    drop(store);
    undo_commit(&folder.path().join("tables/hes/apc"));

    let store = open(folder.path()).await;
    let pinned = latest(&store).await;
    assert_eq!((pinned.version(&name("hes.apc")), rows(&pinned, 2).await.len()), (Some(1), 1));
    // The load is done again: the same people get the same numbers, nobody gets two.
    append(&store, episodes(&[(Some("B"), 2, Some(1)), (Some("A"), 3, Some(2)), (None, 4, None)]))
        .await;
    assert_eq!(store.persons(&["A".to_owned(), "B".to_owned()]).await.unwrap(), given);
    let after = rows(&latest(&store).await, 1).await;
    let known = |rows: &[Row]| {
        rows.iter().filter(|row| !crate::is_anonymous(row.1)).cloned().collect::<Vec<_>>()
    };
    assert_eq!(known(&after), known(&before));
    assert_eq!(after.len(), 4);
}

#[tokio::test]
async fn killed_before_the_index_commit_nothing_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, episodes(&[(Some("A"), 1, Some(1))])).await;
    append(&store, episodes(&[(Some("B"), 2, Some(1))])).await;
    drop(store);
    undo_commit(&folder.path().join("tables/hes/apc"));
    undo_commit(&folder.path().join("persons"));
    fs::create_dir_all(folder.path().join("scratch")).unwrap();
    fs::write(folder.path().join("scratch/run-3.parquet"), b"half").unwrap();
    let store = open(folder.path()).await;
    assert_eq!(store.persons(&["B".to_owned()]).await.unwrap(), [None]);
    append(
        &store,
        episodes(&[(Some("C"), 3, Some(1)), (Some("B"), 2, Some(1)), (Some("A"), 4, Some(1))]),
    )
    .await;
    let rows = rows(&latest(&store).await, 3).await;
    let mut persons: Vec<i64> = rows.iter().map(|row| row.1).collect();
    persons.dedup();
    assert_eq!((rows.len(), persons.len()), (4, 3));
}

#[tokio::test]
async fn an_index_or_key_that_is_gone_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await);
    fs::rename(folder.path().join("persons"), folder.path().join("elsewhere")).unwrap();
    let error = Store::open(folder.path(), catalogue()).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("the person index is gone"), "{error}");
    fs::rename(folder.path().join("elsewhere"), folder.path().join("persons")).unwrap();
    fs::remove_file(folder.path().join("person.key")).unwrap();
    assert!(matches!(Store::open(folder.path(), catalogue()).await, Err(StoreError::Disk { .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn the_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await);
    let mode = fs::metadata(folder.path().join("person.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let other = WriterLock::take(store.root()).unwrap();
    let refused = store.append(&name("hes.apc"), std::iter::once(made_up(5, 0)), &Silent).await;
    assert!(matches!(refused, Err(StoreError::Busy)));
    drop(other);
    let table = name("hes.apc");
    let both = futures::join!(
        store.append(&table, std::iter::once(made_up(50, 0)), &Silent),
        store.append(&table, std::iter::once(made_up(50, 1)), &Silent),
    );
    let mut versions = [both.0.unwrap().version, both.1.unwrap().version];
    versions.sort_unstable();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test]
async fn damaged_files_are_named_and_other_tables_still_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(200, 0)).await;
    store
        .append(&name("hes.op"), std::iter::once(appointments(&["A", "B"])), &Silent)
        .await
        .unwrap();
    drop(store);
    let victim = files(folder.path(), "hes.apc").remove(3);
    let whole = fs::read(&victim).unwrap();
    let flipped = {
        let mut bytes = whole.clone();
        bytes[whole.len() / 3] ^= 1;
        bytes
    };
    let cases = [
        (Some(flipped), "its content is not what was written"),
        (Some(whole[..whole.len() / 2].to_vec()), "its size is not what was written"),
        (Some(Vec::new()), "its size is not what was written"),
        (None, "it cannot be found"),
    ];
    for (bytes, problem) in cases {
        match bytes {
            Some(bytes) => fs::write(&victim, bytes).unwrap(),
            None => fs::remove_file(&victim).unwrap(),
        }
        let store = open(folder.path()).await;
        let pinned = latest(&store).await;
        let error = try_rows(&pinned, 2).await.unwrap_err();
        let cause = cause(&error).unwrap().to_string();
        let file = victim.file_name().unwrap().to_str().unwrap();
        assert!(
            cause.contains(file) && cause.contains("is damaged") && cause.ends_with(problem),
            "{cause}"
        );
        let (context, op) = plan(&pinned, "hes.op", 1, None).await;
        let answer = datafusion::physical_plan::collect(op, context.task_ctx()).await.unwrap();
        assert_eq!(answer.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
        assert!(store.compact(&name("hes.apc"), &Silent).await.is_ok(), "nothing to merge yet");
    }
    fs::write(&victim, whole).unwrap();
    let store = open(folder.path()).await;
    assert_eq!(try_rows(&latest(&store).await, 2).await.unwrap().len(), made_up(200, 0).num_rows());
}

#[tokio::test]
async fn a_damaged_log_takes_its_table_with_it_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(20, 0)).await;
    drop(store);
    let commit = folder.path().join("tables/hes/apc/_delta_log/00000000000000000001.json");
    let text = fs::read(&commit).unwrap();
    fs::write(&commit, &text[..text.len() / 2]).unwrap();
    let store = open(folder.path()).await;
    let pinned = latest(&store).await;
    assert!(pinned.provider(&name("hes.apc"), 1).is_none());
    assert!(pinned.problem(&name("hes.apc")).is_some());
    assert!(pinned.provider(&name("hes.op"), 1).is_some());
    assert!(store.append(&name("hes.apc"), std::iter::once(made_up(5, 1)), &Silent).await.is_err());
}

#[tokio::test]
async fn a_damaged_index_stops_loads_and_gives_nobody_a_second_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(200, 0)).await;
    let index = fs::read_dir(folder.path().join("persons"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "parquet"))
        .unwrap();
    let mut bytes = fs::read(&index).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&index, bytes).unwrap();
    let error = store
        .append(&name("hes.apc"), std::iter::once(made_up(200, 1)), &Silent)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(latest(&store).await.version(&name("hes.apc")), Some(1));
}

async fn open_changed(root: &Path, from: &str, to: &str) -> Store {
    let changed = TABLES.replacen(from, to, 1);
    assert_ne!(changed, TABLES);
    let catalogue = cordon_catalogue::Catalogue::from_toml([("test.toml".to_owned(), changed)]);
    Store::open(root, catalogue.unwrap().into()).await.unwrap()
}

#[tokio::test]
async fn a_description_that_changed_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).await);
    let day = r#"  { name = "day", type = "Date32", class = "ordinary", meaning = "Day" },"#;
    let admidate = r#"  { name = "admidate""#;
    for (from, to, problem) in [
        (
            r#"name = "epidur", type = "Int32""#,
            r#"name = "epidur", type = "Int64""#,
            "column `epidur` has another type",
        ),
        (
            r#"name = "epidur", type"#,
            r#"name = "duration", type"#,
            "column `epidur` is no longer described",
        ),
        (
            admidate,
            &format!("{day}\n{admidate}"),
            "column `admidate` is a date that now comes after a new one",
        ),
    ] {
        let store = open_changed(folder.path(), from, to).await;
        let pinned = store.pin(&AsOf::Latest).await.unwrap();
        let found = pinned.problem(&name("hes.apc")).unwrap().to_string();
        assert!(found.ends_with(problem), "{found}");
        assert!(pinned.problem(&name("hes.op")).is_none());
    }
}

#[tokio::test]
async fn a_column_that_was_described_later_is_null_in_older_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(60, 0)).await;
    append(&store, made_up(60, 1)).await;
    let old = made_up(60, 0).num_rows() + made_up(60, 1).num_rows();
    drop(store);
    let epidur = r#"  { name = "epidur""#;
    let ward = r#"  { name = "ward", type = "Utf8", class = "ordinary", meaning = "Ward" },"#;
    let store = open_changed(folder.path(), epidur, &format!("{ward}\n{epidur}")).await;
    let file = write(
        folder.path(),
        "in.csv",
        "fyear,epikey,pseudo_hesid,admidate,epistart,ward,epidur\n2324,1,P1,,,W,2\n",
    );
    store.load(&name("hes.apc"), &[file], &Default::default(), &Silent).await.unwrap();
    for _ in 0..2 {
        let pinned = latest(&store).await;
        let (context, plan) =
            plan(&pinned, "hes.apc", 2, Some(&["ward", "_person", "epidur"])).await;
        let rows = datafusion::physical_plan::collect(plan, context.task_ctx()).await.unwrap();
        let rows = arrow_select::concat::concat_batches(&rows[0].schema(), &rows).unwrap();
        assert_eq!(
            (rows.num_rows(), rows.column(0).null_count(), rows.column(2).null_count()),
            (old + 1, old, 0)
        );
        store.compact(&name("hes.apc"), &Silent).await.unwrap();
    }
    drop(store);
    // The stored table is wider now, so the old description no longer fits.
    let store = open(folder.path()).await;
    assert!(latest(&store).await.problem(&name("hes.apc")).is_some());
}
