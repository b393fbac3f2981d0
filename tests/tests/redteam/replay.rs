//! What attacks ask at scale, asked in SQL: the doors say the same, figure by figure.
//!
//! The attacks of `tests/redteam` ask `release` about sets of made-up people. Here these people have rows in a store, each
//! with a practice of its own, so that any set of them is a list of codes, which the language allows. The same questions go
//! to the engine, under an agreement that is new, and to `release` with the store's numbers of these people and the
//! engine's secret. Draws follow from people and secret alone, so every figure and every told error must be the same.
//!
//! `CORDON_REPLAYED=100` asks so many questions of each attack and target, `CORDON_TARGETS` about so many targets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_cast::cast;
use arrow_schema::DataType;
use cordon_catalogue::TableName;
use cordon_disclosure::{Measure, Part, Secret};
use cordon_redteam::{ATTACKS, Asking, Attack, House, Rules, questions};
use cordon_tests::{Plan, World, agreement, secret};
use datafusion::arrow::compute::take;
use datafusion::prelude::{ParquetReadOptions, SessionContext};

use crate::neighbours::setting;

/// Questions of each attack unless told otherwise.
const QUESTIONS: u64 = 8;

/// Both profiles with noise.
const PROFILES: [&str; 2] = ["nhs-sde", "guarded"];

/// Rows and days of everybody, by the attack's place and target and what that calls them.
#[derive(Default)]
struct People(BTreeMap<Name, Person>);

type Name = (usize, u64, i64);

#[derive(Clone, Copy, Default)]
struct Person {
    /// Which practice is theirs.
    practice: usize,
    rows: Option<i64>,
    days: Option<i64>,
}

impl People {
    /// Whoever is asked about, with what they contribute; a person contributes the same wherever it counts.
    fn add(&mut self, (place, target): (usize, u64), asking: &Asking) -> Result<()> {
        for part in asking.groups.iter().flatten() {
            let practice = self.0.len();
            let new = Person { practice, ..Person::default() };
            let person = self.0.entry((place, target, part.person)).or_insert(new);
            let known = match asking.measure {
                Measure::Persons => continue,
                Measure::Rows => &mut person.rows,
                Measure::Total { .. } => &mut person.days,
            };
            let contribution = i64::try_from(part.contribution)?;
            let before = *known.get_or_insert(contribution);
            ensure!(before == contribution, "a person has {before} and {contribution}");
        }
        Ok(())
    }

    /// The same groups, of practices instead of people.
    fn practices(&self, (place, target): (usize, u64), groups: &[Vec<Part>]) -> Vec<Vec<usize>> {
        let practice = |part: &Part| Some(self.0.get(&(place, target, part.person))?.practice);
        groups.iter().map(|group| group.iter().filter_map(practice).collect()).collect()
    }

    /// Their rows, each like the first of a batch in everything that no question names.
    fn rows(&self, like: &RecordBatch) -> Result<RecordBatch> {
        let (mut who, mut days) = (Vec::new(), Vec::new());
        for person in self.0.values() {
            for row in 0..person.rows.unwrap_or(1) {
                who.push(person.practice);
                days.push(if row == 0 { person.days.unwrap_or(0) } else { 0 });
            }
        }
        let first = UInt32Array::from(vec![0; who.len()]);
        let text = |of: fn(usize) -> String| -> ArrayRef {
            Arc::new(who.iter().map(|practice| Some(of(*practice))).collect::<StringArray>())
        };
        let fields = like.schema();
        let columns = fields.fields().iter().zip(like.columns()).map(|(field, column)| {
            let ours: ArrayRef = match field.name().as_str() {
                "pseudo_hesid" => text(|practice| format!("TEST{practice:027} ")),
                "gpprac" => text(code),
                "epikey" => Arc::new(Int64Array::from_iter_values(0..who.len() as i64)),
                "epidur" => Arc::new(Int64Array::from(days.clone())),
                _ => take(column, &first, None)?,
            };
            cast(&ours, field.data_type())
        });
        Ok(RecordBatch::try_new(like.schema(), columns.collect::<Result<_, _>>()?)?)
    }
}

/// The code of a practice that only one person has.
fn code(practice: usize) -> String {
    format!("Y{practice:05}")
}

