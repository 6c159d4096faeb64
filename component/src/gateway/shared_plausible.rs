//! Plausible as `/internal` asks it, with one key for everybody: what is remembered is not asked again, and what is
//! asked comes out of the hour's budget.
//!
//! ```text
//! remembered ──> told to wait? ──> host would not send? ──> budget ──> Plausible ──> remembered
//!                                          └─ out of service: a remembered answer that is over, marked with its age
//! ```

use super::answer_cache::{self, AnswerCache, Remembered};
use super::plausible_budget::PlausibleBudget;
use crate::plausible::{Answer, Client, LegalQuery, QueryError, StatsApi};
use crate::ports::{HttpError, Ports, Timestamp};
use crate::telemetry::SharedTally;
use crate::tools::remembered_note;

/// Plausible with the shared key, on behalf of one user.
pub struct SharedPlausible<'a, P: Ports> {
    /// Plausible itself. Equal queries that are under way at the same time share one exchange there.
    pub client: Client<'a, P::Http>,
    /// The answers that are remembered.
    pub cache: AnswerCache<'a, P>,
    /// What may still be asked.
    pub budget: PlausibleBudget<'a, P::Limiter>,
    /// Counts what is asked and what is remembered.
    pub tally: &'a SharedTally,
    /// When the request came.
    pub now: Timestamp,
}

impl<P: Ports> StatsApi for SharedPlausible<'_, P> {
    /// Errors are never remembered, but for how long Plausible asks to wait.
    async fn query(&self, query: &LegalQuery) -> Result<Answer, QueryError> {
        let store_key = self.cache.store_key(&query.json().to_string());
        let remembered = self.cache.recall(&store_key).await;
        if let Some(remembered) = remembered.as_ref().filter(|remembered| remembered.holds(self.now))
            && let Some(answer) = Answer::read(&remembered.body)
        {
            self.tally.remembered();
            return Ok(answer);
        }
        match self.ask(query, &store_key).await {
            Err(QueryError::Unreachable(HttpError::OutOfService { since, retry_after })) => {
                let over = remembered.and_then(|remembered| self.over(query, &remembered, since));
                over.ok_or(QueryError::Unreachable(HttpError::OutOfService { since, retry_after }))
            }
            outcome => outcome,
        }
    }
}

impl<P: Ports> SharedPlausible<'_, P> {
    async fn ask(&self, query: &LegalQuery, store_key: &str) -> Result<Answer, QueryError> {
        if let Some(refusal) = self.client.refusal(query).await {
            return Err(refusal);
        }
        if let Some(retry_after) = self.cache.asked_to_wait(self.now).await {
            return Err(QueryError::Unreachable(HttpError::AskedToWait { retry_after }));
        }
        self.spend().await?;
        self.tally.asks();
        let outcome = self.client.body(query).await;
        if let Err(QueryError::AskedToWait { retry_after, .. }) = outcome {
            self.cache.ask_to_wait(retry_after, self.now).await;
        }
        let body = outcome?;
        let answer = Answer::read(&body).ok_or(QueryError::UnexpectedAnswer)?;
        let lifetime = answer_cache::lifetime(query.query(), &answer, self.now);
        self.cache.remember(store_key, &body, lifetime, self.now).await;
        Ok(answer)
    }

    /// An answer that is over, for a Plausible that has not answered for `silence` seconds.
    fn over(&self, query: &LegalQuery, remembered: &Remembered, silence: u32) -> Option<Answer> {
        if !remembered.may_stand_in(self.now) {
            return None;
        }
        let mut answer = Answer::read(&remembered.body)?;
        let given = remembered.given(query.query(), &answer);
        let silent_since = Timestamp(self.now.0.saturating_sub(u64::from(silence) * 1000));
        self.tally.remembered();
        answer.warnings.insert(0, remembered_note(given, silent_since, self.now));
        Some(Answer { given: Some(given), ..answer })
    }

    /// Takes a query out of the budget, and notes what is left.
    async fn spend(&self) -> Result<(), QueryError> {
        let spent = self.budget.spend().await;
        if let Some((left, hourly)) = self.budget.left() {
            self.tally.budget(left, hourly);
        }
        spent
    }
}
