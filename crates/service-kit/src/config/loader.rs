//! Layers of settings, read section by section.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::{COMMON_VARIABLES, ConfigErrors, DEFAULT_TOML, Environment, Problems, Variable};

/// Variable that names the optional file. It cannot itself be a setting of that file.
const FILE_VARIABLE: &str = "CONFIG_FILE";

/// One section of the configuration: a struct whose fields are the settings of `[NAME]`.
pub trait Section: DeserializeOwned + Default {
    /// The section's name in the file.
    const NAME: &'static str;

    /// Checks the values and reports what is wrong with each.
    fn validate(&self, problems: &mut Problems);
}

/// Gathers the layers of a configuration.
#[derive(Debug)]
pub struct Loader {
    environment: Environment,
    defaults: Vec<&'static str>,
    variables: Vec<Variable>,
    file: Option<PathBuf>,
}

impl Loader {
    /// The common defaults under this environment.
    pub fn new(environment: Environment) -> Self {
        let file = environment.get(FILE_VARIABLE).map(PathBuf::from);
        Self {
            environment,
            defaults: vec![DEFAULT_TOML],
            variables: COMMON_VARIABLES.to_vec(),
            file,
        }
    }

    /// Adds a service's own defaults (TOML) over the common ones.
    #[must_use]
    pub fn defaults(mut self, toml: &'static str) -> Self {
        self.defaults.push(toml);
        self
    }

    /// Adds a service's own variables.
    #[must_use]
    pub fn variables(mut self, variables: &[Variable]) -> Self {
        self.variables.extend_from_slice(variables);
        self
    }

    /// Reads this file between the defaults and the environment. `CONFIG_FILE` does the same.
    #[must_use]
    pub fn file(mut self, path: Option<&Path>) -> Self {
        if let Some(path) = path {
            self.file = Some(path.to_owned());
        }
        self
    }

    /// Merges the layers.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or has a section nobody knows.
    pub fn load(self) -> Result<Settings, ConfigErrors> {
        let mut problems = Problems::new(self.variables.clone());
        let mut builder = Config::builder();
        let mut sections = BTreeSet::new();
        for defaults in &self.defaults {
            let source = File::from_str(defaults, FileFormat::Toml);
            sections.extend(source.collect().unwrap_or_default().into_keys());
            builder = builder.add_source(source);
        }
        if let Some(path) = &self.file {
            let source = NonEmpty(File::from(path.as_path()).format(FileFormat::Toml));
            match source.collect() {
                Ok(values) => {
                    for section in values.keys().filter(|name| !sections.contains(*name)) {
                        let known: Vec<_> = sections.iter().map(String::as_str).collect();
                        problems.report(
                            &path.display().to_string(),
                            format!(
                                "there is no section `{section}`; there are {}",
                                known.join(", ")
                            ),
                        );
                    }
                    builder = builder.add_source(source);
                }
                // The parser's message quotes the line, and lines hold secrets: only the position is told.
                Err(_) => problems.report(
                    FILE_VARIABLE,
                    format!("{} cannot be read as TOML, or is not there", path.display()),
                ),
            }
        }
        for variable in &self.variables {
            let names = std::iter::once(&variable.name).chain(variable.aliases);
            let value = names
                .into_iter()
                .find_map(|name| self.environment.get(name));
            if let Some(value) = value {
                builder = builder
                    .set_override(variable.key, value)
                    .unwrap_or_else(|_| unreachable!("the keys of variables are dotted names"));
            }
        }
        let config = builder
            .build()
            .map_err(|_| problem_of(&self.variables, "the defaults cannot be merged"))?;
        problems.into_result()?;
        Ok(Settings {
            config,
            variables: self.variables,
        })
    }
}

/// The merged layers, from which sections are read.
#[derive(Debug)]
pub struct Settings {
    config: Config,
    variables: Vec<Variable>,
}

impl Settings {
    /// An empty collection for what the sections may report.
    pub fn problems(&self) -> Problems {
        Problems::new(self.variables.clone())
    }

    /// Reads and validates a section. If it cannot be read the problem is reported and the section's default is given
    /// back, so that the other sections are still checked.
    pub fn section<S: Section>(&self, problems: &mut Problems) -> S {
        let Ok(value) = self.config.get::<Value>(S::NAME) else {
            return S::default();
        };
        match serde_path_to_error::deserialize::<_, S>(value) {
            Ok(section) => {
                section.validate(problems);
                section
            }
            Err(error) => {
                let key = format!("{}.{}", S::NAME, error.path());
                describe(&key, error.inner(), problems);
                S::default()
            }
        }
    }
}

/// Tells a value that has the wrong type, unless it is a secret.
fn describe(key: &str, error: &ConfigError, problems: &mut Problems) {
    let error = match error {
        ConfigError::At { error, .. } => error,
        error => error,
    };
    match error {
        ConfigError::Type { unexpected, .. } => {
            let secret = problems
                .variable_of_key(key)
                .is_some_and(|variable| variable.secret);
            if secret {
                problems.report(key, "the value has the wrong type");
            } else {
                problems.report(key, format!("found {unexpected}"));
            }
        }
        // Only "unknown field `x`, expected one of …" is left, which names settings and no values.
        other => problems.report(key, other.to_string()),
    }
}

fn problem_of(variables: &[Variable], wrong: &str) -> ConfigErrors {
    let mut problems = Problems::new(variables.to_vec());
    problems.report("config.default.toml", wrong);
    match problems.into_result() {
        Err(errors) => errors,
        Ok(()) => unreachable!("a problem was just reported"),
    }
}

/// A source without its empty strings.
#[derive(Debug, Clone)]
struct NonEmpty<S>(S);

impl<S: Source + Clone + Send + Sync + 'static> Source for NonEmpty<S> {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(without_empty(self.0.collect()?))
    }
}

fn without_empty(values: Map<String, Value>) -> Map<String, Value> {
    values
        .into_iter()
        .filter_map(|(name, mut value)| {
            match &mut value.kind {
                ValueKind::String(text) if text.trim().is_empty() => return None,
                ValueKind::Table(table) => *table = without_empty(std::mem::take(table)),
                _ => {}
            }
            Some((name, value))
        })
        .collect()
}
