//! Plausible as `/internal` asks it, with one key for everybody: what is remembered is not asked again, and what is
//! asked comes out of the hour's budget.

use super::answer_cache::{self, AnswerCache};
use super::plausible_budget::PlausibleBudget;
use crate::plausible::{Answer, Client, LegalQuery, QueryError, StatsApi};
use crate::ports::{Ports, Timestamp};
use crate::telemetry::SharedTally;

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
    /// Errors are never remembered.
    async fn query(&self, query: &LegalQuery) -> Result<Answer, QueryError> {
        let store_key = self.cache.store_key(&query.json().to_string());
        let remembered = self.cache.recall(&store_key, self.now).await;
        if let Some(answer) = remembered.and_then(|body| Answer::read(&body)) {
            self.tally.remembered();
            return Ok(answer);
        }
        self.spend().await?;
        self.tally.asks();
        let body = self.client.body(query).await?;
        let answer = Answer::read(&body).ok_or(QueryError::UnexpectedAnswer)?;
        let lifetime = answer_cache::lifetime(query.query(), &answer, self.now);
        self.cache.remember(&store_key, &body, lifetime, self.now).await;
        Ok(answer)
    }
}

impl<P: Ports> SharedPlausible<'_, P> {
    /// Takes a query out of the budget, and notes what is left.
    async fn spend(&self) -> Result<(), QueryError> {
        let spent = self.budget.spend().await;
        if let Some((left, hourly)) = self.budget.left() {
            self.tally.budget(left, hourly);
        }
        spent
    }
}
