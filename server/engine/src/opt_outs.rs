//! Persons who opted out of their data being used: left out below everything an analyst writes, where the
//! agreement says so.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use sha2::{Digest, Sha256};

/// The persons who opted out, by their numbers in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct OptOutList {
    sorted: Arc<Vec<i64>>,
}

impl OptOutList {
    /// A list of person numbers, in any order.
    pub fn new(persons: impl IntoIterator<Item = i64>) -> Self {
        let mut sorted: Vec<i64> = persons.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self { sorted: Arc::new(sorted) }
    }

    /// Tells one list from another, so that an answer about other people is another question.
    pub(crate) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for person in self.sorted.iter() {
            digest.update(person.to_le_bytes());
        }
        hex::encode(digest.finalize())
    }

    /// The condition that keeps everybody else; none where nobody opted out.
    pub(crate) fn keeps(&self, person: Expr) -> Option<Expr> {
        if self.sorted.is_empty() {
            return None;
        }
        let signature = Signature::exact(vec![DataType::Int64], Volatility::Immutable);
        let func = Arc::new(ScalarUDF::from(NotOptedOut { list: self.clone(), signature }));
        Some(Expr::ScalarFunction(ScalarFunction { func, args: vec![person] }))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NotOptedOut {
    list: OptOutList,
    signature: Signature,
}

impl ScalarUDFImpl for NotOptedOut {
    fn name(&self) -> &str {
        "cordon_not_opted_out"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(people) = arrays.first().and_then(|a| a.as_primitive_opt::<Int64Type>()) else {
            return internal_err!("a person is an Int64");
        };
        let kept: BooleanArray = people
            .iter()
            .map(|p| Some(p.is_none_or(|p| self.list.sorted.binary_search(&p).is_err())))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(kept) as ArrayRef))
    }
}
