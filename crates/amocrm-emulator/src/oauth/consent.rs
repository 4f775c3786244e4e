//! The consent page: what an administrator sees after pressing "connect", and the redirect back to the integration.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use url::Url;

use crate::answer::{self, escape};
use crate::app::App;
use crate::hosts::{Site, account_domain};
use crate::oauth::state::Grant;
use crate::oauth::{Registration, all_scopes, external};
use crate::world::{Account, World};

/// The parameters of the page, whether they come by query (GET) or as hidden fields of its form (POST). Unknown ones are ignored:
/// generic OAuth packages append `response_type`, `scope` and others.
#[derive(Debug, Default, Clone)]
pub(crate) struct ConsentRequest {
    pub(crate) client_id: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) secrets_uri: Option<String>,
    pub(crate) scopes: Vec<String>,
    account: Option<u64>,
    user: Option<u64>,
    action: Option<String>,
}

impl ConsentRequest {
    /// Reads the query and the form, which wins.
    fn parse(query: Option<&str>, form: &[u8]) -> Self {
        let mut request = Self::default();
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        for (name, value) in query.chain(form_urlencoded::parse(form)) {
            let value = value.into_owned();
            match &*name {
                "client_id" => request.client_id = Some(value),
                "state" => request.state = Some(value),
                "mode" => request.mode = Some(value),
                "redirect_uri" => request.redirect_uri = Some(value),
                "name" => request.name = Some(value),
                "secrets_uri" => request.secrets_uri = Some(value),
                "account" => request.account = value.parse().ok(),
                "user" => request.user = value.parse().ok(),
                "action" => request.action = Some(value),
                name if name.starts_with("scopes[") && !request.scopes.contains(&value) => {
                    request.scopes.push(value);
                }
                _ => {}
            }
        }
        request
    }

    /// The site button's second mode: no client id, but everything needed to make an integration.
    fn is_external(&self) -> bool {
        self.client_id.is_none()
            && self.name.is_some()
            && self.redirect_uri.is_some()
            && self.secrets_uri.is_some()
    }

    fn hidden_fields(&self) -> String {
        let single = [
            ("client_id", &self.client_id),
            ("state", &self.state),
            ("mode", &self.mode),
            ("redirect_uri", &self.redirect_uri),
            ("name", &self.name),
            ("secrets_uri", &self.secrets_uri),
        ];
        let single = single
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let scopes = self.scopes.iter().map(|scope| ("scopes[]", scope.as_str()));
        let field = |(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n",
                escape(value)
            )
        };
        single.chain(scopes).map(field).collect()
    }
}

/// `GET /oauth`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    RawQuery(query): RawQuery,
) -> Response {
    let request = ConsentRequest::parse(query.as_deref(), &[]);
    app.with_world(|world| {
        let name = if request.is_external() {
            request.name.clone()
        } else {
            find_integration(world, &request)
                .map(|(_, index, account)| account.integrations[index].name.clone())
        };
        let Some(name) = name else {
            return unknown_client();
        };
        answer::html(
            StatusCode::OK,
            page(&name, &request, &offered_accounts(&site, world)),
        )
    })
}

