use std::collections::{BTreeMap, HashMap, HashSet};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int16Type, Int64Type};
use datafusion::physical_plan::{ExecutionPlanProperties as _, Partitioning};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt as _;

use super::fixtures::*;
use crate::scan::Split;
use crate::{AsOf, Silent, bucket_of, is_anonymous};

/// Persons are adjacent and in one partition only; rows come in the declared order; nothing is lost.
fn check(rows: &[Row], expected: usize) {
    assert_eq!(rows.len(), expected);
    let mut seen: HashMap<i64, usize> = HashMap::new();
    for pair in rows.windows(2) {
        let ((before, a, day_a, _), (partition, b, day_b, _)) = (&pair[0], &pair[1]);
        if before == partition {
            let order = |day: &Option<i32>| day.map_or(i64::MAX, i64::from);
            assert!((a, order(day_a)) <= (b, order(day_b)), "{pair:?}");
        }
    }
    let mut last = None;
    for (partition, person, ..) in rows {
        if last != Some(*person) {
            assert_eq!(seen.insert(*person, *partition), None, "person {person} comes back");
        }
        assert_eq!(seen[person], *partition);
        last = Some(*person);
    }
}

#[tokio::test]
async fn persons_are_adjacent_and_never_straddle_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut total = 0;
    let mut reference: Option<Vec<_>> = None;
    for load in 0..4 {
        let batch = made_up(700, load);
        total += batch.num_rows();
        append(&store, batch).await;
        let pinned = latest(&store).await;
        reference = None;
        for partitions in [1, 2, 3, 5, 16, 40] {
            let rows = rows(&pinned, partitions).await;
            check(&rows, total);
            let mut rows = without_partitions(rows);
            assert_eq!(&rows, reference.get_or_insert_with(|| rows.clone()), "{partitions}");
            rows.sort();
            rows.dedup();
            assert_eq!(rows.len(), total);
        }
    }
    assert!(reference.is_some());
}

#[tokio::test]
async fn files_of_a_version_are_told_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(700, 0)).await;
    let mut told = latest(&store).await.files(&name("hes.apc")).unwrap();
    told.sort();
    assert!(!told.is_empty());
    assert_eq!(told, files(store.root(), "hes.apc"));
}

#[tokio::test]
async fn the_declared_order_and_partitioning_are_the_delivered_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(300, 0)).await;
    append(&store, made_up(300, 1)).await;
    let pinned = latest(&store).await;
    let (_, scan) = plan(&pinned, "hes.apc", 3, None).await;
    let ordering = scan.output_ordering().unwrap().to_string();
    assert_eq!(ordering, "_person@0 ASC NULLS LAST, epistart@5 ASC NULLS LAST");
    let Partitioning::Range(range) = scan.output_partitioning() else { panic!("not a range") };
    assert_eq!(
        (range.partition_count(), range.ordering().to_string().as_str()),
        (3, "_person@0 ASC NULLS LAST")
    );
    // Partitions hold what the split points say.
    let points: Vec<i64> = range
        .split_points()
        .iter()
        .map(|point| match point.values() {
            [datafusion::common::ScalarValue::Int64(Some(person))] => *person,
            other => panic!("{other:?}"),
        })
        .collect();
    for (partition, person, ..) in rows(&pinned, 3).await {
        assert_eq!(points.iter().filter(|point| **point <= person).count(), partition);
    }
    // Without the person neither can be said; with the person alone, so much of the order is left.
    let (_, scan) = plan(&pinned, "hes.apc", 3, Some(&["epidur"])).await;
    assert!(scan.output_ordering().is_none());
    assert!(matches!(scan.output_partitioning(), Partitioning::UnknownPartitioning(3)));
    let (_, scan) = plan(&pinned, "hes.apc", 3, Some(&["epidur", "_person"])).await;
    assert_eq!(scan.output_ordering().unwrap().to_string(), "_person@1 ASC NULLS LAST");
    assert!(scan.repartitioned(8, &Default::default()).unwrap().is_none());
}

