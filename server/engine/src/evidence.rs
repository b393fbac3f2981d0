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
    Array, ArrayRef, BooleanArray, Decimal128Array, Int64Array, ListArray, StructArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field, FieldRef, Fields};
use cordon_disclosure::{PeopleKey, RawCell, Sketch};
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
    /// What people are hashed with.
    key: PeopleKey,
}

impl Evidence {
    pub(crate) fn new(threshold: u64, bounds: Option<(i128, i128)>, key: PeopleKey) -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable), threshold, bounds, key }
    }

    fn groups(&self) -> Groups {
        Groups {
            threshold: usize::try_from(self.threshold).unwrap_or(usize::MAX),
            bounds: self.bounds,
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
    ])
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

#[derive(Clone, Copy, Debug)]
struct Entry {
    person: i64,
    contribution: i128,
}

#[derive(Debug, Default)]
struct Group {
    entries: Vec<Entry>,
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
        self.entries.push(Entry { person, contribution });
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

    fn cell(&mut self, threshold: usize, key: &PeopleKey, scratch: &mut Vec<u128>) -> RawCell {
        self.merge();
        let figure = self.entries.iter().fold(0i128, |sum, e| sum.saturating_add(e.contribution));
        scratch.clear();
        scratch.extend(self.entries.iter().map(|e| e.contribution.unsigned_abs()));
        let mut nth = |n: usize| {
            let position = n.checked_sub(1).filter(|p| *p < scratch.len())?;
            let (_, value, _) = scratch.select_nth_unstable_by(position, |a, b| b.cmp(a));
            Some(*value)
        };
        let largest = nth(1).unwrap_or(0);
        let second = nth(2).unwrap_or(0);
        let clip = nth(threshold).unwrap_or(0);
        let bound = i128::try_from(clip).unwrap_or(i128::MAX);
        let part = i128::try_from(threshold).map_or(0, |t| figure.saturating_abs() / t.max(1));
        let most = bound.max(part);
        let mut cell = RawCell {
            figure,
            persons: self.entries.len() as u64,
            largest,
            second,
            clip,
            ..RawCell::default()
        };
        for e in &self.entries {
            let person = key.person(e.person);
            let weight = i64::from(person.weight);
            let clipped = e.contribution.clamp(-bound, bound);
            cell.clipped = cell.clipped.saturating_add(clipped);
            cell.flattened = cell.flattened.saturating_add(e.contribution.clamp(-most, most));
            cell.squares = cell.squares.saturating_add(RawCell::part(clipped, clip));
            cell.weight = cell.weight.saturating_add(weight);
            cell.weighted =
                cell.weighted.saturating_add(clipped.saturating_mul(i128::from(weight)));
            cell.people.add(key, &person, 1);
            cell.sketch.add(key, &person, e.contribution);
        }
        cell
    }
}

#[derive(Debug)]
struct Groups {
    threshold: usize,
    bounds: Option<(i128, i128)>,
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
        let (threshold, key) = (self.threshold, self.key);
        let mut scratch = Vec::new();
        let cells: Vec<RawCell> =
            self.take(emit_to).iter_mut().map(|g| g.cell(threshold, &key, &mut scratch)).collect();
        let wide = |read: &dyn Fn(&RawCell) -> i128| -> ArrayRef {
            Arc::new(
                cells
                    .iter()
                    .map(|c| Some(read(c)))
                    .collect::<Decimal128Array>()
                    .with_data_type(WIDE),
            )
        };
        let unsigned = |v: u128| i128::try_from(v).unwrap_or(i128::MAX);
        let persons: ArrayRef = Arc::new(
            cells
                .iter()
                .map(|c| Some(i64::try_from(c.persons).unwrap_or(i64::MAX)))
                .collect::<Int64Array>(),
        );
        let columns = vec![
            wide(&|c| c.figure),
            persons,
            wide(&|c| unsigned(c.largest)),
            wide(&|c| unsigned(c.second)),
            wide(&|c| unsigned(c.clip)),
            wide(&|c| c.clipped),
            Arc::new(cells.iter().map(|c| Some(c.weight)).collect::<Int64Array>()),
            wide(&|c| c.weighted),
            sketches(cells.iter().map(|c| &c.people))?,
            sketches(cells.iter().map(|c| &c.sketch))?,
            wide(&|c| c.flattened),
            wide(&|c| c.squares),
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
            + self.entries * 2 * size_of::<Entry>()
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

/// Reads the aggregate's output back.
pub(crate) fn read(column: &ArrayRef) -> Result<Vec<RawCell>> {
    let Some(cells) = column.as_struct_opt() else {
        return internal_err!("evidence is a struct");
    };
    let wide = |n: usize| -> Result<&Decimal128Array> {
        match cells.column(n).as_primitive_opt::<Decimal128Type>() {
            Some(a) => Ok(a),
            None => internal_err!("evidence has wide figures"),
        }
    };
    let (figure, largest, second, clip, clipped) =
        (wide(0)?, wide(2)?, wide(3)?, wide(4)?, wide(5)?);
    let (weighted, flattened, squares) = (wide(7)?, wide(10)?, wide(11)?);
    let (Some(persons), Some(weight)) = (
        cells.column(1).as_primitive_opt::<Int64Type>(),
        cells.column(6).as_primitive_opt::<Int64Type>(),
    ) else {
        return internal_err!("evidence counts persons");
    };
    let (Some(people), Some(sketch)) =
        (cells.column(8).as_fixed_size_binary_opt(), cells.column(9).as_fixed_size_binary_opt())
    else {
        return internal_err!("evidence has sketches");
    };
    Ok((0..cells.len())
        .map(|row| RawCell {
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
            people: Sketch::from_bytes(people.value(row)).unwrap_or_default(),
            sketch: Sketch::from_bytes(sketch.value(row)).unwrap_or_default(),
        })
        .collect())
}
