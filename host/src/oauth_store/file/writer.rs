//! The one thread that writes: it turns what waits in the queue into one commit, sweeps, and opens the database again
//! after a failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::database::{Failure, Open, Slot};
use super::job::Job;
use super::records::{self, Records};
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
}

pub(super) struct Writer {
    database: Arc<Slot>,
    open: Open,
    clock: Clock,
    messages: Receiver<Message>,
    timing: Timing,
    openings: u64,
    /// Number of the last commit; `None` when it has to be read.
    commits: Option<u64>,
    next_sweep: Instant,
    /// The disk is left alone until then.
    rested: Instant,
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
        messages: Receiver<Message>,
        timing: Timing,
    ) -> Self {
        let now = Instant::now();
        let (next_sweep, rested) = (now, now);
        Self { database, open, clock, messages, timing, openings: 0, commits: None, next_sweep, rested }
    }

    /// Works until the store is dropped, then closes the database.
    pub(super) fn run(mut self) {
        loop {
            match self.messages.recv_timeout(self.idle_time()) {
                Ok(message) => self.work(Some(message)),
                Err(RecvTimeoutError::Timeout) => self.work(None),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.database.close();
    }

    /// Until there is something to do without being told.
    fn idle_time(&self) -> Duration {
        let next = if self.database.is_open() { self.next_sweep } else { self.rested };
        next.max(self.rested).saturating_duration_since(Instant::now())
    }

    fn work(&mut self, first: Option<Message>) {
        if !self.database.is_open() && self.is_rested() {
            self.reopen();
        }
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
        let outcome = self.commit(&mut jobs);
        for job in jobs {
            job.answer(outcome);
        }
    }

    /// Runs the jobs in one transaction and commits it.
    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        if !self.is_rested() {
            return Err(StoreError::Unavailable);
        }
        let sweeping = self.next_sweep <= Instant::now();
        if jobs.is_empty() && !sweeping {
            return Ok(());
        }
        match self.transact(jobs, sweeping) {
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

    fn transact(&mut self, jobs: &mut [Box<dyn Job>], sweeping: bool) -> Result<(), Failed> {
        let number = self.last_commit().map_err(Failed::Before)? + 1;
        let (now, mut swept, mut committing) = ((self.clock)(), None, false);
        let done = self.database.write(|transaction| {
            let mut records = Records::open(&transaction, now)?;
            for job in jobs {
                job.run(&mut records)?;
            }
            if sweeping {
                swept = Some(records.sweep(SWEEP_RECORDS)?);
            }
            let changed = records.changed();
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
                if let Some(swept) = swept {
                    // A full step leaves some: the next one comes after what waits in the queue.
                    let pause = if swept == SWEEP_RECORDS { Duration::ZERO } else { self.timing.sweep };
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
            Ok(last) if last == number => Ok(()),
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
        self.database.close_after(failure);
        self.commits = None;
        if !self.database.is_open() && self.is_rested() {
            self.reopen();
        }
        self.rested = Instant::now() + self.timing.rest;
    }

    fn is_rested(&self) -> bool {
        self.rested <= Instant::now()
    }

    fn reopen(&mut self) {
        match catch_unwind(AssertUnwindSafe(|| (self.open)())) {
            Ok(Ok(database)) => {
                self.openings += 1;
                self.database.reopened(database, self.openings);
                tracing::info!(event = "store_reopened", "the store can be read again");
                return;
            }
            Ok(Err(error)) => self.database.stays_closed(error.to_string()),
            Err(_) => {}
        }
        self.rested = Instant::now() + self.timing.rest;
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self { sweep: SWEEP_PAUSE, rest: REST, patience: PATIENCE }
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
