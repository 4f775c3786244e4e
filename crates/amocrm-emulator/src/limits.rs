//! Rate limits: a sliding second per integration in an account and per account, and the block after repeated violations.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::answer;

/// Requests per second of one integration in one account (amocrm.ru, "recommendations").
const INTEGRATION_PER_SECOND: u32 = 7;
/// Requests per second of all integrations of one account together (same page).
const ACCOUNT_PER_SECOND: u32 = 50;
/// The window both numbers are about.
const SECOND: Duration = Duration::from_secs(1);
/// How far back violations are remembered when deciding about a block.
const VIOLATION_MEMORY: Duration = Duration::from_mins(1);

/// The rate limits and what happens to those who exceed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LimitSettings {
    /// Requests in any sliding second per integration and account; `null` switches the limit off.
    pub integration: Option<u32>,
    /// Requests in any sliding second per account; `null` switches the limit off.
    pub account: Option<u32>,
    /// The 429 is a web server's HTML page instead of a problem document. Both were seen in the wild.
    pub html: bool,
    /// Seconds to put into the problem document as `retry_after`. There is no header of that name.
    pub retry_after: Option<u64>,
    /// The account is blocked once 429s were needed in this many different seconds of the last minute; `null`: never.
    pub block_after: Option<u32>,
    /// How long a block lasts; `null`: until it is lifted by `POST /_emulator/block/lift`, as amoCRM's support does.
    pub block_ms: Option<u64>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            integration: Some(INTEGRATION_PER_SECOND),
            account: Some(ACCOUNT_PER_SECOND),
            html: false,
            retry_after: None,
            block_after: Some(30),
            block_ms: None,
        }
    }
}

impl LimitSettings {
    /// The usual settings with another limit per integration. The account's limit is never below it.
    pub fn per_second(requests: u32) -> Self {
        Self {
            integration: Some(requests),
            account: Some(ACCOUNT_PER_SECOND.max(requests)),
            ..Self::default()
        }
    }

    /// No limits at all.
    pub fn off() -> Self {
        Self {
            integration: None,
            account: None,
            ..Self::default()
        }
    }

    /// The 429 answer these settings ask for.
    pub(crate) fn throttled(&self) -> Response {
        throttled(self.html, self.retry_after)
    }
}

/// A 429 answer: amoCRM's problem document or the web server's page.
pub(crate) fn throttled(html: bool, retry_after: Option<u64>) -> Response {
    if html {
        return answer::gateway_page(StatusCode::TOO_MANY_REQUESTS);
    }
    let mut body = answer::problem_document(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests, try again later.",
    );
    if let Some(seconds) = retry_after {
        body["retry_after"] = json!(seconds);
    }
    answer::problem_body(StatusCode::TOO_MANY_REQUESTS, &body)
}

/// What the limiter says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Admitted,
    Throttled,
    Blocked,
}

/// The limiter of all accounts.
#[derive(Debug)]
pub(crate) struct Limiter {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    settings: LimitSettings,
    integrations: HashMap<(u64, String), VecDeque<Instant>>,
    accounts: HashMap<u64, Account>,
}

#[derive(Debug, Default)]
struct Account {
    admitted: VecDeque<Instant>,
    /// The first violation of every second that had one.
    violations: VecDeque<Instant>,
    block: Option<Block>,
}

#[derive(Debug, Clone, Copy)]
enum Block {
    UntilLifted,
    Until(Instant),
}

impl Limiter {
    pub(crate) fn new(settings: LimitSettings) -> Self {
        Self {
            state: Mutex::new(State {
                settings,
                integrations: HashMap::new(),
                accounts: HashMap::new(),
            }),
        }
    }

    pub(crate) fn settings(&self) -> LimitSettings {
        self.lock().settings.clone()
    }

    pub(crate) fn set(&self, settings: LimitSettings) {
        self.lock().settings = settings;
    }

    /// Judges a request of `client` in `account` that arrived at `now`.
    pub(crate) fn judge(&self, account: u64, client: &str, now: Instant) -> Verdict {
        let mut guard = self.lock();
        let State {
            settings,
            integrations,
            accounts,
        } = &mut *guard;
        let account_state = accounts.entry(account).or_default();
        match account_state.block {
            Some(Block::UntilLifted) => return Verdict::Blocked,
            Some(Block::Until(end)) if now < end => return Verdict::Blocked,
            Some(Block::Until(_)) => account_state.block = None,
            None => {}
        }
        let integration = integrations
            .entry((account, client.to_owned()))
            .or_default();
        forget(integration, now, SECOND);
        forget(&mut account_state.admitted, now, SECOND);
        if is_full(integration, settings.integration)
            || is_full(&account_state.admitted, settings.account)
        {
            return account_state.violation(settings, now);
        }
        integration.push_back(now);
        account_state.admitted.push_back(now);
        Verdict::Admitted
    }

