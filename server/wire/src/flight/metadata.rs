//! Catalogues, schemas, tables, types and keys: what the agreement shows, as Flight SQL asks for it.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, XdbcTypeInfoData};
use arrow_flight::sql::{Command, CommandGetDbSchemas, CommandGetTables};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use cordon_catalogue::TableName;

use super::CATALOGUE;
use super::like::like;
use crate::encode;

/// What does not depend on who asks.
pub(crate) struct Constants {
    pub(crate) sql_info: SqlInfoData,
    pub(crate) types: XdbcTypeInfoData,
}

/// What must be known of the caller to answer a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: the same for everybody who is signed in.
    Nobody,
    /// The agreement: only its tables exist.
    Permit,
}

/// Whether a command asks for metadata, and what the answer depends on.
pub(crate) fn needs(command: &Command) -> Option<Needs> {
    match command {
        Command::CommandGetSqlInfo(_)
        | Command::CommandGetXdbcTypeInfo(_)
        | Command::CommandGetCatalogs(_)
        | Command::CommandGetTableTypes(_)
        | Command::CommandGetPrimaryKeys(_)
        | Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Some(Needs::Nobody),
        Command::CommandGetDbSchemas(_) | Command::CommandGetTables(_) => Some(Needs::Permit),
        _ => None,
    }
}

/// The name by which the audit log knows a metadata command: its filters are not logged.
pub(crate) fn name(command: &Command) -> &str {
    command.type_url().rsplit_once('.').map_or("", |(_, name)| name)
}

/// Answers a metadata command from the tables that exist for the caller.
pub(crate) fn answer(
    command: Command,
    tables: &[(TableName, SchemaRef)],
    constants: &Constants,
) -> Result<RecordBatch, FlightError> {
    match command {
        Command::CommandGetSqlInfo(info) => constants.sql_info.record_batch(info.info),
        Command::CommandGetXdbcTypeInfo(types) => constants.types.record_batch(types.data_type),
        Command::CommandGetCatalogs(catalogues) => {
            let mut list = catalogues.into_builder();
            list.append(CATALOGUE);
            list.build()
        }
        Command::CommandGetTableTypes(types) => {
            let mut list = types.into_builder();
            for kind in [TABLE, VIEW] {
                list.append(kind);
            }
            list.build()
        }
        Command::CommandGetDbSchemas(wanted) => schemas(&wanted, tables),
        Command::CommandGetTables(wanted) => self::tables(&wanted, tables),
        Command::CommandGetPrimaryKeys(_) => Ok(RecordBatch::new_empty(primary_keys())),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => Ok(RecordBatch::new_empty(foreign_keys())),
        _ => Err(FlightError::NotYetImplemented("not a metadata command".to_owned())),
    }
}

const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

/// The analyst's own work is shown as views.
fn kind_of(table: &TableName) -> &'static str {
    if table.group() == "my" { VIEW } else { TABLE }
}

fn in_catalogue(wanted: Option<&String>) -> bool {
    wanted.is_none_or(|wanted| wanted == CATALOGUE)
}

fn fits(text: &str, pattern: Option<&String>) -> bool {
    pattern.is_none_or(|pattern| like(text, pattern))
}

fn schemas(
    wanted: &CommandGetDbSchemas,
    tables: &[(TableName, SchemaRef)],
) -> Result<RecordBatch, FlightError> {
    let mut groups: Vec<&str> = tables
        .iter()
        .map(|(table, _)| table.group())
        .filter(|group| {
            in_catalogue(wanted.catalog.as_ref())
                && fits(group, wanted.db_schema_filter_pattern.as_ref())
        })
        .collect();
    groups.sort_unstable();
    groups.dedup();
    let mut list = CommandGetDbSchemas::default().into_builder();
    for group in groups {
        list.append(CATALOGUE, group);
    }
    list.build()
}

fn tables(
    wanted: &CommandGetTables,
    tables: &[(TableName, SchemaRef)],
) -> Result<RecordBatch, FlightError> {
    // The builder's own filters would compile patterns from outside to regular expressions.
    let unfiltered =
        CommandGetTables { include_schema: wanted.include_schema, ..CommandGetTables::default() };
    let mut list = unfiltered.into_builder();
    for (table, schema) in tables {
        let kind = kind_of(table);
        let shown = in_catalogue(wanted.catalog.as_ref())
            && fits(table.group(), wanted.db_schema_filter_pattern.as_ref())
            && fits(table.name(), wanted.table_name_filter_pattern.as_ref())
            && (wanted.table_types.is_empty() || wanted.table_types.iter().any(|t| t == kind));
        if shown {
            list.append(CATALOGUE, table.group(), table.name(), kind, &described(table, schema))?;
        }
    }
    list.build()
}

/// A table's columns with where they stand.
fn described(table: &TableName, schema: &Schema) -> Schema {
    let announced = encode::announced(schema);
    let fields = announced.fields().iter().zip(schema.fields()).map(|(field, own)| {
        let mut beside = field.metadata().clone();
        beside.extend([
            encode::key("CATALOG_NAME", CATALOGUE),
            encode::key("SCHEMA_NAME", table.group()),
            encode::key("TABLE_NAME", table.name()),
        ]);
        field.as_ref().clone().with_nullable(own.is_nullable()).with_metadata(beside)
    });
    Schema::new(fields.collect::<Vec<Field>>())
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

fn primary_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("key_name", true),
    ]))
}

fn foreign_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("pk_catalog_name", true),
        text("pk_db_schema_name", true),
        text("pk_table_name", false),
        text("pk_column_name", false),
        text("fk_catalog_name", true),
        text("fk_db_schema_name", true),
        text("fk_table_name", false),
        text("fk_column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("fk_key_name", true),
        text("pk_key_name", true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}
