//! The evidence aggregate: a figure with what the rules need to know about the people behind it.
//!
//! Exact hash-free form: per group a list of (person, contribution). Rows of one person are mostly
//! adjacent, so most rows add to the last entry; where order was broken the list is sorted and merged
//! before it is read. So the result is exact whatever order rows come in and however partial states are
//! split, and memory is one entry per person and group. All sums are i128: no order changes a bit.

use std::mem::size_of;
use std::sync::Arc;

use arrow_array::builder::{Decimal128Builder, FixedSizeBinaryBuilder, Int64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Int64Array, ListArray,
    StructArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, FieldRef, Fields};
use cordon_disclosure::{Heavy, Part, PeopleKey, RawCell, Sketch};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

const WIDE: DataType = DataType::Decimal128(38, 0);
const SKETCH: DataType = DataType::FixedSizeBinary(Sketch::BYTES as i32);

/// `evidence(person, contribution)`: contribution Int64 or Decimal128; rows where either is null add nothing.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Evidence {
    signature: Signature,
    /// T of the permit's profile.
    threshold: u64,
    /// Declared public bounds of one contribution, in its fixed point.
    bounds: Option<(i128, i128)>,
    /// Decimals of a total; none for a count.
    decimals: Option<u8>,
    /// What people are hashed with.
    key: PeopleKey,
}

impl Evidence {
    pub(crate) fn new(
        threshold: u64,
        bounds: Option<(i128, i128)>,
        decimals: Option<u8>,
        key: PeopleKey,
    ) -> Self {
        let signature = Signature::any(2, Volatility::Immutable);
        Self { signature, threshold, bounds, decimals, key }
    }

    fn groups(&self) -> Groups {
        Groups {
            threshold: self.threshold,
            bounds: self.bounds,
            decimals: self.decimals,
            key: self.key,
            groups: Vec::new(),
            entries: 0,
        }
    }
}

fn output_fields() -> Fields {
    Fields::from(vec![
        Field::new("figure", WIDE, false),
        Field::new("persons", DataType::Int64, false),
        Field::new("largest", WIDE, false),
        Field::new("second", WIDE, false),
        Field::new("clip", WIDE, false),
        Field::new("clipped", WIDE, false),
        Field::new("weight", DataType::Int64, false),
        Field::new("weighted", WIDE, false),
        Field::new("people", SKETCH, false),
        Field::new("sketch", SKETCH, false),
        Field::new("flattened", WIDE, false),
        Field::new("squares", WIDE, false),
        Field::new("contributors", DataType::Int64, false),
        Field::new("heavy", DataType::List(heavy_field()), false),
    ])
}

/// One [`Heavy`].
fn heavy_fields() -> Fields {
    Fields::from(vec![
        Field::new("limit", WIDE, false),
        Field::new("persons", DataType::Int64, false),
        Field::new("weight", DataType::Int64, false),
        Field::new("people", SKETCH, false),
        Field::new("limited", WIDE, false),
        Field::new("weighted", WIDE, false),
        Field::new("squares", WIDE, false),
    ])
}

fn heavy_field() -> FieldRef {
    item(DataType::Struct(heavy_fields()))
}

fn item(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("item", data_type, false))
}

impl AggregateUDFImpl for Evidence {
    fn name(&self) -> &str {
        "cordon_evidence"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(output_fields()))
    }

    fn state_fields(&self, _: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new("people", DataType::List(item(DataType::Int64)), false)),
            Arc::new(Field::new("contributions", DataType::List(item(WIDE)), false)),
        ])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Single(self.groups())))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.groups()))
    }
}

#[derive(Debug, Default)]
struct Group {
    entries: Vec<Part>,
    /// Length above which the list is merged, if it is not in order: twice what it was after the last merge.
    merge_at: usize,
    unordered: bool,
}

impl Group {
    /// Adds a contribution; saturating, since a total that leaves 2^127 is refused at release anyway.
    fn add(&mut self, person: i64, contribution: i128) -> bool {
        if let Some(last) = self.entries.last_mut() {
            if last.person == person {
                last.contribution = last.contribution.saturating_add(contribution);
                return false;
            }
            if last.person > person {
                self.unordered = true;
            }
        }
        self.entries.push(Part { person, contribution });
        if self.unordered && self.entries.len() > self.merge_at.max(1024) {
            self.merge();
            self.merge_at = self.entries.len() * 2;
        }
        true
    }