/// The store's numbers of people, by their practice.
async fn numbers(world: &World) -> Result<HashMap<String, i64>> {
    let files = world.folder.path().join("store/tables/hes/apc/");
    let context = SessionContext::new();
    let path = files.to_str().context("a path")?;
    context.register_parquet("apc", path, ParquetReadOptions::default()).await?;
    let found = context.sql("SELECT DISTINCT gpprac, _person FROM apc").await?.collect().await?;
    let mut numbers = HashMap::new();
    for batch in found {
        let practices = cast(batch.column(0), &DataType::Utf8)?;
        let practices = practices.as_string::<i32>();
        let people = cast(batch.column(1), &DataType::Int64)?;
        let people = people.as_primitive::<Int64Type>();
        for row in (0..batch.num_rows()).filter(|row| practices.is_valid(*row)) {
            numbers.insert(practices.value(row).to_owned(), people.value(row));
        }
    }
    Ok(numbers)
}

/// The question as an analyst says it the `n`th time, in words that are new each time: the very same text would be free.
/// Groups have their place as label.
fn sql(measure: Measure, groups: &[Vec<usize>], n: usize) -> String {
    let figure = match measure {
        Measure::Persons => "count(DISTINCT pseudo_hesid)",
        Measure::Rows => "count(*)",
        Measure::Total { .. } => "sum(epidur)",
    };
    let list = |group: &[usize]| {
        let mut codes: Vec<String> =
            group.iter().map(|practice| format!("'{}'", code(*practice))).collect();
        if codes.is_empty() {
            codes.push("'nobody'".to_owned());
        }
        format!("gpprac IN ({})", codes.join(", "))
    };
    let anew = format!("coalesce(sex, '-') <> 'q{n}'");
    if let [group] = groups {
        let list = list(group);
        return format!("SELECT 0 AS label, {figure} AS n FROM hes.apc WHERE {list} AND {anew}");
    }
    let cases: Vec<String> = (0..)
        .zip(groups)
        .filter(|(_, group)| !group.is_empty())
        .map(|(label, group)| format!("WHEN {} THEN {label}", list(group)))
        .collect();
    format!(
        "SELECT label, {figure} AS n FROM (SELECT *, CASE {} END AS label FROM hes.apc) t \
         WHERE label IS NOT NULL AND {anew} GROUP BY label",
        cases.join(" ")
    )
}

/// What the doors tell: of each group figure and error, none where it is not shown.
async fn doors(
    world: &World,
    who: &str,
    sql: &str,
    groups: usize,
) -> Result<Vec<Option<(f64, f64)>>> {
    let mut question = world.question(who, sql)?;
    question.options.error_columns = true;
    let answer = world.engine.run(question, Default::default()).await;
    let answer = answer.map_err(|stop| anyhow::anyhow!("{sql}: {stop:?}"))?;
    let mut told = vec![None; groups];
    for batch in answer.batches() {
        let number = |name: &str| -> Result<_> {
            let column = batch.column_by_name(name).with_context(|| name.to_owned())?;
            Ok(cast(column, &DataType::Float64)?)
        };
        let (labels, figures, errors) = (number("label")?, number("n")?, number("n_se")?);
        let [labels, figures, errors] =
            [&labels, &figures, &errors].map(|column| column.as_primitive::<Float64Type>());
        for row in (0..batch.num_rows()).filter(|row| figures.is_valid(*row)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place")]
            let place = labels.value(row) as usize;
            *told.get_mut(place).context("a group that was asked for")? =
                Some((figures.value(row), errors.value(row)));
        }
    }
    Ok(told)
}

/// Whether no person is in two groups: one GROUP BY says it.
fn disjoint(asking: &Asking) -> bool {
    let mut seen = BTreeSet::new();
    asking.groups.iter().flatten().all(|part| seen.insert(part.person))
}

/// To as many digits as errors are told with.
fn told(error: f64) -> f64 {
    if error == 0.0 {
        return 0.0;
    }
    let unit = 10f64.powf(error.abs().log10().floor() - 2.0);
    (error / unit).round() * unit
}

/// One attack under one profile.
struct Replay {
    attack: &'static Attack,
    place: (usize, u64),
    rules: Rules,
    who: String,
    asked: Vec<Asking>,
}

