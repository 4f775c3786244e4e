//! The button that asks for consent on a page of your own.

use std::fmt;

use super::ConsentMode;

/// The HTML of amoCRM's button for an existing integration: it opens the consent page.
///
/// ```
/// use amocrm_sdk::oauth::{ButtonColor, ConsentButton};
///
/// let html = ConsentButton::new("11111111-2222-4333-8444-555555555555")
///     .title("Подключить")
///     .state("s-42")
///     .color(ButtonColor::Violet)
///     .html();
/// assert!(html.contains(r#"data-client-id="11111111-2222-4333-8444-555555555555""#));
/// assert!(html.contains(r#"data-color="violet""#) && html.contains("button.min.js"));
/// ```
///
/// Source: <https://www.amocrm.ru/developers/content/oauth/button>.
#[derive(Clone)]
pub struct ConsentButton {
    client_id: String,
    attributes: Vec<(&'static str, String)>,
    kommo: bool,
}

/// A colour of amoCRM's button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ButtonColor {
    /// amoCRM's own.
    #[default]
    Default,
    /// Blue.
    Blue,
    /// Violet.
    Violet,
    /// Green.
    Green,
    /// Orange.
    Orange,
    /// Red.
    Red,
}

impl ButtonColor {
    fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Blue => "blue",
            Self::Violet => "violet",
            Self::Green => "green",
            Self::Orange => "orange",
            Self::Red => "red",
        }
    }
}

impl ConsentButton {
    /// A button for this integration.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            attributes: Vec::new(),
            kommo: false,
        }
    }

    fn with(mut self, attribute: &'static str, value: impl Into<String>) -> Self {
        self.attributes.retain(|(known, _)| *known != attribute);
        self.attributes.push((attribute, value.into()));
        self
    }

    /// Makes it Kommo's button.
    #[must_use]
    pub fn kommo(mut self) -> Self {
        self.kommo = true;
        self
    }

    /// Sets what it says.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        self.with("data-title", title)
    }

    /// Sets its colour. Kommo's button has themes instead.
    #[must_use]
    pub fn color(self, color: ButtonColor) -> Self {
        self.with("data-color", color.word())
    }

    /// Makes it small.
    #[must_use]
    pub fn compact(self) -> Self {
        self.with("data-compact", "true")
    }

    /// Adds a class.
    #[must_use]
    pub fn class_name(self, class: impl Into<String>) -> Self {
        self.with("data-class-name", class)
    }

    /// Sets what comes back with the callback: it proves that the consent was asked for by you.
    #[must_use]
    pub fn state(self, state: impl Into<String>) -> Self {
        self.with("data-state", state)
    }

    /// Names the page's JavaScript function that is called when consent is refused.
    #[must_use]
    pub fn error_callback(self, function: impl Into<String>) -> Self {
        self.with("data-error-callback", function)
    }

    /// Sets what happens to the windows after consent.
    #[must_use]
    pub fn mode(self, mode: ConsentMode) -> Self {
        let word = match mode {
            ConsentMode::Popup => "popup",
            ConsentMode::PostMessage => "post_message",
        };
        self.with("data-mode", word)
    }

    /// The HTML, to be put where the button should stand.
    pub fn html(&self) -> String {
        let (class, script) = if self.kommo {
            ("kommo_oauth", "https://www.kommo.com/auth/button.js")
        } else {
            ("amocrm_oauth", "https://www.amocrm.ru/auth/button.min.js")
        };
        let mut attributes = String::new();
        for (name, value) in &self.attributes {
            attributes.extend([" ", name, "=\"", &escaped(value), "\""]);
        }
        let client_id = escaped(&self.client_id);
        format!(
            "<script class=\"{class}\" charset=\"utf-8\" data-client-id=\"{client_id}\"{attributes} src=\"{script}\"></script>"
        )
    }
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut safe, c| {
        match c {
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            c => safe.push(c),
        }
        safe
    })
}

/// `state` proves who asked: it stays out of logs.
impl fmt::Debug for ConsentButton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentButton")
            .field("client_id", &self.client_id)
            .field("kommo", &self.kommo)
            .finish_non_exhaustive()
    }
}
