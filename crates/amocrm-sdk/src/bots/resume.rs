//! A widget's answer to a bot that waits for it.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::entity::awaited;
use crate::error::{Error, Result};
use crate::id::BotId;
use crate::request::{Operation, Request, declare};

const RESUME: Operation = Operation::once("bots.resume");

/// Handlers that one answer may have, buttons that one handler may have, and characters that one text may have.
///
/// Source: <https://www.amocrm.ru/developers/content/crm_platform/widgets-api#continue>.
const MAX_HANDLERS: usize = 10;
const MAX_BUTTONS: usize = 25;
const MAX_TEXT: usize = 80;

/// Lets a bot go on: with data, and with steps for it to do in order. It is sent once.
#[derive(Clone)]
#[must_use = "the bot waits until it is awaited"]
pub struct ResumeBot {
    client: Client,
    bot: BotId,
    place: u64,
    of: &'static str,
    data: Map<String, Value>,
    handlers: Vec<Value>,
    refusal: Option<String>,
}

declare!(ResumeBot: RESUME);

/// Where a bot goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// At this question.
    Question(u64),
    /// At this answer.
    Answer(u64),
    /// At its end.
    Finish,
}

impl ResumeBot {
    pub(super) fn new(client: Client, bot: BotId, place: u64) -> Self {
        Self {
            client,
            bot,
            place,
            of: "salesbot",
            data: Map::new(),
            handlers: Vec::new(),
            refusal: None,
        }
    }

    /// Says that it is a marketing bot.
    pub fn marketing(mut self) -> Self {
        self.of = "marketingbot";
        self
    }

    /// Hands the bot a value under a name.
    pub fn data(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.data.insert(name.into(), value.into());
        self
    }

    /// Shows a text, of at most 80 characters.
    pub fn show(self, text: impl Into<String>) -> Self {
        let text = text.into();
        let too_long = too_long(&text);
        let params = json!({"type": "text", "value": text});
        self.refused_if(too_long).handler("show", &params)
    }

    /// Shows a text with buttons, at most 25.
    pub fn show_buttons(
        self,
        text: impl Into<String>,
        buttons: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.buttons(
            "buttons",
            &text.into(),
            &buttons.into_iter().map(Into::into).collect::<Vec<_>>(),
        )
    }

    /// Shows a text with buttons that open addresses, at most 25.
    pub fn show_links(
        self,
        text: impl Into<String>,
        addresses: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.buttons(
            "buttons_url",
            &text.into(),
            &addresses.into_iter().map(Into::into).collect::<Vec<_>>(),
        )
    }

    /// Lets the bot go on elsewhere.
    pub fn goto(self, step: Step) -> Self {
        let params = match step {
            Step::Question(step) => json!({"type": "question", "step": step}),
            Step::Answer(step) => json!({"type": "answer", "step": step}),
            Step::Finish => json!({"type": "finish"}),
        };
        self.handler("goto", &params)
    }

    fn buttons(self, kind: &str, text: &str, buttons: &[String]) -> Self {
        let too_many = (buttons.len() > MAX_BUTTONS).then(|| {
            format!(
                "buttons: expected at most {MAX_BUTTONS}, got {}",
                buttons.len()
            )
        });
        let refusal = too_many.or_else(|| too_long(text));
        let params = json!({"type": kind, "value": text, "buttons": buttons});
        self.refused_if(refusal).handler("show", &params)
    }

    fn handler(mut self, handler: &str, params: &Value) -> Self {
        self.handlers
            .push(json!({"handler": handler, "params": params}));
        let count = self.handlers.len();
        let too_many = (count > MAX_HANDLERS)
            .then(|| format!("execute_handlers: expected at most {MAX_HANDLERS}, got {count}"));
        self.refused_if(too_many)
    }

    fn refused_if(mut self, refusal: Option<String>) -> Self {
        self.refusal = self.refusal.or(refusal);
        self
    }

    /// The request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for more steps, more buttons or longer texts than
    /// amoCRM takes.
    pub fn into_request(self) -> Result<Request> {
        #[derive(Serialize)]
        struct Body {
            data: Map<String, Value>,
            execute_handlers: Vec<Value>,
        }

        if let Some(why) = self.refusal {
            return Err(Error::invalid_input(why).with_operation(RESUME.name));
        }
        let path = format!("/api/v4/{}/{}/continue/{}", self.of, self.bot, self.place);
        Request::post(RESUME, path).json(&Body {
            data: self.data,
            execute_handlers: self.handlers,
        })
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        client.send(self.into_request()?).await.map(drop)
    }
}

fn too_long(text: &str) -> Option<String> {
    let length = text.chars().count();
    (length > MAX_TEXT)
        .then(|| format!("value: expected at most {MAX_TEXT} characters, got {length}"))
}

awaited!(ResumeBot => ());

/// What it shows may be people's data.
impl fmt::Debug for ResumeBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResumeBot")
            .field("bot", &self.bot)
            .field("place", &self.place)
            .field("handlers", &self.handlers.len())
            .finish_non_exhaustive()
    }
}
