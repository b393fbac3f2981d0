//! What guard knows of a rebuilt node: whose rows they are, and what each column says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cordon_catalogue::{Catalogue, ColumnName, TableName};
use cordon_disclosure::RowsOf;
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::listing::{self, Chosen, Named, Part, Test};

/// A column of the catalogue.
pub(crate) type Origin = (TableName, ColumnName);

/// A rebuilt node with what is known about its rows and columns.
#[derive(Clone, Debug)]
pub(crate) struct Rel {
    /// The node. The visible columns come first, in the order of the original node; the person of a
    /// [`Kind::Personal`] relation stands last.
    pub(crate) plan: LogicalPlan,
    /// One per visible column.
    pub(crate) columns: Vec<Facts>,
    /// Whose rows these are.
    pub(crate) kind: Kind,
}

/// Whose rows these are.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Every row belongs to at most one person.
    Personal(Personal),
    /// Reference tables and released figures.
    Open(Open),
}

/// Rows of patients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Personal {
    /// The base table whose rows these are, each at most once; none when rows may repeat.
    pub(crate) base: Option<TableName>,
    /// At most one row per person.
    pub(crate) one_per_person: bool,
    /// A LIMIT stands below: no aggregate may follow.
    pub(crate) limited: bool,
    /// Filters on one catalogued column each, as `(column, predicate over a column of that name)`: they
    /// tell which values of a public domain the text itself excludes.
    pub(crate) restrictions: Vec<(Origin, Expr)>,
    /// Every condition that rows were chosen by.
    pub(crate) chosen: Chosen,
    /// How many times rows of a person were multiplied by rows of that person, one above the other.
    pub(crate) fans: usize,
    /// In how many joins below several rows of a person meet several.
    pub(crate) meetings: usize,
    /// In how many branches of UNION ALLs a row of each base table may be.
    pub(crate) copies: BTreeMap<TableName, usize>,
}

/// Rows that anybody may see who sees the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    /// Sets of visible columns that are unique; the empty set means at most one row.
    pub(crate) keys: Vec<BTreeSet<usize>>,
    /// Holds figures that passed release.
    pub(crate) released: bool,
    /// Rows that stand in the text.
    pub(crate) literal: bool,
    /// Its rows were chosen by an expression that may not stand over patients' rows.
    pub(crate) outside: bool,
    /// What dates and numbers of patients were compared with below.
    pub(crate) named: Named,
}

/// What a column says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Pseudonym, record key, or neither.
    pub(crate) class: ColumnClass,
    /// The catalogued column it is a plain copy of.
    pub(crate) origin: Option<Origin>,
    /// Every catalogued column it was computed from.
    pub(crate) sources: BTreeSet<Origin>,
    /// Every catalogued column it tells something about: its sources, and what its rows were chosen by.
    pub(crate) tested: BTreeSet<Origin>,
    /// Its words, down to the catalogued columns, as a digest.
    pub(crate) says: u64,
    /// How many nodes its expression has when every column is written out down to the catalogued ones.
    pub(crate) size: usize,
    /// How long it may be as text, in bytes.
    pub(crate) bytes: usize,
    /// Computed from reference tables by a list that stands in the text.
    pub(crate) spelled: bool,
    /// The combinations of three and more columns it tells of.
    pub(crate) tests: BTreeSet<Test>,
    /// What a sum of it would be.
    pub(crate) number: Number,
    /// Whether it is or was computed from a released figure.
    pub(crate) figure: Figure,
    /// Stands in the text.
    pub(crate) constant: bool,
    /// Not for grouping, unless banded by CASE.
    pub(crate) singles_out: bool,
    /// Strings two and more columns together: to compare it with a constant names a combination.
    pub(crate) strung: bool,
    /// Scaled: added to another column it would string the two together.
    pub(crate) scaled: bool,
    /// Computed from nobody's rows by an expression that may not stand over patients' rows.
    pub(crate) outside: bool,
    /// The dates, and numbers without a code list, whose value or part of a date it is.
    pub(crate) scale: BTreeSet<(Origin, Part)>,
    /// The constants that its value is or was computed with.
    pub(crate) constants: BTreeSet<Arc<str>>,
    /// The date or year column whose plain year, quarter, month, week or day it is.
    pub(crate) period: Option<Origin>,
    /// The branches of two and more columns that it lists.
    pub(crate) pairs: BTreeSet<Test>,
}

