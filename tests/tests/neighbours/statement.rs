//! A statement as parts that can be left out, so that what breaks can be made small.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};

/// All constructs that must be asked.
pub(crate) const CONSTRUCTS: &[&str] = &[
    "statement",
    "join",
    "self join",
    "three tables",
    "left join",
    "right join",
    "joined with figures",
    "union of rows",
    "semi join",
    "anti join",
    "CTE",
    "per person",
    "window per person",
    "reference table",
    "ROLLUP",
    "CUBE",
    "GROUPING SETS",
    "HAVING",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "window over figures",
    "QUALIFY",
    "figures of figures",
    "UNION ALL",
    "EXCEPT",
    "INTERSECT",
    "VALUES",
    "parameter",
    "scalar subquery",
    "FILTER",
    "CASE",
    "CAST",
    "date part",
    "IS DISTINCT FROM",
    "text function",
    "strings of columns",
    "coalesce",
    "arithmetic",
    "arithmetic of dates",
    "LIKE",
    "IN",
    "BETWEEN",
    "NULL",
    "OR",
    "NOT",
    "count rows",
    "count persons",
    "count records",
    "count codes",
    "ratio",
    "sum",
    "mean",
    "median",
    "deviation",
    "DISTINCT",
    "status columns",
    "error columns",
    "target's values",
    "column not granted",
    "prepared",
    "sequence",
    "hostile expression",
    "hostile statement",
];

/// A piece of text and what it is made of.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) is: Vec<&'static str>,
}

impl Piece {
    pub(crate) fn new(text: impl Into<String>, is: &[&'static str]) -> Self {
        Self { text: text.into(), is: is.to_vec() }
    }
}

/// What is done to the table of figures.
#[derive(Clone, Debug)]
pub(crate) enum Above {
    Nothing,
    /// Text before and after the table, which is named `t` in it.
    Around(Piece, String),
    /// The statement beside itself with another condition.
    Beside(Piece, Piece),
}

/// One SELECT over patients' rows, and what stands above it.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Of a hostile statement everything; else none.
    pub(crate) whole: Option<Piece>,
    /// Which of the pool's tables `a` is.
    pub(crate) table: usize,
    pub(crate) with: Option<Piece>,
    pub(crate) from: Piece,
    pub(crate) conditions: Vec<Piece>,
    pub(crate) keys: Vec<Piece>,
    pub(crate) sets: Option<Piece>,
    pub(crate) figures: Vec<Piece>,
    pub(crate) having: Option<Piece>,
    pub(crate) order: Option<Piece>,
    pub(crate) limit: Option<Piece>,
    pub(crate) above: Above,
    pub(crate) with_status: bool,
    pub(crate) with_errors: bool,
    pub(crate) parameter: bool,
}

impl Statement {
    fn select(&self, further: Option<&Piece>) -> String {
        let mut columns: Vec<String> =
            self.keys.iter().enumerate().map(|(n, key)| format!("{} AS k{n}", key.text)).collect();
        columns.extend(self.figures.iter().enumerate().map(|(n, f)| format!("{} AS f{n}", f.text)));
        let mut text = format!("SELECT {} FROM {}", columns.join(", "), self.from.text);
        let mut conditions: Vec<String> =
            self.conditions.iter().chain(further).map(|c| format!("({})", c.text)).collect();
        if self.parameter {
            conditions.push("a.fyear IS NOT NULL AND $1 = $1".to_owned());
        }
        if !conditions.is_empty() {
            text.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
        }
        if !self.keys.is_empty() {
            let keys: Vec<&str> = self.keys.iter().map(|key| key.text.as_str()).collect();
            let keys = keys.join(", ");
            text.push_str(&match self.sets.as_ref().map(|sets| sets.text.as_str()) {
                None => format!(" GROUP BY {keys}"),
                Some("GROUPING SETS") => format!(" GROUP BY GROUPING SETS (({keys}), ())"),
                Some(sets) => format!(" GROUP BY {sets} ({keys})"),
            });
        }
        if let Some(having) = &self.having {
            text.push_str(&format!(" HAVING {}", having.text));
        }
        text
    }

    /// The text that is asked.
    pub(crate) fn sql(&self) -> String {
        if let Some(whole) = &self.whole {
            return whole.text.clone();
        }
        let with = self.with.as_ref().map(|with| format!("{} ", with.text)).unwrap_or_default();
        let select = self.select(None);
        let mut text = match &self.above {
            Above::Nothing => select,
            Above::Around(before, after) => format!("{} ({select}) t {after}", before.text),
            Above::Beside(word, condition) => {
                format!("{select} {} {}", word.text, self.select(Some(condition)))
            }
        };
        for part in [&self.order, &self.limit].into_iter().flatten() {
            text.push_str(&format!(" {}", part.text));
        }
        format!("{with}{text}")
    }

    /// The value of its parameter.
    pub(crate) fn parameters(&self) -> Result<Option<RecordBatch>> {
        if !self.parameter || self.whole.is_some() {
            return Ok(None);
        }
        let seven: ArrayRef = Arc::new(Int64Array::from(vec![7]));
        Ok(Some(RecordBatch::try_from_iter([("$1", seven)])?))
    }

    pub(crate) fn constructs(&self) -> BTreeSet<&'static str> {
        let mut is = BTreeSet::from(["statement"]);
        if let Some(whole) = &self.whole {
            is.extend(&whole.is);
            return is;
        }
        let above = match &self.above {
            Above::Nothing => vec![],
            Above::Around(piece, _) => vec![piece],
            Above::Beside(one, other) => vec![one, other],
        };
        let options = [&self.with, &self.sets, &self.having, &self.order, &self.limit];
        let pieces = options.into_iter().flatten().chain(&self.conditions).chain(&self.keys);
        for piece in pieces.chain(&self.figures).chain(above).chain([&self.from]) {
            is.extend(&piece.is);
        }
        for (there, name) in [
            (self.with_status, "status columns"),
            (self.with_errors, "error columns"),
            (self.parameter, "parameter"),
        ] {
            if there {
                is.insert(name);
            }
        }
        is
    }

    /// The same with one part less, each once.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut push = |edit: &dyn Fn(&mut Self)| {
            let mut one = self.clone();
            edit(&mut one);
            all.push(one);
        };
        if self.whole.is_some() {
            return all;
        }
        if !matches!(self.above, Above::Nothing) {
            push(&|s| s.above = Above::Nothing);
        }
        for n in 0..self.conditions.len() {
            push(&|s| drop(s.conditions.remove(n)));
        }
        if self.figures.len() > 1 {
            (0..self.figures.len()).for_each(|n| push(&|s| drop(s.figures.remove(n))));
        }
        (0..self.keys.len()).for_each(|n| push(&|s| drop(s.keys.remove(n))));
        let there = [&self.sets, &self.having, &self.order, &self.limit].map(Option::is_some);
        for (n, there) in there.into_iter().enumerate() {
            if there {
                push(&|s| *[&mut s.sets, &mut s.having, &mut s.order, &mut s.limit][n] = None);
            }
        }
        if self.with_status || self.with_errors || self.parameter {
            push(&|s| (s.with_status, s.with_errors, s.parameter) = (false, false, false));
        }
        all
    }
}
