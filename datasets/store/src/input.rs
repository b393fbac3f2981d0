//! Files to be loaded: CSV, gzipped CSV, Parquet. Half a file is an error, never half a load.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use csv::{ByteRecord, ReaderBuilder};
use flate2::read::MultiGzDecoder;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest as _, Sha256};

use crate::StoreError;
use crate::layout::Layout;
use crate::person::Keys;
use crate::stage::{Fields, Lines, Staged, match_fields, stage_batch, stage_lines};
use crate::verify::sha256_of;

/// Lines that are parsed together.
const CHUNK_LINES: usize = 2048;
/// A quote that is never closed would swallow the rest of the file into memory.
const LONGEST_RECORD: u64 = 16 << 20;

/// How files are read.
pub(crate) struct Reading<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) keys: &'a Keys,
    pub(crate) missing_as_null: bool,
    pub(crate) workers: usize,
}

impl Reading<'_> {
    /// Stages all rows of a file in their order; gives the digest of its content.
    pub(crate) fn read(
        &self,
        file: &Path,
        take: &mut dyn FnMut(Staged) -> Result<(), StoreError>,
    ) -> Result<String, StoreError> {
        let mut start = [0u8; 4];
        let mut source = File::open(file).map_err(StoreError::disk("open", file))?;
        let read = read_start(&mut source, &mut start).map_err(StoreError::disk("read", file))?;
        match &start[..read] {
            b"PAR1" => self.read_parquet(file, take),
            start => {
                let gzipped = start.starts_with(&[0x1f, 0x8b]);
                let source = File::open(file).map_err(StoreError::disk("open", file))?;
                let source = BufReader::with_capacity(1 << 20, source);
                let text: Box<dyn Read + Send> = match gzipped {
                    true => Box::new(MultiGzDecoder::new(source)),
                    false => Box::new(source),
                };
                self.read_text(file, text, take)
            }
        }
    }

    fn read_parquet(
        &self,
        path: &Path,
        take: &mut dyn FnMut(Staged) -> Result<(), StoreError>,
    ) -> Result<String, StoreError> {
        // Decoder errors may quote what they met, so only the fact is kept.
        let damaged = || StoreError::input(path, "it is not a whole Parquet file");
        let file = File::open(path).map_err(StoreError::disk("open", path))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|_| damaged())?;
        let schema = Arc::clone(builder.schema());
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let fields = self.fields(path, &names)?;
        let sha256 = sha256_of(path)?;
        let reader = builder.with_batch_size(CHUNK_LINES * 2).build().map_err(|_| damaged())?;
        let mut row = 1;
        for batch in reader {
            let batch = batch.map_err(|_| damaged())?;
            take(stage_batch(self.layout, self.keys, &fields, &batch, row)?)?;
            row += batch.num_rows() as u64;
        }
        Ok(sha256)
    }

    fn fields(&self, path: &Path, names: &[&str]) -> Result<Fields, StoreError> {
        match_fields(self.layout, names, self.missing_as_null)
            .map_err(|problem| StoreError::input(path, problem))
    }

    fn read_text(
        &self,
        path: &Path,
        text: Box<dyn Read + Send>,
        take: &mut dyn FnMut(Staged) -> Result<(), StoreError>,
    ) -> Result<String, StoreError> {
        let since_record = Arc::new(AtomicU64::new(0));
        let watched =
            Watched { text, hash: Sha256::new(), since_record: Arc::clone(&since_record) };
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(256 << 10)
            .from_reader(watched);
        let mut header = ByteRecord::new();
        reader.read_byte_record(&mut header).map_err(|error| unreadable(path, error))?;
        let names: Option<Vec<&str>> =
            header.iter().map(|name| std::str::from_utf8(name).ok()).collect();
        let names =
            names.ok_or_else(|| StoreError::input(path, "its first line is not UTF-8 text"))?;
        let fields = self.fields(path, &names)?;
        let width = names.len();
        // Of a line that ends in CR LF the reader counts the LF with the next line.
        let late = u64::from(reader.position().line() == 1);

        // One thread reads and splits lines, others parse; chunks come back in their order.
        let (to_parse, lines) = sync_channel::<(u64, Lines)>(2 * self.workers);
        let (parsed, results) = sync_channel(2 * self.workers);
        let lines = Arc::new(Mutex::new(lines));
        std::thread::scope(|scope| {
            let splitter =
                scope.spawn(|| split(path, &mut reader, (width, late), &since_record, to_parse));
            for _ in 0..self.workers {
                let (lines, parsed, fields) = (Arc::clone(&lines), parsed.clone(), &fields);
                scope.spawn(move || self.parse(fields, &lines, &parsed));
            }
            // What is left belongs to the parsers: when they stop, for whatever reason, so do the others.
            drop((lines, parsed));
            let taken = take_in_order(&results, take);
            drop(results);
            let split = splitter.join().map_err(|_| StoreError::Internal("splitting lines"))?;
            taken.and(split)
        })?;
        let watched = reader.into_inner();
        Ok(hex::encode(watched.hash.finalize()))
    }

    fn parse(
        &self,
        fields: &Fields,
        lines: &Mutex<Receiver<(u64, Lines)>>,
        parsed: &SyncSender<(u64, Result<Staged, StoreError>)>,
    ) {
        loop {
            let next = lines.lock().recv();
            let Ok((number, lines)) = next else { return };
            let staged = stage_lines(self.layout, self.keys, fields, &lines);
            if parsed.send((number, staged)).is_err() {
                return;
            }
        }
    }
}

