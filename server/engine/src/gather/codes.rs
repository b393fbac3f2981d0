//! The values of a group column, numbered as they come.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, StringArray};
use arrow_cast::cast;
use arrow_row::{OwnedRow, RowConverter, SortField};
use arrow_schema::DataType;
use datafusion::common::{Result, internal_err};

use crate::coded::is_same;

type Quick<K> = HashMap<K, u32, BuildHasherDefault<Mixed>>;

/// Numbers the values of one column: 0 is null, then from 1 on.
pub(super) struct Coder {
    data_type: DataType,
    values: Values,
    /// The dictionary of the last batch, and the numbers of its entries.
    last: Option<(ArrayRef, Vec<u32>)>,
}

enum Values {
    /// Short texts by their bytes, long ones as they are.
    Texts {
        short: Quick<u128>,
        long: HashMap<Box<str>, u32>,
        all: Vec<Box<str>>,
    },
    /// Whole numbers, dates, times and truth values.
    Whole {
        numbers: Quick<i64>,
        all: Vec<i64>,
    },
    Other {
        rows: HashMap<OwnedRow, u32>,
        all: Vec<OwnedRow>,
        converter: Option<RowConverter>,
    },
}

impl Values {
    fn texts() -> Self {
        Self::Texts { short: Quick::default(), long: HashMap::new(), all: Vec::new() }
    }

    fn whole() -> Self {
        Self::Whole { numbers: Quick::default(), all: Vec::new() }
    }

    fn other() -> Self {
        Self::Other { rows: HashMap::new(), all: Vec::new(), converter: None }
    }
}

impl Coder {
    pub(super) fn new(data_type: &DataType) -> Self {
        let value = match data_type {
            DataType::Dictionary(_, value) => value.as_ref(),
            other => other,
        };
        let values = match value {
            DataType::Utf8 => Values::texts(),
            DataType::UInt64 => Values::other(),
            DataType::Boolean
            | DataType::Date32
            | DataType::Date64
            | DataType::Timestamp(_, None) => Values::whole(),
            whole if whole.is_integer() => Values::whole(),
            _ => Values::other(),
        };
        Self { data_type: data_type.clone(), values, last: None }
    }

    /// The number of each row's value.
    pub(super) fn codes(&mut self, array: &ArrayRef) -> Result<Vec<u32>> {
        let Some(dictionary) = array.as_any_dictionary_opt() else { return self.plain(array) };
        let of_values = match self.last.take() {
            Some((last, of_values)) if is_same(&last, dictionary.values()) => of_values,
            _ => self.plain(dictionary.values())?,
        };
        let Some(keys) = dictionary.keys().as_primitive_opt::<Int32Type>() else {
            return self.plain(&cast(array, &self.data_type)?);
        };
        let code = |key: &i32| of_values.get(*key as usize).copied().unwrap_or(0);
        let mut codes: Vec<u32> = keys.values().iter().map(code).collect();
        for row in
            keys.nulls().iter().flat_map(|nulls| (!nulls.inner()).set_indices().collect::<Vec<_>>())
        {
            if let Some(code) = codes.get_mut(row) {
                *code = 0;
            }
        }
        self.last = Some((Arc::clone(dictionary.values()), of_values));
        Ok(codes)
    }

    fn plain(&mut self, array: &ArrayRef) -> Result<Vec<u32>> {
        match &mut self.values {
            Values::Texts { short, long, all } => {
                let Some(texts) = array.as_string_opt::<i32>() else {
                    return internal_err!("a text is Utf8");
                };
                let mut code = |text: &str| match packed(text) {
                    Some(key) => *short.entry(key).or_insert_with(|| number(all, text.into())),
                    None => match long.get(text) {
                        Some(code) => *code,
                        None => {
                            let code = number(all, text.into());
                            long.insert(text.into(), code);
                            code
                        }
                    },
                };
                Ok(if texts.null_count() == 0 {
                    let offsets = 0..texts.len();
                    offsets.map(|row| code(texts.value(row))).collect()
                } else {
                    texts.iter().map(|text| text.map_or(0, &mut code)).collect()
                })
            }
            Values::Whole { numbers, all } => {
                let whole = whole(array)?;
                let mut last: Option<(i64, u32)> = None;
                let mut code = |value: i64| match last {
                    Some((same, code)) if same == value => code,
                    _ => {
                        let code = *numbers.entry(value).or_insert_with(|| number(all, value));
                        last = Some((value, code));
                        code
                    }
                };
                Ok(if whole.null_count() == 0 {
                    whole.values().iter().map(|value| code(*value)).collect()
                } else {
                    whole.iter().map(|value| value.map_or(0, &mut code)).collect()
                })
            }
            Values::Other { rows, all, converter } => {
                let converter = match converter {
                    Some(converter) => converter,
                    None => converter.insert(RowConverter::new(vec![SortField::new(
                        array.data_type().clone(),
                    )])?),
                };
                let found = converter.convert_columns(&[Arc::clone(array)])?;
                let code = |(n, row): (usize, arrow_row::Row<'_>)| {
                    if array.is_null(n) {
                        return 0;
                    }
                    let row = row.owned();
                    match rows.get(&row) {
                        Some(code) => *code,
                        None => {
                            let code = number(all, row.clone());
                            rows.insert(row, code);
                            code
                        }
                    }
                };
                Ok(found.iter().enumerate().map(code).collect())
            }
        }
    }

