//! The contract of `oauth-store`, as checks that every store must pass. Panics with the broken rule.

pub(crate) mod history;
pub(crate) mod load;

use std::sync::Arc;
use std::time::Duration;

use super::{OauthStore, StoreError, VALUE_BYTES};

/// Runs every check on `store`, which must be empty. `pass_time` lets the given whole seconds go by on the store's
/// clock: by moving a test's clock, or by waiting.
///
/// # Panics
/// At the first rule that does not hold.
pub async fn check<P, F>(store: Arc<dyn OauthStore>, pass_time: P)
where
    P: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    records_are_kept_and_removed(store.as_ref()).await;
    replace_compares_and_swaps(store.as_ref()).await;
    delete_wins_over_replace(store.as_ref()).await;
    values_are_opaque_and_limited(store.as_ref()).await;
    keys_are_paged_in_order(store.as_ref()).await;
    one_create_wins(&store).await;
    one_take_wins(&store).await;
    one_replace_wins(&store).await;
    load::is_linearizable_under_load(&store).await;
    records_stand_until_they_end(store.as_ref(), &pass_time).await;
    records_end(store.as_ref(), &pass_time).await;
    replace_keeps_or_renews_the_time(store.as_ref(), &pass_time).await;
}

async fn records_are_kept_and_removed(store: &dyn OauthStore) {
    assert_eq!(store.get("a/1").await, Ok(None), "an empty store has nothing");
    assert_eq!(store.put("a/1", b"one".to_vec(), HOUR).await, Ok(()));
    assert_eq!(store.get("a/1").await, Ok(Some(b"one".to_vec())));
    assert_eq!(store.put("a/1", b"two".to_vec(), HOUR).await, Ok(()), "put overwrites");
    assert_eq!(store.create("a/1", b"three".to_vec(), HOUR).await, Ok(false), "create does not");
    assert_eq!(store.take("a/1").await, Ok(Some(b"two".to_vec())));
    assert_eq!(store.take("a/1").await, Ok(None), "nothing is taken twice");
    assert_eq!(store.create("a/1", b"four".to_vec(), HOUR).await, Ok(true), "what was taken can be created");
    assert_eq!(store.delete("a/1").await, Ok(()));
    assert_eq!(store.delete("a/1").await, Ok(()), "removing nothing succeeds");
    assert_eq!(store.get("a/1").await, Ok(None));
}

async fn replace_compares_and_swaps(store: &dyn OauthStore) {
    assert_eq!(store.replace("r", b"", b"x".to_vec(), Some(HOUR)).await, Ok(false), "nothing equals a missing record");
    assert_eq!(store.put("r", b"one".to_vec(), HOUR).await, Ok(()));
    assert_eq!(store.replace("r", b"on", b"x".to_vec(), None).await, Ok(false), "a prefix is not equal");
    assert_eq!(store.replace("r", b"one", b"two".to_vec(), None).await, Ok(true));
    assert_eq!(store.replace("r", b"one", b"three".to_vec(), None).await, Ok(false), "it was replaced");
    assert_eq!(store.take("r").await, Ok(Some(b"two".to_vec())));
}

async fn delete_wins_over_replace(store: &dyn OauthStore) {
    assert_eq!(store.put("d", b"one".to_vec(), HOUR).await, Ok(()));
    assert_eq!(store.delete("d").await, Ok(()));
    assert_eq!(store.replace("d", b"one", b"two".to_vec(), Some(HOUR)).await, Ok(false));
    assert_eq!(store.get("d").await, Ok(None), "what was deleted stays deleted");
}

async fn values_are_opaque_and_limited(store: &dyn OauthStore) {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    assert_eq!(store.put("v", every_byte.clone(), HOUR).await, Ok(()));
    assert_eq!(store.replace("v", &every_byte, Vec::new(), None).await, Ok(true), "any bytes compare");
    assert_eq!(store.get("v").await, Ok(Some(Vec::new())), "an empty value is a value");
    let largest = vec![7; VALUE_BYTES];
    assert_eq!(store.put("v", largest.clone(), HOUR).await, Ok(()));
    let larger = vec![7; VALUE_BYTES + 1];
    assert_eq!(store.put("v", larger.clone(), HOUR).await, Err(StoreError::TooLarge));
    assert_eq!(store.create("w", larger.clone(), HOUR).await, Err(StoreError::TooLarge));
    assert_eq!(store.replace("v", &largest, larger, None).await, Err(StoreError::TooLarge));
    assert_eq!(store.take("v").await, Ok(Some(largest)), "a refused value changes nothing");
    assert_eq!(store.get("w").await, Ok(None));
}

