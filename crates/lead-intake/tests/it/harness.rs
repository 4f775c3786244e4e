//! lead-intake beside an emulated amoCRM, with the people who use both.

mod app;
mod crm;
mod database;
mod log;
mod smtp;
mod whatsapp;

use std::future::Future;
use std::time::Duration;

pub(crate) use self::app::{Answer, TestApp, TestClock, all_settings};
pub(crate) use self::crm::{TestCrm, field};
pub(crate) use self::database::TestDatabase;
pub(crate) use self::log::captured_log;
pub(crate) use self::smtp::{Mood, TestSmtp};
pub(crate) use self::whatsapp::{Mishap, NUMBER, TOKEN, TestWhatsapp};

/// The lead of the user's guide.
pub(crate) const LEAD: &str = r#"{
    "name": "Тест Тестов",
    "phone": "+79001234567",
    "email": "test@example.com",
    "utm_source": "google",
    "utm_medium": "cpc",
    "utm_campaign": "asia_deals_test"
}"#;

/// How long something that has to happen may take: far more than it needs.
const PATIENCE: Duration = Duration::from_secs(90);

/// Asks again until the answer is there; panics when it does not come.
pub(crate) async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "it did not happen within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
