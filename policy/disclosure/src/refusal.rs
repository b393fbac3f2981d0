//! Refusals: an expected "no" with a rule, a place and a way forward. Never a count, a value from the
//! data, or which person or group was small.

use std::fmt;

mod codes;

/// Which part of the house says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `CORDON-A…`: the agreement or the sign-in does not allow it.
    Agreement,
    /// `CORDON-D…`: disclosure control does not allow it.
    Disclosure,
    /// `CORDON-S…`: the SQL is not understood.
    Sql,
    /// `CORDON-X…`: the system could not; nothing left.
    Operational,
}

/// The page of one code in `docs/refusals.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// `CORDON-D101`.
    pub id: &'static str,
    /// A few words.
    pub title: &'static str,
    /// The rule, in one sentence.
    pub rule: &'static str,
    /// What to do instead, in one sentence.
    pub remedy: &'static str,
    /// A statement (or an action) that meets it.
    pub example: &'static str,
}

pub use codes::Code;

impl Code {
    /// `CORDON-D101`.
    pub fn id(self) -> &'static str {
        self.page().id
    }

    /// Which part of the house says no.
    pub fn family(self) -> Family {
        match self.id().as_bytes().get(7) {
            Some(b'A') => Family::Agreement,
            Some(b'D') => Family::Disclosure,
            Some(b'S') => Family::Sql,
            _ => Family::Operational,
        }
    }
}

/// Where in the text: 1-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

/// An expected "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule's code.
    pub code: Code,
    /// What was refused, one sentence, lower case, no full stop; user words in backticks.
    pub what: String,
    /// Where in the text, or which clause.
    pub place: Option<Place>,
    /// What to write instead; the page's remedy when nothing more fitting is known.
    pub remedy: String,
}

impl Refusal {
    /// A refusal with the page's own remedy.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), place: None, remedy: code.page().remedy.to_owned() }
    }

    /// With the place in the text.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = self.place.or(place);
        self
    }

    /// With a more fitting way forward.
    #[must_use]
    pub fn instead(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// One line for drivers that show only a message: what, what next, the code last.
    pub fn line(&self) -> String {
        let place = match self.place {
            Some(p) => format!(" (line {}, column {})", p.line, p.column),
            None => String::new(),
        };
        format!("{}{place}; try: {} ({})", self.what, self.remedy, self.code.id())
    }
}

impl fmt::Display for Refusal {
    /// As the command line shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "refused: {} ({})", self.what, self.code.id())?;
        if let Some(p) = self.place {
            writeln!(f, "  where  line {}, column {}", p.line, p.column)?;
        }
        writeln!(f, "  rule   {}", self.code.page().rule)?;
        write!(f, "  try    {}", self.remedy)
    }
}

impl std::error::Error for Refusal {}
