//! How a client comes to be.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::Full;
use secrecy::SecretString;
use tokio::sync::OnceCell;
use tower::{Layer, Service, ServiceExt};
use url::Url;

use super::{Client, Clock, Inner, transport};
use crate::BoxError;
use crate::chats::Signer;
use crate::error::{Error, Result};
use crate::layer::{
    AttemptLayer, AuthLayer, BaseUriLayer, Endpoint, Gate, HttpRequest, HttpResponse, HttpService,
    RateLimitLayer, RetryLayer, RetryPolicy, TokenSource, TraceLayer,
};
use crate::metrics::{Meter, Metrics};
use crate::oauth::{Credentials, OAuth, Renewer, TokenKey, TokenStore};
use crate::quota::{Limits, MemoryQuota, Quota};

/// One attempt may take this long. The vendor's own client allows 20 s; answers to batches of 250 take longer.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The vendor's own client waits as long.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A whole call, with its retries and waits for permits.
const DEFAULT_DEADLINE: Duration = Duration::from_mins(2);

/// Pause after a 429 that does not say how long: one second is what the documented rate promises to be enough.
const DEFAULT_THROTTLED_FOR: Duration = Duration::from_secs(1);

/// Silence after a block page. The vendor documents no end of a block, only that requests prolong it.
const DEFAULT_BLOCKED_FOR: Duration = Duration::from_mins(10);

type Wrap = Box<dyn FnOnce(HttpService) -> HttpService + Send>;
type MakeTransport = Box<dyn FnOnce(Duration) -> HttpService + Send>;

/// Settings of a [`Client`]. Made by [`Client::builder`].
pub struct ClientBuilder {
    domain: String,
    host: Option<String>,
    base_url: Option<String>,
    access: Access,
    transport: Option<MakeTransport>,
    layers: Vec<Wrap>,
    quota: Option<Arc<dyn Quota>>,
    limits: Limits,
    retry: RetryPolicy,
    timeout: Duration,
    connect_timeout: Duration,
    deadline: Duration,
    throttled_for: Duration,
    blocked_for: Duration,
    user_agent: String,
    clock: Clock,
    meter: Meter,
    #[cfg(feature = "reqwest")]
    proxy: Option<String>,
    #[cfg(feature = "reqwest")]
    root_certificates: Vec<Vec<u8>>,
}

enum Access {
    None,
    LongLived(SecretString),
    OAuth(Credentials, Arc<dyn TokenStore>),
    Signed(Signer),
}

impl ClientBuilder {
    pub(super) fn new(domain: String) -> Self {
        Self {
            domain,
            host: None,
            base_url: None,
            access: Access::None,
            transport: None,
            layers: Vec::new(),
            quota: None,
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            timeout: DEFAULT_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            deadline: DEFAULT_DEADLINE,
            throttled_for: DEFAULT_THROTTLED_FOR,
            blocked_for: DEFAULT_BLOCKED_FOR,
            user_agent: concat!("amocrm-sdk/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Clock::system(),
            meter: Meter::default(),
            #[cfg(feature = "reqwest")]
            proxy: None,
            #[cfg(feature = "reqwest")]
            root_certificates: Vec::new(),
        }
    }

    /// Where the account lives now, if it was renamed: [`Client::domain`] of an earlier client, which had followed it.
    /// Tokens stay under the name that the builder was made with.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// A long-lived token of a private integration (1 day to 5 years; it cannot be renewed).
    ///
    /// Source: <https://developers.kommo.com/docs/long-lived-token>.
    #[must_use]
    pub fn long_lived_token(mut self, token: impl Into<SecretString>) -> Self {
        self.access = Access::LongLived(token.into());
        self
    }

    /// An OAuth grant whose tokens live in `store`. See [`oauth`](crate::oauth) for how to get the first pair.
    #[must_use]
    pub fn oauth(mut self, credentials: Credentials, store: Arc<dyn TokenStore>) -> Self {
        self.access = Access::OAuth(credentials, store);
        self
    }

    /// Another way to the wire: any tower service over HTTP bodies, such as an axum `Router` in tests. Proxy, user
    /// agent's TLS and connect timeout are then its own business; the timeout of one attempt stays in force.
    #[must_use]
    pub fn transport<S, B>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.transport = Some(Box::new(move |timeout| {
            transport::from_body_service(service, timeout)
        }));
        self
    }

