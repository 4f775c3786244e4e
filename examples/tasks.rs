//! What somebody has to do until when: `cargo run --example tasks`.
//!
//! A lead gets a note and two tasks; one is completed with a result, and the open ones are listed.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::leads::NewLead;
use amocrm_sdk::notes::NewNote;
use amocrm_sdk::tasks::{FOLLOW_UP, MEETING, NewTask, TaskFilter};
use chrono::{DateTime, TimeDelta};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let client = Client::builder(&emulator.credentials().subdomain)
        .base_url(emulator.base_url())
        .long_lived_token(emulator.long_lived_token())
        .build()?;

    let lead = client
        .leads()
        .create([NewLead::new().name("Вилла на Пхукете")])
        .await?[0]
        .id;
    client
        .notes(lead)
        .create([NewNote::common("Просит перезвонить после обеда")])
        .await?;

    let now = DateTime::from_timestamp(emulator.now(), 0).unwrap_or_default();
    let made = client
        .tasks()
        .create([
            NewTask::new("Перезвонить", now + TimeDelta::hours(3))
                .task_type_id(FOLLOW_UP)
                .of(lead),
            NewTask::new("Показать виллу", now + TimeDelta::days(2))
                .task_type_id(MEETING)
                .of(lead),
        ])
        .await?;

    client
        .tasks()
        .complete(made[0].id, "Договорились о показе")
        .await?;
    let done = client.tasks().get(made[0].id).await?;
    let done = done.ok_or_else(|| anyhow::anyhow!("the task is not there"))?;
    println!(
        "done: {} ({})",
        done.text,
        done.result().unwrap_or("no result")
    );
    anyhow::ensure!(done.is_completed && done.result() == Some("Договорились о показе"));

    let open = client
        .tasks()
        .list()
        .filter(TaskFilter::new().of(lead).completed(false))
        .all()
        .await?;
    for task in &open {
        println!("to do: {} until {:?}", task.text, task.complete_till);
    }
    anyhow::ensure!(open.len() == 1 && open[0].id == made[1].id);

    let notes = client.notes(lead).list().all().await?;
    println!("note: {}", notes[0].text().unwrap_or_default());
    anyhow::ensure!(notes.len() == 1);
    Ok(())
}
