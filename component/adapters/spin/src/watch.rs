//! Keeps requests away from a server that has gone silent.
//!
//! A call of Spin's Redis client blocks until the server answers, and nothing that an instance does ends it. So what is
//! known about the server outlives the instance, in Spin's SQLite: one request at a time asks while the others look
//! whether it gets an answer.
//!
//! ```text
//!               claimed                   answered
//!   answered ------------> being asked ------------> answered      everybody asks, for FRESH
//!                               |                        ^
//!                               | no answer for PATIENCE | late
//!                               v                        |
//!                             silent --------------------'         nobody asks
//!                               ^  | the pause is over: claimed by one request, and the pause doubles
//!                               '--'
//! ```
//!
//! What was under way when the server went silent stays so; what comes later is refused within [`PATIENCE`], or at once.
//! Without the database everybody asks.

use std::cell::Cell;

use crate::redis::{Fault, Reply, Server};
use crate::sqlite::{Database, Failure, Row, Value, execute};

/// A server that is not asked while it is silent.
pub struct Watched<'a, S, D, E> {
    server: &'a S,
    database: &'a D,
    surroundings: &'a E,
    good_until: &'a Cell<i64>,
}

/// What the watch needs besides.
pub trait Surroundings {
    /// The time in milliseconds since 1970.
    fn now(&self) -> i64;
    /// Lets so many milliseconds pass.
    fn pause(&self, milliseconds: u64);
    /// Is told that a call was refused because the server is silent.
    fn refused(&self);
}

/// What was seen of the server last, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    asked: i64,
    answered: i64,
    pause: i64,
}

/// What to do with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Ask; the server is known to answer until then.
    Ask(i64),
    /// Ask on behalf of all, if nobody else does so first; who comes later may try again after this pause.
    Claim(i64),
    /// Somebody asks just now: look again in a moment.
    Wait,
    /// The server is silent.
    Refuse,
}

impl<'a, S: Server, D: Database, E: Surroundings> Watched<'a, S, D, E> {
    /// `server`, about which `database` knows, and `good_until` what the instance knows already.
    pub fn new(server: &'a S, database: &'a D, surroundings: &'a E, good_until: &'a Cell<i64>) -> Self {
        Watched { server, database, surroundings, good_until }
    }

    /// Waits until it is known whether to ask. `Ok` says since when this call asks on behalf of all, if it does.
    fn admitted(&self) -> Result<Option<i64>, Fault> {
        for wait in WAITS.iter().chain(std::iter::repeat(&LONGEST_WAIT)) {
            let now = self.surroundings.now();
            if now < self.good_until.get() {
                return Ok(None);
            }
            let Ok(seen) = self.seen() else { return Ok(None) };
            match step(seen, now) {
                Step::Ask(until) => {
                    self.good_until.set(until);
                    return Ok(None);
                }
                Step::Claim(pause) => match self.claim(seen, now, pause) {
                    Ok(true) => return Ok(Some(now)),
                    // Somebody was faster: there is something to look at.
                    Ok(false) => {}
                    Err(_) => return Ok(None),
                },
                Step::Wait => self.surroundings.pause(*wait),
                Step::Refuse => break,
            }
        }
        self.surroundings.refused();
        Err(Fault::Refused)
    }

    fn seen(&self) -> Result<Option<Seen>, Failure> {
        Ok(execute(self.database, SEEN, Vec::new())?.first().and_then(Seen::read))
    }

    fn claim(&self, seen: Option<Seen>, now: i64, pause: i64) -> Result<bool, Failure> {
        let before = seen.map_or(NEVER, |seen| seen.asked);
        let parameters = [now, pause, before].map(Value::Integer).to_vec();
        Ok(!execute(self.database, CLAIM, parameters)?.is_empty())
    }

    /// The call that asked on behalf of all has ended. One that took longer and failed says no more than that the
    /// connection is gone.
    fn ended(&self, asked: i64, is_answer: bool) {
        let now = self.surroundings.now();
        if is_answer || now.saturating_sub(asked) < PATIENCE {
            self.good_until.set(now.saturating_add(FRESH));
            // If it cannot be written, the others take the server for silent, and one of them tries again.
            let _ = execute(self.database, ANSWERED, [now, FIRST_PAUSE].map(Value::Integer).to_vec());
        }
    }
}

impl<S: Server, D: Database, E: Surroundings> Server for Watched<'_, S, D, E> {
    fn eval(&self, script: &str, keys: &[&str], arguments: &[&[u8]]) -> Result<Vec<Reply>, Fault> {
        let asked = self.admitted()?;
        let answer = self.server.eval(script, keys, arguments);
        if let Some(asked) = asked {
            self.ended(asked, answer.is_ok());
        }
        answer
    }
}

