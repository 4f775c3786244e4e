//! `POST /oauth2/access_token`: codes and refresh tokens become token pairs.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::app::App;
use crate::hosts::{Site, Target, base_domain};
use crate::oauth::Registration;
use crate::oauth::refusal::Refusal;
use crate::oauth::state::IssuedPair;
use crate::world::World;

/// A token request, from JSON or from a form: the vendor's own package has sent both.
#[derive(Default)]
pub(crate) struct TokenRequest {
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) grant_type: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) redirect_uri: Option<String>,
}

impl TokenRequest {
    /// Reads what can be read; what is absent or no text is refused later, by name.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut request = Self::default();
        if let Ok(Value::Object(members)) = serde_json::from_slice(body) {
            for (name, value) in members {
                if let Value::String(text) = value {
                    request.set(&name, text);
                }
            }
        } else {
            for (name, value) in form_urlencoded::parse(body) {
                request.set(&name, value.into_owned());
            }
        }
        request
    }

    fn set(&mut self, name: &str, value: String) {
        let field = match name {
            "client_id" => &mut self.client_id,
            "client_secret" => &mut self.client_secret,
            "grant_type" => &mut self.grant_type,
            "code" => &mut self.code,
            "refresh_token" => &mut self.refresh_token,
            "redirect_uri" => &mut self.redirect_uri,
            _ => return,
        };
        *field = Some(value);
    }
}

pub(crate) async fn exchange(
    State(app): State<App>,
    Extension(site): Extension<Site>,
    body: Bytes,
) -> Response {
    let request = TokenRequest::parse(&body);
    let now = app.clock().now();
    let issued = app.with_world(|world| {
        let client = request.client_id.as_deref().unwrap_or_default();
        let is_russian = account_of_client(world, client).is_none_or(|(tld, _)| tld == "ru");
        grant(&app, &site, &request, world, now)
            .map(|issued| (issued, is_russian))
            .map_err(|refusal| (refusal, is_russian))
    });
    app.mark_changed();
    match issued {
        Ok((issued, is_russian)) => {
            tracing::info!(token.id = %issued.token_id, "a token pair was issued");
            let mut body = json!({
                "token_type": "Bearer",
                "expires_in": issued.expires_in,
                "access_token": issued.access_token,
                "refresh_token": issued.refresh_token,
            });
            // Only Kommo's reference lists this member.
            if !is_russian {
                body["server_time"] = json!(now);
            }
            axum::Json(body).into_response()
        }
        Err((refusal, is_russian)) => {
            tracing::info!(reason = ?refusal, "a token request was refused");
            refusal.into_response(is_russian)
        }
    }
}

fn grant(
    app: &App,
    site: &Site,
    request: &TokenRequest,
    world: &mut World,
    now: i64,
) -> Result<IssuedPair, Refusal> {
    let client_id = request.client_id.as_deref().ok_or(Refusal::ClientId)?;
    let integrations = || {
        world
            .accounts
            .iter()
            .flat_map(|account| &account.integrations)
    };
    let integration = integrations()
        .find(|integration| integration.client_id == client_id)
        .ok_or(Refusal::ClientId)?;
    if request.client_secret.as_deref() != Some(&*integration.client_secret) {
        return Err(Refusal::ClientSecret);
    }
    let grant_type = request.grant_type.as_deref().ok_or(Refusal::GrantType)?;
    if !request
        .redirect_uri
        .as_deref()
        .is_some_and(|uri| Registration::of(app.config()).allows(integration, uri))
    {
        return Err(Refusal::RedirectUri);
    }
    if matches!(site.target, Target::Www | Target::SharedApi) {
        return Err(Refusal::InvalidAccount);
    }
    let domains: Vec<(u64, &'static str)> = world
        .accounts
        .iter()
        .map(|account| (account.id, base_domain(&account.tld)))
        .collect();
    let domain = |id: u64| {
        let known = domains.iter().find(|(account, _)| *account == id);
        known.map_or("amocrm.ru", |(_, domain)| domain).to_owned()
    };
    let rules = app.oauth_rules();
    match grant_type {
        "authorization_code" => {
            let code = request
                .code
                .as_deref()
                .ok_or(Refusal::MissingParameter("code"))?;
            world
                .oauth
                .exchange_code(code, client_id, site.account_id(), now, &rules, domain)
        }
        "refresh_token" => {
            let token = request
                .refresh_token
                .as_deref()
                .ok_or(Refusal::MissingParameter("refresh_token"))?;
            world
                .oauth
                .refresh(token, client_id, site.account_id(), now, &rules, domain)
        }
        _ => Err(Refusal::GrantType),
    }
}

fn account_of_client<'a>(world: &'a World, client_id: &str) -> Option<(&'a str, u64)> {
    let owns = |account: &&crate::world::Account| {
        account
            .integrations
            .iter()
            .any(|it| it.client_id == client_id)
    };
    world
        .accounts
        .iter()
        .find(owns)
        .map(|account| (account.tld.as_str(), account.id))
}
