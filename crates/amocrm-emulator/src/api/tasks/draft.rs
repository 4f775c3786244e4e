//! What a write request asks of a task, checked against the account but not yet applied.

use crate::{
    api::{call::Context, reader::Reader},
    problem::{Problem, Violations},
    world::{EntityType, Task},
};

/// The type of a task that names none.
const FOLLOW_UP: u64 = 1;

/// What may stand in a task; anything else is complained about.
const KEYS: [&str; 14] = [
    "id",
    "responsible_user_id",
    "entity_id",
    "entity_type",
    "is_completed",
    "task_type_id",
    "text",
    "duration",
    "complete_till",
    "result",
    "created_by",
    "updated_by",
    "created_at",
    "updated_at",
];

/// A checked write to one task. What is `None` stays as it is.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) responsible_user_id: Option<u64>,
    pub(super) card: Option<(EntityType, u64)>,
    pub(super) is_completed: Option<bool>,
    pub(super) task_type_id: Option<u64>,
    pub(super) text: Option<String>,
    pub(super) duration: Option<i64>,
    pub(super) complete_till: Option<i64>,
    pub(super) result: Option<String>,
    pub(super) created_by: Option<u64>,
    pub(super) updated_by: Option<u64>,
    pub(super) created_at: Option<i64>,
    pub(super) updated_at: Option<i64>,
}

/// Reads a task to create.
pub(super) fn read_new(
    cx: &Context<'_>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Result<Draft, Problem> {
    item.require("text", out);
    item.require("complete_till", out);
    let mut draft = read(cx, None, item, out)?;
    draft.task_type_id.get_or_insert(FOLLOW_UP);
    Ok(draft)
}

/// Reads a change of a task. The documentation wants text and deadline here, too, and completes tasks without.
pub(super) fn read_change(
    cx: &Context<'_>,
    task: &Task,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Result<Draft, Problem> {
    read(cx, Some(task), item, out)
}

fn read(
    cx: &Context<'_>,
    before: Option<&Task>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Result<Draft, Problem> {
    let mut allowed = KEYS.to_vec();
    allowed.push("request_id");
    item.only(&allowed, out);
    let result = item.child("result", out).and_then(|result| {
        result.only(&["text"], out);
        result.required_string("text", out).map(str::to_owned)
    });
    let task_type_id = item.id("task_type_id", out);
    let is_known = |id| cx.account.task_types.iter().any(|known| known.id == id);
    if task_type_id.is_some_and(|id| !is_known(id)) {
        out.choice(item.path("task_type_id"));
    }
    Ok(Draft {
        responsible_user_id: user(cx, item, "responsible_user_id", false, out),
        card: read_card(cx, before, item, out)?,
        is_completed: item.bool("is_completed", out),
        task_type_id,
        text: item.string("text", out).map(str::to_owned),
        duration: item.int("duration", out),
        complete_till: item.int("complete_till", out),
        result,
        created_by: user(cx, item, "created_by", true, out),
        updated_by: user(cx, item, "updated_by", true, out),
        created_at: item.int("created_at", out),
        updated_at: item.int("updated_at", out),
    })
}

/// The card: both halves, or the half that is not known yet.
fn read_card(
    cx: &Context<'_>,
    before: Option<&Task>,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Result<Option<(EntityType, u64)>, Problem> {
    let id = item.id("entity_id", out);
    let word = item.string("entity_type", out);
    if id.is_none() && word.is_none() {
        return Ok(None);
    }
    let known = before.and_then(|task| task.card);
    let entity = match word {
        Some(word) => {
            // Customers that are switched off are no cards.
            let entity = EntityType::parse(word).filter(|entity| {
                *entity != EntityType::Customers || cx.account.customers.mode.is_on()
            });
            if entity.is_none() {
                out.choice(item.path("entity_type"));
            }
            entity
        }
        None => known.map(|(entity, _)| entity),
    };
    if entity.is_none() && word.is_none() {
        out.missing(item.path("entity_type"));
    }
    let id = id.or(known.map(|(_, id)| id));
    if id.is_none() {
        out.missing(item.path("entity_id"));
    }
    let (Some(entity), Some(id)) = (entity, id) else {
        return Ok(None);
    };
    match cx.account.records(entity).get(id) {
        Some(record) if record.is_deleted => return Err(Problem::in_trash()),
        Some(_) => {}
        None => out.choice(item.path("entity_id")),
    }
    Ok(Some((entity, id)))
}

/// A user of the account; 0 is the robot, where a robot may be.
fn user(
    cx: &Context<'_>,
    item: &Reader<'_>,
    key: &str,
    allows_robot: bool,
    out: &mut Violations,
) -> Option<u64> {
    let id = item.id(key, out)?;
    if cx.account.user(id).is_none() && !(allows_robot && id == 0) {
        out.choice(item.path(key));
    }
    Some(id)
}
