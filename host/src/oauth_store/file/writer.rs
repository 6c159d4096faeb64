//! The one thread that writes: it turns what waits in the queue into one commit, sweeps, opens the database again after
//! a failure, and looks whether the file is still in its place.
//!
//! ```text
//! all that waits --> one commit --> answers
//!                        \--the disk is full--> removals alone, a few at a time --full--> removals with the reserve
//! ```

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::OpenError;
use super::database::{Failure, Open, Slot};
use super::fault::Fault;
use super::job::Job;
use super::records::{self, Records};
use super::room::Growth;
use super::watch::Watch;
use crate::oauth_store::{Clock, StoreError};

/// What the thread is told.
pub(super) enum Message {
    Job(Box<dyn Job>),
    /// A read failed, and with it the opening of the database.
    ReadFailed(Failure),
}

/// How long the disk is left alone, and waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// Between two searches for records whose time is over.
    pub(super) sweep: Duration,
    /// After a failure, until the next write.
    pub(super) rest: Duration,
    /// How long a caller waits.
    pub(super) patience: Duration,
    /// Between two looks at a file that nobody writes to.
    pub(super) look: Duration,
    /// How long the disk may take before the log says so.
    pub(super) hang: Duration,
}

pub(super) struct Writer {
    database: Arc<Slot>,
    open: Open,
    clock: Clock,
    messages: Receiver<Message>,
    timing: Timing,
    watch: Arc<Watch>,
    openings: u64,
    /// Number of the last commit; `None` when it has to be read.
    commits: Option<u64>,
    next_sweep: Instant,
    next_look: Instant,
    /// The disk is left alone until then.
    rested: Instant,
    /// Whether the last transaction failed because the disk is full.
    met_full_disk: bool,
    /// Whether that was the last failure: then it rests from adding only.
    rests_from_adding: bool,
    /// Whether the log has said that the disk is full.
    said_full: bool,
    /// Whether the file system was read-only at the last look. Reading goes on as long as nothing is written.
    is_read_only: bool,
}

/// How a transaction failed.
enum Failed {
    /// Before its commit: nothing was changed.
    Before(Option<Failure>),
    /// During commit of this number: it may be on disk.
    During(Failure, u64),
}

impl Writer {
    pub(super) fn new(
        database: Arc<Slot>,
        open: Open,
        clock: Clock,
        (messages, watch): (Receiver<Message>, Arc<Watch>),
        timing: Timing,
    ) -> Self {
        let now = Instant::now();
        Self {
            database,
            open,
            clock,
            messages,
            timing,
            watch,
            openings: 0,
            commits: None,
            next_sweep: now,
            next_look: now,
            rested: now,
            met_full_disk: false,
            rests_from_adding: false,
            said_full: false,
            is_read_only: false,
        }
    }

    /// Works until the store is dropped, then closes the database.
    pub(super) fn run(mut self) {
        loop {
            let message = match self.messages.recv_timeout(self.idle_time()) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let watch = self.watch.clone();
            let _working = watch.working();
            self.work(message);
        }
        self.database.close();
    }

    /// Until there is something to do without being told.
    fn idle_time(&self) -> Duration {
        let next = if self.database.is_open() { self.next_sweep.min(self.next_look) } else { self.rested };
        next.max(self.rested.min(self.next_look)).saturating_duration_since(Instant::now())
    }

    fn work(&mut self, first: Option<Message>) {
        if !self.database.is_open() && self.is_rested() {
            self.renew(None);
        }
        self.look();
        let mut jobs = Vec::new();
        let mut next = first;
        while let Some(message) = next {
            match message {
                Message::Job(job) if job.begins() => jobs.push(job),
                Message::Job(_) => {}
                Message::ReadFailed(failure) => self.fail(&failure),
            }
            next = if jobs.len() < COMMIT_JOBS { self.messages.try_recv().ok() } else { None };
        }
        self.settle(jobs);
        self.say_whether_full();
    }

    /// Before each write, and often without any: whether the file is in its place, and what the disk has left.
    fn look(&mut self) {
        match self.database.look() {
            Ok(space) => {
                self.watch.saw(space);
                self.is_read_only = space.is_read_only;
                if space.is_read_only {
                    self.database.note(Fault::ReadOnly);
                }
            }
            Err(Some(failure)) => self.fail(&failure),
            Err(None) => {}
        }
        self.next_look = Instant::now() + self.timing.look;
    }