    /// One entry per person, in order of persons.
    fn merge(&mut self) {
        if !self.unordered {
            return;
        }
        self.entries.sort_unstable_by_key(|e| e.person);
        self.entries.dedup_by(|later, kept| {
            let same = later.person == kept.person;
            if same {
                kept.contribution = kept.contribution.saturating_add(later.contribution);
            }
            same
        });
        self.unordered = false;
    }
}

#[derive(Debug)]
struct Groups {
    threshold: u64,
    bounds: Option<(i128, i128)>,
    decimals: Option<u8>,
    key: PeopleKey,
    groups: Vec<Group>,
    entries: usize,
}

/// Contributions of either type, read without a cast of the whole column.
enum Values<'a> {
    Narrow(&'a Int64Array),
    Wide(&'a Decimal128Array),
}

impl Values<'_> {
    fn get(&self, row: usize) -> Option<i128> {
        match self {
            Self::Narrow(a) => a.is_valid(row).then(|| i128::from(a.value(row))),
            Self::Wide(a) => a.is_valid(row).then(|| a.value(row)),
        }
    }
}

fn inputs(values: &[ArrayRef]) -> Result<(&Int64Array, Values<'_>)> {
    let [person, contribution] = values else {
        return internal_err!("evidence takes a person and a contribution");
    };
    let (Some(person), contribution) = (person.as_primitive_opt::<Int64Type>(), contribution)
    else {
        return internal_err!("a person is an Int64");
    };
    let contribution = match contribution.data_type() {
        DataType::Int64 => Values::Narrow(contribution.as_primitive::<Int64Type>()),
        DataType::Decimal128(_, _) => Values::Wide(contribution.as_primitive::<Decimal128Type>()),
        _ => return internal_err!("a contribution is an Int64 or a Decimal128"),
    };
    Ok((person, contribution))
}

impl Groups {
    fn clamp(&self, value: i128) -> i128 {
        match self.bounds {
            Some((min, max)) => value.clamp(min, max),
            None => value,
        }
    }