#[tokio::test]
async fn tables_of_one_pin_are_split_alike() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(500, 0)).await;
    store
        .append(&name("hes.op"), std::iter::once(appointments(&["P1", "P2"])), &Silent)
        .await
        .unwrap();
    let pinned = latest(&store).await;
    let (_, apc) = plan(&pinned, "hes.apc", 5, Some(&["_person"])).await;
    let (_, op) = plan(&pinned, "hes.op", 5, Some(&["_person"])).await;
    assert_eq!(apc.output_partitioning(), op.output_partitioning());
}

#[test]
fn splits_are_balanced_and_whole() {
    for (rows, partitions) in [
        (vec![0u64; 16], 5),
        (vec![10; 16], 3),
        (vec![1000, 0, 0, 0, 0, 0, 0, 1], 4),
        (vec![0, 0, 0, 1000], 3),
        (vec![7], 9),
        (vec![], 2),
    ] {
        let text = format!("{:?}", Split::balanced(&rows, partitions));
        let ranges: Vec<(u32, u32)> = text
            .trim_start_matches("Split([")
            .trim_end_matches("])")
            .split(", ")
            .map(|range| {
                let (from, to) = range.split_once("..").unwrap();
                (from.parse().unwrap(), to.parse().unwrap())
            })
            .collect();
        assert_eq!(ranges.len(), partitions.min(rows.len().max(1)), "{text}");
        assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, rows.len().max(1) as u32));
        assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "{text}");
        assert!(ranges.iter().all(|(from, to)| from < to), "{text}");
    }
    assert_eq!(format!("{:?}", Split::balanced(&[10; 16], 2)), "Split([0..8, 8..16])");
}

#[tokio::test]
async fn no_statistics_answer_a_count_without_a_scan() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(100, 0)).await;
    let pinned = latest(&store).await;
    let provider = pinned.provider(&name("hes.apc"), 2).unwrap();
    assert!(provider.statistics().is_none() && provider.constraints().is_none());
    let config = SessionConfig::new().with_target_partitions(2);
    let context = SessionContext::new_with_config(config);
    context.register_table("apc", provider).unwrap();
    let counted = context.sql("select count(*), min(_person) from apc").await.unwrap();
    let plan = counted.clone().create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    assert!(text.contains("StoreScan"), "{text}");
    let answer = counted.collect().await.unwrap();
    let count = answer[0].column(0).as_primitive::<Int64Type>().value(0);
    assert_eq!(count, made_up(100, 0).num_rows() as i64);
}

#[tokio::test]
async fn filters_are_left_to_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(400, 0)).await;
    append(&store, made_up(400, 1)).await;
    let pinned = latest(&store).await;
    let all = rows(&pinned, 1).await;
    let context = SessionContext::new();
    context.register_table("apc", pinned.provider(&name("hes.apc"), 3).unwrap()).unwrap();
    let middle = all[all.len() / 2].1;
    let queries = [
        (format!("_person < {middle}"), all.iter().filter(|row| row.1 < middle).count()),
        (
            format!("_person = {middle} and fyear = '2324'"),
            all.iter().filter(|row| row.1 == middle).count(),
        ),
        ("fyear = '1718'".to_owned(), 0),
        ("epistart is null".to_owned(), all.iter().filter(|row| row.2.is_none()).count()),
        (
            "epistart between date '1975-01-01' and date '1980-01-01'".to_owned(),
            all.iter().filter(|row| row.2.is_some_and(|day| (1826..=3652).contains(&day))).count(),
        ),
        ("upper(fyear) like '%2%'".to_owned(), all.len()),
    ];
    for (condition, expected) in queries {
        let sql = format!("select epikey from apc where {condition}");
        let answer = context.sql(&sql).await.unwrap().collect().await.unwrap();
        assert_eq!(
            answer.iter().map(|batch| batch.num_rows()).sum::<usize>(),
            expected,
            "{condition}"
        );
    }
}

