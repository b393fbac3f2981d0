//! What the server says of itself. Every value of the enumeration is given: drivers fail on those that
//! are missing.

use std::collections::BTreeMap;

use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    SqlInfo as Info, SqlNullOrdering, SqlSupportedCaseSensitivity, SqlSupportedTransaction,
    SqlTransactionIsolationLevel,
};

/// All of it; `functions` are those that analysts may use.
pub(crate) fn all(functions: Vec<String>) -> Result<SqlInfoData, FlightError> {
    let mut info = SqlInfoDataBuilder::new();
    texts(&mut info);
    truths(&mut info);
    choices(&mut info);
    limits(&mut info);
    words(&mut info, functions);
    info.build()
}

fn texts(info: &mut SqlInfoDataBuilder) {
    for (name, text) in [
        (Info::FlightSqlServerName, "Cordon"),
        (Info::FlightSqlServerVersion, env!("CARGO_PKG_VERSION")),
        (Info::FlightSqlServerArrowVersion, "1.5"),
        // Substrait is not offered; drivers that ask for the versions anyway get empty ones.
        (Info::FlightSqlServerSubstraitMinVersion, ""),
        (Info::FlightSqlServerSubstraitMaxVersion, ""),
        (Info::SqlIdentifierQuoteChar, "\""),
        (Info::SqlSearchStringEscape, "\\"),
        (Info::SqlExtraNameCharacters, ""),
        (Info::SqlSchemaTerm, "schema"),
        (Info::SqlProcedureTerm, "procedure"),
        (Info::SqlCatalogTerm, "catalog"),
    ] {
        info.append(name, text);
    }
}

fn truths(info: &mut SqlInfoDataBuilder) {
    for name in [
        Info::FlightSqlServerReadOnly,
        Info::FlightSqlServerSql,
        Info::FlightSqlServerCancel,
        Info::SqlAllTablesAreSelectable,
        Info::SqlSupportsColumnAliasing,
        Info::SqlNullPlusNullIsNull,
        Info::SqlSupportsTableCorrelationNames,
        Info::SqlSupportsExpressionsInOrderBy,
        Info::SqlSupportsOrderByUnrelated,
        Info::SqlSupportsLikeEscapeClause,
        Info::SqlCatalogAtStart,
        Info::SqlCorrelatedSubqueriesSupported,
    ] {
        info.append(name, true);
    }
    for name in [
        Info::FlightSqlServerSubstrait,
        Info::FlightSqlServerBulkIngestion,
        Info::FlightSqlServerIngestTransactionsSupported,
        Info::SqlDdlCatalog,
        Info::SqlDdlSchema,
        Info::SqlDdlTable,
        Info::SqlSupportsDifferentTableCorrelationNames,
        // Suppression makes nulls in every column of an answer.
        Info::SqlSupportsNonNullableColumns,
        Info::SqlSupportsIntegrityEnhancementFacility,
        Info::SqlSelectForUpdateSupported,
        Info::SqlStoredProceduresSupported,
        Info::SqlMaxRowSizeIncludesBlobs,
        Info::SqlTransactionsSupported,
        Info::SqlDataDefinitionCausesTransactionCommit,
        Info::SqlDataDefinitionsInTransactionsIgnored,
        Info::SqlBatchUpdatesSupported,
        Info::SqlSavepointsSupported,
        Info::SqlNamedParametersSupported,
        Info::SqlLocatorsUpdateCopy,
        Info::SqlStoredFunctionsUsingCallSyntaxSupported,
    ] {
        info.append(name, false);
    }
}

fn choices(info: &mut SqlInfoDataBuilder) {
    // Bit n stands for the enumeration's value n.
    let bits = |values: &[i32]| values.iter().fold(0, |mask, value| mask | (1 << value));
    let lower = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32;
    let as_written = SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32;
    for (name, choice) in [
        (Info::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32),
        (Info::FlightSqlServerStatementTimeout, 3_600_000),
        (Info::FlightSqlServerTransactionTimeout, 0),
        (Info::SqlIdentifierCase, lower),
        (Info::SqlQuotedIdentifierCase, as_written),
        (Info::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32),
        // GROUP BY columns that are not selected, and more than are selected.
        (Info::SqlSupportedGroupBy, bits(&[0, 1])),
        // Minimum and core grammar; ANSI 92 entry level.
        (Info::SqlSupportedGrammar, bits(&[0, 1])),
        (Info::SqlAnsi92SupportedLevel, bits(&[0])),
        // Left and right, not full: see CORDON-D106.
        (Info::SqlOuterJoinsSupportLevel, 1),
        (Info::SqlSchemasSupportedActions, 0),
        (Info::SqlCatalogsSupportedActions, 0),
        (Info::SqlSupportedPositionedCommands, 0),
        // In comparisons, EXISTS and IN.
        (Info::SqlSupportedSubqueries, bits(&[0, 1, 2])),
        // UNION (of answers) and UNION ALL.
        (Info::SqlSupportedUnions, bits(&[0, 1])),
        (
            Info::SqlDefaultTransactionIsolation,
            SqlTransactionIsolationLevel::SqlTransactionNone as i32,
        ),
        (Info::SqlSupportedTransactionsIsolationLevels, bits(&[0])),
        // Forward only, read only.
        (Info::SqlSupportedResultSetTypes, bits(&[1])),
        (Info::SqlSupportedConcurrenciesForResultSetUnspecified, bits(&[1])),
        (Info::SqlSupportedConcurrenciesForResultSetForwardOnly, bits(&[1])),
        (Info::SqlSupportedConcurrenciesForResultSetScrollSensitive, 0),
        (Info::SqlSupportedConcurrenciesForResultSetScrollInsensitive, 0),
    ] {
        info.append(name, choice);
    }
    // No CONVERT function; an empty map says so, a missing one ends Power BI.
    info.append(Info::SqlSupportsConvert, BTreeMap::<i32, Vec<i32>>::new());
}