    /// Blocks an account, as amoCRM does after repeated violations.
    pub(crate) fn block(&self, account: u64, length: Option<Duration>) {
        self.lock().accounts.entry(account).or_default().block = Some(block_of(length));
    }

    /// Lifts every block and forgets the violations that led to it.
    pub(crate) fn lift_blocks(&self) {
        for account in self.lock().accounts.values_mut() {
            account.block = None;
            account.violations.clear();
        }
    }

    /// Forgets all windows, violations and blocks.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.integrations.clear();
        state.accounts.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn violation(&mut self, settings: &LimitSettings, now: Instant) -> Verdict {
        forget(&mut self.violations, now, VIOLATION_MEMORY);
        if self
            .violations
            .back()
            .is_none_or(|last| now.saturating_duration_since(*last) >= SECOND)
        {
            self.violations.push_back(now);
        }
        let too_often = settings
            .block_after
            .is_some_and(|limit| self.violations.len() >= limit.max(1) as usize);
        if !too_often {
            return Verdict::Throttled;
        }
        self.violations.clear();
        self.block = Some(block_of(settings.block_ms.map(Duration::from_millis)));
        tracing::warn!(
            "an account is blocked after repeated rate violations; POST /_emulator/block/lift ends it"
        );
        Verdict::Blocked
    }
}

fn block_of(length: Option<Duration>) -> Block {
    length
        .and_then(|length| Instant::now().checked_add(length))
        .map_or(Block::UntilLifted, Block::Until)
}

/// Drops the instants that have left the window ending `now`. A window is half open: what is exactly one second old is out.
fn forget(window: &mut VecDeque<Instant>, now: Instant, length: Duration) {
    while window
        .front()
        .is_some_and(|first| now.saturating_duration_since(*first) >= length)
    {
        window.pop_front();
    }
}

fn is_full(window: &VecDeque<Instant>, limit: Option<u32>) -> bool {
    limit.is_some_and(|limit| window.len() >= limit as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limiter: &Limiter, client: &str, at: Instant) -> bool {
        limiter.judge(1, client, at) == Verdict::Admitted
    }

    #[test]
    fn no_sliding_second_admits_more_than_the_limit() {
        let limiter = Limiter::new(LimitSettings {
            block_after: None,
            ..LimitSettings::default()
        });
        let start = Instant::now();
        let mut admissions = Vec::new();
        for step in 0..4_000_u64 {
            let at = start + Duration::from_micros(step * 1_377);
            if admitted(&limiter, "a", at) {
                admissions.push(at);
            }
        }
        for window in admissions.windows(8) {
            assert!(
                window[7] - window[0] >= SECOND,
                "eight requests within a second were admitted"
            );
        }
        assert!(
            admissions.len() >= 7 * 5,
            "the budget was not usable: {}",
            admissions.len()
        );
    }

    #[test]
    fn integrations_share_the_accounts_limit() {
        let limiter = Limiter::new(LimitSettings {
            account: Some(10),
            block_after: None,
            ..LimitSettings::default()
        });
        let now = Instant::now();
        let mut total = 0;
        for client in ["a", "b", "c"] {
            total += (0..7).filter(|_| admitted(&limiter, client, now)).count();
        }
        assert_eq!(total, 10);
    }

    #[test]
    fn violating_second_after_second_ends_in_a_block_that_only_lifting_ends() {
        let limiter = Limiter::new(LimitSettings {
            integration: Some(1),
            block_after: Some(3),
            ..LimitSettings::default()
        });
        let start = Instant::now();
        let mut verdicts = Vec::new();
        for second in 0..4 {
            let at = start + SECOND * second;
            limiter.judge(1, "a", at);
            verdicts.push(limiter.judge(1, "a", at));
        }
        assert_eq!(
            verdicts,
            [
                Verdict::Throttled,
                Verdict::Throttled,
                Verdict::Blocked,
                Verdict::Blocked
            ]
        );
        assert_eq!(
            limiter.judge(1, "other", start + SECOND * 3600),
            Verdict::Blocked
        );
        assert_eq!(
            limiter.judge(2, "a", start),
            Verdict::Admitted,
            "another account is not affected"
        );
        limiter.lift_blocks();
        assert_eq!(
            limiter.judge(1, "other", start + SECOND * 3600),
            Verdict::Admitted
        );
    }
}
