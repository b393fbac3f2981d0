//! Persons who opted out of their data being used: left out below everything an analyst writes, where the
//! agreement says so.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::DataType;
use cordon_store::{Store, StoreError};
use datafusion::common::internal_err;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};

/// The pseudonyms of everybody who opted out, as the house has them at this moment.
#[derive(Debug, Default)]
pub struct OptOuts {
    pseudonyms: RwLock<Arc<Vec<String>>>,
    /// Looked up last.
    found: Mutex<Option<Found>>,
}

/// A list with the pseudonyms and the version of the person index it was found by.
#[derive(Debug)]
struct Found {
    of: Arc<Vec<String>>,
    version: u64,
    list: OptOutList,
}

impl OptOuts {
    /// Everybody's pseudonyms, in any order.
    pub fn new(pseudonyms: Vec<String>) -> Self {
        Self { pseudonyms: RwLock::new(Arc::new(pseudonyms)), found: Mutex::default() }
    }

    /// From the next query on.
    pub fn replace(&self, pseudonyms: Vec<String>) {
        *self.pseudonyms.write() = Arc::new(pseudonyms);
    }

    /// The same people as the store numbers them. Looked up again when the store has new persons: one of
    /// them may have been on the list all along. Ask after the tables were pinned: the index is written first.
    pub(crate) async fn list(&self, store: &Store) -> Result<OptOutList, StoreError> {
        let pseudonyms = Arc::clone(&self.pseudonyms.read());
        if pseudonyms.is_empty() {
            return Ok(OptOutList::default());
        }
        let version = store.persons_version().await?;
        if let Some(found) = self.found.lock().as_ref()
            && Arc::ptr_eq(&found.of, &pseudonyms)
            && found.version == version
        {
            return Ok(found.list.clone());
        }
        let numbers = store.persons(&pseudonyms).await?;
        let list = OptOutList::new(numbers.into_iter().flatten());
        *self.found.lock() = Some(Found { of: pseudonyms, version, list: list.clone() });
        Ok(list)
    }
}

/// The persons who opted out, by their numbers in the store. Two lists are equal by their digest.
#[derive(Clone, Debug)]
pub(crate) struct OptOutList {
    sorted: Arc<Vec<i64>>,
    digest: Arc<str>,
}

impl Default for OptOutList {
    fn default() -> Self {
        Self::new([])
    }
}

impl PartialEq for OptOutList {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for OptOutList {}

impl Hash for OptOutList {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl OptOutList {
    /// A list of person numbers, in any order.
    fn new(persons: impl IntoIterator<Item = i64>) -> Self {
        let mut sorted: Vec<i64> = persons.into_iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let mut digest = Sha256::new();
        for person in &sorted {
            digest.update(person.to_le_bytes());
        }
        let digest = hex::encode(digest.finalize()).into();
        Self { sorted: Arc::new(sorted), digest }
    }

    /// Tells one list from another, so that an answer about other people is another question.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
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

    fn return_type(&self, _: &[DataType]) -> datafusion::common::Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> datafusion::common::Result<ColumnarValue> {
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
