//! Removes what nobody asks for any more: records whose time is over, and what was left behind. A part of the writers
//! does a part of it each, since nothing runs between requests.

use super::chain::Chains;
use super::content::Content;
use super::key_name::decode;
use crate::state_folder::{StateFolder, names, random};

/// Sweeps now and then.
pub(super) fn sometimes(state: &StateFolder) {
    match random() {
        Ok(drawn) if drawn.is_multiple_of(WRITES_PER_SWEEP) => sweep(state, drawn / WRITES_PER_SWEEP),
        _ => {}
    }
}

/// Looks at some keys, from the `drawn`-th on. Whatever fails is left to the next sweep.
fn sweep(state: &StateFolder, drawn: u64) {
    state.clear();
    let mut names = names(&state.records()).unwrap_or_default();
    let first = usize::try_from(drawn).unwrap_or_default().checked_rem(names.len()).unwrap_or_default();
    names.rotate_left(first);
    for key in names.iter().take(KEYS_PER_SWEEP).filter_map(|name| decode(name)) {
        sweep_key(state, &key);
    }
}

fn sweep_key(state: &StateFolder, key: &str) {
    let chains = Chains(state);
    match chains.head(key) {
        Ok(Some(head)) if head.content == Content::Seal => chains.retire(key, &head),
        Ok(Some(head)) if head.record(state.now()).is_none() => {
            // Whoever writes the key anew at this moment goes before.
            if chains.append(&head, &Content::Seal) == Ok(true) {
                chains.retire(key, &head);
            }
        }
        Ok(None) => chains.remove_empty(key),
        Ok(Some(_)) | Err(_) => {}
    }
}

/// A sweep looks at many more keys than were written since the last one, so that expired ones stay few.
const WRITES_PER_SWEEP: u64 = 16;
const KEYS_PER_SWEEP: usize = 128;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::store::FileStore;
    use tempfile::TempDir;

    #[test]
    fn what_is_over_is_swept_in_steps_and_the_rest_stays() {
        let folder = TempDir::new().unwrap();
        let seconds = Arc::new(AtomicU64::new(1_700_000_000));
        let clock = Arc::clone(&seconds);
        let store = FileStore::new(folder.path(), Box::new(move || Duration::from_secs(clock.load(Ordering::SeqCst))));
        for number in 0..200 {
            assert_eq!(store.create(&format!("short/{number}"), b"x", Duration::from_secs(10)), Ok(true));
        }
        assert_eq!(store.create("long", b"y", Duration::from_secs(100_000)), Ok(true));
        let left = || names(&folder.path().join("records")).unwrap().len();
        sweep(&store.0, 5);
        assert_eq!(left(), 201, "nothing is over");
        seconds.fetch_add(10, Ordering::SeqCst);
        sweep(&store.0, 5);
        assert!((201 - KEYS_PER_SWEEP..=202 - KEYS_PER_SWEEP).contains(&left()), "{} are left", left());
        sweep(&store.0, 11);
        sweep(&store.0, 90);
        assert_eq!(store.keys("", None, 1000), Ok(vec!["long".to_owned()]));
        assert!(left() <= 201 - KEYS_PER_SWEEP);
        seconds.fetch_add(10_000, Ordering::SeqCst);
        for drawn in 0..20 {
            sweep(&store.0, drawn);
        }
        assert_eq!(left(), 1);
        assert!(names(&folder.path().join("old")).unwrap().is_empty(), "chains are removed after a while");
        assert_eq!(store.get("long"), Ok(Some(b"y".to_vec())));
    }
}
