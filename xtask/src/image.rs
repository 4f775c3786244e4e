//! `cargo xtask image`: what the Dockerfile builds, without Docker: the static program in an empty root, tried there.
//!
//! The root holds what the image holds: the program, the certificates, a directory for data. If the program runs in it,
//! is well, and reaches an amoCRM over TLS, it needs nothing else. Only root may change the root of a process;
//! elsewhere the program is built and looked at, and the rest is said to be skipped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use crate::cargo::cargo;
use crate::process;

/// What is shipped, and the command that needs an amoCRM and nothing else.
const PROGRAMS: [(&str, &str); 3] = [
    ("lead-intake", "provision"),
    ("lesson-sync", "pipelines"),
    ("webhook-gateway", "subscribe"),
];
/// The user of the Dockerfile.
const USER: &str = "10001:10001";
/// Where the build's certificates come from, there as here.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What amoCRM is told when it is asked. The service itself does without: nobody can reach this machine there.
const PUBLIC_URL: &str = "https://crm.example.ru";
/// How long the programs may take to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked.
const POLL: Duration = Duration::from_millis(100);

/// How thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Build without optimizations: shows that it works, not what is shipped.
    #[arg(long)]
    quick: bool,
}

/// Builds the programs and tries each.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    process::catch_signals()?;
    build(arguments.quick)?;
    let is_root = process::output("id", Command::new("id").arg("-u"))?.trim() == "0";
    for (name, _) in PROGRAMS {
        is_static(&built(name, arguments.quick)?)?;
    }
    if !is_root {
        println!("skipped: only root can try them in an empty root");
        return Ok(());
    }
    let emulator = build_emulator()?;
    for (name, command) in PROGRAMS {
        println!("-- {name}");
        Image::make(&built(name, arguments.quick)?)?.try_out(&emulator, command)?;
    }
    Ok(())
}

fn is_static(program: &Path) -> anyhow::Result<()> {
    let bytes = fs::metadata(program)?.len();
    println!("built    {} ({} MiB)", program.display(), bytes >> 20);
    let ldd = Command::new("ldd").arg(program).output();
    if let Ok(ldd) = ldd {
        let said = [ldd.stdout, ldd.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let is_static = ["statically linked", "not a dynamic executable"]
            .iter()
            .any(|words| said.contains(words));
        anyhow::ensure!(is_static, "the program is not static: {said}");
        println!("static   ldd: {}", said.trim());
    }
    Ok(())
}

/// `x86_64-unknown-linux-gnu`.
fn target() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// As in the Dockerfile.
fn build(quick: bool) -> anyhow::Result<()> {
    let mut build = cargo(["build", "--locked", "--target", &target()]);
    for (name, _) in PROGRAMS {
        build.args(["--package", name, "--bin", name]);
    }
    build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    if !quick {
        build.arg("--release");
    }
    let built = process::run("build", &mut build)?;
    anyhow::ensure!(built.success, "the static programs do not build");
    Ok(())
}

fn built(name: &str, quick: bool) -> anyhow::Result<PathBuf> {
    let profile = if quick { "debug" } else { "release" };
    Ok(target_directory()?.join(target()).join(profile).join(name))
}

fn build_emulator() -> anyhow::Result<PathBuf> {
    let built = process::run(
        "build",
        &mut cargo(["build", "--quiet", "--bin", "amocrm-emulator"]),
    )?;
    anyhow::ensure!(built.success, "the emulator does not build");
    Ok(target_directory()?.join("debug").join("amocrm-emulator"))
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let metadata = process::output(
        "cargo metadata",
        &mut cargo(["metadata", "--no-deps", "--format-version", "1"]),
    )?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata")?;
    let directory = metadata["target_directory"].as_str();
    Ok(directory.context("cargo metadata")?.into())
}

/// The empty root with the program in it; deleted when dropped.
struct Image(PathBuf);

impl Image {
    fn make(program: &Path) -> anyhow::Result<Self> {
        let image = Self(std::env::temp_dir().join(format!("xtask-image-{}", std::process::id())));
        fs::create_dir(&image.0)?;
        for directory in ["etc/ssl/certs", "srv/var", "tmp"] {
            fs::create_dir_all(image.0.join(directory))?;
        }
        fs::copy(program, image.0.join("program"))?;
        for directory in ["srv", "srv/var"] {
            std::os::unix::fs::chown(image.0.join(directory), Some(10_001), Some(10_001))?;
        }
        fs::set_permissions(image.0.join("tmp"), fs::Permissions::from_mode(0o1777))?;
        Ok(image)
    }

    /// Starts it as the image does, beside an emulator that speaks TLS, and does what a newcomer does. `asking` is a
    /// command that asks amoCRM.
    fn try_out(&self, emulator: &Path, asking: &str) -> anyhow::Result<()> {
        let emulator = Running::emulator(emulator, &self.0)?;
        // The machine's own certificates, and the emulator's, which no authority vouches for.
        let mut certificates = fs::read(CERTIFICATES).unwrap_or_default();
        certificates.extend(fs::read(emulator.said("ca_file")?)?);
        fs::write(self.0.join(&CERTIFICATES[1..]), certificates)?;
        let port = crate::postgres::free_port()?.to_string();
        let settings = [
            ("SERVER_HOST", "0.0.0.0".to_owned()),
            ("SERVER_PORT", port.clone()),
            // The working directory of the image is /srv; a process that changes its root begins at /.
            ("DATABASE_URL", "sqlite:///srv/var/service.db".to_owned()),
            ("SSL_CERT_FILE", CERTIFICATES.to_owned()),
            ("ADMIN_TOKEN", "0123456789abcdef".to_owned()),
            (
                "ENCRYPTION_KEY",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
            ),
            // lesson-sync has no work without a course, and is reached by nobody without a key.
            ("LESSON_API_KEY", "0123456789abcdef".to_owned()),
            ("AMOCRM_PIPELINE_ID", "Asia Deals".to_owned()),
            ("AMOCRM_STAGE_LESSON_1", "Первичный контакт".to_owned()),
            ("AMOCRM_STAGE_LESSON_2", "Презентация".to_owned()),
            ("AMOCRM_BASE_URL", emulator.said("tls_base_url")?),
            ("AMOCRM_ACCESS_TOKEN", emulator.said("long_lived_token")?),
        ];
        let command = |subcommand: &str| {
            let mut command = Command::new("chroot");
            command
                .arg(format!("--userspec={USER}"))
                .arg(&self.0)
                .args(["/program", subcommand])
                .env_clear()
                .envs(settings.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null());
            command
        };
        println!(
            "tls      {}",
            process::output(asking, command(asking).env("PUBLIC_URL", PUBLIC_URL))?
                .lines()
                .next()
                .unwrap_or_default()
        );
        let service = Running(command("serve").stderr(Stdio::null()).spawn()?, Value::Null);
        let started = Instant::now();
        let health = loop {
            match process::output("health", &mut command("health")) {
                Ok(health) => break health,
                Err(error) if started.elapsed() > PATIENCE => return Err(error),
                Err(_) => std::thread::sleep(POLL),
            }
        };
        println!("health   {}", health.trim().replace('\n', "; "));
        let doctor = process::output("doctor", &mut command("doctor"))?;
        println!("doctor   {}", doctor.lines().next().unwrap_or_default());
        drop(service);
        Ok(())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} is left behind: {error}", self.0.display());
        }
    }
}

