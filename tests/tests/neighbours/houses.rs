//! Houses that differ in one person. Everybody has the same number in both: whoever differs is loaded last.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray, UInt64Array,
};
use cordon_catalogue::{Catalogue, TableName};
use cordon_engine::OptOuts;
use cordon_synthetic::Population;
use cordon_tests::{Loads, Plan, World, agreement};
use datafusion::arrow::compute::{concat_batches, filter_record_batch, take};

/// Two houses and who asks there.
pub(super) struct Pair {
    pub(super) one: World,
    pub(super) other: World,
    /// Somebody under each profile.
    pub(super) askers: Vec<Asker>,
    /// The people in whom they differ, by pseudonym.
    pub(super) targets: Vec<String>,
    /// Whether the second house answers from the ledger of the first.
    pub(super) copies: bool,
}

/// Who asks the same questions in both houses, under which profile.
pub(super) struct Asker {
    pub(super) profile: &'static str,
    pub(super) in_one: String,
    pub(super) in_other: String,
}

/// Hidden people change nothing under any profile.
const ALL: [&str; 5] =
    ["nhs-sde", "guarded", "hes-publication", "cell-key", "differential-privacy"];

/// Profiles that repeat what was answered about nearly the same people.
const WITH_MEMORY: [&str; 2] = ["nhs-sde", "guarded"];

/// Columns that no agreement of these houses grants.
pub(super) const WITHHELD: [&str; 2] = ["ethnos", "gpprac"];

/// The first year that the agreements of these houses name.
const FIRST_YEAR: &str = "1516";

/// What an agreement shows of each table: everything, or the later years of some areas.
fn line(areas: Option<&BTreeSet<String>>) -> String {
    match areas {
        None => "years = \"all\"".to_owned(),
        Some(areas) => format!(
            "years = \"{FIRST_YEAR}..2223\"\n\
             rows = {{ column = \"ccg_responsibility\", one_of = {:?} }}",
            Vec::from_iter(areas)
        ),
    }
}

/// For somebody of each profile, all columns but the withheld ones.
fn agreed(profiles: &[&str], person: &str, line: &str) -> Result<Vec<(String, String)>> {
    let catalogue = Catalogue::built_in()?;
    let mut files = Vec::new();
    for (number, profile) in profiles.iter().enumerate() {
        let kind = if person == "neighbour" { "NEIGH" } else { "COLLU" };
        let reference = format!("DARS-NIC-91{number:04}-{kind}");
        let who = format!("{person}-{profile}");
        let (file, mut text) = agreement(&reference, profile, &who, "applied", line);
        for table in Population::tables() {
            let described = catalogue.table(&table.parse()?).context("a table")?;
            let names = described.columns.iter().map(|column| column.name.as_str());
            let granted = Vec::from_iter(names.filter(|name| !WITHHELD.contains(name)));
            let head = format!("table = \"{table}\"\ncolumns =");
            text = text.replace(&format!("{head} \"all\""), &format!("{head} {granted:?}"));
        }
        files.push((file, text));
    }
    Ok(files)
}

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Result<&'a StringArray> {
    batch
        .column_by_name(column)
        .with_context(|| column.to_owned())?
        .as_string_opt()
        .context("a text")
}

fn kept(batch: &RecordBatch, keep: impl Fn(usize) -> bool) -> Result<RecordBatch> {
    let rows: BooleanArray = (0..batch.num_rows()).map(|row| Some(keep(row))).collect();
    Ok(filter_record_batch(batch, &rows)?)
}

fn of(batch: &RecordBatch, person: &str) -> Result<RecordBatch> {
    let people = texts(batch, "pseudo_hesid")?;
    kept(batch, |row| people.value(row) == person)
}

fn everything(rows: &[RecordBatch]) -> Result<RecordBatch> {
    Ok(concat_batches(&rows.first().context("a batch")?.schema(), rows)?)
}

/// One batch of everybody else, and then of each of these people in this order what becomes of their rows.
fn last(
    all: &RecordBatch,
    people: &[String],
    edit: &dyn Fn(&str, RecordBatch) -> Result<RecordBatch>,
) -> Result<Vec<Vec<RecordBatch>>> {
    let numbers = texts(all, "pseudo_hesid")?;
    let others = kept(all, |row| !people.iter().any(|person| numbers.value(row) == person))?;
    let edited = people.iter().map(|person| edit(person, of(all, person)?));
    Ok(vec![vec![others], edited.collect::<Result<Vec<_>>>()?])
}

fn with_columns(
    rows: &RecordBatch,
    edit: impl Fn(&str, &ArrayRef) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns());
    let columns = columns.map(|(field, column)| edit(field.name(), column));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

/// As if all these rows were this person's.
fn all_of(person: &str, rows: &RecordBatch) -> Result<RecordBatch> {
    with_columns(rows, |name, column| match name {
        "pseudo_hesid" => {
            Ok(Arc::new(StringArray::from_iter_values(vec![person; rows.num_rows()])))
        }
        _ => Ok(Arc::clone(column)),
    })
}

