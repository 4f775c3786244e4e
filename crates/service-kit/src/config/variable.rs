//! The names of the environment, and where each leads.

/// An environment variable and the setting it overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The variable: `SERVER_PORT`.
    pub name: &'static str,
    /// Other names read if the first is unset: `DB_URL` for `DATABASE_URL`.
    pub aliases: &'static [&'static str],
    /// The setting: `server.port`.
    pub key: &'static str,
    /// What a good value is, as the end of the sentence "expected …".
    pub expected: &'static str,
    /// A good value.
    pub example: &'static str,
    /// Whether the value must never be repeated.
    pub secret: bool,
}

impl Variable {
    /// A variable whose value may be shown.
    pub const fn plain(
        name: &'static str,
        key: &'static str,
        expected: &'static str,
        example: &'static str,
    ) -> Self {
        Self {
            name,
            aliases: &[],
            key,
            expected,
            example,
            secret: false,
        }
    }

    /// A variable whose value is never shown.
    pub const fn secret(
        name: &'static str,
        key: &'static str,
        expected: &'static str,
        example: &'static str,
    ) -> Self {
        Self {
            secret: true,
            ..Self::plain(name, key, expected, example)
        }
    }

    /// The same with other names.
    #[must_use]
    pub const fn or(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }
}

/// The variables of the common sections. Their names are fixed: scripts outside this repository rely on them.
pub const COMMON_VARIABLES: &[Variable] = &[
    Variable::plain(
        "SERVER_HOST",
        "server.host",
        "an IP address or host name to listen on",
        "127.0.0.1",
    ),
    Variable::plain(
        "SERVER_PORT",
        "server.port",
        "a port from 0 to 65535",
        "8000",
    ),
    Variable::plain(
        "PUBLIC_URL",
        "server.public_url",
        "an http or https address without a query",
        "https://crm.example.ru",
    ),
    Variable::plain(
        "FRONTEND_URL",
        "server.frontend_url",
        "one or more origins, separated by commas",
        "http://localhost:3000",
    ),
    Variable::plain(
        "TRUSTED_PROXIES",
        "server.trusted_proxies",
        "addresses or networks of your proxies, separated by commas, or none",
        "127.0.0.1, 172.16.0.0/12",
    ),
    Variable::plain(
        "SERVER_REQUEST_TIMEOUT_MS",
        "server.request_timeout_ms",
        "milliseconds from 1000 to 600000",
        "30000",
    ),
    Variable::plain(
        "SERVER_DRAIN_MS",
        "server.drain_ms",
        "milliseconds from 0 to 600000",
        "20000",
    ),
    // The password is part of the address, so the whole counts as a secret.
    Variable::secret(
        "DATABASE_URL",
        "database.url",
        "sqlite://path or postgres://user:password@host:port/name",
        "sqlite://var/lead-intake.db",
    )
    .or(&["DB_URL"]),
    Variable::plain(
        "AMOCRM_DOMAIN",
        "amocrm.domain",
        "the account's host name",
        "acme.amocrm.ru",
    )
    .or(&["AMOCRM_SUBDOMAIN"]),
    Variable::plain(
        "AMOCRM_CLIENT_ID",
        "amocrm.client_id",
        "the integration's id from its Keys tab",
        "11111111-2222-4333-8444-555555555555",
    ),
    Variable::secret(
        "AMOCRM_CLIENT_SECRET",
        "amocrm.client_secret",
        "the integration's secret key from its Keys tab",
        "(64 characters)",
    ),
    Variable::plain(
        "AMOCRM_REDIRECT_URI",
        "amocrm.redirect_uri",
        "the redirect address exactly as registered in the integration",
        "http://localhost:8000/api/auth/amo/callback",
    ),
    Variable::secret(
        "AMOCRM_ACCESS_TOKEN",
        "amocrm.access_token",
        "a long-lived token from the integration's Keys tab",
        "(a long string beginning with eyJ)",
    ),
    Variable::secret(
        "AMOCRM_REFRESH_TOKEN",
        "amocrm.refresh_token",
        "a refresh token of this integration",
        "(a long string beginning with def502)",
    ),
    // A proxy's address may hold a password.
    Variable::secret(
        "AMOCRM_PROXY",
        "amocrm.proxy",
        "an http or https address of a proxy",
        "http://127.0.0.1:3128",
    ),
    Variable::plain(
        "AMOCRM_BASE_URL",
        "amocrm.base_url",
        "an http or https address without a path or query",
        "http://127.0.0.1:8900",
    ),
    Variable::plain(
        "AMOCRM_INTEGRATION_RPS",
        "amocrm.integration_rps",
        "requests per second from 1 to 1000",
        "7",
    ),
    Variable::plain(
        "AMOCRM_ACCOUNT_RPS",
        "amocrm.account_rps",
        "requests per second from 1 to 1000, not below AMOCRM_INTEGRATION_RPS",
        "50",
    ),
    Variable::secret(
        "ENCRYPTION_KEY",
        "security.encryption_key",
        "32 bytes in Base64; while rotating, new:BASE64,old:BASE64",
        "(the output of: openssl rand -base64 32)",
    ),
    Variable::secret(
        "ADMIN_TOKEN",
        "security.admin_token",
        "at least 16 characters",
        "(the output of: openssl rand -hex 24)",
    ),
    Variable::secret(
        "OPERATOR_TOKEN",
        "security.operator_token",
        "at least 16 characters, beside ADMIN_TOKEN and different from the other tokens",
        "(the output of: openssl rand -hex 24)",
    ),
    Variable::secret(
        "VIEWER_TOKEN",
        "security.viewer_token",
        "at least 16 characters, beside ADMIN_TOKEN and different from the other tokens",
        "(the output of: openssl rand -hex 24)",
    ),
    Variable::plain("LOG_FORMAT", "log.format", "text or json", "json"),
    Variable::plain(
        "LOG_DIR",
        "log.dir",
        "a directory that can be written to",
        "logs",
    ),
    Variable::plain(
        "RUST_LOG",
        "log.filter",
        "levels in the syntax of tracing's EnvFilter",
        "info,lead_intake=debug",
    ),
    Variable::secret(
        "NATS_URL",
        "events.nats_url",
        "the address of a NATS server",
        "nats://127.0.0.1:4222",
    ),
];
