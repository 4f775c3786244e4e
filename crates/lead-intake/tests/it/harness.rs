//! lead-intake beside an emulated amoCRM, with the people who use both.

mod app;
mod crm;
mod log;
mod whatsapp;

pub(crate) use self::app::{TestApp, all_settings};
pub(crate) use self::crm::{TestCrm, field};
pub(crate) use self::log::captured_log;
pub(crate) use self::whatsapp::{Mishap, NUMBER, TOKEN, TestWhatsapp};
pub(crate) use testkit::{Answer, Mood, TestClock, TestDatabase, TestSmtp, eventually};

/// The lead of the user's guide.
pub(crate) const LEAD: &str = r#"{
    "name": "Тест Тестов",
    "phone": "+79001234567",
    "email": "test@example.com",
    "utm_source": "google",
    "utm_medium": "cpc",
    "utm_campaign": "asia_deals_test"
}"#;
