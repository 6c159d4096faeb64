//! The store as its users have it: the compiled adapter in a WebAssembly host, a fresh instance for each operation.

use std::path::Path;
use std::time::Duration;

use plausible_mcp_host::oauth_store::OauthStore as _;
pub(crate) use plausible_mcp_host::oauth_store::StoreError;
use plausible_mcp_tests::wasi::WasiAdapter;
use tokio::runtime::{Builder, Runtime};

/// What the native store has, over the adapter's interface.
pub(crate) struct Store {
    adapter: WasiAdapter,
    runtime: Runtime,
}

/// The store in `folder`. A folder that is missing cannot be given to a guest: it gets none.
pub(crate) fn store(folder: &Path) -> Store {
    let adapter = WasiAdapter::new(folder.is_dir().then_some(folder), &[]).expect("an adapter");
    Store { adapter, runtime: Builder::new_current_thread().enable_all().build().expect("a runtime") }
}

impl Store {
    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.runtime.block_on(self.adapter.get(key))
    }

    pub(crate) fn create(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, StoreError> {
        self.runtime.block_on(self.adapter.create(key, value.to_vec(), ttl))
    }

    pub(crate) fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.runtime.block_on(self.adapter.take(key))
    }

    pub(crate) fn replace(
        &self,
        key: &str,
        expected: &[u8],
        new: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        self.runtime.block_on(self.adapter.replace(key, expected, new.to_vec(), ttl))
    }

    pub(crate) fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.runtime.block_on(self.adapter.keys(prefix, after, limit))
    }
}

/// How often a process is killed. Each compiles the adapter first.
pub(crate) const KILLS: usize = 4;
