//! Why the token endpoint says no. The `hint` is the only member that differs.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use crate::answer;

/// A refused token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    CodeExpired { status: u16 },
    CodeRevoked,
    UnknownCode,
    ClientId,
    ClientSecret,
    RedirectUri,
    InvalidAccount,
    TokenRevoked,
    UnknownRefresh { status: u16 },
    RefreshExpired,
    NotLinkedToClient,
    GrantType,
    MissingParameter(&'static str),
}

impl Refusal {
    fn hint(self) -> String {
        match self {
            Self::CodeExpired { .. } => "Authorization code has expired".to_owned(),
            Self::CodeRevoked => "Authorization code has been revoked".to_owned(),
            Self::UnknownCode => "Cannot decrypt the authorization code".to_owned(),
            Self::ClientId => "Check the `client_id` parameter".to_owned(),
            Self::ClientSecret => "Check the `client_secret` parameter".to_owned(),
            Self::RedirectUri => "Redirect URI is not associated with client".to_owned(),
            Self::InvalidAccount => "Invalid account".to_owned(),
            Self::TokenRevoked => "Token has been revoked".to_owned(),
            Self::UnknownRefresh { status: 400 } => "Invalid refresh token".to_owned(),
            Self::UnknownRefresh { .. } => "Cannot decrypt the refresh token".to_owned(),
            Self::RefreshExpired => "Token has expired".to_owned(),
            Self::NotLinkedToClient => "Token is not linked to client".to_owned(),
            Self::GrantType => "Check that all required parameters have been provided".to_owned(),
            Self::MissingParameter(name) => format!("Check the `{name}` parameter"),
        }
    }

    fn status(self) -> StatusCode {
        let status = match self {
            Self::CodeExpired { status } | Self::UnknownRefresh { status } => status,
            Self::TokenRevoked | Self::RefreshExpired | Self::NotLinkedToClient => 401,
            _ => 400,
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
    }

    /// The answer; `title` and `detail` come in the language of the account's site.
    pub(crate) fn into_response(self, is_russian: bool) -> Response {
        let (title, detail) = if is_russian {
            (
                "Некорректный запрос",
                "В запросе отсутствует ряд параметров или параметры невалидны",
            )
        } else {
            (
                "Bad request",
                "The request is missing a number of parameters or the parameters are invalid",
            )
        };
        let status = self.status();
        let body = json!({
            "hint": self.hint(),
            "title": title,
            "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson",
            "status": status.as_u16(),
            "detail": detail,
        });
        answer::problem_body(status, &body)
    }
}
