//! Tables that the house makes for the asking analyst: `information_schema` and `my`. They hold what the
//! permit shows and the analyst's own work, nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use cordon_agreements::Permit;
use cordon_catalogue::{Catalogue, TableName};

use crate::authorise::visible_schema;

/// Every table that exists for a permit, with its schema, by name; own views without `information_schema`.
pub(crate) fn visible(
    catalogue: &Catalogue,
    permit: &Permit,
    views: &BTreeMap<TableName, RecordBatch>,
) -> Vec<(TableName, SchemaRef)> {
    let mut tables: Vec<(TableName, SchemaRef)> = catalogue
        .tables()
        .filter_map(|t| visible_schema(t, permit).map(|s| (t.name.clone(), s)))
        .chain(
            views.iter().filter(|(n, _)| n.group() == "my").map(|(n, b)| (n.clone(), b.schema())),
        )
        .collect();
    tables.sort_by(|a, b| a.0.cmp(&b.0));
    tables
}

/// Adds `information_schema.tables` and `.columns` to the analyst's own views.
pub(crate) fn with_information_schema(
    catalogue: &Catalogue,
    permit: &Permit,
    mut views: BTreeMap<TableName, RecordBatch>,
) -> Result<BTreeMap<TableName, RecordBatch>, ArrowError> {
    let tables = visible(catalogue, permit, &views);
    let described = |t: &TableName| catalogue.table(t);
    let listing = batch(&[
        ("table_catalog", tables.iter().map(|_| Some("cordon".to_owned())).collect()),
        ("table_schema", tables.iter().map(|(n, _)| Some(n.group().to_owned())).collect()),
        ("table_name", tables.iter().map(|(n, _)| Some(n.name().to_owned())).collect()),
        ("table_type", tables.iter().map(|_| Some("BASE TABLE".to_owned())).collect()),
        ("title", tables.iter().map(|(n, _)| described(n).map(|t| t.title.clone())).collect()),
    ])?;
    let columns: Vec<_> = tables
        .iter()
        .flat_map(|(name, schema)| {
            schema.fields().iter().enumerate().map(move |(n, f)| (name, n + 1, Arc::clone(f)))
        })
        .collect();
    let about = |t: &TableName, c: &str| described(t).and_then(|d| d.column(c).cloned());
    let text = batch(&[
        ("table_catalog", columns.iter().map(|_| Some("cordon".to_owned())).collect()),
        ("table_schema", columns.iter().map(|(t, ..)| Some(t.group().to_owned())).collect()),
        ("table_name", columns.iter().map(|(t, ..)| Some(t.name().to_owned())).collect()),
        ("column_name", columns.iter().map(|(.., f)| Some(f.name().clone())).collect()),
        ("data_type", columns.iter().map(|(.., f)| Some(f.data_type().to_string())).collect()),
        ("is_nullable", columns.iter().map(|_| Some("YES".to_owned())).collect()),
        (
            "class",
            columns
                .iter()
                .map(|(t, _, f)| about(t, f.name()).map(|c| c.class.as_str().to_owned()))
                .collect(),
        ),
        (
            "meaning",
            columns.iter().map(|(t, _, f)| about(t, f.name()).map(|c| c.meaning)).collect(),
        ),
    ])?;
    let ordinals: Int64Array = columns.iter().map(|(_, n, _)| i64::try_from(*n).ok()).collect();
    let mut fields: Vec<_> = text.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("ordinal_position", DataType::Int64, true)));
    let mut arrays = text.columns().to_vec();
    arrays.push(Arc::new(ordinals));
    let text = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    for (name, batch) in
        [("information_schema.tables", listing), ("information_schema.columns", text)]
    {
        if let Ok(name) = name.parse() {
            views.insert(name, batch);
        }
    }
    Ok(views)
}

/// A table of text columns.
pub(crate) fn batch(columns: &[(&str, Vec<Option<String>>)]) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<Field> =
        columns.iter().map(|(n, _)| Field::new(*n, DataType::Utf8, true)).collect();
    let arrays: Vec<ArrayRef> =
        columns.iter().map(|(_, v)| Arc::new(StringArray::from(v.clone())) as ArrayRef).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}
