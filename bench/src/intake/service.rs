//! lead-intake and the bare handler beside it, as processes of their own.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::load::{Pace, Posted, Storm};
use crate::service::Service;

/// Nobody listens there: the "discard" service of 1983.
const NOBODY: &str = "http://127.0.0.1:9";
/// How long it may take to notice that amoCRM is away.
const PATIENCE: Duration = Duration::from_mins(2);
/// An answer that waits for a delivery takes longer than this.
const AT_ONCE: Duration = Duration::from_millis(500);
/// A phone has so many numbers after its code.
const PHONES: u32 = 10_000_000;

/// The lead of a visitor.
pub(super) fn lead(number: u32) -> Posted {
    let number = number % PHONES;
    Posted {
        path: "/api/leads",
        content_type: "application/json",
        body: format!(
            r#"{{"name":"Тест Тестов","phone":"+7900{number:07}","email":"visitor{number:07}@example.com","utm_source":"google","utm_medium":"cpc","utm_campaign":"asia_deals_test"}}"#
        ),
    }
}

/// The bare handler.
pub(super) fn bare(database: &str, group: bool) -> anyhow::Result<Service> {
    let mut arguments = vec!["intake", "--bare", database];
    arguments.extend(group.then_some("--group"));
    Service::part(&arguments)
}

/// lead-intake while amoCRM is away.
pub(super) fn alone(database: &str) -> anyhow::Result<Service> {
    lead_intake(database, NOBODY, "nobody-asks-for-it", &[])
}

/// lead-intake, with a long-lived token for amoCRM.
pub(super) fn lead_intake(
    database: &str,
    amocrm: &str,
    token: &str,
    settings: &[(&str, &str)],
) -> anyhow::Result<Service> {
    let mut all = vec![
        ("AMOCRM_DOMAIN", "acme-demo.amocrm.ru"),
        ("AMOCRM_BASE_URL", amocrm),
        ("AMOCRM_ACCESS_TOKEN", token),
    ];
    all.extend_from_slice(settings);
    Service::start("lead-intake", database, &all)
}

/// Waits until a lead is answered at once: lead-intake has found out that amoCRM is away.
pub(super) async fn knows_that_amocrm_is_away(service: &Service) -> anyhow::Result<()> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let one = Storm {
            address: service.address,
            request: lead,
            connections: 1,
            pace: Pace::Closed,
            lasts: PATIENCE,
            most: 1,
        };
        if one.send().await?.took < AT_ONCE {
            return Ok(());
        }
    }
    bail!("lead-intake does not notice that amoCRM is away")
}
