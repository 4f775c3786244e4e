//! A stateful amoCRM on localhost: for tests, for demos, and for everyone without an account.
//!
//! The emulator answers as amoCRM's documentation and captured traffic say, not as any client expects: HAL documents, 204 for empty
//! lists, whole-batch validation errors, OAuth with its rotation and grace, rate limits with 429 and the block, webhooks with their
//! retries. It shares no type with a client library, so a mistake of one is found by the other.
//!
//! # In a test
//!
//! ```
//! use amocrm_emulator::{Emulator, Fault, Seed};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::builder().seed(Seed::Empty).start().await?;
//! let account = format!("{}/api/v4/account", emulator.base_url());
//! let http = reqwest::Client::builder().no_proxy().build()?;
//! let token = &emulator.credentials().access_token;
//!
//! let answer = http.get(&account).bearer_auth(token).send().await?;
//! assert_eq!(answer.status(), 200);
//!
//! // A day later the access token has expired.
//! emulator.advance(std::time::Duration::from_secs(86_400));
//! let answer = http.get(&account).bearer_auth(token).send().await?;
//! assert_eq!(answer.status(), 401);
//!
//! // The next request is handled, but its answer is lost.
//! emulator.fault(Fault::drop_after_commit());
//! let long_lived = emulator.long_lived_token();
//! assert!(http.get(&account).bearer_auth(&long_lived).send().await.is_err());
//!
//! // The journal has seen all three.
//! let statuses: Vec<_> = emulator.requests().iter().map(|entry| entry.status).collect();
//! assert_eq!(statuses, [Some(200), Some(401), None]);
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! [`Emulator::router`] is the same without sockets: an axum `Router` that a client can take as its transport. A dropped connection
//! then appears as a body that fails at once.
//!
//! # As a program
//!
//! `amocrm-emulator --help` tells its options; the README shows how to use it with `curl` and with clients of others. Started with
//! `--json` it prints one line of [`Credentials`].
//!
//! # The control API
//!
//! Everything under `/_emulator/` steers the emulator. It is never throttled or faulted and not in the journal. Parameters come as
//! JSON, as a form or in the query, whatever the content type; without any the defaults hold. Mistakes are answered 400 with a
//! sentence naming the field.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /_emulator/health` | 200 as soon as the emulator serves |
//! | `POST /_emulator/codes` | `{"code"}`: a fresh authorization code; optional `account_id`, `client_id`, `user_id`, `scopes` |
//! | `POST /_emulator/tokens` | `{"token", "access_token", "token_id", "expires_at"}`: a long-lived token under two names; optional as above and `days` |
//! | `POST /_emulator/tokens/pair` | `{"access_token", "refresh_token", "expires_in", "token_id"}`; optional as above |
//! | `POST /_emulator/tokens/expire` | access tokens expire now: all but long-lived ones (these too with `"long_lived": true`), those of a `client_id` or `user_id`, or one by `token` or `token_id` |
//! | `POST /_emulator/tokens/revoke` | grants are revoked, selected in the same way |
//! | `GET /_emulator/clock` | `{"now", "offset_ms"}` |
//! | `POST /_emulator/clock/advance` | `{"seconds"}`: moves the clock forward; webhooks that become due are sent |
//! | `GET /_emulator/faults` | what is planned |
//! | `POST /_emulator/faults` | plans a [`Fault`]: `{"name", "count", "path", "method", "skip"}` and the parameters of its [`FaultKind`] |
//! | `DELETE /_emulator/faults`, `…/faults/{id}` | forgets all, or one |
//! | `GET /_emulator/requests?since=` | `{"requests": [`[`JournalEntry`]`], "counters": `[`JournalCounters`]`}` |
//! | `DELETE /_emulator/requests` | empties the journal |
//! | `GET /_emulator/webhooks` | `{"attempts": [`[`WebhookAttempt`]`], "waiting"}` |
//! | `GET`, `POST /_emulator/settle` | the same, as soon as all webhooks that are due have been sent |
//! | `GET`, `POST /_emulator/limits` | [`LimitSettings`]; a POST changes the members it names, `"off"` is `null` |
//! | `POST /_emulator/block` | blocks an account: `account_id`, `ms`, both optional |
//! | `POST /_emulator/block/lift` | ends all blocks |
//! | `GET`, `POST /_emulator/oauth` | [`OauthRules`]; a POST changes the members it names |
//! | `POST /_emulator/catalogs` | `{"cuts_pages"}`: elements of lists come in pages of 100 at most and without `next`, as one account saw it; optional `account_id` |
//! | `POST /_emulator/customers` | `{"mode"}`: a [`CustomersMode`] in lowercase; optional `account_id` |
//! | `POST /_emulator/duplicates` | `{"mode"}`: a [`DuplicateControl`] in lowercase; optional `account_id` |
//! | `POST /_emulator/accounts` | `{"subdomain"}` opens another account with an integration of its own; optional `name`, `tld`; the answer has `account_id` and the names of [`Credentials`] |
//! | `POST /_emulator/accounts/rename` | `{"subdomain"}`; optional `account_id`, `old_host_status` |
//! | `POST /_emulator/integrations/disable` | revokes all grants of an integration and tells its hook; optional `client_id`, `hook_url` |
//! | `POST /_emulator/integrations/install` | delivers a code to the redirect URI as after a widget's installation; optional `client_id` |
//! | `POST /_emulator/feed` | settings of the activity feed: `lag_ms`, `omits_next`; optional `account_id`, as in the next four |
//! | `POST /_emulator/followers` | `{"entity_type", "entity_id", "users", "groups"}`: who follows a lead or customer |
//! | `POST /_emulator/notes` | `{"entity_type", "entity_id", "note_type", "params"}`: a note of any type and shape, unchecked; optional `user_id` |
//! | `POST /_emulator/users/group` | `{"name", "users"}`: puts users into the group of this name, which is made if missing |
//! | `POST /_emulator/users/remove` | `{"id"}`: removes a user as an administrator does |
//! | `POST /_emulator/tasks/delete` | `{"id"}`: deletes a task as a person does; optional `user_id` |
//! | `POST /_emulator/unsorted` | `{"category"}`, `chats` or `mail`: an incoming lead; optional `metadata`, `source_uid`, `source_name`, `pipeline_id`, `contact_id`, `contact_name` |
//! | `GET`, `POST /_emulator/chats/channels` | chat channels; a POST registers one ([`NewChatChannel`], answered as [`ChatChannel`]) or changes the one with this `id` |
//! | `GET /_emulator/chats` | `{"chats"}`: all chats with their messages, contacts and leads |
//! | `POST /_emulator/chats/message` | a manager writes: `chat_id`, or `channel_id` and `contact_id` to write first; `text` or `message`; optional `user_id`. Answers `chat_id`, `message_id`, `hook_status` |
//! | `POST /_emulator/chats/typing`, `…/chats/reaction` | a manager types or reacts: `chat_id`, `message_id` and `emoji` (none takes it back); optional `user_id` |
//! | `POST /_emulator/bots` | `{"name"}`: one more bot; optional `type_functionality`, `waits`, `account_id` |
//! | `GET /_emulator/bots/runs` | `{"runs"}`: every start of a bot; `id` is the `continue_id` of one that waits |
//! | `POST /_emulator/widgets` | `{"code"}`: one more widget; optional `client_id`, `account_id` |
//! | `POST /_emulator/reset` | back to the start: seed, credentials and clock; no faults, no journal, no blocks |
//!
//! # Fault names
//!
//! `throttle` (`html`, `retry_after`), `block`, `server_error` (`status`), `html_error` (`status`), `slow` (`ms`), `drop_before`,
//! `drop_after_commit`, `malformed`, `expire_token`, `duplicate_webhook`, `reorder_webhooks`. `count` is 1 unless given, `null` means
//! always; `path` is any part of the request's path (for the webhook faults: of the destination), `*` in it stands for anything;
//! `skip` lets requests pass first. `reorder_webhooks` collects two unless `count` says more.
//!
//! # How it is built
//!
//! A request passes the gate (journal, faults, limits, host), then the bearer check, then the route; what it changed in the world
//! becomes webhooks. All state lives in one world behind one lock that is never held across an await. Time comes from one clock,
//! which tests move.

mod answer;
mod api;
mod app;
mod auth;
mod chats;
mod clock;
mod config;
mod control;
mod delivery;
mod emulator;
mod faults;
mod gate;
mod hal;
mod hosts;
mod journal;
mod limits;
mod oauth;
mod persistence;
mod problem;
mod proxy;
mod query;
mod seed;
mod server;
mod tls;
mod world;

pub use self::chats::{ChatChannel, NewChatChannel};
pub use self::config::{DEFAULT_REDIRECT_URI, OauthRules, Seed};
pub use self::delivery::WebhookAttempt;
pub use self::emulator::{Credentials, Emulator, EmulatorBuilder};
pub use self::faults::{Fault, FaultKind, PlannedFault};
pub use self::journal::{JournalCounters, JournalEntry};
pub use self::limits::LimitSettings;
pub use self::world::{CustomersMode, DuplicateControl};
