//! The red team at the doors: what SQL itself could tell, in two houses that differ in one patient; and whether figures
//! at the doors behave as those that `tests/redteam` attacks at scale.

mod channels;
mod replay;

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_cast::pretty::pretty_format_batches;
use arrow_schema::DataType;
use cordon_catalogue::TableName;
use cordon_engine::Stop;
use cordon_tests::{Plan, World, agreement};

/// Both profiles with noise, over all columns.
const ANALYSTS: [(&str, &str); 2] = [("nhs-sde", "insider"), ("guarded", "outsider")];

/// A house in which rows are altered before they are loaded.
async fn house(
    people: u64,
    alter: impl Fn(&str, RecordBatch) -> Result<RecordBatch>,
) -> Result<World> {
    let agreements = (3..).zip(ANALYSTS).map(|(number, (profile, who))| {
        let reference = format!("DARS-NIC-90000{number}-ATTCK");
        agreement(&reference, profile, who, "not_applied", "years = \"all\"")
    });
    let loads = |table: &TableName, rows: Vec<RecordBatch>| {
        let rows = rows.into_iter().map(|batch| alter(table.as_str(), batch));
        Ok(vec![rows.collect::<Result<Vec<_>>>()?])
    };
    let plan = Plan { agreements: agreements.collect(), loads: &loads, ..Plan::of(people) };
    World::built(plan, |_| {}).await
}

/// All that leaves for one statement, as text: columns, rows, notes; or the refusal.
async fn reply(world: &World, who: &str, sql: &str) -> Result<String> {
    Ok(match world.ask(who, sql).await? {
        Ok(answer) => {
            let mut text = format!("answered\n{:?}\n", answer.schema().fields());
            writeln!(text, "{}", pretty_format_batches(answer.batches())?)?;
            for batch in answer.batches() {
                writeln!(
                    text,
                    "{} rows, {} bytes",
                    batch.num_rows(),
                    batch.get_array_memory_size()
                )?;
            }
            for note in answer.notes() {
                writeln!(text, "{}", note.text)?;
            }
            text
        }
        Err(Stop::Refused(refusal)) => format!("refused\n{refusal}"),
        Err(Stop::Failed(failure)) => format!("failed\n{:?}", failure.code),
    })
}

/// Of each row of a truth the first column as text and, if there is one, the second as a number.
async fn truth(world: &World, sql: &str) -> Result<Vec<(String, i64)>> {
    let mut rows = Vec::new();
    for batch in world.plain(sql).await? {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        let names = names.as_string::<i32>();
        let numbers = cast(batch.column(1), &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            rows.push((names.value(row).to_owned(), numbers.value(row)));
        }
    }
    Ok(rows)
}

/// A batch in which one column of the row with this record key says something else.
fn with_value(batch: &RecordBatch, key: &str, column: &str, value: &str) -> Result<RecordBatch> {
    let keys = cast(batch.column_by_name("epikey").context("record keys")?, &DataType::Utf8)?;
    let keys = keys.as_string::<i32>();
    let (at, field) = batch.schema_ref().column_with_name(column).context("the column")?;
    let before = cast(batch.column(at), &DataType::Utf8)?;
    let before = before.as_string::<i32>();
    let after: StringArray = (0..batch.num_rows())
        .map(|row| match keys.value(row) == key {
            true => Some(value),
            false => before.is_valid(row).then(|| before.value(row)),
        })
        .collect();
    let mut columns = batch.columns().to_vec();
    columns[at] = cast(&after, field.data_type())?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}