/// The columns that need care wherever they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum ColumnClass {
    /// Any other.
    #[default]
    Plain,
    /// Equals the person of its row, or null.
    Pseudonym,
    /// A record key; of this table's own rows where named, so that it is unique per row of it.
    RecordKey(Option<TableName>),
}

/// What a sum of a column would be.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Number {
    /// Not to be summed.
    #[default]
    Other,
    /// A plain numeric column with its declared bounds, if any.
    Column(Option<(f64, f64)>),
    /// A figure about one person, or a difference of two dates.
    Derived,
    /// 0, 1 or null.
    Flag,
}

/// Relation to released figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// None: a key or a public value.
    #[default]
    No,
    /// A released figure itself.
    Direct,
    /// Computed from released figures.
    Derived,
}

impl Personal {
    /// What a row is: one of the base table, or a person's own, so that none is repeated; or else.
    pub(crate) fn rows_of(&self) -> RowsOf {
        if self.base.is_some() || self.one_per_person { RowsOf::Base } else { RowsOf::Joined }
    }
}

impl Open {
    /// What is known of rows that were put together from both; keys not.
    #[must_use]
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.released |= other.released;
        self.literal |= other.literal;
        self.outside |= other.outside;
        self.named.extend(&other.named);
        Self { keys: Vec::new(), ..self }
    }
}

impl Rel {
    /// The person of each row, where rows belong to persons.
    pub(crate) fn person(&self) -> Option<Column> {
        match &self.kind {
            Kind::Personal(_) => {
                let schema = self.plan.schema();
                let last = schema.fields().len().checked_sub(1)?;
                let (qualifier, field) = schema.qualified_field(last);
                Some(Column::new(qualifier.cloned(), field.name()))
            }
            Kind::Open(_) => None,
        }
    }

    /// The visible column of that number, by its qualified name.
    pub(crate) fn column(&self, index: usize) -> Expr {
        let (qualifier, field) = self.plan.schema().qualified_field(index);
        Expr::Column(Column::new(qualifier.cloned(), field.name()))
    }

    /// Number and facts of a column by name.
    pub(crate) fn find(&self, column: &Column) -> Option<(usize, &Facts)> {
        let index = self.plan.schema().maybe_index_of_column(column)?;
        Some((index, self.columns.get(index)?))
    }

    pub(crate) fn personal(&self) -> Option<&Personal> {
        match &self.kind {
            Kind::Personal(p) => Some(p),
            Kind::Open(_) => None,
        }
    }

    pub(crate) fn open(&self) -> Option<&Open> {
        match &self.kind {
            Kind::Open(o) => Some(o),
            Kind::Personal(_) => None,
        }
    }
}

impl Facts {
    /// A constant of the text.
    pub(crate) fn constant(number: Number) -> Self {
        Self { constant: true, number, ..Self::default() }
    }

    /// Tells also of what its rows were chosen by.
    pub(crate) fn chosen(mut self, chosen: &Chosen, catalogue: &Catalogue) -> Self {
        self.says = listing::digest(&format!("{:x} of {:x}", self.says, chosen.says()));
        self.tested.extend(chosen.columns().iter().cloned());
        self.tests.extend(chosen.test(catalogue));
        self
    }

    /// A number that was counted: no value of what was counted.
    #[must_use]
    pub(crate) fn counted(self) -> Self {
        Self {
            strung: false,
            scaled: false,
            scale: BTreeSet::new(),
            constants: BTreeSet::new(),
            period: None,
            ..self
        }
    }

    /// The union of what several parts were computed from; says nothing else.
    pub(crate) fn merged<'a>(parts: impl IntoIterator<Item = &'a Facts>) -> Self {
        let mut all = Self { constant: true, ..Self::default() };
        for part in parts {
            all.sources.extend(part.sources.iter().cloned());
            all.tested.extend(part.tested.iter().cloned());
            all.tests.extend(part.tests.iter().cloned());
            all.constant &= part.constant;
            all.spelled |= part.spelled;
            all.singles_out |= part.singles_out;
            all.strung |= part.strung;
            all.bytes = all.bytes.max(part.bytes);
            all.scaled |= part.scaled;
            all.outside |= part.outside;
            all.scale.extend(part.scale.iter().cloned());
            all.constants.extend(part.constants.iter().cloned());
            all.pairs.extend(part.pairs.iter().cloned());
            if part.figure != Figure::No {
                all.figure = Figure::Derived;
            }
        }
        all
    }
}