fn read_start(source: &mut File, start: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < start.len() {
        match source.read(&mut start[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

fn split(
    path: &Path,
    reader: &mut csv::Reader<Watched>,
    (width, late): (usize, u64),
    since_record: &AtomicU64,
    to_parse: SyncSender<(u64, Lines)>,
) -> Result<(), StoreError> {
    let mut number = 0;
    loop {
        let mut records = Vec::with_capacity(CHUNK_LINES);
        let mut ended = false;
        while records.len() < CHUNK_LINES {
            let mut record = ByteRecord::new();
            if !reader.read_byte_record(&mut record).map_err(|error| unreadable(path, error))? {
                ended = true;
                break;
            }
            since_record.store(0, Ordering::Relaxed);
            let line = record.position().map_or(0, csv::Position::line) + late;
            records.push((line, record));
        }
        if !records.is_empty() && to_parse.send((number, Lines { records, width })).is_err() {
            return Ok(());
        }
        if ended {
            return Ok(());
        }
        number += 1;
    }
}

fn take_in_order(
    results: &Receiver<(u64, Result<Staged, StoreError>)>,
    take: &mut dyn FnMut(Staged) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (number, staged) in results {
        waiting.insert(number, staged);
        while let Some(staged) = waiting.remove(&next) {
            take(staged?)?;
            next += 1;
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: csv::Error) -> StoreError {
    match error.into_kind() {
        csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
            StoreError::input(path, "the compressed data ends early")
        }
        csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => {
            StoreError::input(path, "a record is longer than 16 MiB: is a quote not closed?")
        }
        csv::ErrorKind::Io(source)
            if matches!(
                source.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
            ) =>
        {
            StoreError::input(path, "the compressed data is damaged")
        }
        csv::ErrorKind::Io(source) => StoreError::disk("read", path)(source),
        _ => StoreError::input(path, "it is not CSV"),
    }
}

/// Hashes the text that is read and stops at a record that does not end.
struct Watched {
    text: Box<dyn Read + Send>,
    hash: Sha256,
    since_record: Arc<AtomicU64>,
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(into)?;
        self.hash.update(&into[..read]);
        if self.since_record.fetch_add(read as u64, Ordering::Relaxed) > LONGEST_RECORD {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(read)
    }
}
