//! All that an analyst sees of an answer, as text.

use std::fmt::Write as _;

use arrow_cast::pretty::pretty_format_batches;
use arrow_schema::Schema;
use cordon_engine::{Answer, Prepared, Stop};

/// What came out.
pub(super) struct Transcript {
    pub(super) answered: bool,
    text: String,
}

impl Transcript {
    /// What stands in its table, in order.
    pub(super) fn cells(&self) -> Vec<String> {
        let rows = self.text.lines().filter(|line| line.starts_with('|'));
        let cells = rows.flat_map(|row| row.split('|')).map(str::trim);
        cells.filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    }

    /// All but its table and what was charged: columns, types, notes, refusals, failures. The notes in the metadata stand
    /// there once more, each in a line.
    pub(super) fn beside_figures(&self) -> Vec<&str> {
        let table = |line: &str| ["|", "+", "batches "].iter().any(|start| line.starts_with(start));
        let charge = |line: &str| {
            line.starts_with("cordon.notes ") || line.contains("answers charged for this")
        };
        self.text.lines().filter(|line| !table(line) && !charge(line)).collect()
    }

    /// What differs, line by line; none where nothing does.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if self.text == other.text {
            return None;
        }
        let (mine, theirs) = (self.text.lines(), other.text.lines());
        let mut difference = String::new();
        for (mine, theirs) in mine.zip(theirs).filter(|(a, b)| a != b).take(12) {
            let _ = writeln!(difference, "- {mine}\n+ {theirs}");
        }
        if self.text.lines().count() != other.text.lines().count() {
            let _ = writeln!(difference, "one has more lines:\n{}\n{}", self.text, other.text);
        }
        Some(difference)
    }
}

fn stopped(text: &mut String, stop: &Stop) {
    let _ = match stop {
        Stop::Refused(refusal) => writeln!(text, "refused {refusal:?}\n{refusal}"),
        Stop::Failed(failure) => {
            writeln!(text, "failed {:?} {:?}", failure.code, failure.retry_after)
        }
    };
}

fn columns(text: &mut String, schema: &Schema) {
    for field in schema.fields() {
        let _ = writeln!(text, "{field:?}");
    }
    let mut metadata: Vec<_> = schema.metadata().iter().collect();
    metadata.sort();
    for (key, value) in metadata.into_iter().filter(|(key, _)| *key != "cordon.query_id") {
        let _ = writeln!(text, "{key} {value}");
    }
}

/// Of a statement that is prepared: its columns and parameters.
pub(super) fn prepared(came: &Result<Prepared, Stop>) -> Transcript {
    let mut text = String::new();
    match came {
        Err(stop) => stopped(&mut text, stop),
        Ok(prepared) => {
            columns(&mut text, prepared.schema());
            columns(&mut text, prepared.parameters());
        }
    }
    Transcript { answered: came.is_ok(), text }
}

/// Everything but what is made anew for each question: its id, and the id of an error. Without figures where they are drawn
/// anew each time.
pub(super) fn transcript(came: &Result<Answer, Stop>, figures: bool) -> Transcript {
    let mut text = String::new();
    match came {
        Err(stop) => stopped(&mut text, stop),
        Ok(answer) => {
            columns(&mut text, answer.schema());
            for note in answer.notes().iter().filter(|note| figures || note.column.is_none()) {
                let _ = writeln!(text, "{note:?}");
            }
            if figures {
                rows(&mut text, answer);
            }
        }
    }
    Transcript { answered: came.is_ok(), text }
}

fn rows(text: &mut String, answer: &Answer) {
    let batches = answer.batches();
    let counts: Vec<usize> = batches.iter().map(|batch| batch.num_rows()).collect();
    let _ = writeln!(text, "batches {counts:?}");
    let _ = match pretty_format_batches(batches) {
        Ok(rows) => writeln!(text, "{rows}"),
        Err(error) => writeln!(text, "{error}"),
    };
}
