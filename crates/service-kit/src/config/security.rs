//! Keys of our own: for data at rest, and for those who look after a service.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{DatabaseUrl, Problems, Section, ServerConfig};
use crate::http::{AdminAccess, Role};

/// Length of a key of XChaCha20-Poly1305.
const KEY_BYTES: usize = 32;

/// A token that can be guessed is worse than none, because it looks safe.
const MIN_TOKEN: usize = 16;

/// `[security]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    encryption_key: Option<SecretString>,
    /// Opens the administrator's endpoints.
    pub admin_token: Option<SecretString>,
    /// Opens what operators need.
    pub operator_token: Option<SecretString>,
    /// Opens what is only read.
    pub viewer_token: Option<SecretString>,
}

/// The keys for data at rest, and where they came from.
#[derive(Debug, Clone)]
pub struct EncryptionKeys {
    /// `BASE64`, or while rotating `new:BASE64,old:BASE64`: the first encrypts, all decrypt.
    pub keys: SecretString,
    /// The file that was written just now, because there was no key yet.
    pub generated: Option<PathBuf>,
}

impl SecurityConfig {
    /// Who may use what is not open.
    pub fn access(&self) -> AdminAccess {
        AdminAccess::new(self.admin_token.clone())
            .operator(self.operator_token.clone())
            .viewer(self.viewer_token.clone())
    }

    /// The tokens that are set, with the names of their variables.
    pub fn tokens(&self) -> impl Iterator<Item = (&'static str, &SecretString)> {
        [
            (Role::Admin, &self.admin_token),
            (Role::Operator, &self.operator_token),
            (Role::Viewer, &self.viewer_token),
        ]
        .into_iter()
        .filter_map(|(role, token)| Some((role.variable(), token.as_ref()?)))
    }

    /// The variable of the token that is the same as this secret.
    pub fn token_like(&self, secret: &str) -> Option<&'static str> {
        self.tokens()
            .find(|(_, token)| token.expose_secret() == secret)
            .map(|(name, _)| name)
    }

    /// The keys of `ENCRYPTION_KEY`, or, on a development machine with SQLite, of a file beside the database that is
    /// made on first use and that only its owner can read.
    ///
    /// # Errors
    ///
    /// When there is no key and none may be made, or the file cannot be read or written. The text says what to do.
    pub fn encryption_keys(
        &self,
        server: &ServerConfig,
        database: &DatabaseUrl,
    ) -> Result<EncryptionKeys, String> {
        if let Some(keys) = &self.encryption_key {
            return Ok(EncryptionKeys {
                keys: keys.clone(),
                generated: None,
            });
        }
        let Some(file) = key_file(server, database) else {
            return Err(
                "ENCRYPTION_KEY: is unset; PostgreSQL, and any address that other machines reach, need one key that \
                 you keep; make it with: openssl rand -base64 32"
                    .to_owned(),
            );
        };
        let failed = |error: &dyn std::fmt::Display| {
            format!(
                "ENCRYPTION_KEY: is unset, and the key file {} cannot be used ({error}); set the variable, or make the \
                 file readable",
                file.display()
            )
        };
        let (text, generated) = read_or_create(&file).map_err(|error| failed(&error))?;
        if !is_key(text.trim()) {
            return Err(failed(&"it holds no key"));
        }
        Ok(EncryptionKeys {
            keys: SecretString::from(text.trim()),
            generated: generated.then_some(file),
        })
    }
}

impl Section for SecurityConfig {
    const NAME: &'static str = "security";

    fn validate(&self, problems: &mut Problems) {
        if let Some(keys) = &self.encryption_key
            && (split(keys).next().is_none() || !split(keys).all(is_key))
        {
            problems.report(
                "security.encryption_key",
                "the value is not Base64 of 32 bytes",
            );
        }
        let is_short = |token: &SecretString| token.expose_secret().chars().count() < MIN_TOKEN;
        if self.admin_token.as_ref().is_some_and(is_short) {
            problems.report("security.admin_token", "the value is too short");
        }
        for (key, variable, token) in [
            (
                "security.operator_token",
                "OPERATOR_TOKEN",
                &self.operator_token,
            ),
            ("security.viewer_token", "VIEWER_TOKEN", &self.viewer_token),
        ] {
            let Some(token) = token else { continue };
            if is_short(token) {
                problems.report(key, "the value is too short");
            }
            if self.admin_token.is_none() {
                problems.report(
                    key,
                    "is set without ADMIN_TOKEN, so that everybody on this machine would be administrator; set both",
                );
            }
            // The first of two that are the same is the one who may do more.
            if let Some(other) = self.token_like(token.expose_secret())
                && other != variable
            {
                problems.report(
                    key,
                    format!("is the same as {other}: give each role its own"),
                );
            }
        }
    }
}

/// Where the key of a development machine lies: beside the SQLite file.
fn key_file(server: &ServerConfig, database: &DatabaseUrl) -> Option<PathBuf> {
    let path = database.file().filter(|_| server.is_loopback())?;
    let mut name = path.file_name()?.to_owned();
    name.push(".key");
    Some(path.with_file_name(name))
}

fn split(keys: &SecretString) -> impl Iterator<Item = &str> {
    keys.expose_secret()
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
}

fn is_key(text: &str) -> bool {
    let encoded = text.split_once(':').map_or(text, |(_, encoded)| encoded);
    STANDARD
        .decode(encoded)
        .is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}

/// Reads the file, or makes it. Two processes that start at once end with the same key, because the finished file is
/// put in place by `hard_link`, which fails if another was there first.
fn read_or_create(file: &Path) -> io::Result<(String, bool)> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map(|text| (text, false)),
    }
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut bytes = [0_u8; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let draft = file.with_extension(format!("key.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut handle = options.open(&draft)?;
    handle.write_all(STANDARD.encode(bytes).as_bytes())?;
    handle.write_all(b"\n")?;
    // The key must not be lost after something was encrypted with it.
    handle.sync_all()?;
    let placed = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match placed {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        placed => Ok((fs::read_to_string(file)?, placed.is_ok())),
    }
}
