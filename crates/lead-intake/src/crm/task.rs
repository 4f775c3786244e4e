//! The task that tells a manager of a new deal.

use amocrm_sdk::tasks::{NewTask, TaskFilter};
use amocrm_sdk::{Client, LeadId, UserId};
use chrono::{DateTime, Utc};

use super::CrmError;

/// Adds the task unless the deal has one of this text already, done or not.
pub(crate) async fn add_task_once(
    client: &Client,
    deal: LeadId,
    text: &str,
    due: DateTime<Utc>,
    manager: Option<UserId>,
) -> Result<(), CrmError> {
    let mut tasks = client
        .tasks()
        .list()
        .filter(TaskFilter::new().of(deal))
        .stream();
    while let Some(task) = tasks.try_next().await? {
        if task.text.trim() == text.trim() {
            return Ok(());
        }
    }
    let mut task = NewTask::new(text, due).of(deal);
    if let Some(manager) = manager {
        task = task.responsible_user_id(manager);
    }
    client.tasks().create([task]).await?;
    Ok(())
}