/// `POST /oauth`: the person pressed a button.
pub(crate) async fn decide(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let mut request = ConsentRequest::parse(query.as_deref(), &body);
    let is_allowed = match request.action.as_deref() {
        // A form that is sent without a button is sent with the first one.
        Some("allow") | None => true,
        Some("deny") => false,
        _ => {
            return answer::problem(
                StatusCode::BAD_REQUEST,
                "action: expected \"allow\" or \"deny\"",
            );
        }
    };
    if request.is_external() && is_allowed {
        match external::create_integration(&app, site.account_id().or(request.account), &request)
            .await
        {
            Ok(client_id) => request.client_id = Some(client_id),
            Err(response) => return response,
        }
    } else if request.is_external() {
        return refused(&request, None);
    }
    let now = app.clock().now();
    let response = app.with_world(|world| {
        if !is_allowed {
            return refused(&request, redirect_uri(&app, world, &request));
        }
        let Some((client_id, _, _)) = find_integration(world, &request) else {
            return unknown_client();
        };
        let Some(redirect) = redirect_uri(&app, world, &request) else {
            return unknown_client();
        };
        let chosen = site.account_id().or(request.account);
        let account = match chosen {
            Some(id) => world.accounts.iter().find(|account| account.id == id),
            None => world.accounts.first(),
        };
        let Some(account) = account else {
            return answer::problem(StatusCode::BAD_REQUEST, "account: no such account");
        };
        let user = match request.user {
            Some(id) => account.user(id),
            None => account
                .users
                .iter()
                .find(|user| user.is_admin)
                .or(account.users.first()),
        };
        let Some(user) = user.filter(|user| user.is_active) else {
            return answer::problem(StatusCode::BAD_REQUEST, "user: no such active user");
        };
        let admins: Vec<u64> = account
            .users
            .iter()
            .filter(|user| user.is_admin)
            .map(|user| user.id)
            .collect();
        if !user.is_admin && !world.oauth.is_granted_by(account.id, &client_id, &admins) {
            return answer::html(
                StatusCode::FORBIDDEN,
                "Установить интеграцию может только администратор.\n",
            );
        }
        let (account_id, user_id, platform, referer) = (
            account.id,
            user.id,
            platform(account),
            account_domain(account),
        );
        let grant = Grant {
            account_id,
            user_id,
            client_id: client_id.clone(),
            scopes: all_scopes(),
            revoked: false,
        };
        let code = world.oauth.issue_code(grant, now);
        let mut query = vec![("code", code.as_str())];
        query.extend(request.state.as_deref().map(|state| ("state", state)));
        query.extend([
            ("referer", &*referer),
            ("platform", platform),
            ("client_id", &client_id),
        ]);
        send_back(&request, &redirect, &query)
    });
    app.mark_changed();
    response
}

/// `1` was seen from amocrm.ru, `2` from Kommo.
pub(crate) fn platform(account: &Account) -> &'static str {
    if account.tld == "ru" { "1" } else { "2" }
}

/// Adds parameters to a redirect URI that may have a query already.
pub(crate) fn with_query(uri: &str, query: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(uri).ok()?;
    url.query_pairs_mut().extend_pairs(query);
    Some(url.into())
}

fn refused(request: &ConsentRequest, registered: Option<String>) -> Response {
    let Some(redirect) = registered.or(request.redirect_uri.clone()) else {
        return unknown_client();
    };
    let mut query = vec![("error", "access_denied")];
    query.extend(request.client_id.as_deref().map(|id| ("client_id", id)));
    query.extend(request.state.as_deref().map(|state| ("state", state)));
    send_back(request, &redirect, &query)
}

/// Redirects inside the window, or (`mode=popup`) closes it and moves the window that opened it.
fn send_back(request: &ConsentRequest, redirect: &str, query: &[(&str, &str)]) -> Response {
    let Some(target) = with_query(redirect, query) else {
        return answer::problem(
            StatusCode::BAD_REQUEST,
            "the registered redirect URI is not a URL",
        );
    };
    let Ok(location) = HeaderValue::from_str(&target) else {
        return answer::problem(
            StatusCode::BAD_REQUEST,
            "the registered redirect URI does not fit into a header",
        );
    };
    if request.mode.as_deref() != Some("popup") {
        return (StatusCode::FOUND, [(LOCATION, location)]).into_response();
    }
    let script = serde_json::to_string(&target)
        .unwrap_or_default()
        .replace('<', "\\u003c");
    let page = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><title>amoCRM</title>\n<script>\nconst target = {script};\n\
         if (window.opener) {{ window.opener.location = target; window.close(); }} else {{ window.location = target; }}\n\
         </script>\n<p><a href=\"{}\">Продолжить / Continue</a></p>\n",
        escape(&target)
    );
    let mut response = answer::html(StatusCode::OK, page);
    // The header tells programs without a window where the browser would go.
    response.headers_mut().insert(LOCATION, location);
    response
}

