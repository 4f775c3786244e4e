//! `GET /api/v4/leads/loss_reasons`.

use serde_json::{Value, json};

use super::call::Context;
use crate::{
    hal::{Answer, Reply, collection, self_link},
    world::LossReason,
};

/// All loss reasons.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
pub(crate) fn list(cx: &mut Context<'_>) -> Answer {
    let reasons: Vec<Value> = cx
        .account
        .loss_reasons
        .iter()
        .map(|reason| render(cx, reason))
        .collect();
    if reasons.is_empty() {
        return Ok(Reply::no_content());
    }
    Ok(Reply::ok(collection(&cx.url(), "loss_reasons", &reasons)))
}

/// One loss reason.
pub(crate) fn show(cx: &mut Context<'_>) -> Answer {
    let id = cx.id("id")?;
    let reason = cx
        .account
        .loss_reasons
        .iter()
        .find(|reason| reason.id == id);
    Ok(reason.map_or_else(Reply::no_content, |reason| Reply::ok(render(cx, reason))))
}

/// A loss reason as amoCRM answers it.
pub(crate) fn render(cx: &Context<'_>, reason: &LossReason) -> Value {
    json!({
        "id": reason.id,
        "name": reason.name,
        "sort": reason.sort,
        "created_at": reason.created_at,
        "updated_at": reason.updated_at,
        "_links": self_link(&cx.api(&format!("leads/loss_reasons/{}", reason.id))),
    })
}