async fn keys_are_paged_in_order(store: &dyn OauthStore) {
    let longest = format!("k/{}", "z".repeat(198));
    let keys = ["k/", "k/-", "k/0", "k/a", "k/a/b", "k/a_b", "k/b", longest.as_str()];
    for key in keys.iter().chain(&["k", "j/z", "l"]) {
        assert_eq!(store.put(key, b"x".to_vec(), HOUR).await, Ok(()));
    }
    let mut listed: Vec<String> = Vec::new();
    loop {
        let page = store.keys("k/", listed.last().map(String::as_str), 3).await.expect("a page");
        assert!(page.len() <= 3, "a page is no longer than asked");
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    assert_eq!(listed, keys, "every key with the prefix, in byte order, once");
    assert_eq!(store.keys("nothing/", None, 1000).await, Ok(Vec::new()));
    assert_eq!(store.keys("k/", Some("k/0/missing"), 1).await, Ok(vec!["k/a".to_owned()]), "after a key that is gone");
    assert_eq!(store.keys("k/", Some("a"), 1).await, Ok(vec!["k/".to_owned()]), "after what comes before the prefix");
    assert_eq!(store.keys("k/", Some("l"), 1).await, Ok(Vec::new()), "after what comes behind it");
    assert_eq!(store.keys("k/a/b", None, 1000).await, Ok(vec!["k/a/b".to_owned()]), "a key is its own prefix");
    for key in keys.iter().chain(&["k", "j/z", "l"]) {
        assert_eq!(store.delete(key).await, Ok(()));
    }
}

async fn one_create_wins(store: &Arc<dyn OauthStore>) {
    for round in 0..ROUNDS {
        let key = format!("c/{round}");
        let created = race(store, |store, number| {
            let key = key.clone();
            async move { store.create(&key, number.to_be_bytes().to_vec(), HOUR).await.expect("an answer") }
        })
        .await;
        assert_eq!(created.iter().filter(|won| **won).count(), 1, "exactly one create wins");
        let winner = created.iter().position(|won| *won).expect("a winner").to_be_bytes().to_vec();
        assert_eq!(store.take(&key).await, Ok(Some(winner)), "the winner's value stands");
    }
}

async fn one_take_wins(store: &Arc<dyn OauthStore>) {
    for round in 0..ROUNDS {
        let key = format!("t/{round}");
        store.put(&key, b"once".to_vec(), HOUR).await.expect("a write");
        let taken = race(store, |store, _| {
            let key = key.clone();
            async move { store.take(&key).await.expect("an answer").is_some() }
        })
        .await;
        assert_eq!(taken.iter().filter(|won| **won).count(), 1, "exactly one take gets the value");
    }
}

async fn one_replace_wins(store: &Arc<dyn OauthStore>) {
    for round in 0..ROUNDS {
        let key = format!("s/{round}");
        store.put(&key, b"start".to_vec(), HOUR).await.expect("a write");
        let swapped = race(store, |store, number| {
            let key = key.clone();
            async move {
                let new = number.to_be_bytes().to_vec();
                store.replace(&key, b"start", new, None).await.expect("an answer")
            }
        })
        .await;
        assert_eq!(swapped.iter().filter(|won| **won).count(), 1, "exactly one replace swaps");
        store.delete(&key).await.expect("a removal");
    }
}

/// Runs `attempt` many times at once and returns what each came to, by its number.
async fn race<A, F>(store: &Arc<dyn OauthStore>, attempt: A) -> Vec<bool>
where
    A: Fn(Arc<dyn OauthStore>, usize) -> F,
    F: Future<Output = bool> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(RACERS));
    let mut racers = Vec::new();
    for number in 0..RACERS {
        let (start, attempt) = (start.clone(), attempt(store.clone(), number));
        racers.push(tokio::spawn(async move {
            start.wait().await;
            attempt.await
        }));
    }
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.expect("no panic"));
    }
    outcomes
}

