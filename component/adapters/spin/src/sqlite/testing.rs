//! Databases for tests.

use rusqlite::types::{Value as Column, ValueRef};

use super::{Database, Failure, Row, Value};

/// SQLite in memory.
pub(crate) struct InMemory(rusqlite::Connection);

impl Default for InMemory {
    fn default() -> Self {
        InMemory(rusqlite::Connection::open_in_memory().unwrap())
    }
}

impl InMemory {
    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> i64 {
        self.0.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }
}

impl Database for InMemory {
    fn execute(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>, Failure> {
        run(&self.0, statement, parameters).map_err(|error| Failure::of_message(&error.to_string()))
    }
}

fn run(database: &rusqlite::Connection, statement: &str, parameters: Vec<Value>) -> rusqlite::Result<Vec<Row>> {
    let mut statement = database.prepare(statement)?;
    let columns = statement.column_count();
    let parameters = parameters.into_iter().map(|parameter| match parameter {
        Value::Integer(number) => Column::Integer(number),
        Value::Text(text) => Column::Text(text),
        Value::Blob(bytes) => Column::Blob(bytes),
        Value::Null => Column::Null,
    });
    let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| {
        (0..columns).map(|column| row.get_ref(column).map(value)).collect()
    })?;
    rows.collect()
}

fn value(column: ValueRef<'_>) -> Value {
    match column {
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8(text.to_vec()).unwrap()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
    }
}

/// A database that fails.
pub(crate) struct Silent(pub(crate) Failure);

impl Database for Silent {
    fn execute(&self, _: &str, _: Vec<Value>) -> Result<Vec<Row>, Failure> {
        Err(self.0)
    }
}
