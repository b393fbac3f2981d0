//! Reference tables: small, replaced as a whole, and their key is checked.
//!
//! Patients' rows are joined with them on that key and counted afterwards: a repeated key would repeat
//! patients.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{RowConverter, SortField};
use cordon_catalogue::{Catalogue, TableKind};
use sha2::{Digest as _, Sha256};

use crate::layout::Layout;
use crate::log::DataFile;
use crate::run::{RunWriter, properties};
use crate::store::Store;
use crate::{Silent, StoreError};

/// The mark that says which stated rows a table was last filled with.
const STATED_MARK: &str = "cordon.catalogue.rows";

/// The rows of a reference table, in memory.
pub(crate) struct PublicRows {
    layout: Layout,
    key: Vec<usize>,
    converter: RowConverter,
    seen: HashSet<Vec<u8>>,
    batches: Vec<RecordBatch>,
}

impl PublicRows {
    pub(crate) fn new(layout: &Layout) -> Result<Self, StoreError> {
        let key: Vec<usize> =
            (0..layout.required.len()).filter(|place| layout.required[*place]).collect();
        let field = |place: &usize| SortField::new(layout.stored.field(*place).data_type().clone());
        let converter = RowConverter::new(key.iter().map(field).collect())
            .map_err(|_| StoreError::Internal("comparing keys"))?;
        Ok(Self {
            layout: layout.clone(),
            key,
            converter,
            seen: HashSet::new(),
            batches: Vec::new(),
        })
    }

    /// Takes rows whose key was not there before.
    pub(crate) fn add(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        let columns: Vec<ArrayRef> =
            self.key.iter().map(|place| Arc::clone(rows.column(*place))).collect();
        let keys = self.converter.convert_columns(&columns);
        for key in &keys.map_err(|_| StoreError::Internal("comparing keys"))? {
            if !self.seen.insert(key.as_ref().to_vec()) {
                return Err(self.repeated());
            }
        }
        self.batches.push(rows.clone());
        Ok(())
    }

    fn repeated(&self) -> StoreError {
        let TableKind::Public { key } = &self.layout.table.kind else {
            return StoreError::Internal("comparing keys");
        };
        let columns: Vec<&str> = key.iter().map(|column| column.as_str()).collect();
        StoreError::RepeatedKey {
            table: self.layout.table.name.clone(),
            columns: columns.join(", "),
            row: self.seen.len() as u64 + 1,
        }
    }

    /// Writes one file, or none without rows.
    pub(crate) fn write(
        self,
        layout: &Layout,
        scratch: &Path,
        folder: &Path,
        name: String,
    ) -> Result<Option<DataFile>, StoreError> {
        if self.seen.is_empty() {
            return Ok(None);
        }
        let mut writer =
            RunWriter::create(&scratch.join(&name), &layout.stored, properties(layout)?)?;
        self.batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.finish(&layout.stored, 0)?.publish(folder, name).map(Some)
    }
}

impl Store {
    /// Reference tables whose rows stand in the catalogue hold just these.
    pub(crate) async fn write_stated_rows(&self, catalogue: &Catalogue) -> Result<(), StoreError> {
        for (name, stored) in self.tables() {
            let Some(rows) = catalogue.reference_rows(name) else { continue };
            let Ok(version) = stored.log.latest().await else { continue };
            let says = digest_of(&rows)?;
            if stored.log.mark(&version, STATED_MARK).await? != Some(says) {
                let marks = vec![(STATED_MARK.to_owned(), says)];
                self.put_batches(stored, std::iter::once(rows), true, marks, &Silent).await?;
            }
        }
        Ok(())
    }
}

fn digest_of(rows: &RecordBatch) -> Result<i64, StoreError> {
    let failed = |_| StoreError::Internal("digesting stated rows");
    let fields = rows.schema_ref().fields().iter();
    let fields = fields.map(|field| SortField::new(field.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(failed)?;
    let mut hash = Sha256::new();
    for field in rows.schema_ref().fields() {
        hash.update(format!("{} {};", field.name(), field.data_type()));
    }
    for row in &converter.convert_columns(rows.columns()).map_err(failed)? {
        hash.update((row.as_ref().len() as u64).to_le_bytes());
        hash.update(row.as_ref());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    Ok(i64::from_le_bytes([a, b, c, d, e, f, g, h]))
}
