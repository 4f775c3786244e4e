//! E-mails, by SMTP.
//!
//! The conversation is led by hand, because one moment in it matters: until the text's last line is sent the server has
//! nothing, and after it nobody but the server knows. [`Mailer::prepare`] goes up to the text, [`Ready::send`] sends it.

mod config;

use std::fmt;
use std::future::Future;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use lettre::address::{Address, Envelope};
pub use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Message, MultiPart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use secrecy::ExposeSecret as _;

pub use self::config::{SMTP_DEFAULTS, SMTP_VARIABLES, SmtpConfig, SmtpServer, SmtpTls};

/// Reaching the server.
const CONNECT: Duration = Duration::from_secs(10);
/// One command and its answer. All of them and the text end before the job's lease does.
const COMMAND: Duration = Duration::from_secs(15);
/// The text and its answer: servers look into letters before they take them.
const TEXT: Duration = Duration::from_mins(1);
/// Closing a conversation that did not come to its end.
const GOODBYE: Duration = Duration::from_secs(1);
/// "Service not available, closing channel": nothing to do with this letter.
const CLOSING: u16 = 421;

/// Why a message did not leave, or may not have. No addresses, no texts, no words of a server: they repeat addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It has not left, and others would not either.
    Outage(String),
    /// It has not left; it may later, at the earliest after this long.
    Later(String, Option<Duration>),
    /// It is refused for good.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
}

impl Failure {
    /// What happened, for people.
    pub fn reason(&self) -> &str {
        match self {
            Self::Outage(reason)
            | Self::Later(reason, _)
            | Self::Refused(reason)
            | Self::Unknown(reason) => reason,
        }
    }
}

/// A letter about to be written.
pub struct Letter<'a> {
    /// The recipient's address.
    pub to: &'a str,
    /// What it is about, in one line.
    pub subject: &'a str,
    /// What it says.
    pub text: String,
    /// The same, with more looks.
    pub html: Option<String>,
    /// `<id@domain>`: the same for every attempt to send it.
    pub message_id: String,
    /// Where one click ends such letters; `None` for one that nobody has to subscribe to.
    pub unsubscribe_url: Option<String>,
    /// When it was written.
    pub date: DateTime<Utc>,
}

impl fmt::Debug for Letter<'_> {
    /// Shows nothing of the letter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").finish_non_exhaustive()
    }
}

/// Sends letters through one server.
#[derive(Debug)]
pub struct Mailer {
    server: SmtpServer,
    from: Mailbox,
}

/// A server that waits for the text of a letter.
pub struct Ready {
    connection: AsyncSmtpConnection,
    text: Vec<u8>,
}

impl fmt::Debug for Ready {
    /// Shows nothing of the letter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}

impl Mailer {
    /// Letters from this sender, through this server.
    pub fn new(server: SmtpServer, from: Mailbox) -> Self {
        Self { server, from }
    }

    /// What stands behind the @ of our Message-IDs.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Logs in and goes away: for `doctor`.
    ///
    /// # Errors
    ///
    /// Why no letter would leave.
    pub async fn login(&self) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        goodbye(&mut connection).await;
        Ok(())
    }

    /// Leads the conversation up to the text. Whatever happens here, the letter has not left.
    ///
    /// # Errors
    ///
    /// Why the letter cannot leave, or not now.
    pub async fn prepare(&self, letter: Letter<'_>) -> Result<Ready, Failure> {
        let message = self.write(letter)?;
        let envelope = message.envelope().clone();
        let text = message.formatted();
        let mut connection = self.connect().await?;
        match address(&mut connection, &envelope, &text).await {
            Ok(()) => Ok(Ready { connection, text }),
            Err(failure) => {
                goodbye(&mut connection).await;
                Err(failure)
            }
        }
    }

