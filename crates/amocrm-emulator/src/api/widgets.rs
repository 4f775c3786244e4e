//! `/api/v4/widgets`: what can be installed in the account.
//!
//! Every widget asks for a login and a password, and takes a list of users. Which widgets there are is said by the control API.
//!
//! <https://www.amocrm.ru/developers/content/crm_platform/widgets-api>

use axum::{Router, routing::get};
use serde_json::{Map, Value, json};

use super::{
    call::{Context, on},
    reader::Reader,
};
use crate::{
    app::App,
    hal::{Answer, Reply, counted_page, self_link},
    problem::{Problem, Violations},
    world::services::Widget,
};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/api/v4/widgets", get(on(list))).route(
        "/api/v4/widgets/{code}",
        get(on(show)).post(on(install)).delete(on(uninstall)),
    )
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
fn list(cx: &mut Context<'_>) -> Answer {
    let widgets = cx.account.services.bots.widgets.iter();
    let items = widgets.map(|widget| render(cx, widget)).collect();
    Ok(counted_page(&cx.url(), cx.query(), "widgets", items))
}

fn show(cx: &mut Context<'_>) -> Answer {
    let widget = &cx.account.services.bots.widgets[position(cx)?];
    Ok(Reply::ok(render(cx, widget)))
}

/// Installs a widget, or changes the settings of one that is installed.
fn install(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let (position, object) = (position(cx)?, cx.object()?);
    let (item, mut out) = (Reader::new(&object), Violations::default());
    item.only(&["login", "password", "users"], &mut out);
    item.required_string("login", &mut out);
    item.required_string("password", &mut out);
    item.child("users", &mut out);
    if !out.is_empty() {
        return Err(Problem::invalid(out));
    }
    cx.account.services.bots.widgets[position].settings = Some(object);
    show(cx)
}

fn uninstall(cx: &mut Context<'_>) -> Answer {
    cx.admin()?;
    let position = position(cx)?;
    cx.account.services.bots.widgets[position].settings = None;
    Ok(Reply::no_content())
}

fn position(cx: &Context<'_>) -> Result<usize, Problem> {
    let code = cx.param("code");
    let mut widgets = cx.account.services.bots.widgets.iter();
    widgets
        .position(|widget| widget.code == code)
        .ok_or_else(|| Problem::not_found("Widget not found"))
}

fn render(cx: &Context<'_>, widget: &Widget) -> Value {
    let template = |key: &str, kind: &str, is_required: bool| json!({"key": key, "name": key, "type": kind, "is_required": is_required});
    let mut document = Map::new();
    document.insert("id".into(), widget.id.into());
    document.insert("code".into(), widget.code.as_str().into());
    document.insert("version".into(), "1.0.0".into());
    // With a comma, as the vendor's samples have it.
    document.insert("rating".into(), "4,7".into());
    document.insert(
        "settings_template".into(),
        json!([
            template("login", "text", true),
            template("password", "pass", true),
            template("users", "users", false),
        ]),
    );
    document.insert("is_lead_source".into(), true.into());
    document.insert("is_work_with_dp".into(), false.into());
    document.insert("is_crm_template".into(), false.into());
    document.insert("client_uuid".into(), widget.client_id.as_str().into());
    document.insert(
        "is_active_in_account".into(),
        widget.settings.is_some().into(),
    );
    document.insert("pipeline_id".into(), Value::Null);
    // Passwords are for the integration they belong to.
    if cx.client_id() == widget.client_id {
        let settings = widget.settings.clone().unwrap_or_default();
        document.insert("settings".into(), settings.into());
    }
    let link = self_link(&cx.api(&format!("widgets/{}", widget.code)));
    document.insert("_links".into(), link);
    document.into()
}
