//! How far a lead has come, in our words.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The stages of a sale. Six of them are stages of the pipeline; `completed` and `lost` are the two that amoCRM has in
/// every pipeline, 142 and 143.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LeadStatus {
    /// Just arrived: "Новый лид".
    New,
    /// Somebody called: "Первичный контакт".
    Contacted,
    /// Objects were shown: "Презентация".
    Presentation,
    /// The client chose: "Выбор объекта".
    Selection,
    /// A deposit was paid: "Резервирование".
    Reservation,
    /// The deal is being closed: "Сделка".
    Deal,
    /// Won: "Завершено", 142.
    Completed,
    /// Lost: 143.
    Lost,
}

impl LeadStatus {
    /// All, in the order of the pipeline.
    pub const ALL: [Self; 8] = [
        Self::New,
        Self::Contacted,
        Self::Presentation,
        Self::Selection,
        Self::Reservation,
        Self::Deal,
        Self::Completed,
        Self::Lost,
    ];

    /// All words, for people who used another: `expected one of new, …`.
    pub(crate) fn words() -> String {
        let words: Vec<_> = Self::ALL.iter().map(|status| status.as_str()).collect();
        format!("expected one of {}", words.join(", "))
    }

    /// The word of the API and of the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Contacted => "contacted",
            Self::Presentation => "presentation",
            Self::Selection => "selection",
            Self::Reservation => "reservation",
            Self::Deal => "deal",
            Self::Completed => "completed",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for LeadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LeadStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(Self::words)
    }
}