/// Each row has another row's values in the columns that are not granted.
fn withheld_turned_round(rows: &RecordBatch) -> Result<RecordBatch> {
    let last_first: UInt64Array = (0..rows.num_rows() as u64).rev().collect();
    with_columns(rows, |name, column| match WITHHELD.contains(&name) {
        true => Ok(take(column, &last_first, None)?),
        false => Ok(Arc::clone(column)),
    })
}

fn none_of(batch: &RecordBatch) -> RecordBatch {
    batch.slice(0, 0)
}

/// Everybody's pseudonyms with the years and areas of their stays, and whether they are in all tables.
struct People(Vec<Person>);

struct Person {
    pseudonym: String,
    years: BTreeSet<String>,
    areas: BTreeSet<String>,
    tables: usize,
}

impl People {
    async fn of(people: u64, seed: u64) -> Result<Self> {
        let world = World::built(Plan { seed, ..Plan::of(people) }, |_| {}).await?;
        let mut all: Vec<Person> = Vec::new();
        for table in ["apc", "op", "ae"] {
            let sql = format!(
                "SELECT pseudo_hesid, fyear, coalesce(ccg_responsibility, '') AS area FROM hes.{table} \
                 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            );
            let mut seen = BTreeSet::new();
            for batch in world.plain(&sql).await? {
                let [who, years, areas] =
                    ["pseudo_hesid", "fyear", "area"].map(|c| texts(&batch, c));
                let (who, years, areas) = (who?, years?, areas?);
                for row in 0..batch.num_rows() {
                    let pseudonym = who.value(row);
                    let place = match all.iter().position(|p| p.pseudonym == pseudonym) {
                        Some(place) => place,
                        None => {
                            all.push(Person {
                                pseudonym: pseudonym.to_owned(),
                                years: BTreeSet::new(),
                                areas: BTreeSet::new(),
                                tables: 0,
                            });
                            all.len() - 1
                        }
                    };
                    let person = all.get_mut(place).context("a person")?;
                    person.years.insert(years.value(row).to_owned());
                    person.areas.insert(areas.value(row).to_owned());
                    person.tables += usize::from(seen.insert(pseudonym.to_owned()));
                }
            }
        }
        Ok(Self(all))
    }

    fn get(&self, pseudonym: &str) -> Option<&Person> {
        self.0.iter().find(|p| p.pseudonym == pseudonym)
    }

    /// The first who is like this and none of those.
    fn who(&self, not: &[&String], is: impl Fn(&Person) -> bool) -> Option<String> {
        let found = self.0.iter().find(|p| !not.contains(&&p.pseudonym) && is(p));
        Some(found?.pseudonym.clone())
    }
}

async fn house(
    (people, seed): (u64, u64),
    loads: &Loads<'_>,
    agreements: Vec<(String, String)>,
    opt_outs: &[String],
    like: Option<&World>,
) -> Result<World> {
    let plan = Plan {
        people,
        seed,
        loads,
        agreements,
        again: like.is_some(),
        ledger: like.map(|world| Arc::clone(&world.ledger)),
    };
    let list = Arc::new(OptOuts::new(opt_outs.to_vec()));
    World::built(plan, |settings| settings.opt_outs = list).await
}

/// Three people of whom an agreement shows nothing, or not these rows; in the other house they are not there. Columns that
/// are not granted hold other values there, for everybody. Of every other seed one of the three has everybody's rows.
pub(super) async fn hidden(people: u64, seed: u64) -> Result<Pair> {
    apart(people, seed, true).await
}

/// The same three under an agreement that shows all of them.
pub(super) async fn seen(people: u64, seed: u64) -> Result<Pair> {
    apart(people, seed, false).await
}

/// Those of the next seeds that has people of the kinds that are needed.
async fn with_people<T>(
    people: u64,
    seed: u64,
    find: impl Fn(&People) -> Option<T>,
) -> Result<(u64, T)> {
    for seed in (0..20).map(|n| seed + 1_000 * n) {
        if let Some(found) = find(&People::of(people, seed).await?) {
            return Ok((seed, found));
        }
    }
    bail!("nobody of the kinds that are needed among {people} people from seed {seed} on")
}

/// Who is hidden, and by which areas.
struct Hidden {
    /// Seen by everybody.
    anchor: String,
    years: String,
    elsewhere: String,
    opted: String,
    /// The areas that the agreement names.
    areas: BTreeSet<String>,
}

fn to_hide(all: &People) -> Option<Hidden> {
    let early = |year: &String| year.as_str() < FIRST_YEAR;
    // Whose areas the agreement does not name; it names all others, so that most people are seen.
    let elsewhere = all.who(&[], |p| p.tables > 1 && !p.areas.contains(""))?;
    let away = &all.get(&elsewhere)?.areas;
    let areas = all.0.iter().flat_map(|p| &p.areas).filter(|area| !area.is_empty());
    let areas: BTreeSet<String> = areas.filter(|area| !away.contains(*area)).cloned().collect();
    let here = |p: &Person| p.areas.is_subset(&areas);
    let anchor = all.who(&[&elsewhere], |p| p.tables == 3 && here(p))?;
    let years = all.who(&[&elsewhere, &anchor], |p| {
        here(p) && p.years.iter().any(early) && !p.years.iter().all(early)
    })?;
    let opted = all.who(&[&elsewhere, &anchor, &years], |p| {
        p.tables == 3 && here(p) && !p.years.iter().any(early)
    })?;
    Some(Hidden { anchor, years, elsewhere, opted, areas })
}

async fn apart(people: u64, seed: u64, narrow: bool) -> Result<Pair> {
    let (found, hidden) = with_people(people, seed, to_hide).await?;
    let Hidden { anchor, years, elsewhere, opted, areas } = hidden;
    let crowd = seed.is_multiple_of(2);
    let order = vec![anchor, years.clone(), elsewhere.clone(), opted.clone()];
    let agreements = || agreed(&ALL, "neighbour", &line(narrow.then_some(&areas)));
    let opt_outs = if narrow { vec![opted.clone()] } else { Vec::new() };
    let with: &Loads<'_> = &|_: &TableName, rows| {
        let all = everything(&rows)?;
        last(&all, &order, &|person, own| match crowd && person == opted {
            true => all_of(person, &all),
            false => Ok(own),
        })
    };
    let without: &Loads<'_> = &|_: &TableName, rows| {
        let all = withheld_turned_round(&everything(&rows)?)?;
        last(&all, &order, &|person, own| {
            if person == elsewhere || person == opted {
                return Ok(none_of(&own));
            }
            if person != years {
                return Ok(own);
            }
            let seen = texts(&own, "fyear")?.clone();
            kept(&own, |row| seen.value(row) >= FIRST_YEAR)
        })
    };
    let one = house((people, found), with, agreements()?, &opt_outs, None).await?;
    let other = house((people, found), without, agreements()?, &opt_outs, None).await?;
    let targets = vec![years, elsewhere, opted];
    let askers = ALL.map(|profile| {
        let who = format!("neighbour-{profile}");
        Asker { profile, in_one: who.clone(), in_other: who }
    });
    Ok(Pair { one, other, askers: askers.into(), targets, copies: false })
}