    /// Does the jobs, as far as the disk lets it, and answers them.
    fn settle(&mut self, jobs: Vec<Box<dyn Job>>) {
        if self.is_read_only {
            return answer(jobs, Err(StoreError::Unavailable));
        }
        let left = if self.is_rested() && self.may_grow() { self.settle_together(jobs) } else { jobs };
        let (removals, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|job| job.only_removes());
        answer(others, Err(StoreError::Unavailable));
        self.settle_removals(removals);
    }

    /// Does all the jobs in one transaction, and returns them if the disk is full.
    fn settle_together(&mut self, mut jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        let mut outcome = self.commit(&mut jobs, SWEEP_RECORDS);
        if self.is_for_want_of_room(outcome) && self.may_grow() {
            outcome = self.commit(&mut jobs, SWEEP_RECORDS);
            if outcome.is_ok() {
                // The disk was not sick: there was only less room than the database asked for.
                self.rested = Instant::now();
            }
        }
        if self.is_for_want_of_room(outcome) {
            return jobs;
        }
        answer(jobs, outcome);
        Vec::new()
    }

    /// Does jobs that only remove on a disk that is full, with the reserve if need be. A disk that is otherwise sick is
    /// left alone.
    fn settle_removals(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let is_sick = !self.is_rested() && !self.is_full() && !self.rests_from_adding;
        if is_sick || jobs.is_empty() && !self.is_rested() {
            return answer(jobs, Err(StoreError::Unavailable));
        }
        loop {
            let rest = jobs.split_off(FULL_JOBS.min(jobs.len()));
            let mut outcome = self.commit(&mut jobs, FULL_JOBS);
            if self.is_for_want_of_room(outcome) && self.database.remembered().room().give_reserve() {
                self.renew(None);
                outcome = self.commit(&mut jobs, FULL_JOBS);
            }
            if outcome.is_ok() {
                self.database.remembered().room().removed(jobs.len());
            }
            answer(jobs, outcome);
            if rest.is_empty() {
                return;
            }
            jobs = rest;
        }
    }

    /// Whether a transaction changed nothing because the disk is full.
    fn is_for_want_of_room(&self, outcome: Result<(), StoreError>) -> bool {
        outcome == Err(StoreError::Unavailable) && self.met_full_disk
    }

    fn is_full(&self) -> bool {
        self.database.remembered().room().is_full()
    }

    /// Whether the file may be added to; it is opened again where that makes it longer.
    fn may_grow(&mut self) -> bool {
        match self.database.growth() {
            Ok(Growth::Free) => true,
            Ok(Growth::AfterReopening) => {
                self.renew(None);
                self.database.is_open() && !self.is_full()
            }
            Ok(Growth::Full) | Err(None) => false,
            Err(Some(failure)) => {
                self.fail(&failure);
                false
            }
        }
    }

    fn say_whether_full(&mut self) {
        let is_full = self.is_full();
        if is_full && !self.said_full {
            let text = self.database.last_failure().map(|fault| fault.to_string());
            tracing::error!(event = "store_full", text, "the disk is full: nothing is added, removals go on");
        } else if !is_full && self.said_full {
            tracing::info!(event = "store_has_room", "the disk has room again");
        }
        self.said_full = is_full;
    }

    /// Runs the jobs in one transaction, sweeps at most `sweep` records if it is time, and commits.
    fn commit(&mut self, jobs: &mut [Box<dyn Job>], sweep: usize) -> Result<(), StoreError> {
        self.met_full_disk = false;
        let sweep = if self.next_sweep <= Instant::now() { sweep } else { 0 };
        let got_shorter = self.is_full() && self.database.remembered().room().got_shorter();
        // After a failure a commit has to show that it is over, whether or not anybody writes.
        let proves = jobs.is_empty() && self.database.is_open() && (got_shorter || self.database.fault().is_some());
        if jobs.is_empty() && sweep == 0 && !proves {
            return Ok(());
        }
        match self.transact(jobs, sweep, proves) {
            Ok(()) => Ok(()),
            Err(Failed::Before(failure)) => {
                failure.inspect(|failure| self.fail(failure));
                Err(StoreError::Unavailable)
            }
            Err(Failed::During(failure, number)) => {
                self.fail(&failure);
                self.outcome_of(number)
            }
        }
    }

