//! An expression of one column, computed once for each value that the column can have.
//!
//! A value may belong to no row that is asked for. That is harmless, because no expression of a plan over patients'
//! rows can fail, whatever the value (`guard/total.rs`).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_arith::aggregate::{max, min};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Date32Type, Int16Type, Int32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int32Array, RecordBatch, new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::concat::concat;
use arrow_select::take::take;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use parking_lot::Mutex;

use super::is_same;

/// So many sets of results are remembered: one for each of a few partitions.
const REMEMBERED: usize = 4;

/// Numbers that lie further apart are computed row by row: one number far from all others must not make much work.
const WIDEST: i64 = 1 << 13;

/// Results are computed for whole stretches of so many numbers, so that they need not grow often.
const STRETCH: i32 = 1 << 9;

/// The expression; its column holds codes, days or small numbers.
pub(super) struct Each {
    column: Arc<dyn PhysicalExpr>,
    /// Over a batch that has only the values.
    expr: Arc<dyn PhysicalExpr>,
    values: SchemaRef,
    data_type: DataType,
    /// Whether its own value is given as codes.
    codes: bool,
    remembered: Mutex<Vec<Arc<Known>>>,
}

/// The results of some values in their order, and at last that of null.
struct Known {
    values: Values,
    results: ArrayRef,
    /// Of truth values which are true.
    truths: Option<Truths>,
    /// Which results are not null, where some are.
    there: Option<Truths>,
    /// Whether a value other than null has no result.
    gaps: bool,
}

impl Known {
    fn new(values: Values, results: ArrayRef) -> Self {
        let nulls = results.logical_nulls();
        let of_values = nulls.as_ref().map(|nulls| nulls.slice(0, nulls.len().saturating_sub(1)));
        Self {
            values,
            truths: results.as_boolean_opt().map(|results| Truths::new(results.values())),
            there: nulls.map(|nulls| Truths::new(nulls.inner())),
            gaps: of_values.is_some_and(|nulls| nulls.null_count() > 0),
            results,
        }
    }

    /// Which rows have a result; none where all have.
    fn nulls(&self, places: &[i32], some_are_null: bool) -> Option<NullBuffer> {
        let there = self.there.as_ref().filter(|_| self.gaps || some_are_null)?;
        Some(NullBuffer::new(there.taken(places))).filter(|nulls| nulls.null_count() > 0)
    }
}

/// Truth values by place. Of few they are bits of one number, so that a row costs a shift.
enum Truths {
    Few(u64),
    Many(Vec<bool>),
}

impl Truths {
    fn new(all: &BooleanBuffer) -> Self {
        if all.len() > 64 {
            return Self::Many(all.iter().collect());
        }
        Self::Few(all.iter().rev().fold(0, |bits, truth| bits << 1 | u64::from(truth)))
    }

    /// Those at some places.
    fn taken(&self, places: &[i32]) -> BooleanBuffer {
        let place = |row: usize| places.get(row).copied().unwrap_or_default();
        match self {
            Self::Few(bits) => {
                BooleanBuffer::collect_bool(places.len(), |row| bits >> (place(row) & 63) & 1 == 1)
            }
            Self::Many(all) => BooleanBuffer::collect_bool(places.len(), |row| {
                all.get(place(row) as usize).copied().unwrap_or_default()
            }),
        }
    }
}

enum Values {
    /// The entries of a dictionary.
    Entries(ArrayRef),
    /// All numbers from the first to the second.
    Between(i32, i32),
}

impl Each {
    /// `part` of an expression, of which `field` is the only column, at that place of the input.
    pub(super) fn new(
        part: &Arc<dyn PhysicalExpr>,
        field: &Field,
        column: usize,
        codes: bool,
    ) -> Result<Self> {
        let (name, data_type) = match field.data_type() {
            DataType::Dictionary(_, value) => (field.name(), value.as_ref().clone()),
            other => (field.name(), other.clone()),
        };
        let values = Arc::new(Schema::new(vec![Field::new(name.as_str(), data_type, true)]));
        let first = |part: Arc<dyn PhysicalExpr>| {
            Ok(match part.is::<Column>() {
                true => Transformed::yes(Arc::new(Column::new(name, 0)) as _),
                false => Transformed::no(part),
            })
        };
        let expr = Arc::clone(part).transform_up(first).data()?;
        Ok(Self {
            column: Arc::new(Column::new(name, column)),
            data_type: expr.data_type(&values)?,
            expr,
            values,
            codes,
            remembered: Mutex::default(),
        })
    }

    fn computed(&self, values: ArrayRef) -> Result<ArrayRef> {
        let rows = values.len();
        let batch = RecordBatch::try_new(Arc::clone(&self.values), vec![values])?;
        self.expr.evaluate(&batch)?.into_array(rows)
    }

    fn with_null(&self, values: &dyn Array) -> Result<ArrayRef> {
        let null = new_null_array(values.data_type(), 1);
        self.computed(concat(&[values, null.as_ref()])?)
    }

    fn remembered(&self, is_it: impl Fn(&Values) -> bool) -> Option<Arc<Known>> {
        self.remembered.lock().iter().find(|known| is_it(&known.values)).cloned()
    }

    fn remember(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED {
            remembered.remove(0);
        }
        remembered.push(Arc::clone(&known));
        known
    }

