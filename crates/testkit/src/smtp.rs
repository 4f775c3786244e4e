//! A mail server on loopback: it speaks SMTP, keeps what it takes, and misbehaves on request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::PATIENCE;

/// What the server does to the next conversation that comes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// Answers the recipient with this line.
    Recipient(&'static str),
    /// Answers the end of the text with this line, and does not take the letter.
    Text(&'static str),
    /// Takes the letter and drops the connection instead of answering.
    DropAfterText,
    /// Takes the letter and never answers.
    HangAfterText,
    /// Lets the conversation wait before the text is asked for, until [`TestSmtp::go_on`].
    WaitBeforeText,
    /// Refuses name and password.
    Login,
}

/// A letter that was taken.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The sender's address.
    pub from: String,
    /// The recipients' addresses.
    pub to: Vec<String>,
    /// Headers and text.
    pub text: String,
}

impl Letter {
    /// A header's value, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.text.split_once("\r\n\r\n")?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }

    /// The address behind "unsubscribe".
    pub fn unsubscribe(&self) -> String {
        let value = self.header("List-Unsubscribe").unwrap();
        value.trim_matches(['<', '>']).to_owned()
    }
}

#[derive(Debug, Default)]
struct State {
    letters: Mutex<Vec<Letter>>,
    moods: Mutex<VecDeque<Mood>>,
    conversations: Mutex<usize>,
    waiting: Notify,
    go_on: Notify,
}

/// The server.
#[derive(Debug)]
pub struct TestSmtp {
    /// Where it listens.
    pub port: u16,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl Drop for TestSmtp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl TestSmtp {
    /// A server on a port of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let server = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    *state.conversations.lock().unwrap() += 1;
                    let state = Arc::clone(&state);
                    tokio::spawn(async move {
                        // A client that hangs up ends the conversation.
                        let _ = converse(stream, &state).await;
                    });
                }
            }
        });
        Self {
            port,
            state,
            server,
        }
    }

    /// The next conversations meet these moods, one each.
    pub fn moods(&self, moods: impl IntoIterator<Item = Mood>) {
        self.state.moods.lock().unwrap().extend(moods);
    }

    /// What was taken, in its order.
    pub fn letters(&self) -> Vec<Letter> {
        self.state.letters.lock().unwrap().clone()
    }

    /// How many clients have come.
    pub fn conversations(&self) -> usize {
        *self.state.conversations.lock().unwrap()
    }

    /// Returns when a conversation waits before its text.
    pub async fn waits(&self) {
        let waiting = self.state.waiting.notified();
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }

    /// Lets that conversation go on.
    pub fn go_on(&self) {
        self.state.go_on.notify_one();
    }
}

struct Conversation {
    from: String,
    to: Vec<String>,
    mood: Option<Mood>,
}

async fn converse(stream: TcpStream, state: &State) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    say(&mut writer, "220 test.example ESMTP").await?;
    let mut talk = Conversation {
        from: String::new(),
        to: Vec::new(),
        mood: state.moods.lock().unwrap().pop_front(),
    };
    while let Some(line) = lines.next_line().await? {
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let argument = line.split_once(':').map_or("", |(_, rest)| rest);
        let address = argument
            .split(['<', '>'])
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        match verb.as_str() {
            "EHLO" => {
                say(
                    &mut writer,
                    "250-test.example\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
                )
                .await?;
            }
            "AUTH" if talk.mood == Some(Mood::Login) => {
                say(&mut writer, "535 5.7.8 no such person").await?;
            }
            "AUTH" => say(&mut writer, "235 welcome").await?,
            "MAIL" => {
                talk.from = address;
                say(&mut writer, "250 ok").await?;
            }
            "RCPT" => {
                if let Some(Mood::Recipient(answer)) = talk.mood {
                    say(&mut writer, answer).await?;
                    continue;
                }
                talk.to.push(address);
                say(&mut writer, "250 ok").await?;
            }
            "DATA" => {
                if talk.mood == Some(Mood::WaitBeforeText) {
                    state.waiting.notify_one();
                    state.go_on.notified().await;
                }
                say(&mut writer, "354 go on").await?;
                let mut text = String::new();
                loop {
                    // A text without its dot is thrown away.
                    let Some(line) = lines.next_line().await? else {
                        return Ok(());
                    };
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push_str("\r\n");
                }
                if let Some(Mood::Text(answer)) = talk.mood {
                    say(&mut writer, answer).await?;
                    continue;
                }
                state.letters.lock().unwrap().push(Letter {
                    from: std::mem::take(&mut talk.from),
                    to: std::mem::take(&mut talk.to),
                    text,
                });
                match talk.mood {
                    Some(Mood::DropAfterText) => return Ok(()),
                    Some(Mood::HangAfterText) => std::future::pending::<()>().await,
                    _ => say(&mut writer, "250 taken").await?,
                }
            }
            "QUIT" => {
                say(&mut writer, "221 bye").await?;
                return Ok(());
            }
            _ => say(&mut writer, "250 ok").await?,
        }
    }
    Ok(())
}

async fn say(writer: &mut OwnedWriteHalf, line: &str) -> std::io::Result<()> {
    writer.write_all(format!("{line}\r\n").as_bytes()).await
}