    fn write(&self, letter: Letter<'_>) -> Result<Message, Failure> {
        let refused = |what: &str| Failure::Refused(what.to_owned());
        let to = recipient(letter.to).ok_or_else(|| refused("the address cannot be written to"))?;
        let header = |name, value: &str| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
        };
        let mut message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(one_line(letter.subject))
            .date(SystemTime::from(letter.date))
            .message_id(Some(letter.message_id))
            // RFC 3834: nobody's holiday answers to us.
            .raw_header(header("Auto-Submitted", "auto-generated"));
        if let Some(url) = letter.unsubscribe_url {
            // RFC 8058: one click in the reader's own button.
            message = message
                .raw_header(header("List-Unsubscribe", &format!("<{url}>")))
                .raw_header(header(
                    "List-Unsubscribe-Post",
                    "List-Unsubscribe=One-Click",
                ));
        }
        let written = match letter.html {
            Some(html) => message.multipart(MultiPart::alternative_plain_html(letter.text, html)),
            None => message.header(ContentType::TEXT_PLAIN).body(letter.text),
        };
        written.map_err(|_| refused("the letter cannot be written"))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let SmtpServer {
            host, port, tls, ..
        } = &self.server;
        let hello = ClientId::Domain(self.domain().to_owned());
        let secure = || {
            TlsParameters::new(host.clone()).map_err(|_| {
                Failure::Outage("TLS cannot be used with the mail server's name".to_owned())
            })
        };
        let first = (*tls == SmtpTls::Implicit).then(secure).transpose()?;
        let reach = AsyncSmtpConnection::connect_tokio1(
            (host.as_str(), *port),
            Some(CONNECT),
            &hello,
            first,
            None,
        );
        let mut connection = outage(
            "the mail server cannot be reached",
            CONNECT + COMMAND,
            reach,
        )
        .await?;
        if *tls == SmtpTls::Starttls {
            let upgrade = connection.starttls(secure()?, &hello);
            outage("the mail server does not do STARTTLS", COMMAND, upgrade).await?;
        }
        if let Some((name, password)) = &self.server.credentials {
            let credentials = Credentials::new(name.clone(), password.expose_secret().to_owned());
            let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            outage(
                "the mail server refuses SMTP_USERNAME and SMTP_PASSWORD",
                COMMAND,
                login,
            )
            .await?;
        }
        Ok(connection)
    }
}

impl Ready {
    /// Sends the text. After this nobody but the server may know whether the letter has left.
    ///
    /// # Errors
    ///
    /// The server refuses the letter, or nobody knows what has become of it.
    pub async fn send(mut self) -> Result<(), Failure> {
        let lost =
            || Failure::Unknown("the mail server's answer to the letter was lost".to_owned());
        let sent = tokio::time::timeout(TEXT, self.connection.message(&self.text)).await;
        let outcome = match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.status().is_some() => Err(refusal("the letter", &error)),
            Ok(Err(_)) | Err(_) => Err(lost()),
        };
        if !matches!(outcome, Err(Failure::Unknown(_))) {
            goodbye(&mut self.connection).await;
        }
        outcome
    }

    /// Hangs up. A text that was not ended by its dot is thrown away by the server (RFC 5321 §4.1.1.5).
    pub fn abandon(self) {
        drop(self);
    }
}