/// A program that ends with the value, and what it said at its start.
struct Running(Child, Value);

impl Running {
    fn emulator(program: &Path, place: &Path) -> anyhow::Result<Self> {
        use std::io::{BufRead as _, BufReader};
        let mut child = Command::new(program)
            .args(["--json", "--listen", "127.0.0.1:0", "--tls-port", "0"])
            .args([Path::new("--tls-dir"), &place.join("tmp/authority")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let running = Self(child, Value::Null);
        let said = serde_json::from_str(&line).context("the emulator did not start")?;
        Ok(running.saying(said))
    }

    fn saying(mut self, said: Value) -> Self {
        self.1 = said;
        self
    }

    fn said(&self, name: &str) -> anyhow::Result<String> {
        let text = self.1[name].as_str().map(str::to_owned);
        text.with_context(|| format!("the emulator did not say its {name}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::root;

    fn read(name: &str) -> String {
        fs::read_to_string(root().join(name)).unwrap_or_default()
    }

    #[test]
    fn the_dockerfile_builds_with_the_toolchain_of_the_workspace() {
        let toolchain = read("rust-toolchain.toml");
        let channel = toolchain
            .lines()
            .find_map(|line| line.strip_prefix("channel = "))
            .map(|version| version.trim_matches('"'))
            .expect("a channel");
        assert!(read("Dockerfile").contains(&format!("FROM rust:{channel}-")));
    }

    #[test]
    fn the_build_sees_every_member_of_the_workspace() {
        let ignored = read(".dockerignore");
        let manifest = read("Cargo.toml");
        let members = manifest
            .lines()
            .find_map(|line| line.strip_prefix("members = "))
            .expect("members");
        for member in members.split('"').skip(1).step_by(2) {
            let folder = member.split('/').next().expect("a folder");
            assert!(
                ignored.contains(&format!("\n!{folder}\n")),
                "{folder} is not in .dockerignore"
            );
        }
    }
}
