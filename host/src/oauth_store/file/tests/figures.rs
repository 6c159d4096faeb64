//! Figures, not facts: how many operations a second the store does on this machine's disk.
//!
//! ```sh
//! cargo test --release -p plausible-mcp-host figures -- --ignored --nocapture
//! ```

use std::time::Instant;

use super::*;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and establishes nothing"]
async fn figures() {
    let folder = Folder::new("figures");
    println!(
        "{:>9} {:>7} {:>9} {:>9} {:>9} {:>8} {:>8}",
        "records", "callers", "get/s", "put/s", "pairs/s", "open ms", "MiB"
    );
    let mut written = 0;
    for records in [10, 10_000, 1_000_000] {
        let store = FileStore::open(&folder.store()).unwrap();
        while written < records {
            let end = records.min(written + 50_000);
            fill(&store, written..end);
            written = end;
        }
        drop(store);
        let begun = Instant::now();
        let store = Arc::new(FileStore::open(&folder.store()).unwrap());
        let opening = begun.elapsed().as_millis();
        for callers in [1, 64] {
            let get = rate(&store, callers, move |store, number| async move {
                store.get(&key(number % records)).await.unwrap().is_some()
            });
            let get = get.await;
            let put = rate(&store, callers, move |store, number| async move { put(&store, number % records).await });
            let put = put.await;
            // Half of the takes find what the other half needs a write for.
            // Pairs of a create and a take, as of a code.
            let pairs = rate(&store, callers, |store, number| async move {
                let key = format!("code/{number}");
                store.create(&key, vec![7; 400], HOUR).await.unwrap();
                store.take(&key).await.unwrap().is_some()
            });
            let pairs = pairs.await;
            let size = fs::metadata(folder.store()).unwrap().len() >> 20;
            println!("{records:>9} {callers:>7} {get:>9} {put:>9} {pairs:>9} {opening:>8} {size:>8}");
        }
    }
}

/// How often in a second all callers together get an operation done.
async fn rate<A, F>(store: &Arc<FileStore>, callers: u64, operation: A) -> u64
where
    A: Fn(Arc<FileStore>, u64) -> F + Copy + Send + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let all = (0..callers).map(|caller| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut done = 0;
            while Instant::now() < end {
                // Spread over all records.
                assert!(operation(store.clone(), (caller << 32 | done).wrapping_mul(0x9e37_79b9) % (1 << 40)).await);
                done += 1;
            }
            done
        })
    });
    let mut done = 0;
    for caller in all.collect::<Vec<_>>() {
        done += caller.await.unwrap();
    }
    done / SECONDS
}

/// Writes records in one transaction.
fn fill(store: &FileStore, numbers: std::ops::Range<u64>) {
    let filled = store.database.write(|transaction| {
        let mut records = Records::open(&transaction, (store.clock)())?;
        for number in numbers {
            records.put(&key(number), &[7; 400], HOUR * 24)?;
        }
        drop(records);
        transaction.commit()?;
        Ok(())
    });
    filled.unwrap();
}

async fn put(store: &FileStore, number: u64) -> bool {
    store.put(&key(number), vec![7; 400], HOUR * 24).await.is_ok()
}

/// As the authorization server makes them: the hash of a token.
fn key(number: u64) -> String {
    format!("access/{:016x}{number:048x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

const SECONDS: u64 = 2;