    /// Adds a layer around the whole call, outside of retries. The layer added last is the outermost.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HttpService> + Send + 'static,
        L::Service: Service<HttpRequest, Response = HttpResponse> + Clone + Send + Sync + 'static,
        <L::Service as Service<HttpRequest>>::Error: Into<BoxError>,
        <L::Service as Service<HttpRequest>>::Future: Send,
    {
        self.layers.push(Box::new(move |inner| {
            HttpService::new(layer.layer(inner).map_err(Into::into))
        }));
        self
    }

    /// Sends everything to this address instead of `https://{domain}`: an emulator or a gateway.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Goes through an HTTP proxy: `http://user:password@host:8888`. Without it the usual proxy variables of the
    /// environment count, as reqwest reads them.
    #[cfg(feature = "reqwest")]
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Trusts this certificate (PEM) too: a corporate proxy's, or the emulator's.
    #[cfg(feature = "reqwest")]
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }

    /// The request budget of this process. Default: 7/s for the integration, 50/s for the account.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A budget shared with other processes or clients; it replaces [`limits`](Self::limits).
    #[must_use]
    pub fn quota(mut self, quota: Arc<dyn Quota>) -> Self {
        self.quota = Some(quota);
        self
    }

    /// How often and how patiently failed requests are repeated.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Limit of one attempt. Default: 30 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Limit of making a connection. Default: 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Limit of a whole call with its retries and waits for permits. Default: 120 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long nothing is sent after a 429 that does not say it. Default: 1 s.
    #[must_use]
    pub fn throttled_for(mut self, pause: Duration) -> Self {
        self.throttled_for = pause;
        self
    }

    /// How long nothing is sent after amoCRM blocked the integration (403). Default: 10 minutes.
    #[must_use]
    pub fn blocked_for(mut self, pause: Duration) -> Self {
        self.blocked_for = pause;
        self
    }

    /// The `User-Agent`. Default: `amocrm-sdk/{version}`.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Where wall-clock time comes from: it decides when tokens are renewed, and which changes an export holds back.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A client that signs instead of showing a token. The chat service's 403 is about one request, so it pauses nobody.
    pub(crate) fn signed(mut self, secret: SecretString) -> Result<Client> {
        self.access = Access::Signed(Signer::new(secret, self.clock.clone()));
        self.blocked_for = Duration::ZERO;
        self.build()
    }

    pub(crate) fn clock_of(&self) -> Clock {
        self.clock.clone()
    }

    /// Hears of every call, attempt, wait, retry, pause, batch and renewal: see [`metrics`](crate::metrics).
    #[must_use]
    pub fn metrics(mut self, metrics: impl Metrics) -> Self {
        self.meter = Meter::new(Arc::new(metrics));
        self
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput), naming the setting that is wrong.
    pub fn build(mut self) -> Result<Client> {
        let domain = full_domain(&self.domain);
        let host = self
            .host
            .as_deref()
            .map_or_else(|| domain.clone(), full_domain);
        let base_url = self
            .base_url
            .as_deref()
            .map(Url::parse)
            .transpose()
            .map_err(|error| {
                Error::invalid_input("`base_url` needs the form http(s)://host[:port][/path]")
                    .with_source(error)
            })?;
        let endpoint = Arc::new(Endpoint::new(host, base_url.as_ref())?);
        let quota = self
            .quota
            .take()
            .unwrap_or_else(|| Arc::new(MemoryQuota::new(&self.limits)) as Arc<dyn Quota>);
        let gate = Arc::new(Gate::new(
            Arc::clone(&quota),
            self.throttled_for,
            self.blocked_for,
            self.meter.clone(),
        ));

        let user_agent = HeaderValue::from_str(&self.user_agent).map_err(|_| {
            Error::invalid_input("`user_agent` holds characters that no HTTP header may hold")
        })?;
        let wire = self.make_transport()?;
        let wire = BaseUriLayer(Arc::clone(&endpoint)).layer(wire);
        let wire = AttemptLayer(self.meter.clone()).layer(wire);
        let wire = RateLimitLayer(gate).layer(wire);
        let wire = HttpService::new(wire.map_request(move |mut request: HttpRequest| {
            request
                .headers_mut()
                .entry(header::USER_AGENT)
                .or_insert_with(|| user_agent.clone());
            request
        }));

        let (tokens, oauth) = match self.access {
            Access::None => (TokenSource::None, OAuth::new(None, None)),
            Access::LongLived(token) => (
                TokenSource::Fixed(token.clone()),
                OAuth::new(None, Some(token)),
            ),
            Access::Signed(signer) => (TokenSource::Signed(signer), OAuth::new(None, None)),
            Access::OAuth(credentials, store) => {
                let key = TokenKey::new(&credentials.client_id, domain);
                let renewer = Renewer::new(
                    key,
                    store,
                    wire.clone(),
                    credentials,
                    Arc::clone(&endpoint),
                    self.clock.clone(),
                    self.meter.clone(),
                );
                let renewer = Arc::new(renewer);
                (
                    TokenSource::Renewed(Arc::clone(&renewer)),
                    OAuth::new(Some(renewer), None),
                )
            }
        };

        let attempt = HttpService::new(AuthLayer(tokens).layer(wire));
        let call = HttpService::new(
            TraceLayer(self.meter.clone())
                .layer(RetryLayer(self.retry, self.meter.clone()).layer(attempt)),
        );
        let stack = self
            .layers
            .into_iter()
            .fold(call, |inner, wrap| wrap(inner));
        Ok(Client {
            context_user: None,
            guard: None,
            inner: Arc::new(Inner {
                stack,
                endpoint,
                quota,
                oauth,
                clock: self.clock,
                meter: self.meter,
                deadline: self.deadline,
                timeout: self.timeout,
                drive: OnceCell::new(),
            }),
            batching: None,
        })
    }

    #[cfg(feature = "reqwest")]
    fn make_transport(&mut self) -> Result<HttpService> {
        if let Some(make) = self.transport.take() {
            return Ok(make(self.timeout));
        }
        let mut client = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            // Whatever touches the wire has paid: nothing is repeated below the budget.
            .retry(reqwest::retry::never())
            // Idle connections at amoCRM's gateway are closed after a minute or so; leave before it does, so that
            // no request is written into a closing connection.
            .pool_idle_timeout(Duration::from_secs(30));
        if let Some(url) = &self.proxy {
            let proxy = reqwest::Proxy::all(url).map_err(|_| {
                Error::invalid_input("`proxy` needs the form http://[user:password@]host:port")
            })?;
            client = client.proxy(proxy);
        }
        for pem in &self.root_certificates {
            let certificate = reqwest::Certificate::from_pem(pem).map_err(|error| {
                Error::invalid_input("`root_certificate` is not a PEM certificate")
                    .with_source(error)
            })?;
            client = client.add_root_certificate(certificate);
        }
        let client = client.build().map_err(|error| {
            Error::invalid_input("the HTTP client cannot be set up").with_source(error)
        })?;
        Ok(transport::from_reqwest(client, self.timeout))
    }

    #[cfg(not(feature = "reqwest"))]
    fn make_transport(&mut self) -> Result<HttpService> {
        let make = self.transport.take().ok_or_else(|| {
            Error::invalid_input("without the feature `reqwest` the client needs a `transport`")
        })?;
        Ok(make(self.timeout))
    }
}

/// `acme` → `acme.amocrm.ru`; a scheme or a trailing slash is tolerated.
fn full_domain(text: &str) -> String {
    let bare = text.trim().to_ascii_lowercase();
    let bare = bare
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    if bare.is_empty() || bare.contains(['.', ':']) || bare == "localhost" {
        bare.to_owned()
    } else {
        format!("{bare}.amocrm.ru")
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("domain", &self.domain)
            .field("limits", &self.limits)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