    /// The numbers here of all numbers there, 0 among them.
    pub(super) fn codes_of(&mut self, other: &Self) -> Result<Vec<u32>> {
        let all: Vec<u32> = (0..=other.len()).collect();
        let values = other.plain_values(&all)?;
        let mut codes = self.plain(&values)?;
        if let Some(none) = codes.first_mut() {
            *none = 0;
        }
        Ok(codes)
    }

    /// How many numbers there are beside 0: the largest.
    pub(super) fn len(&self) -> u32 {
        let all = match &self.values {
            Values::Texts { all, .. } => all.len(),
            Values::Whole { all, .. } => all.len(),
            Values::Other { all, .. } => all.len(),
        };
        u32::try_from(all).unwrap_or(u32::MAX)
    }

    /// The values of numbers, in the type of the column.
    pub(super) fn values(&self, codes: &[u32]) -> Result<ArrayRef> {
        let values = self.plain_values(codes)?;
        Ok(if *values.data_type() == self.data_type {
            values
        } else {
            cast(&values, &self.data_type)?
        })
    }

    fn plain_values(&self, codes: &[u32]) -> Result<ArrayRef> {
        let place = |code: &u32| code.checked_sub(1).map(|n| n as usize);
        let value = match &self.data_type {
            DataType::Dictionary(_, value) => value.as_ref(),
            other => other,
        };
        match &self.values {
            Values::Texts { all, .. } => {
                let text = |code: &u32| all.get(place(code)?).map(AsRef::as_ref);
                Ok(Arc::new(codes.iter().map(text).collect::<StringArray>()))
            }
            Values::Whole { all, .. } => {
                let number = |code: &u32| all.get(place(code)?).copied();
                let numbers: ArrayRef = Arc::new(codes.iter().map(number).collect::<Int64Array>());
                let numbers = match value {
                    DataType::Date32 => cast(&numbers, &DataType::Int32)?,
                    _ => numbers,
                };
                Ok(cast(&numbers, value)?)
            }
            Values::Other { all, converter, .. } => {
                let Some(converter) = converter else {
                    return Ok(arrow_array::new_null_array(value, codes.len()));
                };
                // Whatever stands for null is made null below.
                let Some(any) = all.first() else {
                    return Ok(arrow_array::new_null_array(value, codes.len()));
                };
                let row = |code: &u32| place(code).and_then(|n| all.get(n)).unwrap_or(any).row();
                let rows: Vec<_> = codes.iter().map(row).collect();
                let arrays = converter.convert_rows(rows)?;
                let Some(array) = arrays.into_iter().next() else {
                    return internal_err!("one column comes back");
                };
                let absent: arrow_array::BooleanArray =
                    codes.iter().map(|code| Some(*code == 0)).collect();
                Ok(arrow_select::nullif::nullif(&array, &absent)?)
            }
        }
    }

    pub(super) fn size(&self) -> usize {
        self.len() as usize * 64
    }
}

/// A number for a new value.
fn number<T>(all: &mut Vec<T>, value: T) -> u32 {
    all.push(value);
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

/// A text of at most fifteen bytes as a number.
fn packed(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() > 15 {
        return None;
    }
    let length = (bytes.len() as u128) << 120;
    Some(bytes.iter().rev().fold(0, |key, byte| key << 8 | u128::from(*byte)) | length)
}

/// Numbers, dates, times and truth values as numbers.
fn whole(array: &ArrayRef) -> Result<Int64Array> {
    let array = match array.data_type() {
        DataType::Int64 => Arc::clone(array),
        DataType::Date32 => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    match array.as_primitive_opt::<Int64Type>() {
        Some(numbers) => Ok(numbers.clone()),
        None => internal_err!("a whole number is an Int64"),
    }
}

/// For keys of eight and sixteen bytes: one multiplication for each eight.
#[derive(Default)]
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value ^ 0xf39c_c060_5ced_c835) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_u128(&mut self, value: u128) {
        self.write_u64(value as u64);
        self.write_u64((value >> 64) as u64);
    }

    fn write_i64(&mut self, value: i64) {
        self.write_u64(value.cast_unsigned());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
