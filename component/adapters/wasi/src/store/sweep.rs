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
