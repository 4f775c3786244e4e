//! A snapshot of the environment: the process's, a `.env` file's, or a test's.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::{ConfigErrors, Problems};

/// Variables and their values. Empty values are not kept.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process, over those of a `.env` file in this directory or one above it.
    ///
    /// The file does not change the process's environment: it only fills what is unset there.
    ///
    /// # Errors
    ///
    /// When there is a `.env` file that cannot be read. The message does not repeat its lines, for they hold secrets.
    pub fn of_process() -> Result<Self, ConfigErrors> {
        let mut environment = match dotenvy::dotenv_iter() {
            Ok(pairs) => Self::from_dotenv(pairs)?,
            Err(error) if error.not_found() => Self::default(),
            Err(error) => return Err(unreadable(&error, 0)),
        };
        // `vars_os`, because `vars` panics on a value that is not Unicode.
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                environment.set(name, &value);
            }
        }
        Ok(environment)
    }

    /// The variables of one `.env` file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, ConfigErrors> {
        match dotenvy::from_path_iter(path) {
            Ok(pairs) => Self::from_dotenv(pairs),
            Err(error) => Err(unreadable(&error, 0)),
        }
    }

    /// Exactly these variables.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut environment = Self::default();
        for (name, value) in pairs {
            environment.set(name.into(), &value.into());
        }
        environment
    }

    /// The value of a variable, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn set(&mut self, name: String, value: &str) {
        let value = value.trim();
        // An empty variable of the process does not hide one of the file: unset is unset.
        if !value.is_empty() {
            self.values.insert(name, value.to_owned());
        }
    }

    fn from_dotenv(
        pairs: impl IntoIterator<Item = dotenvy::Result<(String, String)>>,
    ) -> Result<Self, ConfigErrors> {
        let mut environment = Self::default();
        for (index, pair) in pairs.into_iter().enumerate() {
            let (name, value) = pair.map_err(|error| unreadable(&error, index + 1))?;
            environment.set(name, &value);
        }
        Ok(environment)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

fn unreadable(error: &dotenvy::Error, entry: usize) -> ConfigErrors {
    let wrong = match error {
        dotenvy::Error::Io(error) => format!("the file cannot be read ({error})"),
        _ => format!(
            "entry {entry} is malformed; lines look like NAME=value, and a value with spaces, `#` or `$` stands in \
             'single quotes'"
        ),
    };
    let mut problems = Problems::new(Vec::new());
    problems.report(".env", wrong);
    match problems.into_result() {
        Err(errors) => errors,
        Ok(()) => unreachable!("a problem was just reported"),
    }
}