/// One person is missing or other than it was in the second house, which shares the ledger of the first.
pub(super) async fn present(people: u64, seed: u64, changed: bool) -> Result<Pair> {
    differing(people, seed, changed, true).await
}

/// The same where each house remembers for itself.
pub(super) async fn not_remembered(people: u64, seed: u64) -> Result<Pair> {
    differing(people, seed, false, false).await
}

async fn differing(people: u64, seed: u64, changed: bool, shared: bool) -> Result<Pair> {
    let (found, (anchor, target)) = with_people(people, seed, |all| {
        let anchor = all.who(&[], |p| p.tables == 3)?;
        let target = all.who(&[&anchor], |p| p.tables == 3)?;
        Some((anchor, target))
    })
    .await?;
    let order = vec![anchor, target.clone()];
    let agreements = || -> Result<Vec<(String, String)>> {
        let mut both = agreed(&WITH_MEMORY, "neighbour", &line(None))?;
        both.extend(agreed(&WITH_MEMORY, "colluder", &line(None))?);
        Ok(both)
    };
    let with: &Loads<'_> =
        &|_: &TableName, rows| last(&everything(&rows)?, &order, &|_, own| Ok(own));
    let without: &Loads<'_> = &|_: &TableName, rows| {
        last(&everything(&rows)?, &order, &|person, own| match (person == target, changed) {
            (false, _) => Ok(own),
            (true, false) => Ok(none_of(&own)),
            (true, true) => other_values(&own),
        })
    };
    let one = house((people, found), with, agreements()?, &[], None).await?;
    let like = shared.then_some(&one);
    let other = house((people, found), without, agreements()?, &[], like).await?;
    let askers = WITH_MEMORY.map(|profile| Asker {
        profile,
        in_one: format!("neighbour-{profile}"),
        in_other: format!("colluder-{profile}"),
    });
    Ok(Pair { one, other, askers: askers.into(), targets: vec![target], copies: shared })
}

/// The person's rows with other codes and numbers in what is sensitive.
fn other_values(rows: &RecordBatch) -> Result<RecordBatch> {
    with_columns(rows, |name, column| {
        Ok(match name {
            "sex" => {
                let other = |sex: Option<&str>| sex.map(|sex| if sex == "1" { "2" } else { "1" });
                Arc::new(column.as_string::<i32>().iter().map(other).collect::<StringArray>())
            }
            name if name.starts_with("diag_") && column.as_string_opt::<i32>().is_some() => {
                let other = |code: Option<&str>| {
                    code.map(|code| if code.len() > 3 { "C509" } else { "C50" })
                };
                Arc::new(column.as_string::<i32>().iter().map(other).collect::<StringArray>())
            }
            "epidur" | "speldur" | "startage_calc" => {
                match column.as_any().downcast_ref::<Int32Array>() {
                    Some(days) => Arc::new(
                        days.iter().map(|d| d.map(|d| (d + 37) % 90)).collect::<Int32Array>(),
                    ),
                    None => Arc::clone(column),
                }
            }
            _ => Arc::clone(column),
        })
    })
}