impl Seen {
    fn read(row: &Row) -> Option<Self> {
        match row.as_slice() {
            [Value::Integer(asked), Value::Integer(answered), Value::Integer(pause)] => {
                Some(Seen { asked: *asked, answered: *answered, pause: *pause })
            }
            _ => None,
        }
    }
}

fn step(seen: Option<Seen>, now: i64) -> Step {
    let Some(seen) = seen else { return Step::Claim(FIRST_PAUSE) };
    let (since_asked, since_answered) = (now.saturating_sub(seen.asked), now.saturating_sub(seen.answered));
    // What lies in the future is left over from a clock that was set back.
    if since_asked < 0 {
        return Step::Claim(FIRST_PAUSE);
    }
    if seen.answered >= seen.asked {
        let until = seen.answered.saturating_add(FRESH);
        return if (0..FRESH).contains(&since_answered) { Step::Ask(until) } else { Step::Claim(FIRST_PAUSE) };
    }
    match since_asked {
        ..GRACE => Step::Ask(seen.asked.saturating_add(GRACE)),
        GRACE..PATIENCE => Step::Wait,
        waited if waited < seen.pause => Step::Refuse,
        _ => Step::Claim(seen.pause.saturating_mul(2).min(LONGEST_PAUSE)),
    }
}

const SEEN: &str = "SELECT asked, answered, pause FROM plausible_mcp_watch WHERE k = 'redis'";

const CLAIM: &str = "INSERT INTO plausible_mcp_watch (k, asked, answered, pause) VALUES ('redis', ?1, 0, ?2) \
     ON CONFLICT (k) DO UPDATE SET asked = ?1, pause = ?2 WHERE asked = ?3 RETURNING k";

const ANSWERED: &str =
    "UPDATE plausible_mcp_watch SET answered = max(answered, ?1), pause = ?2 WHERE k = 'redis' AND asked <= ?1";

