//! `fermyon:spin/sqlite@2.0.0` over a file in the state folder (crates/sqlite-inproc of Spin).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use rusqlite::types::{Value as Column, ValueRef};
use wasmtime::component::Resource;

use super::bindings::sqlite as wit;
use super::instance::Instance;

/// An open database. The file is opened at the first statement.
pub struct Connection {
    file: PathBuf,
    database: OnceLock<Arc<Mutex<rusqlite::Connection>>>,
}

impl Connection {
    /// As long as another connection holds the lock, `rusqlite` waits five seconds by itself.
    fn database(&self) -> Result<Arc<Mutex<rusqlite::Connection>>, wit::Error> {
        if let Some(database) = self.database.get() {
            return Ok(Arc::clone(database));
        }
        let opened = rusqlite::Connection::open(&self.file).map_err(|error| wit::Error::Io(error.to_string()))?;
        Ok(Arc::clone(self.database.get_or_init(|| Arc::new(Mutex::new(opened)))))
    }
}

impl wit::Host for Instance {}

impl wit::HostConnection for Instance {
    async fn open(&mut self, database: String) -> wasmtime::Result<Result<Resource<Connection>, wit::Error>> {
        let application = self.application();
        if !application.inherits("sqlite_databases") || !application.databases.contains(&database) {
            return Ok(Err(wit::Error::AccessDenied));
        }
        if database != "default" {
            return Ok(Err(wit::Error::NoSuchDatabase));
        }
        let connection = Connection { file: self.database_file(), database: OnceLock::new() };
        Ok(Ok(self.table().push(connection)?))
    }

    async fn execute(
        &mut self,
        connection: Resource<Connection>,
        statement: String,
        parameters: Vec<wit::Value>,
    ) -> wasmtime::Result<Result<wit::QueryResult, wit::Error>> {
        let database = match self.table().get(&connection)?.database() {
            Ok(database) => database,
            Err(error) => return Ok(Err(error)),
        };
        let run = move || {
            let database = database.lock().expect("no holder of this lock panics");
            run(&database, &statement, parameters).map_err(|error| wit::Error::Io(error.to_string()))
        };
        Ok(tokio::task::spawn_blocking(run).await?)
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table().delete(connection)?;
        Ok(())
    }
}

fn run(
    database: &rusqlite::Connection,
    statement: &str,
    parameters: Vec<wit::Value>,
) -> rusqlite::Result<wit::QueryResult> {
    let mut statement = database.prepare_cached(statement)?;
    let columns: Vec<String> = statement.column_names().into_iter().map(ToOwned::to_owned).collect();
    let width = columns.len();
    let rows = statement.query_map(rusqlite::params_from_iter(parameters.into_iter().map(column)), |row| {
        let values = (0..width).map(|column| row.get_ref(column).map(value)).collect::<rusqlite::Result<_>>()?;
        Ok(wit::RowResult { values })
    })?;
    Ok(wit::QueryResult { columns, rows: rows.collect::<rusqlite::Result<_>>()? })
}

fn column(value: wit::Value) -> Column {
    match value {
        wit::Value::Integer(number) => Column::Integer(number),
        wit::Value::Real(number) => Column::Real(number),
        wit::Value::Text(text) => Column::Text(text),
        wit::Value::Blob(bytes) => Column::Blob(bytes),
        wit::Value::Null => Column::Null,
    }
}

fn value(column: ValueRef<'_>) -> wit::Value {
    match column {
        ValueRef::Null => wit::Value::Null,
        ValueRef::Integer(number) => wit::Value::Integer(number),
        ValueRef::Real(number) => wit::Value::Real(number),
        ValueRef::Text(text) => wit::Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => wit::Value::Blob(bytes.to_vec()),
    }
}