async fn records_stand_until_they_end<P, F>(store: &dyn OauthStore, pass_time: &P)
where
    P: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    let (short, long) = (SECOND * 2, SECOND * 10);
    assert_eq!(store.put("u/longer", b"a".to_vec(), short).await, Ok(()));
    assert_eq!(store.put("u/longer", b"b".to_vec(), long).await, Ok(()), "put renews the time");
    assert_eq!(store.put("u/shorter", b"a".to_vec(), long).await, Ok(()));
    assert_eq!(store.replace("u/shorter", b"a", b"b".to_vec(), Some(short)).await, Ok(true), "also to a shorter one");
    assert_eq!(store.put("u/refused", b"a".to_vec(), short).await, Ok(()));
    assert_eq!(store.create("u/refused", b"b".to_vec(), long).await, Ok(false));
    assert_eq!(store.replace("u/refused", b"c", b"b".to_vec(), Some(long)).await, Ok(false));
    pass_time(SECOND).await;
    assert_eq!(store.get("u/shorter").await, Ok(Some(b"b".to_vec())), "its time is not over");
    pass_time(SECOND * 2).await;
    assert_eq!(store.get("u/shorter").await, Ok(None));
    assert_eq!(store.get("u/refused").await, Ok(None), "what is refused renews nothing");
    assert_eq!(store.delete("u/shorter").await, Ok(()));
    assert_eq!(store.take("u/longer").await, Ok(Some(b"b".to_vec())));
}

async fn records_end<P, F>(store: &dyn OauthStore, pass_time: &P)
where
    P: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    assert_eq!(store.put("e/1", b"x".to_vec(), SECOND).await, Ok(()));
    assert_eq!(store.put("e/2", b"y".to_vec(), HOUR).await, Ok(()));
    for number in 0..5 {
        assert_eq!(store.put(&format!("e/0/{number}"), b"x".to_vec(), SECOND).await, Ok(()));
    }
    pass_time(SECOND * 2).await;
    assert_eq!(store.get("e/1").await, Ok(None), "its time is over");
    assert_eq!(store.replace("e/1", b"x", b"z".to_vec(), Some(HOUR)).await, Ok(false), "also for replace");
    assert_eq!(store.take("e/1").await, Ok(None), "also for take");
    assert_eq!(store.keys("e/", None, 10).await, Ok(vec!["e/2".to_owned()]), "also for keys");
    assert_eq!(store.keys("e/", None, 1).await, Ok(vec!["e/2".to_owned()]), "only the last page is empty");
    assert_eq!(store.create("e/1", b"z".to_vec(), HOUR).await, Ok(true), "and the key is free");
    assert_eq!(store.take("e/1").await, Ok(Some(b"z".to_vec())));
    assert_eq!(store.take("e/2").await, Ok(Some(b"y".to_vec())), "others stand");
}

async fn replace_keeps_or_renews_the_time<P, F>(store: &dyn OauthStore, pass_time: &P)
where
    P: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    let two = SECOND * 2;
    assert_eq!(store.put("n/kept", b"a".to_vec(), two).await, Ok(()));
    assert_eq!(store.put("n/renewed", b"a".to_vec(), two).await, Ok(()));
    assert_eq!(store.replace("n/kept", b"a", b"b".to_vec(), None).await, Ok(true));
    assert_eq!(store.replace("n/renewed", b"a", b"b".to_vec(), Some(HOUR)).await, Ok(true));
    pass_time(SECOND * 3).await;
    assert_eq!(store.get("n/kept").await, Ok(None), "no new time was given");
    assert_eq!(store.take("n/renewed").await, Ok(Some(b"b".to_vec())), "a new time was given");
}

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
const RACERS: usize = 40;
const ROUNDS: usize = 20;
