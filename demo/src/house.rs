//! The programs, their ports and their data.

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use amocrm_emulator::{Emulator, Seed};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use service_kit::config::Environment;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::logs;

/// Where lead-intake listens unless somebody else does.
const INTAKE_PORT: u16 = 8000;
/// Where lesson-sync listens unless somebody else does.
const LESSONS_PORT: u16 = 8001;
/// Where webhook-gateway listens unless somebody else does.
const GATEWAY_PORT: u16 = 8002;
/// Where the emulator listens unless somebody else does.
const EMULATOR_PORT: u16 = 8900;

/// The services, as their data and the subscriber are called.
pub(crate) const INTAKE: &str = "lead-intake";
pub(crate) const GATEWAY: &str = "webhook-gateway";
pub(crate) const LESSONS: &str = "lesson-sync";

/// What the emulator keeps across runs.
const EMULATOR_STATE: &str = "amocrm.json";

/// Where data are kept, and what is done with those of the last run.
#[derive(Debug)]
pub(crate) struct Place {
    name: &'static str,
    keep: bool,
    /// Other ports will do.
    any_port: bool,
}

/// A directory that is ours for this run.
#[derive(Debug)]
pub(crate) struct Workshop {
    directory: PathBuf,
    keep: bool,
    any_port: bool,
    /// Held until the end: a second demo would wipe the data of this one.
    _lock: File,
}

impl Place {
    /// `var/demo`, which begins empty unless `keep`.
    pub(crate) fn demo(keep: bool) -> Self {
        Self {
            name: "demo",
            keep,
            any_port: true,
        }
    }

    /// `var/dev`, which stays, and the usual ports only: other programs rely on them.
    pub(crate) fn dev() -> Self {
        Self {
            name: "dev",
            keep: true,
            any_port: false,
        }
    }

    /// Makes the directory, and begins the logs in it.
    pub(crate) fn open(self) -> anyhow::Result<Workshop> {
        let var = root().join("var");
        let directory = var.join(self.name);
        fs::create_dir_all(&var).with_context(|| var.display().to_string())?;
        let lock = var.join(format!("{}.lock", self.name));
        let file = File::create(&lock).with_context(|| lock.display().to_string())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "{} is used by another run; end it first (Ctrl-C)",
                shown(&directory)
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).context(lock.display().to_string());
            }
        }
        // Leads of a database without the amoCRM they were delivered to would make no sense.
        let goes_on = self.keep && directory.join(EMULATOR_STATE).exists();
        if !goes_on && directory.exists() {
            fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
        }
        let workshop = Workshop {
            directory,
            keep: self.keep,
            any_port: self.any_port,
            _lock: file,
        };
        fs::create_dir_all(workshop.logs())?;
        logs::start(&workshop.logs())?;
        Ok(workshop)
    }
}

impl Workshop {
    pub(crate) fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }

    pub(crate) fn logs_shown(&self) -> String {
        shown(&self.logs())
    }

    /// The database of a service.
    pub(crate) fn database(&self, service: &str) -> PathBuf {
        self.directory.join(format!("{service}.db"))
    }

    async fn listen(&self, port: u16) -> anyhow::Result<TcpListener> {
        match TcpListener::bind(local(port)).await {
            Err(_) if self.any_port => Ok(TcpListener::bind(local(0)).await?),
            bound => bound.with_context(|| format!("127.0.0.1:{port} cannot be listened on")),
        }
    }
}

/// What runs.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) workshop: Workshop,
    emulator: Option<Emulator>,
    intake: Option<Service<lead_intake::App>>,
    gateway: Option<Service<webhook_gateway::App>>,
    lessons: Option<Service<lesson_sync::App>>,
    /// Bound before the emulator starts, which has to know the redirect address.
    listener: Option<TcpListener>,
    /// Signs what the gateway delivers to lead-intake.
    pub(crate) signing_secret: String,
}

