//! Applying a checked write to a task, and telling webhooks and feed.

use super::draft::Draft;
use crate::{
    api::call::Context,
    world::{
        Account, Counters, Task, TaskResult, WorldEvent,
        events::TaskChange,
        feed::{Fact, Happening, Subject},
    },
};

/// Creates a task; its id.
pub(super) fn create(cx: &mut Context<'_>, draft: Draft) -> u64 {
    let (now, user) = (cx.now(), cx.user_id());
    let id = Counters::take(&mut cx.account.counters.task);
    let blank = Task {
        id,
        created_by: user,
        updated_by: user,
        created_at: now,
        updated_at: now,
        responsible_user_id: user,
        group_id: 0,
        card: None,
        is_completed: false,
        kind: 0,
        text: String::new(),
        duration: 0,
        complete_till: 0,
        result: None,
    };
    let task = fill(cx.account, blank, draft);
    let about = Subject::Task(id);
    cx.tell(WorldEvent::task(cx.account, &task, &TaskChange::Added));
    cx.record(Happening::new("task_added", about).by(task.created_by));
    if task.is_completed {
        cx.record(Happening::new("task_completed", about));
    }
    if let Some(result) = &task.result {
        cx.record(Happening::new("task_result_added", about).after([Fact::Note(result.note_id)]));
    }
    cx.account.put_task(task);
    id
}

/// Changes a task.
pub(super) fn update(cx: &mut Context<'_>, id: u64, draft: Draft) {
    let Some(before) = cx.account.tasks.get(id).cloned() else {
        return;
    };
    let mut blank = before.clone();
    blank.updated_at = cx.now().max(before.updated_at);
    blank.updated_by = cx.user_id();
    let after = fill(cx.account, blank, draft);
    tell_webhooks(cx, &before, &after);
    tell_feed(cx, &before, &after);
    cx.account.put_task(after);
}

fn fill(account: &mut Account, mut task: Task, draft: Draft) -> Task {
    task.responsible_user_id = draft
        .responsible_user_id
        .unwrap_or(task.responsible_user_id);
    task.group_id = account
        .user(task.responsible_user_id)
        .map_or(0, |user| user.group_id);
    task.card = draft.card.or(task.card);
    task.is_completed = draft.is_completed.unwrap_or(task.is_completed);
    task.kind = draft.task_type_id.unwrap_or(task.kind);
    task.text = draft.text.unwrap_or(task.text);
    task.duration = draft.duration.unwrap_or(task.duration);
    task.complete_till = draft.complete_till.unwrap_or(task.complete_till);
    task.created_by = draft.created_by.unwrap_or(task.created_by);
    task.updated_by = draft.updated_by.unwrap_or(task.updated_by);
    task.created_at = draft.created_at.unwrap_or(task.created_at);
    task.updated_at = draft.updated_at.unwrap_or(task.updated_at);
    if let Some(text) = draft.result
        && task
            .result
            .as_ref()
            .is_none_or(|result| result.text != text)
    {
        let note_id = Counters::take(&mut account.counters.note);
        task.result = Some(TaskResult { note_id, text });
    }
    task
}

fn tell_webhooks(cx: &mut Context<'_>, before: &Task, after: &Task) {
    let updated = TaskChange::Updated {
        closes: !before.is_completed && after.is_completed,
        old_text: before.text.clone(),
        has_result: before.result != after.result,
    };
    cx.tell(WorldEvent::task(cx.account, after, &updated));
    if before.responsible_user_id != after.responsible_user_id {
        let handed = TaskChange::Handed {
            old_user_id: before.responsible_user_id,
        };
        cx.tell(WorldEvent::task(cx.account, after, &handed));
    }
}

fn tell_feed(cx: &mut Context<'_>, before: &Task, after: &Task) {
    let changed = |kind: &'static str, old: Fact, new: Fact| {
        (old != new).then(|| {
            Happening::new(kind, Subject::Task(after.id))
                .before([old])
                .after([new])
        })
    };
    let text = |task: &Task| Fact::TaskText(task.text.clone());
    let deadline = |task: &Task| Fact::TaskDeadline(task.complete_till);
    let kind = |task: &Task| Fact::TaskType(task.kind);
    let user = |task: &Task| Fact::ResponsibleUser(task.responsible_user_id);
    let happenings = [
        changed("task_text_changed", text(before), text(after)),
        changed("task_deadline_changed", deadline(before), deadline(after)),
        changed("task_type_changed", kind(before), kind(after)),
        changed("entity_responsible_changed", user(before), user(after)),
        (!before.is_completed && after.is_completed)
            .then(|| Happening::new("task_completed", Subject::Task(after.id))),
        after
            .result
            .as_ref()
            .filter(|_| before.result != after.result)
            .map(|result| {
                Happening::new("task_result_added", Subject::Task(after.id))
                    .after([Fact::Note(result.note_id)])
            }),
    ];
    for happening in happenings.into_iter().flatten() {
        cx.record(happening);
    }
}
