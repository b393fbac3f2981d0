//! The types of columns, as ODBC and JDBC ask for them.

use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

/// One line for each type that a column can have.
pub(crate) fn types() -> Result<XdbcTypeInfoData, FlightError> {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for (name, kind, digits) in [
        ("TINYINT", XdbcDataType::XdbcTinyint, 3),
        ("SMALLINT", XdbcDataType::XdbcSmallint, 5),
        ("INTEGER", XdbcDataType::XdbcInteger, 10),
        ("BIGINT", XdbcDataType::XdbcBigint, 19),
    ] {
        types.append(number(name, kind, digits, 10));
    }
    types.append(number("REAL", XdbcDataType::XdbcReal, 24, 2));
    types.append(number("DOUBLE", XdbcDataType::XdbcDouble, 53, 2));
    types.append(XdbcTypeInfo {
        create_params: Some(vec!["precision".to_owned(), "scale".to_owned()]),
        minimum_scale: Some(0),
        maximum_scale: Some(38),
        ..number("DECIMAL", XdbcDataType::XdbcDecimal, 38, 10)
    });
    types.append(named("BOOLEAN", XdbcDataType::XdbcBit, 1));
    types.append(XdbcTypeInfo {
        case_sensitive: true,
        ..quoted("VARCHAR", XdbcDataType::XdbcVarchar, i32::MAX, "'")
    });
    types.append(quoted("VARBINARY", XdbcDataType::XdbcVarbinary, i32::MAX, "X'"));
    // ODBC knows 1 as the code of DATE; the protocol calls it YEAR.
    let date = (XdbcDataType::XdbcDate, XdbcDatetimeSubcode::XdbcSubcodeYear);
    let time = (XdbcDataType::XdbcTime, XdbcDatetimeSubcode::XdbcSubcodeTime);
    let timestamp = (XdbcDataType::XdbcTimestamp, XdbcDatetimeSubcode::XdbcSubcodeTimestamp);
    types.append(moment("DATE", date, 10, "DATE '"));
    types.append(moment("TIME", time, 15, "TIME '"));
    types.append(moment("TIMESTAMP", timestamp, 29, "TIMESTAMP '"));
    types.build()
}

fn named(name: &str, kind: XdbcDataType, size: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.to_owned(),
        data_type: kind,
        column_size: Some(size),
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        auto_increment: Some(false),
        local_type_name: Some(name.to_owned()),
        sql_data_type: kind,
        ..XdbcTypeInfo::default()
    }
}

fn number(name: &str, kind: XdbcDataType, size: i32, radix: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        unsigned_attribute: Some(false),
        num_prec_radix: Some(radix),
        ..named(name, kind, size)
    }
}

fn quoted(name: &str, kind: XdbcDataType, size: i32, prefix: &str) -> XdbcTypeInfo {
    XdbcTypeInfo {
        literal_prefix: Some(prefix.to_owned()),
        literal_suffix: Some("'".to_owned()),
        ..named(name, kind, size)
    }
}

fn moment(
    name: &str,
    (kind, part): (XdbcDataType, XdbcDatetimeSubcode),
    size: i32,
    prefix: &str,
) -> XdbcTypeInfo {
    XdbcTypeInfo {
        sql_data_type: XdbcDataType::XdbcDatetime,
        datetime_subcode: Some(part),
        ..quoted(name, kind, size, prefix)
    }
}
