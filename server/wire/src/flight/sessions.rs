//! Session messages of Flight (not Flight SQL) that arrow-flight does not define. There are no sessions:
//! a token comes with every call, and nothing is kept between calls but statements and results.

use std::collections::HashMap;

use crate::flight::CATALOGUE;

/// `SetSessionOptionsRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SetSessionOptionsRequest {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) session_options: HashMap<String, SessionOptionValue>,
}

/// `SessionOptionValue`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SessionOptionValue {
    #[prost(oneof = "OptionValue", tags = "1, 2, 3, 4, 5")]
    pub(crate) option_value: Option<OptionValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum OptionValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Truth(bool),
    #[prost(sfixed64, tag = "3")]
    Whole(i64),
    #[prost(double, tag = "4")]
    Number(f64),
    #[prost(message, tag = "5")]
    Texts(Texts),
}

/// `SessionOptionValue.StringListValue`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Texts {
    #[prost(string, repeated, tag = "1")]
    pub(crate) values: Vec<String>,
}

/// `SetSessionOptionsResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) errors: HashMap<String, OptionError>,
}

/// `SetSessionOptionsResult.Error`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OptionError {
    #[prost(enumeration = "OptionErrorValue", tag = "1")]
    pub(crate) value: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum OptionErrorValue {
    Unspecified = 0,
    InvalidName = 1,
    InvalidValue = 2,
    Error = 3,
}

/// `GetSessionOptionsResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) session_options: HashMap<String, SessionOptionValue>,
}

/// `CloseSessionResult`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CloseSessionResult {
    #[prost(enumeration = "CloseSessionStatus", tag = "1")]
    pub(crate) status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum CloseSessionStatus {
    Unspecified = 0,
    Closed = 1,
    Closing = 2,
    NotCloseable = 3,
}

/// JDBC sets the catalogue of its URL. There is one; setting it to that is no change, all else is an
/// error of that option.
pub(crate) fn set(request: SetSessionOptionsRequest) -> SetSessionOptionsResult {
    let errors = request.session_options.into_iter().filter_map(|(name, value)| {
        let error = match (name.as_str(), value.option_value) {
            // An option without a value is one that is reset.
            ("catalog", None) => return None,
            ("catalog", Some(OptionValue::Text(text))) if text == CATALOGUE => return None,
            ("catalog", Some(_)) => OptionErrorValue::InvalidValue,
            _ => OptionErrorValue::InvalidName,
        };
        Some((name, OptionError { value: error as i32 }))
    });
    SetSessionOptionsResult { errors: errors.collect() }
}

/// The one option there is.
pub(crate) fn get() -> GetSessionOptionsResult {
    let value = SessionOptionValue { option_value: Some(OptionValue::Text(CATALOGUE.to_owned())) };
    GetSessionOptionsResult { session_options: HashMap::from([("catalog".to_owned(), value)]) }
}
