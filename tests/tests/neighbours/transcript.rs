//! All that an analyst sees of an answer, as text.

use std::fmt::Write as _;

use arrow_cast::pretty::pretty_format_batches;
use cordon_engine::{Answer, Stop};

/// What came out.
pub(super) struct Transcript {
    pub(super) answered: bool,
    text: String,
}

impl Transcript {
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

/// Everything but what is made anew for each question: its id, and the id of an error.
pub(super) fn transcript(came: &Result<Answer, Stop>) -> Transcript {
    let mut text = String::new();
    match came {
        Err(Stop::Refused(refusal)) => {
            let _ = writeln!(text, "refused {refusal:?}\n{refusal}");
        }
        Err(Stop::Failed(failure)) => {
            let _ = writeln!(text, "failed {:?} {:?}", failure.code, failure.retry_after);
        }
        Ok(answer) => {
            for field in answer.schema().fields() {
                let _ = writeln!(text, "{field:?}");
            }
            let mut metadata: Vec<_> = answer.schema().metadata().iter().collect();
            metadata.sort();
            for (key, value) in metadata.into_iter().filter(|(key, _)| *key != "cordon.query_id") {
                let _ = writeln!(text, "{key} {value}");
            }
            for note in answer.notes() {
                let _ = writeln!(text, "{note:?}");
            }
            let batches = answer.batches();
            let _ = writeln!(
                text,
                "batches {:?}",
                batches.iter().map(|b| b.num_rows()).collect::<Vec<_>>()
            );
            match pretty_format_batches(batches) {
                Ok(rows) => {
                    let _ = writeln!(text, "{rows}");
                }
                Err(error) => {
                    let _ = writeln!(text, "{error}");
                }
            }
        }
    }
    Transcript { answered: came.is_ok(), text }
}
