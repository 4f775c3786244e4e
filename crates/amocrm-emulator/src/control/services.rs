//! What tests say about the services around the cards: widgets and bots that are there, bots that were started.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::handlers::{Answer, Mistake};
use super::input::Input;
use crate::app::App;
use crate::world::Account;

/// Runs something on the account with this number, or on the first one.
pub(super) fn on_account<T>(
    app: &App,
    account_id: Option<u64>,
    work: impl FnOnce(&mut Account) -> T,
) -> Result<T, Mistake> {
    app.with_world(|world| {
        let mut accounts = world.accounts.iter_mut();
        let account = accounts.find(|account| account_id.is_none_or(|id| id == account.id));
        account.map(work)
    })
    .ok_or_else(|| Mistake::new("account_id: no such account"))
}

/// One more widget to be installed.
pub(super) async fn add_widget(State(app): State<App>, input: Input) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct AddWidget {
        code: String,
        #[serde(default)]
        account_id: Option<u64>,
        #[serde(default)]
        client_id: Option<String>,
    }
    let AddWidget {
        code,
        account_id,
        client_id,
    } = input.read()?;
    let id = on_account(&app, account_id, |account| {
        let mut widgets = account.services.bots.widgets.iter();
        if widgets.any(|widget| widget.code == code) {
            return Err(Mistake::new("code: another widget has it"));
        }
        let first = account.integrations.first().map(|it| it.client_id.clone());
        Ok(account.add_widget(&code, client_id.or(first).unwrap_or_default()))
    })??;
    app.mark_changed();
    Ok((StatusCode::CREATED, Json(json!({"id": id, "code": code}))).into_response())
}

/// One more bot; `waits` makes it ask a widget.
pub(super) async fn add_bot(State(app): State<App>, input: Input) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct AddBot {
        name: String,
        #[serde(default)]
        account_id: Option<u64>,
        #[serde(default)]
        type_functionality: Option<String>,
        #[serde(default)]
        waits: bool,
    }
    let bot: AddBot = input.read()?;
    let kind = bot.type_functionality.as_deref().unwrap_or("regular");
    if !["regular", "greeting", "marketing", "nps"].contains(&kind) {
        return Err(Mistake::new(
            "type_functionality: expected regular, greeting, marketing or nps",
        ));
    }
    let id = on_account(&app, bot.account_id, |account| {
        account.add_bot(&bot.name, kind, bot.waits)
    })?;
    app.mark_changed();
    Ok((StatusCode::CREATED, Json(json!({"id": id}))).into_response())
}

/// Every start of a bot, oldest first.
pub(super) async fn bot_runs(State(app): State<App>) -> Response {
    let runs: Vec<Value> = app.with_world(|world| {
        let accounts = world.accounts.iter();
        let runs = accounts.flat_map(|account| {
            let runs = account.services.bots.runs.iter();
            runs.map(|run| {
                json!({
                    "id": run.id,
                    "account_id": account.id,
                    "bot_id": run.bot_id,
                    "entity_type": run.entity,
                    "entity_id": run.entity_id,
                    "state": run.state,
                    "started_at": run.started_at,
                    "execute_handlers": run.handlers,
                })
            })
        });
        runs.collect()
    });
    Json(json!({"runs": runs})).into_response()
}