fn find_integration<'a>(
    world: &'a World,
    request: &ConsentRequest,
) -> Option<(String, usize, &'a Account)> {
    let client_id = request.client_id.as_deref()?;
    world.accounts.iter().find_map(|account| {
        let index = account
            .integrations
            .iter()
            .position(|integration| integration.client_id == client_id)?;
        Some((client_id.to_owned(), index, account))
    })
}

/// The registered redirect URI; of several registered ones the one the request names.
fn redirect_uri(app: &App, world: &World, request: &ConsentRequest) -> Option<String> {
    let (_, index, account) = find_integration(world, request)?;
    let integration = &account.integrations[index];
    let named = request.redirect_uri.as_deref();
    let named = named.filter(|uri| Registration::of(app.config()).allows(integration, uri));
    Some(named.unwrap_or(&integration.redirect_uri).to_owned())
}

fn offered_accounts<'a>(site: &Site, world: &'a World) -> Vec<&'a Account> {
    let chosen = site.account_id();
    world
        .accounts
        .iter()
        .filter(|account| chosen.is_none_or(|id| id == account.id))
        .collect()
}

fn unknown_client() -> Response {
    answer::html(
        StatusCode::BAD_REQUEST,
        "<!DOCTYPE html><meta charset=\"utf-8\"><title>amoCRM</title>\n\
         <p>Интеграция не найдена. / There is no integration with this client_id.</p>\n",
    )
}

fn page(name: &str, request: &ConsentRequest, accounts: &[&Account]) -> String {
    let option = |value: u64, text: String| {
        format!("<option value=\"{value}\">{}</option>\n", escape(&text))
    };
    let account_options: String = accounts
        .iter()
        .map(|account| option(account.id, account_domain(account)))
        .collect();
    let first_users = accounts
        .first()
        .map(|account| account.users.as_slice())
        .unwrap_or_default();
    let user_options: String = first_users
        .iter()
        .filter(|user| user.is_active)
        .map(|user| {
            option(
                user.id,
                format!(
                    "{}{}",
                    user.name,
                    if user.is_admin { " (admin)" } else { "" }
                ),
            )
        })
        .collect();
    // With several accounts the list of users would have to follow the choice; then the first administrator consents.
    let user_field = if accounts.len() == 1 {
        format!("<label>Пользователь / User <select name=\"user\">{user_options}</select></label>")
    } else {
        String::new()
    };
    format!(
        r#"<!DOCTYPE html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>amoCRM (emulator): доступ / access</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; background: #f5f5f5; color: #222; margin: 0; }}
main {{ max-width: 30rem; margin: 10vh auto; padding: 2rem; background: #fff; border-radius: .5rem; }}
label {{ display: block; margin: 1rem 0; }}
select {{ font: inherit; width: 100%; padding: .4rem; }}
button {{ font: inherit; padding: .6rem 1.4rem; border: 0; border-radius: .3rem; cursor: pointer; }}
.allow {{ background: #1363b0; color: #fff; }}
small {{ color: #555; }}
</style>
</head>
<body>
<main>
<h1>{name}</h1>
<p>Интеграция просит доступ к данным вашего аккаунта.<br>
<small>The integration asks for access to the data of your account.</small></p>
<form method="post">
{hidden}<label>Аккаунт / Account <select name="account">{account_options}</select></label>
{user_field}
<p><button class="allow" name="action" value="allow">Разрешить / Allow</button>
<button name="action" value="deny">Отказать / Deny</button></p>
</form>
</main>
</body>
</html>
"#,
        name = escape(name),
        hidden = request.hidden_fields(),
    )
}