    fn add(&mut self, group: usize, person: i64, contribution: i128) {
        if let Some(g) = self.groups.get_mut(group)
            && g.add(person, contribution)
        {
            self.entries += 1;
        }
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Group> {
        let taken = emit_to.take_needed(&mut self.groups);
        self.entries = self.groups.iter().map(|g| g.entries.len()).sum();
        taken
    }

    fn lists(groups: Vec<Group>) -> Result<Vec<ArrayRef>> {
        let total = groups.iter().map(|g| g.entries.len()).sum();
        let mut people = Int64Builder::with_capacity(total);
        let mut contributions = Decimal128Builder::with_capacity(total).with_data_type(WIDE);
        let mut lengths = Vec::with_capacity(groups.len());
        for mut group in groups {
            group.merge();
            lengths.push(group.entries.len());
            for e in group.entries {
                people.append_value(e.person);
                contributions.append_value(e.contribution);
            }
        }
        let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
        Ok(vec![
            Arc::new(ListArray::try_new(
                item(DataType::Int64),
                offsets.clone(),
                Arc::new(people.finish()),
                None,
            )?),
            Arc::new(ListArray::try_new(
                item(WIDE),
                offsets,
                Arc::new(contributions.finish()),
                None,
            )?),
        ])
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let (people, contributions) = inputs(values)?;
        self.groups.resize_with(total_num_groups.max(self.groups.len()), Group::default);
        for (row, group) in group_indices.iter().enumerate() {
            if opt_filter.is_some_and(|f| !(f.is_valid(row) && f.value(row))) || people.is_null(row)
            {
                continue;
            }
            if let Some(value) = contributions.get(row) {
                let value = self.clamp(value);
                self.add(*group, people.value(row), value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (threshold, decimals, key) = (self.threshold, self.decimals, self.key);
        let cells: Vec<RawCell> = self
            .take(emit_to)
            .iter_mut()
            .map(|group| {
                group.merge();
                RawCell::of_parts(&group.entries, threshold, decimals, &key)
            })
            .collect();
        let wide = |read: &dyn Fn(&RawCell) -> i128| wide(cells.iter().map(read));
        let columns = vec![
            wide(&|c| c.figure),
            narrow(cells.iter().map(|c| signed(c.persons))),
            wide(&|c| unsigned(c.largest)),
            wide(&|c| unsigned(c.second)),
            wide(&|c| unsigned(c.clip)),
            wide(&|c| c.clipped),
            narrow(cells.iter().map(|c| c.weight)),
            wide(&|c| c.weighted),
            sketches(cells.iter().map(|c| &c.people))?,
            sketches(cells.iter().map(|c| &c.sketch))?,
            wide(&|c| c.flattened),
            wide(&|c| c.squares),
            narrow(cells.iter().map(|c| signed(c.contributors))),
            heavies(&cells)?,
        ];
        Ok(Arc::new(StructArray::try_new(output_fields(), columns, None)?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Self::lists(self.take(emit_to))
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let [people, contributions] = values else {
            return internal_err!("evidence has two states");
        };
        let (Some(people), Some(contributions)) =
            (people.as_list_opt::<i32>(), contributions.as_list_opt::<i32>())
        else {
            return internal_err!("the states of evidence are lists");
        };
        self.groups.resize_with(total_num_groups.max(self.groups.len()), Group::default);
        for (row, group) in group_indices.iter().enumerate() {
            let (p, c) = (people.value(row), contributions.value(row));
            let (Some(p), Some(c)) =
                (p.as_primitive_opt::<Int64Type>(), c.as_primitive_opt::<Decimal128Type>())
            else {
                return exec_err!("the states of evidence hold persons and contributions");
            };
            for (person, contribution) in p.values().iter().zip(c.values()) {
                self.add(*group, *person, *contribution);
            }
        }
        Ok(())
    }

    /// Each row as a state of its own: the partial stage may give up grouping.
    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let (people, contributions) = inputs(values)?;
        let groups = (0..people.len())
            .map(|row| {
                let mut group = Group::default();
                let passes = opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row))
                    && people.is_valid(row);
                if passes && let Some(value) = contributions.get(row) {
                    group.add(people.value(row), self.clamp(value));
                }
                group
            })
            .collect();
        Self::lists(groups)
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.groups.capacity() * size_of::<Group>()
            + self.entries * 2 * size_of::<Part>()
    }
}

/// The same for an aggregate without GROUP BY.
#[derive(Debug)]
struct Single(Groups);

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |v| v.len());
        self.0.update_batch(values, &vec![0; rows], None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.groups.resize_with(1, Group::default);
        let array = self.0.evaluate(EmitTo::All)?;
        ScalarValue::try_from_array(&array, 0)
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.groups.resize_with(1, Group::default);
        self.0.state(EmitTo::All)?.iter().map(|a| ScalarValue::try_from_array(a, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |v| v.len());
        self.0.merge_batch(states, &vec![0; rows], 1)
    }
}

fn sketches<'a>(sketches: impl ExactSizeIterator<Item = &'a Sketch>) -> Result<ArrayRef> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(sketches.len(), Sketch::BYTES as i32);
    for sketch in sketches {
        builder.append_value(sketch.to_bytes())?;
    }
    Ok(Arc::new(builder.finish()))
}

fn wide(values: impl Iterator<Item = i128>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<Decimal128Array>().with_data_type(WIDE))
}

fn narrow(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<Int64Array>())
}

fn unsigned(value: u128) -> i128 {
    i128::try_from(value).unwrap_or(i128::MAX)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn heavies(cells: &[RawCell]) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::<i32>::from_lengths(cells.iter().map(|c| c.heavy.len()));
    let all = || cells.iter().flat_map(|c| &c.heavy);
    let people: Vec<&Sketch> = all().map(|h| &h.people).collect();
    let columns = vec![
        wide(all().map(|h| unsigned(h.limit))),
        narrow(all().map(|h| signed(h.persons))),
        narrow(all().map(|h| h.weight)),
        sketches(people.into_iter())?,
        wide(all().map(|h| h.limited)),
        wide(all().map(|h| h.weighted)),
        wide(all().map(|h| h.squares)),
    ];
    let values = StructArray::try_new(heavy_fields(), columns, None)?;
    Ok(Arc::new(ListArray::try_new(heavy_field(), offsets, Arc::new(values), None)?))
}