/// A service inside this process.
#[derive(Debug)]
struct Service<App> {
    app: App,
    base_url: String,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl House {
    pub(crate) fn new(workshop: Workshop) -> Self {
        Self {
            workshop,
            emulator: None,
            intake: None,
            gateway: None,
            lessons: None,
            listener: None,
            signing_secret: signing_secret(),
        }
    }

    /// Starts the emulator; its state is in a file only if somebody will need it.
    pub(crate) async fn start_emulator(&mut self) -> anyhow::Result<()> {
        let listener = self.workshop.listen(INTAKE_PORT).await?;
        let callback = callback(listener.local_addr()?);
        // As amoCRM hands an account to a new customer: the story makes what it needs.
        let mut builder = Emulator::builder().seed(Seed::Empty).redirect_uri(callback);
        if self.workshop.keep {
            builder = builder.state(self.workshop.directory.join(EMULATOR_STATE));
        }
        let usual = builder.clone().listen(local(EMULATOR_PORT)).start().await;
        self.emulator = Some(match usual {
            Err(_) if self.workshop.any_port => builder.listen(local(0)).start().await?,
            started => started?,
        });
        self.listener = Some(listener);
        Ok(())
    }

    /// Starts lead-intake with nothing configured but where amoCRM is, the integration's keys, and who brings webhooks.
    pub(crate) async fn start_intake(&mut self) -> anyhow::Result<()> {
        let listener = self.listener.take().context("the emulator starts first")?;
        let address = listener.local_addr()?;
        let base_url = format!("http://{address}");
        let credentials = self.emulator()?.credentials();
        let environment = Environment::from_pairs([
            ("SERVER_HOST", address.ip().to_string()),
            ("SERVER_PORT", address.port().to_string()),
            ("PUBLIC_URL", base_url.clone()),
            ("DATABASE_URL", self.database_url(INTAKE)),
            ("AMOCRM_BASE_URL", credentials.base_url.clone()),
            ("AMOCRM_CLIENT_ID", credentials.client_id.clone()),
            ("AMOCRM_CLIENT_SECRET", credentials.client_secret.clone()),
            ("AMOCRM_REDIRECT_URI", callback(address)),
            ("INTAKE_GATEWAY_SECRET", self.signing_secret.clone()),
        ]);
        let config = lead_intake::Config::load(environment, None)?;
        let app = Box::pin(lead_intake::App::open(config)).await?;
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (app, stop) = (app.clone(), stop.clone());
            async move { Box::pin(app.run_on(listener, stop)).await }
        });
        self.intake = Some(Service {
            app,
            base_url,
            stop,
            task,
        });
        Ok(())
    }

    /// Starts webhook-gateway, with lead-intake as its one subscriber. `token` is that of its own integration.
    pub(crate) async fn start_gateway(&mut self, token: String) -> anyhow::Result<()> {
        let listener = self.workshop.listen(GATEWAY_PORT).await?;
        let address = listener.local_addr()?;
        let base_url = format!("http://{address}");
        let file = self.workshop.directory.join("gateway.toml");
        fs::write(&file, self.subscribers())?;
        let environment = Environment::from_pairs([
            ("SERVER_HOST", address.ip().to_string()),
            ("SERVER_PORT", address.port().to_string()),
            ("PUBLIC_URL", base_url.clone()),
            ("DATABASE_URL", self.database_url(GATEWAY)),
            ("GATEWAY_FILE", file.display().to_string()),
            ("AMOCRM_BASE_URL", self.emulator()?.base_url().to_owned()),
            ("AMOCRM_ACCESS_TOKEN", token),
            ("INTAKE_GATEWAY_SECRET", self.signing_secret.clone()),
        ]);
        let config = webhook_gateway::Config::load(environment, None)?;
        let app = Box::pin(webhook_gateway::App::open(config)).await?;
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (app, stop) = (app.clone(), stop.clone());
            async move { Box::pin(app.run_on(listener, stop)).await }
        });
        self.gateway = Some(Service {
            app,
            base_url,
            stop,
            task,
        });
        Ok(())
    }

    /// Starts lesson-sync for one course. `token` is that of its own integration.
    pub(crate) async fn start_lessons(
        &mut self,
        token: String,
        pipeline: &str,
        stages: &[&str],
    ) -> anyhow::Result<()> {
        let listener = self.workshop.listen(LESSONS_PORT).await?;
        let address = listener.local_addr()?;
        let base_url = format!("http://{address}");
        let settings = [
            ("SERVER_HOST", address.ip().to_string()),
            ("SERVER_PORT", address.port().to_string()),
            ("PUBLIC_URL", base_url.clone()),
            ("DATABASE_URL", self.database_url(LESSONS)),
            ("AMOCRM_BASE_URL", self.emulator()?.base_url().to_owned()),
            ("AMOCRM_ACCESS_TOKEN", token),
            ("AMOCRM_PIPELINE_ID", pipeline.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let stages = (1..).zip(stages);
        let stages = stages
            .map(|(lesson, stage)| (format!("AMOCRM_STAGE_LESSON_{lesson}"), (*stage).to_owned()));
        let environment = Environment::from_pairs(settings.into_iter().chain(stages));
        let config = lesson_sync::Config::load(environment, None)?;
        let app = Box::pin(lesson_sync::App::open(config)).await?;
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let (app, stop) = (app.clone(), stop.clone());
            async move { Box::pin(app.run_on(listener, stop)).await }
        });
        self.lessons = Some(Service {
            app,
            base_url,
            stop,
            task,
        });
        Ok(())
    }

    /// What a person would write into gateway.toml.
    fn subscribers(&self) -> String {
        let url = self.intake_url("/api/webhooks/amo");
        format!(
            "[[subscriber]]\nname = \"{INTAKE}\"\nurl = \"{url}\"\nevents = [\"leads.*\"]\n\
             secret_env = \"INTAKE_GATEWAY_SECRET\"\nallow_private = true\n"
        )
    }

    fn database_url(&self, service: &str) -> String {
        format!("sqlite://{}", self.workshop.database(service).display())
    }

    pub(crate) fn emulator(&self) -> anyhow::Result<&Emulator> {
        self.emulator.as_ref().context("the emulator does not run")
    }

    /// lead-intake as a library, for what its command line does.
    pub(crate) fn intake(&self) -> anyhow::Result<&lead_intake::App> {
        let intake = self.intake.as_ref().context("lead-intake does not run")?;
        Ok(&intake.app)
    }

    /// webhook-gateway as a library, for what its command line does.
    pub(crate) fn gateway(&self) -> anyhow::Result<&webhook_gateway::App> {
        let gateway = self
            .gateway
            .as_ref()
            .context("webhook-gateway does not run")?;
        Ok(&gateway.app)
    }

    /// An address of lead-intake.
    pub(crate) fn intake_url(&self, path: &str) -> String {
        let base = self.intake.as_ref().map_or("", |intake| &intake.base_url);
        format!("{base}{path}")
    }

    /// An address of webhook-gateway.
    pub(crate) fn gateway_url(&self, path: &str) -> String {
        let base = self
            .gateway
            .as_ref()
            .map_or("", |gateway| &gateway.base_url);
        format!("{base}{path}")
    }

    /// An address of lesson-sync.
    pub(crate) fn lessons_url(&self, path: &str) -> String {
        let base = self
            .lessons
            .as_ref()
            .map_or("", |lessons| &lessons.base_url);
        format!("{base}{path}")
    }

    /// Lets all end what they have begun: first who sends, then who is sent to.
    pub(crate) async fn shutdown(self) {
        if let Some(gateway) = self.gateway {
            gateway.end(GATEWAY).await;
        }
        if let Some(intake) = self.intake {
            intake.end(INTAKE).await;
        }
        if let Some(lessons) = self.lessons {
            lessons.end(LESSONS).await;
        }
        if let Some(emulator) = self.emulator {
            emulator.shutdown().await;
        }
    }
}

impl<App> Service<App> {
    async fn end(self, name: &str) {
        self.stop.cancel();
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("warning: {name} ended badly: {error:#}"),
            Err(error) => eprintln!("warning: {name} ended badly: {error}"),
        }
    }
}

/// A path as a person in the workspace's directory would type it.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// New for each run: both services are told.
fn signing_secret() -> String {
    let key: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    format!("whsec_{}", STANDARD.encode(key))
}

fn callback(address: SocketAddr) -> String {
    format!("http://{address}/api/auth/amo/callback")
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
