//! What amoCRM would make again each time it is asked to: made once, however often an attempt is repeated. Whoever does
//! not know what became of an earlier attempt finds its work here before he does it again.

use amocrm_sdk::notes::{NewNote, NoteFilter, NoteType};
use amocrm_sdk::tasks::{NewTask, TaskFilter};
use amocrm_sdk::{Client, LeadId, UserId};
use chrono::{DateTime, Utc};

use crate::CrmError;

/// Adds a note whose text holds `marker`, unless one is there already.
///
/// # Errors
///
/// When amoCRM cannot be asked, or refuses it.
pub async fn add_marked_note(
    client: &Client,
    deal: LeadId,
    text: String,
    marker: &str,
) -> Result<(), CrmError> {
    let mut notes = client
        .notes(deal)
        .list()
        .filter(NoteFilter::new().types([NoteType::Common]))
        .stream();
    while let Some(note) = notes.try_next().await? {
        if note.text().is_some_and(|text| text.contains(marker)) {
            return Ok(());
        }
    }
    client.notes(deal).create([NewNote::common(text)]).await?;
    Ok(())
}

/// Adds the task unless the deal has one of this text already, done or not. If amoCRM does not take the manager, who may
/// have left since, it is the task of the token's user.
///
/// # Errors
///
/// When amoCRM cannot be asked, or refuses it.
pub async fn add_task_once(
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
    let task = NewTask::new(text, due).of(deal);
    let Some(manager) = manager else {
        client.tasks().create([task]).await?;
        return Ok(());
    };
    let of_manager = task.clone().responsible_user_id(manager);
    match client
        .tasks()
        .create([of_manager])
        .await
        .map_err(CrmError::from)
    {
        Err(error) if error.refuses_manager() => {
            client.tasks().create([task]).await?;
            Ok(())
        }
        outcome => outcome.map(drop),
    }
}
