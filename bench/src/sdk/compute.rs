//! What the SDK computes: pages read, batches written, webhook bodies parsed.

use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::fields::{ContactValue, EMAIL, PHONE, POSITION};
use amocrm_sdk::webhook;
use anyhow::ensure;
use tokio::runtime::Runtime;

use crate::canned::Canned;
use crate::report::{Goal, Report};
use crate::sdk::{bodies, cpu, lean};

const MILLI: f64 = 1e3;
const MICRO: f64 = 1e6;

/// Bodies of a webhook parsed in one go: one alone is too short for the clock.
const WEBHOOKS: u32 = 100;

pub(crate) fn run(report: &mut Report, quick: bool) -> anyhow::Result<()> {
    let rounds = if quick { 3 } else { 200 };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    report.heading("reading a page of 250 leads");
    page(report, &runtime, rounds, "page", bodies::USUALLY_FILLED)?;
    report.heading("reading a page of 250 leads with every custom field filled");
    page(report, &runtime, rounds, "full_page", bodies::FIELDS)?;
    report.heading("writing 250 contacts and matching the answer");
    create(report, &runtime, rounds)?;
    report.heading("reading a webhook");
    hook(report, rounds)
}

/// The SDK, with everything between `await` and the page, against serde alone.
fn page(
    report: &mut Report,
    runtime: &Runtime,
    rounds: u32,
    name: &str,
    filled: u64,
) -> anyhow::Result<()> {
    let body = bodies::leads_page(filled);
    let list = Canned::new(body.clone()).client()?.leads().list();
    let mut typed = || {
        let (page, time) = cpu::time(|| runtime.block_on(list.page(1)));
        ensure!(page?.items.len() == 250, "leads are missing");
        Ok(time)
    };
    let mut lean = || {
        let (page, time) = cpu::time(|| serde_json::from_slice::<lean::Page>(body.as_bytes()));
        ensure!(page?.embedded.leads.len() == 250, "leads are missing");
        Ok(time)
    };
    let mut value = || {
        let (page, time) =
            cpu::time(|| serde_json::from_slice::<serde_json::Value>(body.as_bytes()));
        ensure!(page?.is_object(), "no object");
        Ok(time)
    };
    // Values of custom fields are read when somebody asks; here somebody asks for all of them.
    let mut all = || {
        let (fields, time) = cpu::time(|| {
            let page = runtime.block_on(list.page(1))?;
            let leads = page.items.iter();
            let fields = leads.flat_map(|lead| &lead.custom_fields_values);
            let count = fields.map(|field| field.values().len()).sum::<usize>();
            anyhow::Ok((page, count))
        });
        ensure!(fields?.1 > 0, "fields are missing");
        Ok(time)
    };
    let [typed, all, lean, value] =
        cpu::best(rounds, [&mut typed, &mut all, &mut lean, &mut value])?;
    let bytes = u32::try_from(body.len())?;
    report.figure(&format!("{name}_bytes"), bytes, "bytes", Goal::None);
    let is_usual = filled == bodies::USUALLY_FILLED;
    let goal = |goal| if is_usual { goal } else { Goal::None };
    report.figure(
        &format!("{name}_ms"),
        typed * MILLI,
        "the SDK's leads, CPU ms",
        goal(Goal::AtMost(5.0)),
    );
    report.figure(
        &format!("{name}_with_values_ms"),
        all * MILLI,
        "the SDK's leads and every value of every field, CPU ms",
        Goal::None,
    );
    report.figure(
        &format!("{name}_lean_ms"),
        lean * MILLI,
        "the leanest struct, CPU ms",
        Goal::None,
    );
    report.figure(
        &format!("{name}_value_ms"),
        value * MILLI,
        "serde_json::Value, CPU ms",
        Goal::None,
    );
    report.figure(
        &format!("{name}_to_lean"),
        typed / lean,
        "the SDK to the leanest struct",
        Goal::AtMost(1.3),
    );
    report.figure(
        &format!("{name}_to_value"),
        typed / value,
        "the SDK to serde_json::Value",
        Goal::Below(1.0),
    );
    Ok(())
}

fn create(report: &mut Report, runtime: &Runtime, rounds: u32) -> anyhow::Result<()> {
    let contacts = Canned::new(bodies::contacts_created()).client()?.contacts();
    let batch: Vec<NewContact> = (0..bodies::PAGE).map(contact).collect();
    let mut create = || {
        let batch = batch.clone();
        let (created, time) = cpu::time(|| runtime.block_on(contacts.create(batch).into_future()));
        let created = created?;
        ensure!(
            created.len() == 250 && created[249].id.get() == 50_000_250,
            "contacts are missing"
        );
        Ok(time)
    };
    let [time] = cpu::best(rounds, [&mut create])?;
    report.figure(
        "create_ms",
        time * MILLI,
        "250 contacts with phone, e-mail, position and tags, CPU ms",
        Goal::AtMost(2.0),
    );
    Ok(())
}

/// A contact as forms make them.
pub(crate) fn contact(index: u64) -> NewContact {
    NewContact::new()
        .name(format!("Иван Иванов {index}"))
        .first_name("Иван")
        .last_name(format!("Иванов {index}"))
        .field(
            &PHONE,
            [ContactValue::new(format!("+7900{index:07}")).mob()],
        )
        .field(
            &EMAIL,
            [ContactValue::new(format!("ivan{index}@example.org")).work()],
        )
        .field(&POSITION, "Бухгалтер")
        .tags(["сайт", "повторный"])
}

fn hook(report: &mut Report, rounds: u32) -> anyhow::Result<()> {
    let body = bodies::webhook();
    let mut parse = || {
        let (events, time) = cpu::time(|| {
            (0..WEBHOOKS).try_fold(0, |events, _| {
                webhook::parse(body.as_bytes()).map(|payload| events + payload.events.len())
            })
        });
        ensure!(events? == 100, "events are missing");
        Ok(time)
    };
    let [time] = cpu::best(rounds, [&mut parse])?;
    report.figure(
        "webhook_bytes",
        u32::try_from(body.len())?,
        "bytes",
        Goal::None,
    );
    report.figure(
        "webhook_us",
        time * MICRO / f64::from(WEBHOOKS),
        "typed events of it, CPU µs",
        Goal::AtMost(40.0),
    );
    Ok(())
}
