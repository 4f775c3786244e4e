//! The three calls of the token service.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

use super::{Credentials, TokenPair};
use crate::client::Clock;
use crate::de;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::layer::{Deadline, HttpRequest, HttpService, own_error};
use crate::request::{Operation, Request};

/// Life of an access token when the answer does not say it: every documented sample has a day.
const DEFAULT_LIFE: i64 = 86_400;

const TOKEN_PATH: &str = "/oauth2/access_token";

/// The token service over the wire part of the stack: every call pays for its permit.
#[derive(Debug, Clone)]
pub(super) struct TokenEndpoint {
    pub(super) wire: HttpService,
    pub(super) credentials: Arc<Credentials>,
    pub(super) clock: Clock,
}

#[derive(Serialize)]
struct TokenRequest<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    grant_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    redirect_uri: &'a str,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    #[serde(default)]
    refresh_token: Option<SecretString>,
    #[serde(default, deserialize_with = "de::opt_number")]
    expires_in: Option<i64>,
}

#[derive(Deserialize)]
struct DomainAnswer {
    domain: String,
}

impl TokenEndpoint {
    /// `grant_type=authorization_code`.
    pub(super) async fn exchange_code(
        &self,
        code: &SecretString,
        timeout: Duration,
    ) -> Result<TokenPair> {
        let mut body = self.body("authorization_code");
        body.code = Some(code.expose_secret());
        self.grant(Operation::once("oauth.exchange_code"), &body, timeout)
            .await
    }

    /// `grant_type=refresh_token`.
    pub(super) async fn refresh(
        &self,
        token: &SecretString,
        timeout: Duration,
    ) -> Result<TokenPair> {
        let mut body = self.body("refresh_token");
        body.refresh_token = Some(token.expose_secret());
        self.grant(Operation::once("oauth.renew"), &body, timeout)
            .await
    }

    fn body(&self, grant_type: &'static str) -> TokenRequest<'_> {
        TokenRequest {
            client_id: &self.credentials.client_id,
            client_secret: self.credentials.client_secret.expose_secret(),
            grant_type,
            code: None,
            refresh_token: None,
            redirect_uri: &self.credentials.redirect_uri,
        }
    }

    async fn grant(
        &self,
        operation: Operation,
        body: &TokenRequest<'_>,
        timeout: Duration,
    ) -> Result<TokenPair> {
        let asked_at = self.clock.now();
        let request = Request::post(operation, TOKEN_PATH)
            .json(body)?
            .into_http()?;
        let mut answer: TokenAnswer = self.call(operation, request, timeout).await?;
        if answer.access_token.expose_secret().is_empty() {
            return Err(unreadable(operation.name));
        }
        // An answer without a refresh token leaves the old one in force (RFC 6749, section 6).
        answer.refresh_token = answer
            .refresh_token
            .filter(|token| !token.expose_secret().is_empty())
            .or_else(|| body.refresh_token.map(SecretString::from));
        Ok(pair(answer, asked_at))
    }

    /// The account's current host, asked by refresh token: `api_domain` is a claim of newer access tokens, older ones
    /// ask the account's last known host.
    ///
    /// Source: the vendor's PHP client, `getAccountDomainByRefreshToken`.
    pub(super) async fn current_domain(
        &self,
        refresh: &SecretString,
        api_domain: Option<&str>,
        timeout: Duration,
    ) -> Result<String> {
        const PATH: &str = "/oauth2/account/current/subdomain";
        let operation = Operation::idempotent("oauth.domain");
        let mut request = Request::get(operation, PATH).into_http()?;
        if let Some(host) = api_domain
            && let Ok(uri) = format!("https://{host}{PATH}").parse()
        {
            *request.uri_mut() = uri;
        }
        let mut token = HeaderValue::from_str(refresh.expose_secret()).map_err(|_| {
            Error::invalid_input("the refresh token holds characters that no HTTP header may hold")
        })?;
        token.set_sensitive(true);
        request.headers_mut().insert("x-refresh-token", token);
        let answer: DomainAnswer = self.call(operation, request, timeout).await?;
        Ok(answer.domain)
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        operation: Operation,
        mut request: HttpRequest,
        timeout: Duration,
    ) -> Result<T> {
        request
            .extensions_mut()
            .insert(Deadline(crate::layer::from_now(timeout)));
        let name = operation.name;
        let answer = tokio::time::timeout(timeout, self.wire.clone().oneshot(request))
            .await
            .map_err(|_| {
                Error::new(
                    ErrorKind::Timeout,
                    Delivery::Unknown,
                    "the token service did not answer in time",
                )
                .with_operation(name)
            })?
            .map_err(|error| own_error(error).with_operation(name))?;
        if !answer.status().is_success() {
            return Err(
                Error::from_answer(answer.status(), answer.headers(), answer.body())
                    .with_operation(name),
            );
        }
        // The parser's message would repeat what it could not read, and that may be a token.
        serde_json::from_slice(answer.body()).map_err(|_| unreadable(name))
    }
}

fn unreadable(operation: &'static str) -> Error {
    Error::new(
        ErrorKind::Decode,
        Delivery::Unknown,
        "the token service's answer could not be read",
    )
    .with_operation(operation)
}

fn pair(answer: TokenAnswer, asked_at: DateTime<Utc>) -> TokenPair {
    let life = answer
        .expires_in
        .filter(|seconds| *seconds > 0)
        .unwrap_or(DEFAULT_LIFE);
    let life = TimeDelta::try_seconds(life).unwrap_or(TimeDelta::MAX);
    let expires_at = asked_at
        .checked_add_signed(life)
        .unwrap_or(DateTime::<Utc>::MAX_UTC);
    TokenPair::new(
        answer.access_token,
        answer.refresh_token,
        asked_at,
        expires_at,
    )
}