    fn transact(&mut self, jobs: &mut [Box<dyn Job>], sweep: usize, proves: bool) -> Result<(), Failed> {
        let number = self.last_commit().map_err(Failed::Before)? + 1;
        let (now, mut swept, mut committing) = ((self.clock)(), None, false);
        let done = self.database.write(|transaction| {
            let mut records = Records::open(&transaction, now)?;
            for job in jobs {
                job.run(&mut records)?;
            }
            if sweep > 0 {
                swept = Some(records.sweep(sweep)?);
            }
            let changed = records.changed() || proves;
            drop(records);
            if changed {
                records::count(&transaction, number)?;
                committing = true;
                transaction.commit()?;
            }
            Ok(changed)
        });
        match done {
            Ok(changed) => {
                self.commits = Some(if changed { number } else { number - 1 });
                if changed {
                    self.database.remembered().room().removed(swept.unwrap_or_default());
                    self.database.works();
                    self.database.remembered().acknowledge(number);
                }
                if let Some(swept) = swept {
                    // A full step leaves some: the next one comes after what waits in the queue.
                    let pause = if swept == sweep { Duration::ZERO } else { self.timing.sweep };
                    self.next_sweep = Instant::now() + pause;
                }
                Ok(())
            }
            Err(Some(failure)) if committing => Err(Failed::During(failure, number)),
            Err(failure) => Err(Failed::Before(failure)),
        }
    }

    /// What became of commit `number`, which failed: the database, opened again, tells whether it is there.
    fn outcome_of(&mut self, number: u64) -> Result<(), StoreError> {
        match self.last_commit() {
            Ok(last) if last == number => {
                self.database.remembered().acknowledge(number);
                Ok(())
            }
            Ok(_) => Err(StoreError::Unavailable),
            Err(_) => Err(StoreError::UnknownOutcome),
        }
    }

    fn last_commit(&mut self) -> Result<u64, Option<Failure>> {
        if let Some(number) = self.commits {
            return Ok(number);
        }
        let number = self.database.read(records::last_commit)?;
        self.commits = Some(number);
        Ok(number)
    }

    /// After a failure the database is opened again at once, so that reading goes on. Writing rests for a while, and
    /// so does opening if it fails too.
    fn fail(&mut self, failure: &Failure) {
        let is_full = failure.fault.is_full();
        self.met_full_disk = is_full;
        self.rests_from_adding = is_full;
        self.commits = None;
        if self.is_rested() || is_full {
            self.renew(Some(failure));
        } else {
            self.database.close_after(failure);
        }
        self.rested = Instant::now() + self.timing.rest;
    }

    fn is_rested(&self) -> bool {
        self.rested <= Instant::now()
    }

    /// Opens the database again.
    fn renew(&mut self, failure: Option<&Failure>) {
        let was_open = self.database.is_open() && failure.is_none();
        self.openings += 1;
        self.commits = None;
        match self.database.renew(failure, self.openings, &self.open) {
            // It was not closed over a failure.
            Ok(is_new) if was_open || !is_new => {}
            Ok(_) => tracing::info!(event = "store_reopened", "the store can be read again"),
            Err(error) => {
                // The file is looked at again; then there is something to say.
                if !matches!(error, OpenError::Changing(_)) {
                    self.database.note(Fault::NotOpened(error));
                }
                self.rests_from_adding = false;
                self.rested = Instant::now() + self.timing.rest;
            }
        }
    }
}

fn answer(jobs: Vec<Box<dyn Job>>, outcome: Result<(), StoreError>) {
    for job in jobs {
        job.answer(outcome);
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self { sweep: SWEEP_PAUSE, rest: REST, patience: PATIENCE, look: LOOK_PAUSE, hang: HANG }
    }
}

/// Writes of one commit. The queue's memory bounds their size.
const COMMIT_JOBS: usize = 256;
/// Records that one commit sweeps: some milliseconds.
const SWEEP_RECORDS: usize = 256;
/// What has ended is gone for everybody at once; only its space waits that long.
const SWEEP_PAUSE: Duration = Duration::from_secs(5);
/// Long enough not to busy a sick disk, short enough for a client that tries again.
const REST: Duration = Duration::from_secs(1);
/// A request as a whole has longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A file that is not in its place any more is noticed within a second.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Before callers give up, so that the cause stands in the log ahead of them.
const HANG: Duration = Duration::from_secs(5);
/// Writes and swept records of one commit on a full disk, for which the reserve is enough.
pub(super) const FULL_JOBS: usize = 16;
