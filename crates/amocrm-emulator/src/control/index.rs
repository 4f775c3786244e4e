//! The page a person sees who opens the emulator's address in a browser.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::answer::{escape, html};
use crate::app::App;
use crate::hosts::account_domain;

pub(super) async fn show(State(app): State<App>) -> Response {
    let accounts: String = app.with_world(|world| {
        let integrations = world
            .accounts
            .iter()
            .flat_map(|account| account.integrations.iter().map(move |it| (account, it)));
        let item = |(account, it): (&crate::world::Account, &crate::world::Integration)| {
            format!(
                "<li>{} ({}): <a href=\"/oauth?client_id={id}&amp;state=demo\">{}</a> <code>{id}</code></li>\n",
                escape(&account.name),
                escape(&account_domain(account)),
                escape(&it.name),
                id = escape(&it.client_id),
            )
        };
        integrations.map(item).collect()
    });
    html(
        StatusCode::OK,
        format!(
            r#"<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>amoCRM emulator</title></head>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 45rem; margin: 3rem auto; padding: 0 1rem">
<h1>amoCRM emulator</h1>
<p>An amoCRM on localhost. The API is under <code>/api/v4</code> and wants a bearer token.</p>
<h2>Accounts and their integrations</h2>
<ul>
{accounts}</ul>
<h2>Control API</h2>
<ul>
<li><a href="/_emulator/requests">requests</a>: the journal</li>
<li><a href="/_emulator/webhooks">webhooks</a>: attempts to deliver them</li>
<li><a href="/_emulator/faults">faults</a>, <a href="/_emulator/limits">limits</a>,
<a href="/_emulator/oauth">oauth</a>, <a href="/_emulator/clock">clock</a></li>
</ul>
</body>
</html>
"#
        ),
    )
}