#[tokio::test]
async fn an_empty_table_scans_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let pinned = latest(&store).await;
    assert_eq!(rows(&pinned, 4).await, []);
    assert_eq!(pinned.version(&name("hes.apc")), Some(0));
    assert_eq!(pinned.fingerprint(), "hes.apc@0 hes.mortality@0 hes.op@0 ref.sites@0");
    assert!(pinned.provider(&name("hes.none"), 1).is_none());
}

#[tokio::test]
async fn older_versions_read_as_they_were_also_after_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(200, 0)).await;
    let first = rows(&latest(&store).await, 3).await;
    append(&store, made_up(200, 1)).await;
    let second = without_partitions(rows(&latest(&store).await, 3).await);
    let report = store.compact(&name("hes.apc"), &Silent).await.unwrap();
    assert_eq!((report.version, report.buckets, report.runs), (3, 16, 32));
    let pinned = latest(&store).await;
    assert_eq!(without_partitions(rows(&pinned, 3).await), second);
    assert_eq!(without_partitions(rows(&pinned, 5).await), second);
    let as_of = |version| AsOf::Versions(BTreeMap::from([(name("hes.apc"), version)]));
    let old = store.pin(&as_of(1)).await.unwrap();
    assert_eq!(rows(&old, 3).await, first);
    assert_eq!(old.version(&name("hes.apc")), Some(1));
    assert!(old.committed_at(&name("hes.apc")) < pinned.committed_at(&name("hes.apc")));
    assert_eq!(without_partitions(rows(&store.pin(&as_of(2)).await.unwrap(), 3).await), second);
    let missing = store.pin(&as_of(4)).await.unwrap_err();
    assert_eq!(missing.to_string(), "`hes.apc` has no version 4");
    // Nothing left to merge: no new version.
    assert_eq!(store.compact(&name("hes.apc"), &Silent).await.unwrap().version, 3);
}

#[tokio::test]
async fn all_columns_survive_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    append(&store, made_up(150, 0)).await;
    append(&store, made_up(150, 1)).await;
    let before = whole(&latest(&store).await).await;
    store.compact(&name("hes.apc"), &Silent).await.unwrap();
    assert_eq!(before, whole(&latest(&store).await).await);
}

async fn whole(pinned: &crate::Pinned) -> arrow_array::RecordBatch {
    let (context, plan) = plan(pinned, "hes.apc", 1, None).await;
    let batches: Vec<_> = plan.execute(0, context.task_ctx()).unwrap().try_collect().await.unwrap();
    arrow_select::concat::concat_batches(&plan.schema(), &batches).unwrap()
}

#[tokio::test]
async fn numbers_and_weights_belong_to_persons() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let batch = made_up(300, 0);
    let names: HashSet<_> =
        batch.column(2).as_string::<i32>().iter().flatten().map(str::to_owned).collect();
    let anonymous = batch.column(2).null_count();
    let report = append(&store, batch).await;
    assert_eq!((report.new_persons, report.anonymous), (names.len() as u64, anonymous as u64));
    let rows = whole(&latest(&store).await).await;
    let persons = rows.column(0).as_primitive::<Int64Type>();
    let weights = rows.column(1).as_primitive::<Int16Type>();
    let mut weight_of = HashMap::new();
    for (person, weight) in persons.values().iter().zip(weights.values()) {
        assert_eq!(weight_of.entry(*person).or_insert(*weight), weight);
    }
    assert_eq!(weight_of.len(), names.len() + anonymous);
    assert_eq!(weight_of.keys().filter(|person| is_anonymous(**person)).count(), anonymous);
    // Dense: the numbers of a bucket start at 0 and leave nothing out.
    let mut known: Vec<i64> =
        weight_of.into_keys().filter(|person| !is_anonymous(*person)).collect();
    known.sort_unstable();
    for bucket in known.chunk_by(|a, b| bucket_of(*a) == bucket_of(*b)) {
        assert_eq!(bucket[0] & 0xff_ffff_ffff, 0);
        assert!(bucket.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}
