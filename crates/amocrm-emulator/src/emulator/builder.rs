//! How an emulator is started.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::chats::NewChatChannel;
use crate::clock::Clock;
use crate::config::{Config, OauthRules, Seed};
use crate::emulator::{Credentials, Emulator, router};
use crate::limits::LimitSettings;
use crate::oauth::IssueRequest;
use crate::server::Server;
use crate::tls::Tls;
use crate::world::{CustomersMode, World};
use crate::{delivery, persistence, seed};

/// Settings of an emulator before it starts; see [`Emulator::builder`].
#[derive(Debug, Clone, Default)]
pub struct EmulatorBuilder {
    config: Config,
}

impl EmulatorBuilder {
    /// What the account holds.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.config.seed = seed;
        self
    }

    /// Requests per second and integration; `None` switches all rate limits off.
    #[must_use]
    pub fn rate_limit(mut self, per_second: impl Into<Option<u32>>) -> Self {
        self.config.limits = per_second
            .into()
            .map_or_else(LimitSettings::off, LimitSettings::per_second);
        self
    }

    /// The rate limits in every detail.
    #[must_use]
    pub fn limits(mut self, limits: LimitSettings) -> Self {
        self.config.limits = limits;
        self
    }

    /// Where to serve plain HTTP; port 0 takes a free one.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listen = address;
        self
    }

    /// Keeps a certificate authority in this directory, so that `CONNECT` tunnels work.
    #[must_use]
    pub fn tls_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.config.tls_dir = Some(directory.into());
        self
    }

    /// Serves TLS on this address, with a certificate authority in `directory`; port 0 takes a free one.
    #[must_use]
    pub fn tls(mut self, address: SocketAddr, directory: impl Into<PathBuf>) -> Self {
        self.config.tls_listen = Some(address);
        self.tls_dir(directory)
    }

    /// Keeps everything in this file across restarts. A write is answered when it is in the file.
    #[must_use]
    pub fn state(mut self, file: impl Into<PathBuf>) -> Self {
        self.config.state = Some(file.into());
        self
    }

    /// Registers a redirect URI for the integration. The first one is used by the consent page; the default is the callback of
    /// lead-intake on port 8000.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.config.redirect_uris.push(uri.into());
        self
    }

    /// How the account works with customers; without this they are off until a client switches them on.
    #[must_use]
    pub fn customers(mut self, mode: CustomersMode) -> Self {
        self.config.customers = Some(mode);
        self
    }

    /// How long `query=` does not find what was just written, as the real index lags behind.
    #[must_use]
    pub fn index_delay(mut self, delay: Duration) -> Self {
        self.config.index_delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Registers a chat channel, as amoCRM's support would. It is there after a reset, too.
    #[must_use]
    pub fn chat_channel(mut self, channel: NewChatChannel) -> Self {
        self.config.channels.push(channel);
        self
    }

    /// How the authorization server behaves where amoCRM's documentation leaves room.
    #[must_use]
    pub fn oauth_rules(mut self, rules: OauthRules) -> Self {
        self.config.oauth = rules;
        self
    }

    /// Binds the ports, loads or seeds the state, and serves.
    ///
    /// # Errors
    ///
    /// A port is taken, the state file cannot be read, or the TLS directory cannot be used.
    pub async fn start(self) -> anyhow::Result<Emulator> {
        let config = self.config;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr()?;
        let tls = config.tls_dir.as_deref().map(Tls::open).transpose()?;
        let tls_listener = match (config.tls_listen, &tls) {
            (Some(address), Some(_)) => Some(bind(address).await?),
            (Some(_), None) => anyhow::bail!("a TLS port needs a TLS directory"),
            (None, _) => None,
        };
        let app = open(&config)?;
        let tls_address = tls_listener
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()?;
        let credentials = credentials(&app, address, tls_address, tls.as_ref())?;
        app.remember_start();
        let router = router(&app);
        let (stop, stop_saving) = (CancellationToken::new(), CancellationToken::new());
        let (tasks, savers) = (TaskTracker::new(), TaskTracker::new());
        let server = Server {
            router: router.clone(),
            tls,
            stop: stop.clone(),
            connections: tasks.clone(),
        };
        if let Some(tls_listener) = tls_listener {
            tasks.spawn(server.clone().serve_tls(tls_listener));
        }
        tasks.spawn(server.serve_plain(listener));
        tasks.spawn(delivery::run(app.clone(), stop.clone()));
        if let Some(path) = config.state {
            persistence::save(&app, &path)?;
            savers.spawn(persistence::run(app.clone(), path, stop_saving.clone()));
        }
        let guards = [stop.clone().drop_guard(), stop_saving.clone().drop_guard()];
        Ok(Emulator {
            app,
            router,
            address,
            credentials,
            stop,
            stop_saving,
            tasks,
            savers,
            _guards: guards,
        })
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on"))
}

fn open(config: &Config) -> anyhow::Result<App> {
    let saved = match &config.state {
        Some(path) => persistence::load(path)?,
        None => None,
    };
    let Some(saved) = saved else {
        let clock = Clock::start(0);
        let world: World = seed::world(config.seed, clock.now());
        return Ok(App::new(config.clone(), clock, world));
    };
    let app = App::new(
        config.clone(),
        Clock::start(saved.clock_offset_ms),
        saved.world,
    );
    app.deliveries().restore(saved.deliveries);
    Ok(app)
}

fn credentials(
    app: &App,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    tls: Option<&Tls>,
) -> anyhow::Result<Credentials> {
    let request = IssueRequest::default();
    let issue = || {
        Ok::<_, String>((
            request.code(app)?,
            request.pair(app)?,
            request.long_lived(app)?,
        ))
    };
    let (code, pair, long_lived) =
        issue().map_err(|reason| anyhow::anyhow!("no credentials can be issued: {reason}"))?;
    let integration = app.with_world(|world| {
        let account = world.accounts.first()?;
        Some((
            account.subdomain.clone(),
            account.integrations.first()?.clone(),
        ))
    });
    let (subdomain, integration) =
        integration.context("the state holds no account with an integration")?;
    Ok(Credentials {
        base_url: format!("http://{}", reachable(address)),
        tls_base_url: tls_address.map(|address| format!("https://{}", reachable(address))),
        ca_file: tls.map(|tls| tls.ca_file.clone()),
        subdomain,
        client_id: integration.client_id,
        client_secret: integration.client_secret,
        redirect_uri: integration.redirect_uri,
        code,
        access_token: pair.access_token,
        refresh_token: pair.refresh_token,
        long_lived_token: long_lived.access_token,
    })
}

/// An address a client on this machine can use, also when all interfaces are listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
