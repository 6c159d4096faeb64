//! Spin's SQLite as a [`Database`].

use super::bindings::sqlite as spin;
use crate::sqlite::{Database, Failure, Row, Value};

/// The database `default`, over one connection for as long as the instance lives.
pub(super) struct SpinDatabase(Option<spin::Connection>);

impl SpinDatabase {
    /// Opens it. One that cannot be opened refuses every statement; `told` is told why.
    pub(super) fn open(told: impl FnOnce(&spin::Error)) -> Self {
        SpinDatabase(spin::Connection::open("default").inspect_err(told).ok())
    }
}

impl Database for SpinDatabase {
    fn execute(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>, Failure> {
        let Some(connection) = &self.0 else { return Err(Failure::Refused) };
        let parameters: Vec<_> = parameters.into_iter().map(parameter).collect();
        let result = connection.execute(statement, &parameters).map_err(failure)?;
        Ok(result.rows.into_iter().map(|row| row.values.into_iter().map(column).collect()).collect())
    }
}

fn parameter(value: Value) -> spin::Value {
    match value {
        Value::Integer(number) => spin::Value::Integer(number),
        Value::Text(text) => spin::Value::Text(text),
        Value::Blob(bytes) => spin::Value::Blob(bytes),
        Value::Null => spin::Value::Null,
    }
}

fn column(value: spin::Value) -> Value {
    match value {
        spin::Value::Integer(number) => Value::Integer(number),
        spin::Value::Text(text) => Value::Text(text),
        spin::Value::Blob(bytes) => Value::Blob(bytes),
        spin::Value::Real(_) | spin::Value::Null => Value::Null,
    }
}

fn failure(error: spin::Error) -> Failure {
    match error {
        spin::Error::NoSuchDatabase
        | spin::Error::AccessDenied
        | spin::Error::InvalidConnection
        | spin::Error::DatabaseFull => Failure::Refused,
        spin::Error::Io(message) => Failure::of_message(&message),
    }
}
