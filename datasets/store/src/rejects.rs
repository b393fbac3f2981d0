//! The reject file of a load: file, line, column, reason. Never a value.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::stage::Reject;

/// Written only when something is rejected.
pub(crate) struct RejectFile {
    path: PathBuf,
    writer: Option<csv::Writer<File>>,
    last: Option<(String, u64)>,
    rows: u64,
}

impl RejectFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, writer: None, last: None, rows: 0 }
    }

    /// Notes why rows of a file are left out.
    pub(crate) fn note(&mut self, file: &str, rejects: &[Reject]) -> Result<(), StoreError> {
        for reject in rejects {
            let row = (file.to_owned(), reject.line);
            if self.last.as_ref() != Some(&row) {
                self.rows += 1;
                self.last = Some(row);
            }
            let line = reject.line.to_string();
            let column = reject.column.as_deref().unwrap_or_default();
            self.write([file, &line, column, &reject.reason.to_string()])?;
        }
        Ok(())
    }

    /// Notes rows that were left out after their lines were forgotten.
    pub(crate) fn note_rows(&mut self, rows: u64, reason: &str) -> Result<(), StoreError> {
        self.rows += rows;
        match rows {
            0 => Ok(()),
            rows => self.write(["", "", "", &format!("{rows} rows: {reason}")]),
        }
    }

    fn write(&mut self, fields: [&str; 4]) -> Result<(), StoreError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file =
                    File::create_new(&self.path).map_err(StoreError::disk("write", &self.path))?;
                let mut writer = csv::Writer::from_writer(file);
                let header = writer.write_record(["file", "line", "column", "reason"]);
                header.map_err(|error| failed(&self.path, error))?;
                none.insert(writer)
            }
        };
        writer.write_record(fields).map_err(|error| failed(&self.path, error))
    }

    /// How many rows were left out, and where it says why.
    pub(crate) fn finish(self) -> Result<(u64, Option<PathBuf>), StoreError> {
        let Some(writer) = self.writer else { return Ok((self.rows, None)) };
        let file = writer.into_inner().map_err(|error| error.into_error());
        file.and_then(|file| file.sync_all()).map_err(StoreError::disk("write", &self.path))?;
        Ok((self.rows, Some(self.path)))
    }
}

fn failed(path: &Path, error: csv::Error) -> StoreError {
    StoreError::disk("write", path)(error.into())
}