    /// The results of all entries, and which of them each row has.
    fn of_codes(&self, column: &DictionaryArray<Int32Type>) -> Result<(Arc<Known>, Places)> {
        let dictionary = column.values();
        let is_it =
            |values: &Values| matches!(values, Values::Entries(of) if is_same(of, dictionary));
        let known = match self.remembered(is_it) {
            Some(known) => known,
            None => {
                let results = self.with_null(dictionary)?;
                self.remember(Known::new(Values::Entries(Arc::clone(dictionary)), results))
            }
        };
        let keys = column.keys();
        if keys.null_count() == 0 {
            return Ok((known, keys.values().clone()));
        }
        let null = i32::try_from(dictionary.len()).unwrap_or(i32::MAX);
        Ok((known, or_null(keys, null, |key| key)))
    }

    /// The same of numbers; none where they lie too far apart for the few that there are.
    fn of_numbers(&self, column: &ArrayRef) -> Result<Option<(Arc<Known>, Places)>> {
        let numbers = match column.data_type() {
            DataType::Int32 => column.as_primitive::<Int32Type>().clone(),
            DataType::Date32 => column.as_primitive::<Date32Type>().reinterpret_cast::<Int32Type>(),
            DataType::Int16 => column.as_primitive::<Int16Type>().unary(i32::from),
            _ => return internal_err!("a column of few values is a number or a code"),
        };
        let (Some(least), Some(most)) = (min(&numbers), max(&numbers)) else { return Ok(None) };
        let covers =
            |values: &Values| matches!(values, Values::Between(a, b) if *a <= least && most <= *b);
        let known = match self.remembered(covers) {
            Some(known) => known,
            None => {
                let (a, b) = (least.div_euclid(STRETCH), most.div_euclid(STRETCH));
                let Some(a) = a.checked_mul(STRETCH) else { return Ok(None) };
                let Some(b) = b.checked_add(1).and_then(|b| b.checked_mul(STRETCH)) else {
                    return Ok(None);
                };
                let width = i64::from(b) - i64::from(a);
                if width > WIDEST || width > 16 * numbers.len() as i64 {
                    return Ok(None);
                }
                let all: ArrayRef = Arc::new(Int32Array::from_iter_values(a..b));
                let all = cast(&all, self.values.field(0).data_type());
                // Numbers beyond the type, which no row can have, are null.
                let results = self.with_null(&all?)?;
                self.remember(Known::new(Values::Between(a, b - 1), results))
            }
        };
        let Values::Between(first, last) = &known.values else {
            return internal_err!("numbers are no codes");
        };
        let places = or_null(&numbers, last - first + 1, |number| number.wrapping_sub(*first));
        Ok(Some((known, places)))
    }
}

/// For each row where its result stands.
type Places = ScalarBuffer<i32>;

/// The place of each row's value, and for null that of null.
fn or_null(column: &Int32Array, null: i32, place: impl Fn(i32) -> i32) -> Places {
    let mut places: Vec<i32> = column.values().iter().map(|value| place(*value)).collect();
    if let Some(nulls) = column.nulls() {
        for row in (!nulls.inner()).set_indices() {
            if let Some(entry) = places.get_mut(row) {
                *entry = null;
            }
        }
    }
    places.into()
}

impl PhysicalExpr for Each {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(match self.codes {
            true => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(self.data_type.clone()))
            }
            false => self.data_type.clone(),
        })
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        self.expr.nullable(&self.values)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let column = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let looked_up = match column.as_dictionary_opt::<Int32Type>() {
            Some(column) => Some(self.of_codes(column)?),
            None => self.of_numbers(&column)?,
        };
        let Some((known, places)) = looked_up else {
            let results = self.computed(column)?;
            if !self.codes {
                return Ok(ColumnarValue::Array(results));
            }
            let rows = 0..i32::try_from(results.len()).unwrap_or(i32::MAX);
            let places = Int32Array::new(rows.collect(), results.logical_nulls());
            return Ok(ColumnarValue::Array(Arc::new(DictionaryArray::try_new(places, results)?)));
        };
        let nulls = || known.nulls(&places, column.null_count() > 0);
        Ok(ColumnarValue::Array(match &known.truths {
            _ if self.codes => {
                let places = Int32Array::new(places.clone(), nulls());
                Arc::new(DictionaryArray::try_new(places, Arc::clone(&known.results))?)
            }
            Some(truths) => Arc::new(BooleanArray::new(truths.taken(&places), nulls())),
            None => take(&known.results, &Int32Array::new(places, None), None)?,
        }))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let [column] = children.as_slice() else {
            return internal_err!("one column is computed with");
        };
        Ok(Arc::new(Self {
            column: Arc::clone(column),
            expr: Arc::clone(&self.expr),
            values: Arc::clone(&self.values),
            data_type: self.data_type.clone(),
            codes: self.codes,
            remembered: Mutex::default(),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt_sql(f)
    }
}

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "each({})", self.expr)
    }
}

impl fmt::Debug for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Each({:?})", self.expr)
    }
}

impl PartialEq for Each {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.expr.eq(&other.expr) && self.codes == other.codes
    }
}

impl Eq for Each {}

impl Hash for Each {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.expr.hash(state);
        self.codes.hash(state);
    }
}
