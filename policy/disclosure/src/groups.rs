//! Which groups a table lists, and in which order.
//!
//! That a group is listed must not tell that somebody is in it. Where the keys have a public domain, the
//! whole domain is listed, absent groups as small ones. Otherwise a group is listed only when enough people
//! are in it. There is no remainder row, and nowhere a count of groups that are not listed.

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{ArrowError, Fields, SortOptions};
use arrow_select::concat::concat;
use arrow_select::take::take;

use crate::RawError;

/// The keys of all groups, of the data and of the public domain, each once and in ascending order (nulls
/// last). So neither storage nor partitions show in the order of an answer.
pub(crate) struct Groups {
    fields: Fields,
    /// The domain's rows, then those of the data.
    columns: Vec<ArrayRef>,
    ordered: Vec<Group>,
    /// Which column tells grouping sets apart.
    grouping: Option<usize>,
    /// Whether the possible groups are public, which the question decides, never the data.
    public_list: bool,
}

/// One possible row of the released table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Where the key stands in the columns.
    row: u64,
    /// Which cells belong to it; none: nobody is in this group.
    pub(crate) cells: Option<usize>,
    /// Whether everybody knows that this group could be: it is listed whatever its size.
    pub(crate) public: bool,
}

impl Groups {
    pub(crate) fn new(keys: RecordBatch, domain: Option<RecordBatch>) -> Result<Self, RawError> {
        let fields = keys.schema().fields().clone();
        if fields.is_empty() {
            // An aggregate without GROUP BY is one group of everybody, and always has its row.
            return match (keys.num_rows(), domain) {
                (1, None) => {
                    let everybody = Group { row: 0, cells: Some(0), public: true };
                    Ok(Self {
                        fields,
                        columns: Vec::new(),
                        ordered: vec![everybody],
                        grouping: None,
                        public_list: true,
                    })
                }
                (_, None) => Err(RawError::Shape("one row without keys")),
                (_, Some(_)) => Err(RawError::Shape("no domain without keys")),
            };
        }
        let public_list = domain.is_some();
        let known = domain.as_ref().map_or(0, RecordBatch::num_rows);
        let columns = match domain {
            None => keys.columns().to_vec(),
            Some(domain) => stack(&domain, &keys)?,
        };
        let ordered = unite(&comparable(&columns)?, known)?;
        let grouping = fields.iter().position(|field| field.name() == GROUPING);
        Ok(Self { fields, columns, ordered, grouping, public_list })
    }

    /// Which grouping set a group belongs to; 0 without grouping sets.
    pub(crate) fn set_of(&self, group: &Group) -> i128 {
        let Some(at) = self.grouping else { return 0 };
        let id = self.columns.get(at).zip(usize::try_from(group.row).ok());
        id.and_then(|(column, row)| number(column, row)).unwrap_or(0)
    }

    /// All groups, in the order of their keys.
    pub(crate) fn ordered(&self) -> &[Group] {
        &self.ordered
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The key columns of these groups, in this order.
    pub(crate) fn keys_of(&self, groups: &[Group]) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows = UInt64Array::from_iter_values(groups.iter().map(|group| group.row));
        self.columns.iter().map(|column| take(column, &rows, None)).collect()
    }

    /// Whether the possible groups are public: then all of them are listed.
    pub(crate) fn public_list(&self) -> bool {
        self.public_list
    }
}

/// The key column that tells grouping sets apart.
const GROUPING: &str = "__grouping_id";

fn number(column: &ArrayRef, row: usize) -> Option<i128> {
    macro_rules! read {
        ($($kind:ty),*) => {$(
            if let Some(ids) = column.as_primitive_opt::<$kind>() {
                return (row < ids.len()).then(|| i128::from(ids.value(row)));
            }
        )*};
    }
    read!(UInt8Type, UInt16Type, UInt32Type, UInt64Type, Int64Type);
    None
}

fn stack(domain: &RecordBatch, keys: &RecordBatch) -> Result<Vec<ArrayRef>, RawError> {
    if domain.num_columns() != keys.num_columns() {
        return Err(RawError::Shape("a domain of other columns than the keys"));
    }
    let pairs = domain.columns().iter().zip(keys.columns());
    pairs
        .map(|(domain, keys)| {
            // Only types are compared: column names come from the analyst's text and change nothing.
            if domain.data_type() != keys.data_type() {
                return Err(RawError::Shape("a domain of other types than the keys"));
            }
            concat(&[domain.as_ref(), keys.as_ref()])
                .map_err(|_| RawError::Shape("a domain that cannot be joined to the keys"))
        })
        .collect()
}

fn comparable(columns: &[ArrayRef]) -> Result<Rows, RawError> {
    let nulls_last = SortOptions { descending: false, nulls_first: false };
    let fields = columns
        .iter()
        .map(|column| SortField::new_with_options(column.data_type().clone(), nulls_last))
        .collect();
    RowConverter::new(fields)
        .and_then(|converter| converter.convert_columns(columns))
        .map_err(|_| RawError::Shape("a key of a type that cannot be compared"))
}

/// One group per key, in the order of the keys: a key of the data that also stands in the domain gives
/// the domain's group its cells.
fn unite(rows: &Rows, known: usize) -> Result<Vec<Group>, RawError> {
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    // Stable: of equal keys the domain's comes first.
    order.sort_by(|a, b| rows.row(*a).cmp(&rows.row(*b)));
    order
        .chunk_by(|a, b| rows.row(*a) == rows.row(*b))
        .map(|same| match *same {
            [row] => group(row, row < known, row.checked_sub(known)),
            [row, data] if row < known && data >= known => {
                group(row, true, data.checked_sub(known))
            }
            _ => Err(RawError::DuplicateKey),
        })
        .collect()
}

fn group(row: usize, public: bool, cells: Option<usize>) -> Result<Group, RawError> {
    let row = u64::try_from(row).map_err(|_| RawError::Shape("too many groups"))?;
    Ok(Group { row, cells, public })
}