/// Names sender and recipient, and asks to be given the text.
async fn address(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    text: &[u8],
) -> Result<(), Failure> {
    let mut options = Vec::new();
    if envelope.to().iter().any(|to| !to.to_string().is_ascii()) {
        if !connection
            .server_info()
            .supports_feature(Extension::SmtpUtfEight)
        {
            return Err(Failure::Refused(
                "the mail server does not take addresses with such letters".to_owned(),
            ));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !text.is_ascii() {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let sender = connection.command(Mail::new(envelope.from().cloned(), options));
    // A sender that is refused is refused for every letter.
    outage("the mail server refuses SMTP_FROM", COMMAND, sender).await?;
    for to in envelope.to() {
        let recipient = connection.command(Rcpt::new(to.clone(), Vec::new()));
        ask("the recipient", recipient).await?;
    }
    ask("the letter", connection.command(Data)).await
}

/// A command about this letter: its refusal says nothing about others.
async fn ask<T>(
    about: &str,
    command: impl Future<Output = Result<T, SmtpError>>,
) -> Result<(), Failure> {
    match tokio::time::timeout(COMMAND, command).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.status().is_some() => Err(refusal(about, &error)),
        Ok(Err(_)) | Err(_) => Err(Failure::Outage("the mail server broke off".to_owned())),
    }
}

/// A command about all letters: nobody gets one while it fails.
async fn outage<T>(
    what: &str,
    longest: Duration,
    command: impl Future<Output = Result<T, SmtpError>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(longest, command).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::Outage(match error.status() {
            Some(code) => format!("{what} ({code})"),
            None if error.is_tls() => format!("{what} (TLS)"),
            None => what.to_owned(),
        })),
        Err(_) => Err(Failure::Outage(format!("{what} (no answer in time)"))),
    }
}

/// The server's number without its words, which repeat the address.
fn refusal(about: &str, error: &SmtpError) -> Failure {
    let code = error
        .status()
        .map(|code| code.to_string())
        .unwrap_or_default();
    let reason = format!("the mail server answers {code} to {about}");
    if code.parse() == Ok(CLOSING) {
        Failure::Outage(reason)
    } else if error.is_permanent() {
        Failure::Refused(reason)
    } else {
        Failure::Later(reason, None)
    }
}

async fn goodbye(connection: &mut AsyncSmtpConnection) {
    // Out of politeness; the letter's fate is decided.
    let _ = tokio::time::timeout(GOODBYE, connection.quit()).await;
}

/// The address with its domain as the name service knows it.
fn recipient(text: &str) -> Option<Address> {
    let (local, domain) = text.rsplit_once('@')?;
    let domain = url::Host::parse(domain).ok()?.to_string();
    Address::new(local, domain).ok()
}

/// A header has one line, whatever a person's name holds.
fn one_line(text: &str) -> String {
    text.split(|letter: char| letter.is_control() || letter.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_person_becomes_a_header_of_its_own() {
        let mailer = Mailer::new(
            SmtpServer {
                host: "127.0.0.1".to_owned(),
                port: 25,
                tls: SmtpTls::None,
                credentials: None,
            },
            "Asia Deals <hello@asia.example>".parse().unwrap(),
        );
        let letter = |to, subject| Letter {
            to,
            subject,
            text: "Здравствуйте\r\n.\r\nBcc: no@x.example".to_owned(),
            html: None,
            message_id: "<m1.x@asia.example>".to_owned(),
            unsubscribe_url: Some(format!("https://asia.example/u/{}", "A".repeat(40))),
            date: DateTime::UNIX_EPOCH,
        };
        let subject = "Hi\r\nBcc: evil@x.example\n\nX: y\u{2028}\u{0}";
        let message = mailer.write(letter("иван@почта.рф", subject));
        // A local part of such letters is the server's affair; the domain is not.
        let message = message.unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        for line in head.lines() {
            let name = line.split(':').next().unwrap();
            assert!(!["Bcc", "X"].contains(&name), "{head}");
        }
        assert!(
            head.contains(&format!("<https://asia.example/u/{}>", "A".repeat(40))),
            "{head}"
        );
        assert!(
            head.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
            "{head}"
        );
        assert_eq!(message.envelope().to()[0].domain(), "xn--80a1acny.xn--p1ai");
        for wrong in [
            "",
            "a",
            "a@",
            "a b@x.example",
            "a@x\r\nRCPT TO:<b@x>",
            "a>\r\nDATA@x.example",
        ] {
            assert!(mailer.write(letter(wrong, "Hi")).is_err(), "{wrong}");
        }
    }
}
