//! Queries through the whole pipeline, as data: `tests/golden/*.slt`. A case may say that plain
//! DataFusion gives the same on the same people. `UPDATE_GOLDEN=1` rewrites what is expected.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_cast::pretty::pretty_format_batches;
use cordon_engine::{QueryOptions, Stop};
use cordon_tests::World;
use tokio_util::sync::CancellationToken;

/// One case of a file.
struct Case {
    comment: Vec<String>,
    who: String,
    kind: String,
    sql: String,
    expected: String,
}

fn parse(text: &str) -> Result<Vec<Case>> {
    text.split("====\n")
        .map(|part| {
            let (head, expected) =
                part.split_once("----\n").context("a case has a line of ----")?;
            let mut comment = Vec::new();
            let mut lines = head.lines().peekable();
            while lines.peek().is_some_and(|l| l.starts_with('#')) {
                comment.extend(lines.next().map(str::to_owned));
            }
            let who =
                lines.next().and_then(|l| l.strip_prefix("as ")).context("as WHO")?.to_owned();
            let kind = lines.next().context("query or refused")?.to_owned();
            let sql = lines.collect::<Vec<_>>().join("\n");
            Ok(Case { comment, who, kind, sql, expected: expected.to_owned() })
        })
        .collect()
}

impl Case {
    fn written(&self) -> String {
        let comment: String = self.comment.iter().map(|c| format!("{c}\n")).collect();
        format!("{comment}as {}\n{}\n{}\n----\n{}", self.who, self.kind, self.sql, self.expected)
    }
}

/// Rows as text, floats to nine digits.
fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<Option<String>>>> {
    let options = FormatOptions::default();
    let mut all = Vec::new();
    for batch in batches {
        let formatters = batch
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c, &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            all.push(
                formatters
                    .iter()
                    .zip(batch.columns())
                    .map(|(f, c)| {
                        c.is_valid(row).then(|| {
                            let text = f.value(row).to_string();
                            match text.parse::<f64>() {
                                Ok(number) if text.contains(['.', 'e']) => format!("{number:.8e}"),
                                Ok(number) if c.data_type().is_floating() => {
                                    format!("{number:.8e}")
                                }
                                _ => text,
                            }
                        })
                    })
                    .collect(),
            );
        }
    }
    all.sort();
    Ok(all)
}

/// The answer holds what plain DataFusion says: every row, or with `shown` every row that is shown.
async fn compare(world: &World, case: &Case, answer: &cordon_engine::Answer) -> Result<()> {
    let truth = rows(&world.plain(&case.sql).await.context("plain DataFusion")?)?;
    let figures: Vec<bool> = answer
        .schema()
        .fields()
        .iter()
        .map(|f| f.metadata().contains_key("cordon.treatment"))
        .collect();
    let ours: Vec<_> = rows(answer.batches())?
        .into_iter()
        .filter(|row| {
            // A row of which every figure is suppressed says nothing to compare.
            !figures.contains(&true) || row.iter().zip(&figures).any(|(v, f)| *f && v.is_some())
        })
        .collect();
    if case.kind.ends_with("shown") {
        let missing: Vec<_> = ours.iter().filter(|row| !truth.contains(row)).collect();
        if !missing.is_empty() || ours.is_empty() {
            bail!(
                "{} rows of {} are not in the truth, e.g. {:?}",
                missing.len(),
                ours.len(),
                missing.first()
            );
        }
    } else if ours != truth {
        let odd = ours.iter().find(|r| !truth.contains(r));
        let lost = truth.iter().find(|r| !ours.contains(r));
        bail!(
            "{} rows against {} of the truth; ours only {odd:?}; truth only {lost:?}",
            ours.len(),
            truth.len()
        );
    }
    Ok(())
}

async fn outcome(world: &World, case: &Case) -> Result<String> {
    let mut question = world.question(&case.who, &case.sql)?;
    question.options = QueryOptions {
        status_columns: case.kind.contains("status"),
        error_columns: case.kind.contains("errors"),
    };
    let prepared = world.engine.prepare(question.clone()).await;
    let result = world.engine.run(question, CancellationToken::new()).await;
    match (result, prepared) {
        (Ok(answer), Ok(prepared)) => {
            let plain = |s: &arrow_schema::SchemaRef| {
                s.fields()
                    .iter()
                    .map(|f| (f.name().clone(), f.data_type().clone()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                plain(prepared.schema()),
                plain(answer.schema()),
                "advertised equals streamed: {}",
                case.sql
            );
            if case.kind.contains("equal") {
                compare(world, case, &answer).await?;
            }
            let table = if answer.batches().is_empty() {
                pretty_format_batches(&[RecordBatch::new_empty(answer.schema().clone())])?
            } else {
                pretty_format_batches(answer.batches())?
            };
            Ok(format!("{table}\n"))
        }
        (Err(Stop::Refused(refusal)), Err(Stop::Refused(before))) => {
            assert_eq!(refusal, before, "refused alike at both: {}", case.sql);
            Ok(format!("{refusal}\n"))
        }
        (result, prepared) => bail!("{result:?} after {:?}", prepared.map(|p| p.schema().clone())),
    }
}

fn files() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "slt"))
        .collect();
    files.sort();
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_queries_answer_as_expected() -> Result<()> {
    let world = World::new(3_000).await?;
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut count, mut wrong) = (0, Vec::new());
    for path in files()? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut cases = parse(&std::fs::read_to_string(&path)?).with_context(|| name.clone())?;
        for case in &mut cases {
            count += 1;
            match outcome(&world, case).await {
                Err(error) => wrong.push(format!("{name}: {}\n{error:#}", case.sql)),
                Ok(got) => {
                    let refused = got.starts_with("refused:");
                    if refused != (case.kind == "refused") {
                        wrong.push(format!(
                            "{name}: {} is {}:\n{got}",
                            case.sql,
                            if refused { "refused" } else { "answered" }
                        ));
                    } else if update {
                        case.expected = got;
                    } else if got != case.expected {
                        wrong.push(format!(
                            "{name}: {}\nexpected\n{}got\n{got}",
                            case.sql, case.expected
                        ));
                    }
                }
            }
        }
        if update {
            let text = cases.iter().map(Case::written).collect::<Vec<_>>().join("====\n");
            std::fs::write(&path, text)?;
        }
    }
    assert!(wrong.is_empty(), "{} of {count} cases:\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 100, "only {count} golden cases");
    Ok(())
}