/// No row has been asked at this time.
const NEVER: i64 = -1;
/// How long an answer speaks for the server, in milliseconds: two writes to the database in that time, under any load.
const FRESH: i64 = 500;
/// A server at hand has answered by then, so nobody waits for the one that asks.
const GRACE: i64 = 50;
/// Several times as long as a server takes that is far away or busy with one large script.
pub const PATIENCE: i64 = 3_000;
/// A silent server is asked again after this; each time costs an instance that waits as long as the silence lasts.
const FIRST_PAUSE: i64 = 10_000;
/// A dozen instances an hour.
const LONGEST_PAUSE: i64 = 300_000;
/// How long to wait between two looks, in milliseconds.
const WAITS: [u64; 5] = [5, 10, 20, 40, 80];
const LONGEST_WAIT: u64 = 100;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::sqlite::testing::{InMemory, Silent};

    /// A server that takes so long, or never answers: then the call counts and the test goes on without it.
    struct Slow<'a> {
        time: &'a Time,
        takes: Cell<i64>,
        answer: RefCell<Result<Vec<Reply>, Fault>>,
        asked: Cell<u32>,
    }

    impl Server for Slow<'_> {
        fn eval(&self, _: &str, _: &[&str], _: &[&[u8]]) -> Result<Vec<Reply>, Fault> {
            self.asked.set(self.asked.get() + 1);
            self.time.now.set(self.time.now.get() + self.takes.get());
            self.answer.borrow().clone()
        }
    }

    struct Time {
        now: Cell<i64>,
        refused: Cell<u32>,
    }

    impl Surroundings for Time {
        fn now(&self) -> i64 {
            self.now.get()
        }

        fn pause(&self, milliseconds: u64) {
            self.now.set(self.now.get() + i64::try_from(milliseconds).unwrap());
        }

        fn refused(&self) {
            self.refused.set(self.refused.get() + 1);
        }
    }

    const START: i64 = 1_700_000_000_000;

    fn time() -> Time {
        Time { now: Cell::new(START), refused: Cell::new(0) }
    }

    fn slow(time: &Time) -> Slow<'_> {
        Slow { time, takes: Cell::new(1), answer: RefCell::new(Ok(Vec::new())), asked: Cell::new(0) }
    }

    /// A call of a fresh instance.
    fn call(server: &Slow<'_>, database: &impl Database) -> Result<Vec<Reply>, Fault> {
        let good_until = Cell::new(0);
        Watched::new(server, database, server.time, &good_until).eval("", &[], &[])
    }

    /// A call of an instance that waits for ever: nothing is heard of it.
    fn hang(server: &Slow<'_>, database: &impl Database) {
        let good_until = Cell::new(0);
        let watched = Watched::new(server, database, server.time, &good_until);
        assert!(watched.admitted().is_ok());
        server.asked.set(server.asked.get() + 1);
    }

    #[test]
    fn a_server_that_answers_is_asked_by_everybody_and_written_about_twice_a_second() {
        let (time, database) = (time(), InMemory::default());
        let server = slow(&time);
        for _ in 0..200 {
            assert_eq!(call(&server, &database), Ok(Vec::new()));
        }
        assert_eq!((server.asked.get(), time.refused.get()), (200, 0));
        assert_eq!(database.count("plausible_mcp_watch"), 1);
    }

    #[test]
    fn a_silent_server_is_asked_once_and_everybody_else_is_refused() {
        let (time, database) = (time(), InMemory::default());
        let server = slow(&time);
        hang(&server, &database);
        time.pause(60);
        let waiting = time.now();
        assert_eq!(call(&server, &database), Err(Fault::Refused), "who comes first waits a while");
        assert!(time.now() - waiting <= PATIENCE, "{}", time.now() - waiting);
        let silent = time.now();
        for _ in 0..200 {
            assert_eq!(call(&server, &database), Err(Fault::Refused));
        }
        assert_eq!((time.now(), server.asked.get(), time.refused.get()), (silent, 1, 201), "at once");
    }

    #[test]
    fn a_silent_server_is_tried_again_less_and_less_often() {
        let (time, database) = (time(), InMemory::default());
        let server = slow(&time);
        let mut tries = Vec::new();
        for second in 0..3600_i64 {
            time.now.set(START + second * 1000);
            let good_until = Cell::new(0);
            if Watched::new(&server, &database, &time, &good_until).admitted().is_ok() {
                tries.push(second);
            }
        }
        assert_eq!(&tries[..4], [0, 10, 30, 70]);
        assert!(tries.len() < 20, "{tries:?}");
    }

    #[test]
    fn an_answer_that_comes_late_opens_the_way_and_a_connection_that_dies_late_does_not() {
        for (answer, opens) in [(Ok(Vec::new()), true), (Err(Fault::Unknown), false)] {
            let (time, database) = (time(), InMemory::default());
            let server = slow(&time);
            server.takes.set(PATIENCE + 1);
            *server.answer.borrow_mut() = answer.clone();
            assert_eq!(call(&server, &database), answer);
            server.takes.set(1);
            *server.answer.borrow_mut() = Ok(Vec::new());
            assert_eq!(call(&server, &database).is_ok(), opens);
        }
    }

    #[test]
    fn a_server_that_refuses_is_not_silent() {
        let (time, database) = (time(), InMemory::default());
        let server = slow(&time);
        *server.answer.borrow_mut() = Err(Fault::Refused);
        for _ in 0..10 {
            assert_eq!(call(&server, &database), Err(Fault::Refused));
            time.pause(1000);
        }
        assert_eq!((server.asked.get(), time.refused.get()), (10, 0));
    }

    #[test]
    fn who_waits_goes_on_with_the_answer_of_the_one_that_asks() {
        let asked = Seen { asked: START, answered: START - 1000, pause: FIRST_PAUSE };
        assert_eq!(step(Some(asked), START + 600), Step::Wait);
        let answered = Seen { answered: START + 600, ..asked };
        assert_eq!(step(Some(answered), START + 610), Step::Ask(START + 600 + FRESH));
    }

    #[test]
    fn of_two_that_would_ask_on_behalf_of_all_one_does() {
        let (time, database) = (time(), InMemory::default());
        let server = slow(&time);
        let good_until = Cell::new(0);
        let watched = Watched::new(&server, &database, &time, &good_until);
        let seen = watched.seen().unwrap();
        assert_eq!(watched.claim(seen, START, FIRST_PAUSE), Ok(true));
        assert_eq!(watched.claim(seen, START + 1, FIRST_PAUSE), Ok(false));
    }

    #[test]
    fn without_a_database_everybody_asks() {
        for failure in [Failure::Refused, Failure::Unknown, Failure::MissingTable] {
            let time = time();
            let server = slow(&time);
            assert_eq!(call(&server, &Silent(failure)), Ok(Vec::new()));
            assert_eq!(server.asked.get(), 1);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let (time, database) = (time(), InMemory::default());
        let server = slow(&time);
        hang(&server, &database);
        time.now.set(START - 86_400_000);
        assert_eq!(call(&server, &database), Ok(Vec::new()));
        assert_eq!(call(&server, &database), Ok(Vec::new()));
    }
}