/// A struct as the aggregate made it.
struct Columns<'a>(&'a StructArray);

impl<'a> Columns<'a> {
    fn of(array: &'a dyn Array) -> Result<Self> {
        match array.as_struct_opt() {
            Some(columns) => Ok(Self(columns)),
            None => internal_err!("evidence is a struct"),
        }
    }

    fn wide(&self, n: usize) -> Result<&'a Decimal128Array> {
        match self.0.columns().get(n).and_then(|c| c.as_primitive_opt::<Decimal128Type>()) {
            Some(column) => Ok(column),
            None => internal_err!("evidence has wide figures"),
        }
    }

    fn narrow(&self, n: usize) -> Result<&'a Int64Array> {
        match self.0.columns().get(n).and_then(|c| c.as_primitive_opt::<Int64Type>()) {
            Some(column) => Ok(column),
            None => internal_err!("evidence counts persons"),
        }
    }

    fn sketch(&self, n: usize) -> Result<&'a FixedSizeBinaryArray> {
        match self.0.columns().get(n).and_then(|c| c.as_fixed_size_binary_opt()) {
            Some(column) => Ok(column),
            None => internal_err!("evidence has sketches"),
        }
    }
}

fn sketch(column: &FixedSizeBinaryArray, row: usize) -> Sketch {
    Sketch::from_bytes(column.value(row)).unwrap_or_default()
}

/// Reads the aggregate's output back.
pub(crate) fn read(column: &ArrayRef) -> Result<Vec<RawCell>> {
    let cells = Columns::of(column)?;
    let (figure, persons, largest) = (cells.wide(0)?, cells.narrow(1)?, cells.wide(2)?);
    let (second, clip, clipped) = (cells.wide(3)?, cells.wide(4)?, cells.wide(5)?);
    let (weight, weighted) = (cells.narrow(6)?, cells.wide(7)?);
    let (people, sketches) = (cells.sketch(8)?, cells.sketch(9)?);
    let (flattened, squares) = (cells.wide(10)?, cells.wide(11)?);
    let contributors = cells.narrow(12)?;
    let Some(heavy) = cells.0.columns().get(13).and_then(|c| c.as_list_opt::<i32>()) else {
        return internal_err!("evidence has limits");
    };
    let rows = (0..column.len()).map(|row| {
        Ok(RawCell {
            figure: figure.value(row),
            persons: persons.value(row).unsigned_abs(),
            largest: largest.value(row).unsigned_abs(),
            second: second.value(row).unsigned_abs(),
            clip: clip.value(row).unsigned_abs(),
            clipped: clipped.value(row),
            weight: weight.value(row),
            weighted: weighted.value(row),
            flattened: flattened.value(row),
            squares: squares.value(row),
            people: sketch(people, row),
            sketch: sketch(sketches, row),
            contributors: contributors.value(row).unsigned_abs(),
            heavy: read_heavy(&heavy.value(row))?,
        })
    });
    rows.collect()
}

fn read_heavy(column: &ArrayRef) -> Result<Vec<Heavy>> {
    let cells = Columns::of(column)?;
    let (limit, persons, weight) = (cells.wide(0)?, cells.narrow(1)?, cells.narrow(2)?);
    let (people, limited) = (cells.sketch(3)?, cells.wide(4)?);
    let (weighted, squares) = (cells.wide(5)?, cells.wide(6)?);
    let rows = (0..column.len()).map(|row| Heavy {
        limit: limit.value(row).unsigned_abs(),
        persons: persons.value(row).unsigned_abs(),
        weight: weight.value(row),
        people: sketch(people, row),
        limited: limited.value(row),
        weighted: weighted.value(row),
        squares: squares.value(row),
    });
    Ok(rows.collect())
}
