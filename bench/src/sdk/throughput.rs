//! The budget: how much of what amoCRM allows is used, in batches and by tasks that know nothing of batches.

use std::time::Instant;

use amocrm_sdk::entity::MAX_BATCH;
use amocrm_sdk::leads::{LeadPatch, NewLead};
use amocrm_sdk::quota::{DEFAULT_INTEGRATION_RPS, Limits};
use amocrm_sdk::{Client, LeadId};
use anyhow::ensure;
use tokio::task::JoinSet;

use crate::emulator::Emulator;
use crate::report::{Goal, Report};
use crate::sdk::compute::contact;
use crate::sdk::peers::Ours;

/// The leads that were changed, and how long it took.
pub(crate) async fn run(
    report: &mut Report,
    emulator: &Emulator,
    quick: bool,
) -> anyhow::Result<(Vec<LeadId>, Ours)> {
    let count: u32 = if quick { 1_000 } else { 10_000 };
    report.heading("the default budget");
    let limits = Limits::default();
    report.figure(
        "default_rps",
        limits.integration_spacing().as_secs_f64().recip(),
        "requests per second of the default budget; amoCRM allows 7",
        Goal::None,
    );
    emulator.allow(None).await?;
    let leads = leads(&emulator.unlimited(), count).await?;
    emulator.allow(Some(DEFAULT_INTEGRATION_RPS)).await?;

    let run = Run { emulator, count };
    let create_s = run
        .measure(report, "create", "contacts created", async |client| {
            let made = client
                .contacts()
                .create((0..count.into()).map(contact))
                .await?;
            ensure!(made.len() == count as usize, "contacts are missing");
            Ok(())
        })
        .await?;
    let update_s = run
        .measure(report, "update", "leads updated", async |client| {
            let patches = leads.iter().map(|id| LeadPatch::new(*id).price(1_000));
            let changed = client.leads().update_many(patches).await?;
            ensure!(changed.len() == leads.len(), "leads are missing");
            Ok(())
        })
        .await?;
    run.measure(
        report,
        "batcher_create",
        "contacts created by as many tasks",
        async |client| {
            let batcher = client.batcher();
            let mut tasks = JoinSet::new();
            for index in 0..count.into() {
                let contacts = batcher.contacts();
                tasks.spawn(async move {
                    contacts
                        .create([contact(index)])
                        .await
                        .map(|made| made.len())
                });
            }
            while let Some(made) = tasks.join_next().await {
                ensure!(made?? == 1, "a contact is missing");
            }
            Ok(())
        },
    )
    .await?;
    run.measure(
        report,
        "batcher_update",
        "leads updated by as many tasks",
        async |client| {
            let batcher = client.batcher();
            let mut tasks = JoinSet::new();
            for id in leads.clone() {
                let leads = batcher.leads();
                tasks.spawn(async move { leads.update(id).price(2_000).await.map(|lead| lead.id) });
            }
            while let Some(changed) = tasks.join_next().await {
                changed??;
            }
            Ok(())
        },
    )
    .await?;
    Ok((leads, Ours { create_s, update_s }))
}

/// Leads that are there to be changed.
pub(crate) async fn leads(client: &Client, count: u32) -> anyhow::Result<Vec<LeadId>> {
    use amocrm_sdk::fields::{UTM_CAMPAIGN, UTM_SOURCE};

    let new = (0..count).map(|index| {
        NewLead::new()
            .name(format!("Заявка с сайта №{index}"))
            .price(i64::from(index % 97) * 1_500)
            .field(&UTM_SOURCE, "yandex")
            .field(&UTM_CAMPAIGN, format!("kitaiskiy-s-nulya-{index}"))
            .tags(["сайт"])
    });
    let made = client.leads().create(new).await?;
    Ok(made.into_iter().map(|lead| lead.id).collect())
}

struct Run<'a> {
    emulator: &'a Emulator,
    count: u32,
}

impl Run<'_> {
    async fn measure(
        &self,
        report: &mut Report,
        name: &str,
        words: &str,
        work: impl AsyncFnOnce(Client) -> anyhow::Result<()>,
    ) -> anyhow::Result<f64> {
        report.heading(&format!("{} {words}", self.count));
        // A second without requests, so that the journal's busiest one is this work's own.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        self.emulator.forget().await?;
        // A client of its own: its budget begins full, and the connection is made within the measured time.
        let client = self.emulator.client()?;
        let started = Instant::now();
        work(client).await?;
        let took = started.elapsed().as_secs_f64();
        let seen = self.emulator.seen().await?;
        let requests = u32::try_from(seen.requests())?;
        let physical = f64::from(DEFAULT_INTEGRATION_RPS) * f64::from(u32::try_from(MAX_BATCH)?);
        let least = self.count.div_ceil(u32::try_from(MAX_BATCH)?);
        report.figure(
            &format!("{name}_requests"),
            requests,
            "requests",
            Goal::AtMost(least.into()),
        );
        report.figure(
            &format!("{name}_429"),
            u32::try_from(seen.throttled())?,
            "refused with 429",
            Goal::AtMost(0.0),
        );
        report.figure(
            &format!("{name}_peak_per_second"),
            seen.counters.peak_per_second,
            "requests in the busiest second",
            Goal::AtMost(DEFAULT_INTEGRATION_RPS.into()),
        );
        report.figure(&format!("{name}_s"), took, "seconds", Goal::None);
        report.figure(
            &format!("{name}_of_physical_limit"),
            f64::from(self.count) / took / physical,
            "entities per second, of 7 × 250",
            Goal::None,
        );
        // Between the first request and the last there are one fewer spacings than requests.
        let intervals = f64::from(requests.saturating_sub(1));
        let spacing = Limits::default().integration_spacing().as_secs_f64();
        report.figure(
            &format!("{name}_budget_used"),
            intervals * spacing / seen.span(),
            "of the configured budget, from the first arrival to the last",
            Goal::AtLeast(0.99),
        );
        Ok(took)
    }
}