/// Zero: no limit, or not known.
fn limits(info: &mut SqlInfoDataBuilder) {
    for (name, limit) in [
        (Info::SqlMaxBinaryLiteralLength, 0_i64),
        (Info::SqlMaxCharLiteralLength, 0),
        (Info::SqlMaxColumnNameLength, 0),
        (Info::SqlMaxColumnsInGroupBy, 0),
        (Info::SqlMaxColumnsInIndex, 0),
        (Info::SqlMaxColumnsInOrderBy, 0),
        (Info::SqlMaxColumnsInSelect, 0),
        (Info::SqlMaxColumnsInTable, 0),
        (Info::SqlMaxConnections, 0),
        (Info::SqlMaxCursorNameLength, 0),
        (Info::SqlMaxIndexLength, 0),
        (Info::SqlDbSchemaNameLength, 0),
        (Info::SqlMaxProcedureNameLength, 0),
        (Info::SqlMaxCatalogNameLength, 0),
        (Info::SqlMaxRowSize, 0),
        (Info::SqlMaxStatementLength, 65_536),
        (Info::SqlMaxStatements, 100),
        (Info::SqlMaxTableNameLength, 0),
        (Info::SqlMaxTablesInSelect, 0),
        (Info::SqlMaxUsernameLength, 256),
    ] {
        info.append(name, limit);
    }
}

/// Words with a meaning in statements that are answered.
const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BOTH",
    "BY",
    "CASE",
    "CAST",
    "CROSS",
    "CUBE",
    "CURRENT_DATE",
    "DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "EXTRACT",
    "FALSE",
    "FETCH",
    "FILTER",
    "FIRST",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LAST",
    "LATERAL",
    "LEADING",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "QUALIFY",
    "RANGE",
    "RIGHT",
    "ROLLUP",
    "ROW",
    "ROWS",
    "SELECT",
    "SEMI",
    "SETS",
    "SHOW",
    "TABLES",
    "THEN",
    "TIMESTAMP",
    "TRAILING",
    "TRIM",
    "TRUE",
    "TRY_CAST",
    "UNBOUNDED",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// Beginnings and names of functions on dates and on texts; all others count as numeric.
const OF_DATES: &[&str] =
    &["date", "current_", "to_date", "to_timestamp", "extract", "make_date", "now"];
const OF_TEXTS: &[&str] = &[
    "concat",
    "left",
    "right",
    "length",
    "char",
    "lower",
    "upper",
    "trim",
    "btrim",
    "ltrim",
    "rtrim",
    "substr",
    "replace",
    "starts_with",
    "strpos",
    "position",
    "split",
    "lpad",
    "rpad",
    "initcap",
    "reverse",
    "octet_length",
    "bit_length",
    "ends_with",
    "contains",
    "to_char",
];

fn words(info: &mut SqlInfoDataBuilder, mut functions: Vec<String>) {
    functions.sort_unstable();
    functions.dedup();
    let begins = |name: &str, with: &[&str]| with.iter().any(|word| name.starts_with(word));
    let (of_dates, others): (Vec<String>, Vec<String>) =
        functions.into_iter().partition(|name| begins(name, OF_DATES));
    let (of_texts, numeric): (Vec<String>, Vec<String>) =
        others.into_iter().partition(|name| begins(name, OF_TEXTS));
    info.append(Info::SqlKeywords, KEYWORDS);
    info.append(Info::SqlNumericFunctions, numeric);
    info.append(Info::SqlStringFunctions, of_texts);
    info.append(Info::SqlSystemFunctions, Vec::<String>::new());
    info.append(Info::SqlDatetimeFunctions, of_dates);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_enumeration_is_given() {
        let functions = ["count", "upper", "date_part", "abs"].map(str::to_owned).to_vec();
        let all = all(functions).unwrap();
        let known: Vec<u32> = (0..2000)
            .filter(|number| Info::try_from(*number).is_ok())
            .map(i32::unsigned_abs)
            .collect();
        assert_eq!(known.len(), 14 + 77);
        for number in known {
            assert_eq!(all.record_batch([number]).unwrap().num_rows(), 1, "{number}");
        }
        assert_eq!(all.record_batch(None).unwrap().num_rows(), 91);
    }
}