/// Everything that is to be asked.
fn replays(people: &mut People) -> Result<Vec<Replay>> {
    let most = usize::try_from(setting("CORDON_REPLAYED", QUESTIONS))?;
    let mut all = Vec::new();
    for (at, attack) in ATTACKS.iter().copied().flatten().filter(|a| a.said).enumerate() {
        for target in 0..setting("CORDON_TARGETS", 1).min(attack.targets) {
            // The second target has the bit; the search writes down its first only.
            let target = if attack.id == "A15" { 0 } else { (target + 1) % attack.targets };
            for profile in PROFILES {
                let rules = Rules::shipped(profile)?;
                let mut asked = questions(attack, &rules, target, most)?;
                asked.retain(disjoint);
                asked.iter().try_for_each(|asking| people.add((at, target), asking))?;
                let who = format!("attacker-{}", all.len());
                all.push(Replay { attack, place: (at, target), rules, who, asked });
            }
        }
    }
    Ok(all)
}

/// The rows of these people in a store, and an agreement for each attacker.
async fn house(people: &People, replays: &[Replay]) -> Result<World> {
    let agreements = replays.iter().enumerate().map(|(n, replay)| {
        let reference = format!("DARS-NIC-92{n:04}-REPLY");
        let profile = replay.rules.profile.name();
        agreement(&reference, profile, &replay.who, "not_applied", "years = \"all\"")
    });
    let loads = |table: &TableName, rows: Vec<RecordBatch>| {
        let own = match table.as_str() {
            "hes.apc" => vec![people.rows(rows.first().context("a batch")?)?],
            _ => rows,
        };
        Ok(vec![own])
    };
    let plan = Plan { agreements: agreements.collect(), loads: &loads, ..Plan::of(60) };
    World::built(plan, |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doors_say_what_release_says_at_scale() -> Result<()> {
    let mut people = People::default();
    let replays = replays(&mut people)?;
    let world = house(&people, &replays).await?;
    let numbers = numbers(&world).await?;
    let mut compared: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    // Under another secret figures are others: that they are the same is no accident.
    let mut others = 0;
    for Replay { attack, place, rules, who, asked } in &replays {
        let mut scale = House::with_secret(&rules.profile, secret()?);
        let mut elsewhere = House::with_secret(&rules.profile, Secret::new(&[8; 32])?);
        for (n, asking) in asked.iter().enumerate() {
            let practices = people.practices(*place, &asking.groups);
            let mut groups = asking.groups.clone();
            for (part, practice) in groups.iter_mut().flatten().zip(practices.iter().flatten()) {
                part.person = *numbers.get(&code(*practice)).context("a number")?;
            }
            let expected = scale.table(0, asking.measure, &groups)?;
            others += usize::from(elsewhere.table(0, asking.measure, &groups)? != expected);
            let expected: Vec<_> = expected
                .iter()
                .map(|cell| cell.map(|cell| (cell.figure, told(cell.error))))
                .collect();
            let sql = sql(asking.measure, &practices, n);
            let found = doors(&world, who, &sql, groups.len()).await?;
            let found: Vec<_> = found.iter().map(|cell| cell.map(|(f, e)| (f, told(e)))).collect();
            let (id, name) = (attack.id, &rules.name);
            ensure!(
                found == expected,
                "{id} under {name}: {found:?} at the doors, {expected:?} at scale: {sql}"
            );
            let (tables, shown) = compared.entry(id).or_default();
            *tables += 1;
            *shown += found.iter().flatten().count();
        }
    }
    for attack in ATTACKS.iter().copied().flatten().filter(|attack| attack.said) {
        let (tables, shown) = compared.get(attack.id).copied().unwrap_or_default();
        eprintln!(
            "{:<16} {tables:>6} tables, {shown:>6} figures, the same at the doors",
            attack.id
        );
        ensure!(tables > 0, "{} was not replayed", attack.id);
    }
    let tables: u64 = compared.values().map(|(tables, _)| tables).sum();
    ensure!(
        2 * others as u64 > tables,
        "{others} of {tables} tables are others under another secret"
    );
    ensure!(compared.values().any(|(_, shown)| *shown > 0), "nothing was shown");
    Ok(())
}
