//! The frame of a page that shows figures, and its charts: rendered here, without scripts, in Russian and English.
//!
//! A service computes its figures, draws them with [`chart`], writes the parts of its page with templates of its own and
//! puts them into a [`Frame`], which is the answer:
//!
//! ```
//! use service_kit::dashboard::chart::{Bar, Bars};
//! use service_kit::dashboard::Frame;
//! use service_kit::http::Language;
//!
//! let language = Language::English;
//! let chart = Bars {
//!     title: "Reasons",
//!     empty: "No failures",
//!     bars: vec![Bar::new("<timeout>", 3.0, "3")],
//! };
//! let page = Frame {
//!     service: "lesson-sync",
//!     title: "Dashboard",
//!     path: "/dashboard",
//!     language,
//!     choices: Vec::new(),
//!     query: Vec::new(),
//!     footer: String::new(),
//!     body: chart.draw("reasons"),
//! };
//! let html = page.to_html()?;
//! assert!(html.contains("&lt;timeout&gt;"));
//! # Ok::<(), service_kit::dashboard::PageError>(())
//! ```
//!
//! The thing a newcomer gets wrong: the page's policy forbids styles inside the page. What is coloured by a value gets a
//! class (`s0` to `s8`), and the [`stylesheet`] has a route of its own.

pub mod chart;
mod format;
mod markup;
mod office;
mod page;
mod parts;
mod periods;
mod range;

pub use self::markup::{Markup, cut, escape};
pub use self::office::DashboardConfig;
pub use self::page::{Choice, Frame, PageError, STYLESHEET_OPEN, stylesheet};
pub use self::parts::{DayRow, Days, Swatch, Tile, tiles};
pub use self::periods::{Period, by_period, periods, place, whole};
pub use self::range::Range;
