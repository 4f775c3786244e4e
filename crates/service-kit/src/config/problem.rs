//! What is wrong with a configuration, in sentences that say what to do.

use std::fmt;

use super::Variable;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The variable to change, for instance `SERVER_PORT`.
    pub variable: String,
    /// What was wrong, for instance `"80 80" is not a port`.
    pub wrong: String,
    /// What is expected.
    pub expected: String,
    /// A value that would do.
    pub example: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.wrong)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        if !self.example.is_empty() {
            write!(f, "; example: {}={}", self.variable, self.example)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<ConfigProblem>);

impl ConfigErrors {
    /// The problems, in the order of the sections.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// Collects problems while sections are read, so that all are told at once.
#[derive(Debug, Clone)]
pub struct Problems {
    variables: Vec<Variable>,
    found: Vec<ConfigProblem>,
}

impl Problems {
    pub(super) fn new(variables: Vec<Variable>) -> Self {
        Self {
            variables,
            found: Vec::new(),
        }
    }

    /// Records that the setting `key` (for instance `server.port`) is wrong. What is expected, and the example, come
    /// from the setting's [`Variable`].
    pub fn report(&mut self, key: &str, wrong: impl Into<String>) {
        let problem = match self.variables.iter().find(|variable| variable.key == key) {
            Some(variable) => ConfigProblem {
                variable: variable.name.to_owned(),
                wrong: wrong.into(),
                expected: variable.expected.to_owned(),
                example: variable.example.to_owned(),
            },
            None => ConfigProblem {
                variable: key.to_owned(),
                wrong: wrong.into(),
                expected: String::new(),
                example: String::new(),
            },
        };
        self.found.push(problem);
    }

    /// Records that `value` of the setting `key` is wrong; the value is shown unless the setting is a secret.
    pub fn report_value(&mut self, key: &str, value: &dyn fmt::Display, wrong: &str) {
        let secret = self
            .variables
            .iter()
            .any(|variable| variable.key == key && variable.secret);
        if secret {
            self.report(key, format!("the value {wrong}"));
        } else {
            self.report(key, format!("`{value}` {wrong}"));
        }
    }

    /// Records a problem of a number outside its range.
    pub fn range<T: PartialOrd + fmt::Display + Copy>(
        &mut self,
        key: &str,
        value: T,
        low: T,
        high: T,
    ) {
        // What is no number is in no range.
        if !(low..=high).contains(&value) {
            self.report_value(key, &value, &format!("is not between {low} and {high}"));
        }
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Nothing, or everything that is wrong.
    ///
    /// # Errors
    ///
    /// When anything was reported.
    pub fn into_result(self) -> Result<(), ConfigErrors> {
        if self.found.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors(self.found))
        }
    }

    pub(super) fn variable_of_key(&self, key: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.key == key)
    }
}
